"""Time and memory as an entity grows, and when a reply is far too large."""

from __future__ import annotations

import statistics
from typing import Any

from width import growth
from width.running import WARM_UP, Running


def growing(cache_dir: str, rounds: int) -> list[dict[str, Any]]:
    """A row for each size and way: medians. The sandbox works everything out anew."""
    rows = []
    with (
        growth.instance() as folder,
        Running.started(tuple(growth.WAYS), cache_dir, folder=folder, live=True) as running,
    ):
        for size in growth.SIZES:
            found: dict[str, list[dict[str, Any]]] = {way: [] for way in running.ways}
            for turn in range(rounds + WARM_UP):
                for way, process in running.ways.items():
                    before = running.counts()
                    took = process.total(growth.Total(size))
                    after = running.counts()
                    if turn >= WARM_UP:
                        found[way].append(took | {name: after[name] - before[name] for name in before})
            rows += [
                {
                    "way": way,
                    "records": size,
                    **{name: statistics.median(took[name] for took in every) for name in every[0]},
                }
                for way, every in found.items()
            ]
    return rows


def flooded(cache_dir: str, size: int) -> list[dict[str, Any]]:
    """What each way makes of a reply of ``size`` bytes, and by what its memory grows."""
    rows = []
    with (
        growth.instance() as folder,
        Running.started(tuple(growth.WAYS), cache_dir, folder=folder, live=True) as running,
    ):
        for way, process in running.ways.items():
            process.total(growth.Total(10))
            running.flood(size)
            rows.append({"way": way, **process.total(growth.Total(10), may_fail=True)})
            running.flood(0)
    return rows
