"""How each model does: what was measured of it, and whether it is to be left alone for a while.

A model cools down when its provider asks for it (``Retry-After``), when too large a share of its last calls failed,
or when its provider does not know it; a whole provider is out when it refuses the key. When the time is over the model
is half open: one call tries it, and until that call is back nobody else does. A success closes the matter; a failure
doubles the time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from tilores_x.llm import limits
from tilores_x.llm.breaker import Breaker, Outage
from tilores_x.llm.limits import Quota, Quotas
from tilores_x.quantiles import Quantiles, Recent

FAILURE_SHARE = 0.5
FEWEST_CALLS = 3
JUDGED_CALLS = 20
JUDGED_S = 60.0
IN_A_ROW = 5
FAILURE_COOLDOWN_S = 10.0
LIMIT_COOLDOWN_S = 5.0
UNKNOWN_COOLDOWN_S = 300.0
DENIED_COOLDOWN_S = 300.0

HEDGE_COUNT = 20
SHORTEST_STREAM_S = 0.02
FEWEST_TOKENS = 16


class Outcome(StrEnum):
    """How a call ended. Only ``failed``, ``limited``, ``denied`` and ``unknown_model`` speak against the model."""

    OK = "ok"
    FAILED = "failed"
    """5xx, network, time-out, a stream cut short, an answer that can't be read."""
    LIMITED = "limited"
    """429: too many requests or tokens."""
    DENIED = "denied"
    """401 or 403: the key is refused."""
    UNKNOWN_MODEL = "unknown_model"
    """404: the provider has no such model."""
    REFUSED = "refused"
    """Another 4xx: this request can't be served, by this model or any other like it."""
    TOOL_USE_FAILED = "tool_use_failed"
    """The model wrote a tool call that its provider could not read."""
    CANCELLED = "cancelled"


class Event(NamedTuple):
    """The end of one call, as it is recorded and told to other workers. ``at`` is in epoch seconds."""

    at: float
    model: str
    outcome: Outcome
    seconds: float | None = None
    first_token_s: float | None = None
    output_tokens: int = 0
    wait_s: float | None = None
    quotas: Quotas | None = None


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """What is known of one model. Shares are of the calls of the last ``JUDGED_S`` seconds, times in epoch seconds.

    ``tokens_per_s`` is the speed after the first token. ``held_until`` lies in the past for a model that may be used.
    """

    calls: int = 0
    failure_share: float = 0.0
    limit_share: float = 0.0
    ttft_s: Quantiles | None = None
    tokens_per_s: Quantiles | None = None
    seconds: Quantiles | None = None
    held_until: float = 0.0
    held_why: str = ""
    requests: Quota | None = None
    tokens: Quota | None = None


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """The state of all models and providers at one moment ``at`` (epoch seconds); models never called are absent."""

    at: float
    models: Mapping[str, ModelHealth] = field(default_factory=dict)
    providers: Mapping[str, Outage] = field(default_factory=dict)


class _Model:
    def __init__(self) -> None:
        self.ttft_s, self.tokens_per_s, self.seconds = Recent(), Recent(), Recent()
        self.outcomes: deque[tuple[float, Outcome]] = deque(maxlen=200)
        self.breaker = Breaker()
        self.requests: Quota | None = None
        self.tokens: Quota | None = None
        self._known: ModelHealth | None = None

    def changed(self) -> None:
        self._known = None

    def health(self, now: float) -> ModelHealth:
        forgot = [recent.forget(now) for recent in (self.ttft_s, self.tokens_per_s, self.seconds)]
        while self.outcomes and self.outcomes[0][0] <= now - JUDGED_S:
            self.outcomes.popleft()
            self._known = None
        if self._known is None or any(forgot):
            outcomes = [outcome for _, outcome in self.outcomes]
            calls = len(outcomes)
            held = self.breaker.outage()
            self._known = ModelHealth(
                calls=calls,
                failure_share=outcomes.count(Outcome.FAILED) / calls if calls else 0.0,
                limit_share=outcomes.count(Outcome.LIMITED) / calls if calls else 0.0,
                ttft_s=self.ttft_s.quantiles(),
                tokens_per_s=self.tokens_per_s.quantiles(),
                seconds=self.seconds.quantiles(),
                held_until=held.until,
                held_why=held.why,
                requests=self.requests,
                tokens=self.tokens,
            )
        return self._known


