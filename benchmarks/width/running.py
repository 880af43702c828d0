"""The ways of asking in their processes, over the two servers in theirs, and what is measured of them."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from width.asking import Asking, asking
from width.questions import ALIAS_S, SEARCH_S, Question, customers
from width.servers import counts, instance, serving

WARM_UP = 1
LONGEST_S = 15.0
"""Seconds for questions of one sort, after which a slow way is asked no more."""
PATIENCE_S = 60.0
"""How long after the last question of an open loop its answers are waited for."""


@dataclass(frozen=True)
class Running:
    where: dict[str, str]
    ways: dict[str, Asking]

    @classmethod
    @contextmanager
    def started(
        cls, ways: Sequence[str], cache_dir: str, *, people: int | None = None, folder: str = "", live: bool = False
    ) -> Iterator[Running]:
        """``people`` generates an instance of that many; else the one in ``folder``, or the shipped one."""
        with ExitStack() as closes:
            if people:
                folder = closes.enter_context(instance(people))
                customers.cache_clear()
            where = closes.enter_context(serving("sandbox", folder, "live" if live else "kept"))
            where |= closes.enter_context(serving("provider")) | {"cache_dir": cache_dir}
            processes = {way: closes.enter_context(asking(way, where)) for way in ways}
            for process in processes.values():
                process.told()
            yield cls(where, processes)

    def counts(self) -> dict[str, float]:
        sandbox = counts(self.where["api_url"].rstrip("/"))
        provider = counts(self.where["base_url"].removesuffix("/v1"))
        return {
            "requests": sandbox["requests"],
            "model_calls": provider["requests"],
            "model_s": provider["model_s"],
            "sandbox_cpu_s": sandbox["cpu_s"],
            "provider_cpu_s": provider["cpu_s"],
        }

    def flood(self, size: int) -> None:
        """From now on the sandbox answers every lookup with so many bytes; 0 ends that."""
        urlopen(f"{self.where['api_url']}flood?{size}").close()


def warmed(running: Running) -> None:
    """Every customer looked up once in each way, so that the sandbox has all answers."""
    every = [Question(number, 10) for number in range(math.ceil(len(customers()) / 10))]
    for name, way in running.ways.items():
        found = way.offered(every, 20, PATIENCE_S)
        assert not found["wrong"], (name, found)


def one_by_one(
    running: Running, lookups: int, rounds: int, *, named: bool = False, warm_up: int = WARM_UP
) -> Iterator[dict[str, Any]]:
    """A row for each way: medians over the rounds, and the spread.

    ``beyond_s`` is what a question takes beyond its own model calls and one search.
    """
    rows: dict[str, list[dict[str, Any]]] = {way: [] for way in running.ways}
    for turn in range(rounds + warm_up):
        question = Question(turn, lookups, named)
        for way, process in running.ways.items():
            if turn > warm_up and sum(took["seconds"] for took in rows[way]) > LONGEST_S:
                continue
            before = running.counts()
            took = process.ask(question)
            after = running.counts()
            took |= {name: after[name] - before[name] for name in before}
            took["ratio"] = took["seconds"] / question.floor_s
            took["beyond_s"] = took["seconds"] - took["model_s"] - SEARCH_S - ALIAS_S
            if turn >= warm_up:
                rows[way].append(took)
    print(f"{lookups} lookups{', named' if named else ''}: measured", file=sys.stderr, flush=True)
    for way, found in rows.items():
        yield {
            "way": way,
            "lookups": lookups,
            "named": named,
            "floor_s": statistics.median(Question(turn, lookups, named).floor_s for turn in range(rounds)),
            **{name: statistics.median(took[name] for took in found) for name in found[0]},
            "least_cpu_s": min(took["cpu_s"] for took in found),
            "most_cpu_s": max(took["cpu_s"] for took in found),
            "wrong": sum(took["wrong"] for took in found),
            "slowest": max(took["seconds"] for took in found),
        }


def open_loop(running: Running, way: str, rate: float, seconds: float, lookups: int = 10) -> dict[str, Any]:
    """Percentiles of the seconds since each question was due; None where so many were never answered."""
    questions = [Question(number, lookups) for number in range(round(rate * seconds))]
    before = running.counts()
    found = running.ways[way].offered(questions, rate, PATIENCE_S)
    after = running.counts()
    answered = sorted(took for took in found["took"] if took is not None)
    lost = len(questions) - len(answered)
    ordered = [*answered, *([None] * lost)]
    served = {name: after[name] - before[name] for name in before}
    return {
        "way": way,
        **{f"p{share}": ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)] for share in (50, 95, 99)},
        "lost": lost,
        "wrong": found["wrong"] - lost,
        "floor_s": statistics.median(question.floor_s for question in questions),
        "cpu_s": found["cpu_s"] / len(questions),
        "load": found["cpu_s"] / found["over_s"],
        "sandbox_load": served["sandbox_cpu_s"] / found["over_s"],
        "provider_load": served["provider_cpu_s"] / found["over_s"],
        "requests": served["requests"] / len(questions),
        "model_calls": served["model_calls"] / len(questions),
    }
