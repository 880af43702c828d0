"""What a question costs that needs many lookups: seconds, requests, CPU and memory, beside other ways of asking.

    python benchmarks/parallel.py --quick [--live]
    python benchmarks/parallel.py [--rounds 3] [--write]

The sandbox (200 ms a request and 2 ms an alias) and the provider (300 ms to the first token, 300 tokens/s) run in
processes of their own on the second core, each way of asking in one of its own on the first. The ways take turns.
The sandbox tells its answers again once it has worked them out; with ``--live`` it works out each of them anew.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from width import summary, tables  # noqa: E402
from width.growing import flooded, growing  # noqa: E402
from width.rivals import RIVALS  # noqa: E402
from width.running import Running, one_by_one, open_loop, warmed  # noqa: E402

QUICK = ("create_agent", "lean asyncio", "tilores-x")
LOADED = ("SDK, threads", "create_agent", "lean asyncio", "tilores-x")
PEOPLE = 1_500
"""Under load; so many that questions at the same time have no customer in common."""
RATE = 100
PACKAGES = ("tilores-sdk", "langchain", "langgraph", "langchain-openai", "openai", "aiohttp", "httpx-aiohttp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 lookups, three ways, about a minute")
    parser.add_argument("--live", action="store_true", help="the sandbox works each answer out anew")
    parser.add_argument("--rounds", type=int, default=3, help="questions of each sort and way")
    parser.add_argument("--ways", nargs="+", choices=RIVALS, help="only these")
    parser.add_argument("--only", choices=("one", "load", "growth"), help="only this part")
    parser.add_argument("--seconds", type=float, default=10.0, help=f"for which {RATE} questions/s are offered")
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    options = parser.parse_args()
    names = tuple(options.ways or (QUICK if options.quick else RIVALS))
    parts: list[str] = []

    def part(*texts: str) -> None:
        parts.extend(texts)
        print("\n\n".join(texts), flush=True)

    with ExitStack() as closes:
        cache_dir = closes.enter_context(tempfile.TemporaryDirectory())
        if options.only in (None, "one"):
            with Running.started(names, cache_dir, live=options.live) as running:
                if not options.live:
                    warmed(running)
                sizes, named = ((10,), (10,)) if options.quick else ((1, 5, 10, 50), (1, 5, 10))
                rows = [row for size in sizes for row in one_by_one(running, size, options.rounds)]
                rows += [row for size in named for row in one_by_one(running, size, options.rounds, named=True)]
                told = [] if options.ways or options.quick else [summary.one_by_one(rows)]
                part("### One question at a time", *told, tables.one_by_one(rows))
        if options.only == "load" or not (options.only or options.quick):
            loaded = tuple(way for way in names if options.ways or way in LOADED)
            with Running.started(loaded, cache_dir, people=PEOPLE) as running:
                warmed(running)
                rows = [open_loop(running, way, RATE, options.seconds) for way in loaded]
                told = [] if options.ways else [summary.open_loop(rows)]
                part(f"### {RATE} questions/s offered, 10 lookups each", *told, tables.open_loop(rows))
        if options.only == "growth" or not (options.only or options.quick):
            rows = growing(cache_dir, options.rounds)
            part("### A sum over all records of one customer", summary.growing(rows), tables.growing(rows))
            part("### A reply of 50 MB", tables.flooded(flooded(cache_dir, 50_000_000)))
    if options.write:
        from results import write_section

        versions = {name: version(name) for name in PACKAGES}
        write_section(
            "At full width", "python benchmarks/parallel.py --write", "\n\n".join([summary.HOW, *parts]), versions
        )


if __name__ == "__main__":
    main()
