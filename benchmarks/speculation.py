"""What looking up ahead of the model saves, and what it looks up in vain: the question set with and without it.

    python benchmarks/speculation.py [--count 60] [--write]

The model is the rule-based planner behind a provider's wire: it wants the lookups that each question takes, 300 ms to
the first token and 300 tokens/s. The sandbox takes 200 ms a request and 2 ms an alias. ``on`` has seen the same
wordings about other customers before (``on, cold`` is that first pass); every way answers the same questions.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from langchain_core.messages.utils import convert_to_messages  # noqa: E402
from questions.paper import FILES, Question, paper, wordings  # noqa: E402
from questions.score import Tally, run  # noqa: E402
from questions.world import SHIPPED, World  # noqa: E402
from results import write_section  # noqa: E402
from support.pipeline import MODEL, keys  # noqa: E402
from support.provider import Provider  # noqa: E402
from support.wire import Script  # noqa: E402
from width.servers import serving  # noqa: E402

from tilores_x.graph.resources import Resources  # noqa: E402
from tilores_x.graph.state import Reply  # noqa: E402
from tilores_x.llm.planner.plan import next_step  # noqa: E402
from tilores_x.serving.embed import Asker  # noqa: E402
from tilores_x.settings import load_settings  # noqa: E402

FIRST_TOKEN_S = 0.3
TOKENS_PER_S = 300.0
AT_ONCE = 6
LEARNT, ASKED = 1, 2
"""Seeds of the papers: the wordings are the same, the customers are others."""


@dataclass
class Pass:
    """One paper put to the pipeline in one way."""

    way: str
    replies: dict[str, Reply] = field(default_factory=dict)
    share_right: float = 0.0
    report: Mapping[str, Any] = field(default_factory=dict)


def planner(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Script:
    step = next_step(convert_to_messages(messages), [tool["function"]["name"] for tool in tools])
    return Script(step.text, tool_calls=step.calls, ttft_s=FIRST_TOKEN_S, tokens_per_s=TOKENS_PER_S)


async def asked(asker: Asker, way: str, questions: Sequence[Question], seed: int) -> Pass:
    taken = Pass(way)

    async def ask(question: str, thread: str) -> Reply:
        reply = await asker.ask(question, thread_id=f"{way} {thread}", fresh=True)
        taken.replies[f"{thread} {question}"] = reply
        return reply

    results = await run(ask, questions, at_once=AT_ONCE, name=f"paper-{seed}")  # type: ignore[arg-type]
    taken.share_right = Tally.of(results).share
    taken.report = asker.resources.ahead.report()
    return taken


async def measured(sandbox: Mapping[str, str], cache_dir: str, count: int | None) -> list[Pass]:
    world, passes = World(SHIPPED), []
    wanted = wordings(*FILES)
    wanted = wanted[:: max(1, len(wanted) // count)] if count else wanted
    papers = {seed: paper(world, seed, wanted, None) for seed in (LEARNT, ASKED)}
    with Provider(brain=planner) as provider:
        for mode in ("off", "named", "on"):
            settings = load_settings(cache_dir=cache_dir, model=MODEL, cache="off", speculation=mode, **sandbox)
            async with (
                await Resources.open(settings, keys(provider)) as resources,
                Asker.open(resources=resources) as asker,
            ):
                if mode == "on":
                    passes.append(await asked(asker, "on, cold", papers[LEARNT], LEARNT))
                passes.append(await asked(asker, mode, papers[ASKED], ASKED))
    return passes


def lookups(reply: Reply) -> int:
    """Made for this question: what was found there already counts once."""
    tools = [timing for timing in reply["timings"] if timing["kind"] == "tool" and timing["name"] != "calculate"]
    return sum("found before" not in timing["marks"] for timing in tools)


def model_calls(reply: Reply) -> int:
    return len(reply["attempts"])


def percentile(values: Sequence[float], share: int) -> float:
    return quantiles(values, n=100, method="inclusive")[share - 1]


def row(one: Pass, rival: Pass) -> str:
    replies = list(one.replies.values())
    seconds = [reply["seconds"] for reply in replies]
    cells = [
        one.way,
        f"{mean(model_calls(reply) == 1 for reply in replies):.0%}",
        f"{mean(map(model_calls, replies)):.2f}",
        f"{mean(map(lookups, replies)):.2f}",
        f"{percentile(seconds, 50):.2f}",
        f"{percentile(seconds, 95):.2f}",
    ]
    if one.replies.keys() == rival.replies.keys() and one is not rival:
        pairs = [(reply, rival.replies[key]) for key, reply in one.replies.items()]
        saved = [other["seconds"] - reply["seconds"] for reply, other in pairs]
        wasted = mean(max(0, lookups(reply) - lookups(other)) for reply, other in pairs)
        same = sum(reply["reply"] == other["reply"] for reply, other in pairs)
        rivals = [other["seconds"] for _, other in pairs]
        cells += [
            f"{wasted:.2f}",
            f"{percentile(rivals, 50) - percentile(seconds, 50):.2f} / {percentile(saved, 50):.2f}",
            f"{percentile(rivals, 95) - percentile(seconds, 95):.2f} / {percentile(saved, 95):.2f}",
            f"{same} of {len(pairs)}",
        ]
    else:
        cells += ["", "", "", ""]
    return "| " + " | ".join([*cells, f"{one.share_right:.0%}"]) + " |"


def table(passes: Sequence[Pass]) -> str:
    off = next(one for one in passes if one.way == "off")
    report = next(one.report for one in passes if one.way == "on")
    lines = [
        "| way | one model call | model calls | lookups | p50 s | p95 s | wasted lookups | saved at p50 | saved at p95 "
        "| same answer | right |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(row(one, off) for one in passes),
        "",
        f"{len(off.replies)} questions; calls and lookups are means of one. `named` looks up whom the question names, "
        "`on` also what questions of its kind usually need, learned from one pass of the same wordings about other "
        "customers (`on, cold`). Wasted: more lookups than `off` made for the same question. Saved, in seconds against "
        "`off`: of the percentile / percentile of what each question saved.",
        "",
        f"Habits started {report['lookups_started_ahead']} lookups in both passes, {report['lookups_used']} were used; "
        f"{report['kinds_of_questions']} kinds of questions were learned; the model was started beside the lookups "
        f"{report['model_started_beside']} times.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, help="about so many wordings; all by default")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("TILORES_")]:
        del os.environ[name]
    with ExitStack() as closes:
        cache_dir = closes.enter_context(tempfile.TemporaryDirectory())
        sandbox = closes.enter_context(serving("sandbox", "", "live"))
        body = table(asyncio.run(measured(sandbox, cache_dir, options.count)))
    print(body)
    if options.write:
        versions = {name: version(name) for name in ("langgraph", "langchain-core")}
        write_section("Looking up ahead", "python benchmarks/speculation.py --write", body, versions)


if __name__ == "__main__":
    main()
