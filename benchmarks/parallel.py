"""What a question costs that needs many lookups: seconds, requests, CPU and memory, beside other ways of asking.

    python benchmarks/parallel.py --quick
    python benchmarks/parallel.py [--rounds 5] [--write]

The sandbox (200 ms a request and 2 ms an alias) and the provider (300 ms to the first token, 300 tokens/s) run in
processes of their own on the second core, each way of asking in one of its own on the first. The ways take turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from width.asking import Asking, asking  # noqa: E402
from width.questions import Question  # noqa: E402
from width.rivals import RIVALS  # noqa: E402
from width.servers import counts, serving  # noqa: E402

QUICK = ("create_agent", "lean asyncio", "tilores-x")
WARM_UP = 3


def one_by_one(
    ways: dict[str, Asking], lookups: int, rounds: int, where: dict[str, str], *, named: bool = False
) -> Iterator[dict[str, Any]]:
    """A row for each way: medians over the rounds, requests of one question, and the spread."""
    rows: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    for turn in range(rounds + WARM_UP):
        for way, process in ways.items():
            question = Question(1000 * lookups + turn, lookups, named)
            before = counts(where["api_url"].rstrip("/")), counts(where["base_url"].removesuffix("/v1"))
            took = process.ask(question)
            after = counts(where["api_url"].rstrip("/")), counts(where["base_url"].removesuffix("/v1"))
            took["requests"] = after[0]["requests"] - before[0]["requests"]
            took["model_calls"] = after[1]["requests"] - before[1]["requests"]
            took["sandbox_cpu_s"] = after[0]["cpu_s"] - before[0]["cpu_s"]
            took["provider_cpu_s"] = after[1]["cpu_s"] - before[1]["cpu_s"]
            took["ratio"] = took["seconds"] / question.floor_s
            if turn >= WARM_UP:
                rows[way].append(took)
    for way, found in rows.items():
        yield {
            "way": way,
            "lookups": lookups,
            "named": named,
            **{name: statistics.median(took[name] for took in found) for name in found[0]},
            "least_cpu_s": min(took["cpu_s"] for took in found),
            "most_cpu_s": max(took["cpu_s"] for took in found),
            "slowest": max(took["seconds"] for took in found),
            "floor_s": Question(1000 * lookups, lookups, named).floor_s,
        }


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| question | way | seconds (slowest) | of the floor | requests | model calls | CPU ms (least to most) "
        "| sandbox's CPU ms | provider's CPU ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            f"{row['lookups']} lookups" + (", named" if row["named"] else ""),
            row["way"],
            f"{row['seconds']:.3f} ({row['slowest']:.3f})",
            f"{row['ratio']:.3f}",
            f"{row['requests']:.0f}",
            f"{row['model_calls']:.0f}",
            f"{row['cpu_s'] * 1e3:.1f} ({row['least_cpu_s'] * 1e3:.1f} to {row['most_cpu_s'] * 1e3:.1f})",
            f"{row['sandbox_cpu_s'] * 1e3:.1f}",
            f"{row['provider_cpu_s'] * 1e3:.1f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 lookups, three ways, under a minute")
    parser.add_argument("--rounds", type=int, default=5, help="questions of each sort and way")
    parser.add_argument("--ways", nargs="+", choices=RIVALS, help="only these")
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    options = parser.parse_args()
    with ExitStack() as closes:
        where = closes.enter_context(serving("sandbox", "credit"))
        where |= closes.enter_context(serving("provider"))
        where["cache_dir"] = closes.enter_context(tempfile.TemporaryDirectory())
        names = options.ways or (QUICK if options.quick else RIVALS)
        ways = {way: closes.enter_context(asking(way, where)) for way in names}
        rows: list[dict[str, Any]] = []
        for lookups in (10,) if options.quick else (1, 5, 10, 50):
            rows += one_by_one(ways, lookups, options.rounds, where)
        for lookups in (10,) if options.quick else (1, 5, 10):
            rows += one_by_one(ways, lookups, options.rounds, where, named=True)
        print(table(rows))


if __name__ == "__main__":
    main()
