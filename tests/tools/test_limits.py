"""Limits that follow what is measured: the slots, the line through the measurements, the portions made of it."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilores_x.deadline import Deadline, deadline_scope
from tilores_x.errors import DeadlineExceeded
from tilores_x.tools.api.limiter import LOWEST, Limiter
from tilores_x.tools.api.pace import ENOUGH, Line, Pace
from tilores_x.tools.api.portions import MOST_TOGETHER, portions, requests_for


async def test_a_slot_that_comes_as_its_taker_is_cancelled_goes_to_the_next() -> None:
    limiter = Limiter(1)
    held = limiter.slot()
    await held.__aenter__()
    took: list[str] = []

    async def take(name: str) -> None:
        async with limiter.slot():
            took.append(name)

    first, second = asyncio.create_task(take("first")), asyncio.create_task(take("second"))
    await asyncio.sleep(0)
    await held.__aexit__(None, None, None)
    first.cancel()  # the slot is already its own
    await asyncio.wait([first, second], timeout=1)
    assert took == ["second"]
    assert limiter.busy == 0


async def test_no_more_at_once_than_the_limit_and_first_come_first_served() -> None:
    limiter, order, most = Limiter(3), list[int](), 0

    async def work(number: int) -> None:
        nonlocal most
        async with limiter.slot():
            most = max(most, limiter.busy)
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert most == 3
    assert order == list(range(20))
    assert (limiter.busy, limiter.free) == (0, 3)


async def test_a_deadline_ends_the_wait_for_a_slot() -> None:
    limiter = Limiter(1)
    async with limiter.slot():
        with deadline_scope(Deadline.after(0.02)), pytest.raises(DeadlineExceeded, match="other requests"):
            async with limiter.slot():
                pass
    async with limiter.slot():
        pass
    assert limiter.busy == 0


async def used(limiter: Limiter, seconds: float, *, fails: bool = False, rounds: int = 1) -> None:
    """The limiter's slots are all in use, so many times; each answer takes ``seconds`` where one alone takes 1."""

    async def one() -> None:
        async with limiter.slot() as slot:
            await asyncio.sleep(0)
            if fails:
                slot.failed()
            else:
                slot.answered(seconds, 1.0)

    for _ in range(rounds):
        await asyncio.gather(*(one() for _ in range(limiter.limit)))


async def test_the_limit_grows_by_one_in_a_round_trip_and_falls_once_in_one() -> None:
    limiter = Limiter()
    start = limiter.limit
    await used(limiter, 1.0, rounds=5)
    assert start + 3 <= limiter.limit <= start + 5
    before = limiter.limit
    await used(limiter, 1.0, fails=True)
    assert limiter.limit == int(0.7 * before) or limiter.limit == int(0.7 * (before + 1))
    await used(limiter, 1.0, fails=True, rounds=50)
    assert limiter.limit == LOWEST


async def test_an_instance_that_queues_gets_less_and_one_that_idles_no_more() -> None:
    limiter = Limiter()
    start = limiter.limit
    await used(limiter, 5.0, rounds=5)
    assert limiter.limit < start
    uneven = Limiter()
    for at in range(100):
        async with uneven.slot() as slot:
            slot.answered(30.0 if at % 10 == 5 else 1.0, 1.0)  # a few very late ones are no queue
    assert uneven.limit == start
    calm = Limiter()
    for _ in range(200):
        async with calm.slot() as slot:
            slot.answered(1.0, 1.0)
    assert calm.limit == start


async def test_a_pinned_limit_stays() -> None:
    limiter = Limiter(7)
    await used(limiter, 9.0, fails=True, rounds=5)
    assert limiter.limit == 7


def gathered(pace: Pace, sizes: tuple[int, ...], base_s: float, lookup_s: float, chance: random.Random) -> None:
    """Requests of these sizes were sent at the same moment."""
    took = [(lookups, (base_s + lookups * lookup_s) * chance.uniform(0.99, 1.01)) for lookups in sizes]
    for lookups, seconds in took:
        pace.add(lookups, seconds)
    pace.compare(took)


@pytest.mark.parametrize(("base_s", "lookup_s"), [(0.2, 0.002), (0.02, 0.02), (0.005, 0.0), (1.0, 0.1)])
def test_the_line_finds_what_a_request_and_a_lookup_cost(base_s: float, lookup_s: float) -> None:
    chance, pace = random.Random(3), Pace(clock=lambda: 0.0)
    for sizes in [(7, 3), (3, 7), (1,), (10,)] * 20:
        gathered(pace, sizes, base_s, lookup_s, chance)
    pace.compare([(7, 60.0), (3, base_s)])
    line = pace.line
    assert line is not None
    assert line.lookup_s == pytest.approx(lookup_s, rel=0.5, abs=base_s * 0.015)
    assert line.base_s == pytest.approx(base_s, rel=0.3)
    observed = pace.observed()
    assert observed is not None
    assert observed.of >= ENOUGH
    assert observed.p50 <= observed.p90 <= observed.p95 <= observed.p99


@pytest.mark.parametrize("busy_sizes", [(14, 13), (1, 2)])
def test_a_busy_minute_is_not_taken_for_a_slope(busy_sizes: tuple[int, ...]) -> None:
    chance, pace = random.Random(3), Pace(clock=lambda: 0.0)
    for _ in range(20):
        gathered(pace, busy_sizes, 0.6, 0.002, chance)
        gathered(pace, (7, 3), 0.2, 0.002, chance)
    line = pace.line
    assert line is not None
    assert line.lookup_s < 0.006


def test_a_slope_that_was_measured_is_unlearned_when_the_instance_changes() -> None:
    chance, pace = random.Random(3), Pace(clock=lambda: 0.0)
    for lookup_s in (0.05, 0.0):
        for _ in range(100):
            gathered(pace, (7, 3), 0.1, lookup_s, chance)
        line = pace.line
        assert line is not None
        assert line.lookup_s == pytest.approx(lookup_s, abs=0.01)


@pytest.mark.parametrize(
    ("lookups", "line", "requests"),
    [
        (1, Line(0.2, 0.002), 1),
        (10, Line(0.2, 0.002), 2),
        (50, Line(0.2, 0.002), 5),
        (50, Line(0.2, 0.0), 2),  # as few as one request may hold
        (10, Line(0.02, 0.02), 10),  # each lookup costs as much as a request: none travel together
        (10, None, 2),
    ],
)
def test_requests_for(lookups: int, line: Line | None, requests: int) -> None:
    assert requests_for(lookups, line, free=100) == requests


@given(
    lookups=st.integers(1, 400),
    base_s=st.floats(0, 30),
    lookup_s=st.floats(0, 30),
    free=st.integers(0, 200),
    uneven=st.booleans(),
)
def test_every_lookup_travels_once_and_none_is_too_long(
    lookups: int, base_s: float, lookup_s: float, free: int, uneven: bool
) -> None:
    requests = requests_for(lookups, Line(base_s, lookup_s), free)
    assert 1 <= requests <= lookups
    assert requests <= max(free, 1, -(-lookups // MOST_TOGETHER))
    runs = portions(range(lookups), requests, uneven=uneven)
    assert [one for run in runs for one in run] == list(range(lookups))
    assert all(runs)
    assert max(map(len, runs)) <= MOST_TOGETHER + (MOST_TOGETHER // 2 if uneven else 0)
