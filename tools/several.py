"""Several of one kind asked by one call, at once: each stands and fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from tilores_x.deadline import current_deadline
from tilores_x.errors import DeadlineExceeded, TiloresXError, ToolFailed

T = TypeVar("T")

#: People, or entities, that one call may ask for; those beyond are left out, with word to the model.
MOST_AT_ONCE = 50
#: The share of the question's time left after which what has come is all there is: less than a call is given as a
#: whole, or one that hangs would take along those that came.
SHARE = 0.8


async def each_alone(works: Sequence[Coroutine[Any, Any, T]]) -> list[T | TiloresXError]:
    """What each gave, or why it failed, in order.

    Raises:
        TiloresXError: all failed; of their errors the first that isn't the model's fault.
    """
    limit_s = current_deadline().left_s() * SHARE

    async def alone(work: Coroutine[Any, Any, T]) -> T | TiloresXError:
        try:
            async with asyncio.timeout(limit_s):
                return await work
        except TiloresXError as error:
            return error
        except TimeoutError:
            return DeadlineExceeded("no answer within the time given to the question")

    outcomes = await asyncio.gather(*map(alone, works))
    failures = [outcome for outcome in outcomes if isinstance(outcome, TiloresXError)]
    if failures and len(failures) == len(outcomes):
        raise min(failures, key=lambda error: isinstance(error, ToolFailed))
    return outcomes


def missing(failed: int, asked: int, what: str) -> str:
    """Words for what is lacking: "2 of 10 people could not be looked up"."""
    return f"{failed} of {asked} {what} could not be looked up"
