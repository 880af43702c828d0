"""Ask the pipeline generated questions and print how many it gets right.

``python tests/questions/run.py --seed 1``; ``--model provider:id`` asks a language model in place of the planner.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from questions.paper import FILES, paper, wordings
from questions.score import Result, failures, run, table
from questions.world import SHIPPED, World

from tilores_x.serving.embed import Asker
from tilores_x.settings import load_settings

PLANNER = "local:planner"


async def answered(
    seed: int,
    *,
    shares: tuple[str, ...] = tuple(FILES),
    count: int | None = None,
    kind: int | None = None,
    folder: Path = SHIPPED,
    model: str = PLANNER,
) -> list[Result]:
    """Put a paper to the pipeline, over an embedded sandbox of the instance in ``folder``."""
    wanted = [wording for wording in wordings(*shares) if kind is None or wording.kind == kind]
    questions = paper(World(folder), seed, wanted, count)
    settings = load_settings(sandbox="credit" if folder == SHIPPED else str(folder), model=model, cache="off")
    async with Asker.open(settings) as asker:
        return await run(
            lambda question, thread: asker.ask(question, thread_id=thread, fresh=True), questions, name=f"paper-{seed}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-n", "--count", type=int, help="how many; every wording once by default")
    parser.add_argument("--kind", type=int, choices=range(1, 18), metavar="1-17")
    share = parser.add_mutually_exclusive_group()
    share.add_argument("--open", action="store_const", const=("open",), dest="shares")
    share.add_argument("--held-out", action="store_const", const=("held-out",), dest="shares")
    parser.add_argument("--show-failures", action="store_true")
    parser.add_argument("--reveal", action="store_true", help="show held-out questions as well")
    parser.add_argument("--instance", type=Path, default=SHIPPED, help="a folder made by the generator")
    parser.add_argument("--model", default=PLANNER, help="provider:id")
    given = parser.parse_args()
    results = asyncio.run(
        answered(
            given.seed,
            shares=given.shares or tuple(FILES),
            count=given.count,
            kind=given.kind,
            folder=given.instance,
            model=given.model,
        )
    )
    if given.show_failures:
        sys.stdout.write(failures(results, reveal=given.reveal) + "\n\n")
    sys.stdout.write(table(results) + "\n")


if __name__ == "__main__":
    main()
