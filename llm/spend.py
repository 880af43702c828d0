"""What calls cost, and the caps on it: per question, and per tenant and day.

Before a call its expected cost is reserved, after it the real cost is settled, so that many questions at once can't
all pass a cap that only one of them fits under. The day's sum is shared between workers through Redis where there is
one; where Redis can't be reached each worker holds to the cap by itself.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately

from tilores_x.errors import BudgetExceeded
from tilores_x.llm.specs import ModelSpec

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEPT_S = 2 * 24 * 3600
"""A day's sum is of no use once the day is over everywhere that workers may stand."""


class Tokens(NamedTuple):
    """Tokens of one call. ``cached_input`` are among ``input``; ``counted`` says that the provider sent no usage."""

    input: int
    output: int
    cached_input: int = 0
    counted: bool = False


def tokens_of(answer: AIMessage, sent: Sequence[BaseMessage], tools: Sequence[Any] = ()) -> Tokens:
    """What a call took: the provider's own usage, or about four characters a token where it sent none."""
    usage = answer.usage_metadata
    if usage is not None and usage["input_tokens"] + usage["output_tokens"] > 0:
        cached = usage.get("input_token_details", {}).get("cache_read") or 0
        return Tokens(usage["input_tokens"], usage["output_tokens"], cached)
    read = count_tokens_approximately(sent, tools=list(tools) or None)
    return Tokens(read, count_tokens_approximately([answer]), counted=True)


def cost_usd(model: ModelSpec, tokens: Tokens) -> float | None:
    """USD for ``tokens`` of ``model``; None where its price is not known."""
    return model.cost_usd(tokens.input, tokens.output, tokens.cached_input)


@dataclass(slots=True)
class Charge:
    """A call under way. Set ``usd`` to what it really cost; left alone, the expected cost stands."""

    usd: float


class Spending:
    """Holds calls to the caps. None as a cap means no cap. ``clock`` gives epoch seconds; a day is one of UTC.

    ``redis`` must have been made in the running event loop, with short time-outs and no retries.
    """

    def __init__(
        self,
        *,
        max_question_usd: float | None = None,
        max_day_usd: float | None = None,
        redis: Redis | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.max_question_usd = max_question_usd
        self.max_day_usd = max_day_usd
        self._redis = redis
        self._clock = clock
        self._days: dict[str, float] = {}

    @asynccontextmanager
    async def charge(
        self, tenant: str, *, expected_usd: float | None, spent_usd: float = 0.0, max_usd: float | None = None
    ) -> AsyncIterator[Charge]:
        """Around one call: reserves ``expected_usd``, and settles the difference at the end, whatever the end is.

        ``spent_usd`` is what the question has cost so far, ``max_usd`` the caller's own cap on the question.

        Raises:
            BudgetExceeded: the call would pass a cap, or its price is not known where a cap is set.
        """
        caps = [cap for cap in (self.max_question_usd, max_usd) if cap is not None]
        if expected_usd is None:
            if caps or self.max_day_usd is not None:
                raise BudgetExceeded(
                    "The model's price is not known, so no cap on cost can be held. Add it to the catalogue."
                )
            yield Charge(0.0)
            return
        if caps and spent_usd + expected_usd > min(caps):
            raise BudgetExceeded(
                f"The question has cost {spent_usd:.4f} USD; the next call would cost about {expected_usd:.4f} USD, "
                f"and {min(caps):.4f} USD is the most for one question."
            )
        if self.max_day_usd is None:
            yield Charge(expected_usd)
            return
        day = self._day(tenant)
        total_usd = await self._add(day, expected_usd)
        if total_usd > self.max_day_usd:
            await self._add(day, -expected_usd)
            midnight = datetime.fromtimestamp(self._clock(), UTC).date() + timedelta(days=1)
            raise BudgetExceeded(
                f"{self.max_day_usd:.2f} USD is the most for a day, and {total_usd - expected_usd:.4f} USD are spent. "
                f"It begins again at 00:00 UTC on {midnight}."
            )
        charge = Charge(expected_usd)
        try:
            yield charge
        finally:
            await self._add(day, charge.usd - expected_usd)

    async def day_usd(self, tenant: str) -> float:
        """What ``tenant`` has spent today, calls under way included."""
        return await self._add(self._day(tenant), 0.0)

    def _day(self, tenant: str) -> str:
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        who = blake2b(tenant.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        return f"tilores-x:spend:{today}:{who}"

    async def _add(self, day: str, usd: float) -> float:
        """Add to the day's sum, here and in Redis; the larger of both sums counts."""
        for past in [key for key in self._days if key.split(":")[2] < day.split(":")[2]]:
            del self._days[past]
        mine = self._days[day] = self._days.get(day, 0.0) + usd
        if self._redis is None:
            return mine
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.incrbyfloat(day, usd)
                pipeline.expire(day, KEPT_S)
                shared, _ = await pipeline.execute()
            return max(mine, float(shared))
        except Exception:  # a sum that can't be shared must not stop an answer: this worker's own sum still holds
            return mine
