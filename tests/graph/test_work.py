from __future__ import annotations

import asyncio
import time

import pytest

from tilores_x.deadline import Deadline, current_deadline, deadline_scope
from tilores_x.errors import DeadlineExceeded
from tilores_x.graph.work import at_work


async def test_a_node_that_hangs_ends_at_the_deadline_of_the_question() -> None:
    now = time.time()
    async with asyncio.timeout(10):
        with pytest.raises(DeadlineExceeded, match="TILORES_DEADLINE_S"):
            async with at_work("think", "q", now, now + 0.05):
                await asyncio.Event().wait()
        with pytest.raises(DeadlineExceeded):
            async with at_work("think", "q", now - 10, now - 5):
                await asyncio.Event().wait()


async def test_an_earlier_deadline_around_it_holds_inside() -> None:
    now = time.time()
    with deadline_scope(Deadline.after(1)):
        async with at_work("think", "q", now, now + 60):
            assert current_deadline().left_s() <= 1


async def test_another_time_out_is_not_taken_for_the_deadline() -> None:
    now = time.time()
    with pytest.raises(TimeoutError):
        async with at_work("think", "q", now, now + 60):
            raise TimeoutError


async def test_times_count_from_the_start_of_the_question() -> None:
    now = time.time()
    async with at_work("act", "q", now - 2, now + 60) as work:
        work.noted("tilores_search", "tool", now - 1, 0.5, ["failed"])
        node, tool = work.done()
    assert (node["name"], node["kind"], node["question"]) == ("act", "node", "q")
    assert node["start_s"] >= 2
    assert tool == {**tool, "start_s": pytest.approx(1), "seconds": 0.5, "marks": ["failed"]}
