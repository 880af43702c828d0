"""Providers whose first token comes late now and then, in a process of their own.

python -m moody.providers "log-normal"|"two humps"|outage|instant
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from support.provider import Provider, Request
from support.wire import Script, refused

MEDIAN_S = 0.05
SIGMA = math.log(10) / statistics.NormalDist().inv_cdf(0.99)


def _draw(mood: str, chance: random.Random) -> float:
    match mood:
        case "log-normal":
            return MEDIAN_S * math.exp(SIGMA * chance.gauss(0, 1))
        case "two humps":
            return MEDIAN_S * (10 if chance.random() < 0.02 else 1) * chance.uniform(0.9, 1.1)
        case "outage":
            return MEDIAN_S
        case _:
            return 0.0


async def _serve(mood: str) -> None:
    class Moody(Provider):
        chance = random.Random(7)

        def script_for(self, request: Request) -> Script:
            if mood == "outage" and request.path.startswith("/first/"):
                return refused(503)
            return Script("Client 4021 is not cancelled.", ttft_s=_draw(mood, self.chance))

    async with Moody().serving() as provider:
        print(provider.base_url("first"), provider.base_url("second"), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextmanager
def providers(mood: str) -> Iterator[tuple[str, str]]:
    """The base URLs of two providers in this mood."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moody.providers", mood],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        first, second = process.stdout.readline().split()
        yield first, second
    finally:
        process.stdin.close()
        process.wait(10)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