class Health:
    """Records how calls end, and tells how the models are.

    ``clock`` gives epoch seconds. ``tell`` hears of every call that ends in this process, and of nothing else.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, tell: Callable[[Event], None] | None = None) -> None:
        self.clock = clock
        self.tell = tell
        self._models: dict[str, _Model] = {}
        self._providers: dict[str, Breaker] = {}

    def started(self, model: str, tokens: int = 0) -> None:
        """A call of ``model`` (``provider:id``) begins, expected to take ``tokens`` in all."""
        now = self.clock()
        known = self._models.get(model)
        provider = self._providers.get(_provider(model))
        for breaker in (known.breaker if known else None, provider):
            if breaker is not None and breaker.half_open(now):
                breaker.try_one(now)
        if known is None:
            return
        known.requests = _less(known.requests, 1)
        known.tokens = _less(known.tokens, tokens)
        known.changed()

    def finished(
        self,
        model: str,
        outcome: Outcome,
        *,
        seconds: float | None = None,
        first_token_s: float | None = None,
        output_tokens: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """A call of ``model`` ended. ``headers`` are the response's, where there was one.

        ``seconds`` and ``first_token_s`` count from the start of the call, to its end and to its first token.
        """
        now = self.clock()
        event = Event(
            at=now,
            model=model,
            outcome=outcome,
            seconds=seconds,
            first_token_s=first_token_s,
            output_tokens=output_tokens,
            wait_s=limits.retry_after_s(headers, now) if headers else None,
            quotas=limits.quotas(headers, now) if headers else None,
        )
        self.apply(event)
        if self.tell is not None:
            self.tell(event)

    def apply(self, event: Event) -> None:
        """Take in the end of a call, of this worker or of another."""
        known = self._models.setdefault(event.model, _Model())
        known.changed()
        if event.quotas is not None:
            known.requests, known.tokens = event.quotas
        if event.outcome in (Outcome.OK, Outcome.FAILED, Outcome.LIMITED):
            known.outcomes.append((event.at, event.outcome))
        if event.outcome is Outcome.OK:
            _measure(known, event)
        elif event.outcome is Outcome.CANCELLED:
            _waited(known, event)
        self._judge(known, event)

    def _judge(self, known: _Model, event: Event) -> None:
        at, breaker = event.at, known.breaker
        provider = self._providers.get(_provider(event.model))
        match event.outcome:
            case Outcome.DENIED:
                provider = self._providers.setdefault(_provider(event.model), Breaker())
                provider.trip(at, DENIED_COOLDOWN_S, "the provider refuses the key")
            case Outcome.UNKNOWN_MODEL:
                breaker.trip(at, UNKNOWN_COOLDOWN_S, "the provider does not know the model")
            case Outcome.LIMITED:
                wait_s = _first(event.wait_s, _reset_s(event))
                breaker.trip(
                    at, _first(wait_s, LIMIT_COOLDOWN_S) or 0.0, "its limit is used up", asked=wait_s is not None
                )
            case Outcome.FAILED if event.wait_s is not None:
                breaker.trip(at, event.wait_s, "the provider asked for a pause", asked=True)
            case Outcome.FAILED if breaker.half_open(at) or (at >= breaker.until and _failing(known, at)):
                breaker.trip(at, FAILURE_COOLDOWN_S, "too many of its calls failed")
                known.outcomes.clear()
            case Outcome.OK if breaker.half_open(at):
                breaker.close()
                known.outcomes.clear()
        breaker.tried()
        if provider is not None:
            provider.tried()
            if provider.half_open(at) and event.outcome in (Outcome.OK, Outcome.LIMITED, Outcome.REFUSED):
                provider.close()

    def snapshot(self) -> HealthSnapshot:
        now = self.clock()
        return HealthSnapshot(
            at=now,
            models={name: known.health(now) for name, known in self._models.items()},
            providers={
                name: breaker.outage() for name, breaker in self._providers.items() if breaker.outage().until > now
            },
        )

    def hedge_after_s(self, model: str) -> float | None:
        """Seconds after which ``model``'s first token is late: its measured p95. None until enough was measured."""
        known = self._models.get(model)
        measured = known.health(self.clock()).ttft_s if known else None
        return measured.p95 if measured is not None and measured.of >= HEDGE_COUNT else None


def _provider(model: str) -> str:
    return model.partition(":")[0]


def _measure(known: _Model, event: Event) -> None:
    if event.seconds is None:
        return
    known.seconds.add(event.at, event.seconds)
    if event.first_token_s is None:
        return
    known.ttft_s.add(event.at, event.first_token_s)
    streaming_s = event.seconds - event.first_token_s
    if streaming_s >= SHORTEST_STREAM_S and event.output_tokens >= FEWEST_TOKENS:
        known.tokens_per_s.add(event.at, event.output_tokens / streaming_s)


def _waited(known: _Model, event: Event) -> None:
    """A long wait for the first token that was given up counts as one that ended then.

    It is a lower bound. Left out, a model that is raced when it is late would be known by its quick answers only.
    """
    quick = known.ttft_s.quantiles()
    if event.first_token_s is None and event.seconds is not None and quick is not None and event.seconds > quick.p95:
        known.ttft_s.add(event.at, event.seconds)


def _failing(known: _Model, at: float) -> bool:
    """Whether half of the last 20 calls failed, or the last five did: an outage shows at once on a busy model too."""
    recent = [outcome for moment, outcome in islice(reversed(known.outcomes), JUDGED_CALLS) if moment > at - JUDGED_S]
    failed = recent.count(Outcome.FAILED)
    return (len(recent) >= FEWEST_CALLS and failed >= FAILURE_SHARE * len(recent)) or (
        len(recent) >= IN_A_ROW and all(outcome is Outcome.FAILED for outcome in recent[:IN_A_ROW])
    )


def _less(quota: Quota | None, taken: float) -> Quota | None:
    return quota and quota._replace(remaining=max(0.0, quota.remaining - taken))


def _reset_s(event: Event) -> float | None:
    """Seconds until a limit that the headers call used up is full again."""
    spent = [quota.resets_at - event.at for quota in event.quotas or () if quota is not None and quota.remaining < 1]
    return max(spent) if spent else None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
