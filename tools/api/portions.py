"""Into how many requests lookups that are asked for together are put.

With `n` lookups in `k` requests side by side, answers are there after ``base + ceil(n / k) * per_lookup`` seconds. More
requests are sooner, and each costs the instance and us something. So that `k` is taken which makes

    ceil(n / k) * per_lookup + k * price        least, near k = sqrt(n * per_lookup / price),

where ``price``, the delay that saving one request is worth, is ``PRICE_SHARE`` of what a request costs alone, but at
least ``LEAST_PRICE_S``. Where lookups cost nearly nothing beside the request, as on a distant instance, all travel in
one; where each costs as much as a request, all travel alone. Requests grow with the root of the lookups, not with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TypeVar

from tilores_x.tools.api.pace import PRIOR_SHARE, Line

T = TypeVar("T")

PRICE_SHARE = 0.025
#: About what one more request costs this process, in seconds.
LEAST_PRICE_S = 0.001
#: Lookups in one request: bounds what one failure can take along, and what the instance has to hold at once.
MOST_TOGETHER = 32
#: Assumed of an instance that has not answered yet.
UNKNOWN = Line(0.1, 0.1 * PRIOR_SHARE)


def requests_for(lookups: int, line: Line | None, free: int, most_together: int = MOST_TOGETHER) -> int:
    """The number of requests for so many lookups, of which ``free`` can be under way at once."""
    line = line or UNKNOWN
    price = max(LEAST_PRICE_S, line.base_s * PRICE_SHARE)

    def cost(requests: int) -> float:
        return ceil(lookups / requests) * line.lookup_s + requests * price

    near = int(sqrt(lookups * line.lookup_s / price))
    best = min((k for k in (near, near + 1) if k >= 1), key=cost)
    best = min(best, max(1, free), lookups)
    return max(best, ceil(lookups / most_together))


def portions(items: Sequence[T], requests: int, *, uneven: bool = False) -> list[list[T]]:
    """``items`` in so many runs of equal length. ``uneven`` moves half of the second run to the first: different
    sizes are what a slope is learned from."""
    length, rest = divmod(len(items), requests)
    sizes = [length + (at < rest) for at in range(requests)]
    if uneven and requests > 1:
        moved = sizes[1] // 2
        sizes[0] += moved
        sizes[1] -= moved
    runs, start = [], 0
    for size in sizes:
        runs.append(list(items[start : start + size]))
        start += size
    return runs
