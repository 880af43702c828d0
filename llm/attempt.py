"""One upstream call of one model: timed, under the deadline, told to ``Health``, with its cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, BaseCallbackManager
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool
from langsmith.utils import tracing_is_enabled
from typing_extensions import TypedDict  # schemas are made of these, which pydantic wants before Python 3.12

from tilores_x.deadline import Deadline
from tilores_x.errors import ConfigError
from tilores_x.llm.choice import Candidate
from tilores_x.llm.faults import BadToolCall, CutShort, Fault, fault_of
from tilores_x.llm.health import Health, Outcome
from tilores_x.llm.progress import Floor, Overtaken, Progress, current_progress
from tilores_x.llm.spend import Tokens, cost_usd, tokens_of
from tilores_x.llm.straight import answered

CHARACTERS_PER_TOKEN = 4
"""For an estimate of what broke off; English text runs at about four (OpenAI, "What are tokens")."""


_DEAF = (BaseCallbackHandler.on_llm_new_token, AsyncCallbackHandler.on_llm_new_token)


class Attempt(TypedDict):
    """One upstream call, or one taken from the cache. ``outcome`` is ``ok`` or what kind of fault it was.

    ``first_token_s`` counts from the start of the call; None where no token came. ``cost_usd`` is None where the
    model's price is not known. ``error`` holds neither keys nor text out of the conversation.
    """

    model: str
    provider: str
    outcome: str
    seconds: float
    first_token_s: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    cached: bool
    error: str | None


class AttemptFailed(Exception):
    """``spoken``: a part of the answer has gone out, so that no other model may answer in its place."""

    def __init__(self, candidate: Candidate, fault: Fault, *, spoken: bool) -> None:
        super().__init__(fault.text)
        self.candidate = candidate
        self.fault = fault
        self.spoken = spoken


@dataclass(slots=True)
class Trial:
    """One attempt, before, while and after it runs.

    ``model`` makes the chat model, or gets the one made before. ``patience_s``: seconds that the first token may take.
    """

    candidate: Candidate
    model: Callable[[], Awaitable[Runnable[Any, Any]]]
    messages: Sequence[BaseMessage]
    tools: Sequence[BaseTool]
    health: Health
    deadline: Deadline
    patience_s: float
    floor: Floor = field(default_factory=Floor)
    config: RunnableConfig | None = None
    on_first_token: Callable[[], None] | None = None
    attempt: Attempt | None = None
    failure: AttemptFailed | None = None
    _progress: Progress = field(init=False)
    _began: float = 0.0

    def __post_init__(self) -> None:
        self._progress = Progress(self.floor, heard=_heard(self.config), on_sent=self._sent)

    @property
    def name(self) -> str:
        return self.candidate.model.name

    @property
    def answered(self) -> bool:
        return self.attempt is not None and self.attempt["outcome"] == Outcome.OK

    @property
    def heard(self) -> bool:
        """Whether the first token is there."""
        return self._progress.first_token_at is not None

    def holds(self, floor: Progress) -> bool:
        return self._progress is floor

    def _named_config(self) -> RunnableConfig:
        """The model's own name in traces, in place of the name of a class."""
        return {**(self.config or {}), "run_name": self.candidate.model.name}

    async def run(self) -> AIMessage:
        """The answer, finished and with readable tool calls. ``attempt`` tells afterwards how it went.

        Raises:
            AttemptFailed: there is none.
            Overtaken: another trial with the same floor spoke first.
        """
        reported = current_progress.set(self._progress)
        try:
            return await self._run()
        finally:
            current_progress.reset(reported)
            self._progress.on_sent = self._progress.on_first_token = None  # rings, which would wait for the collector

    async def _run(self) -> AIMessage:
        self._began = time.monotonic()
        given_s = min(self.patience_s, self.deadline.left_s())
        try:
            async with asyncio.timeout(given_s if given_s < float("inf") else None) as limit:
                self._progress.on_first_token = lambda: self._patient(limit)
                model = await self.model()
                self._began = time.monotonic()
                message = _checked(await answered(model, self.messages, self._named_config()))
        except ConfigError:
            raise
        except (asyncio.CancelledError, Overtaken):
            self._end(Fault(Outcome.CANCELLED, "cancelled: another model spoke first, or nobody waits any longer"))
            raise
        except TimeoutError as error:
            fault = fault_of(error) if not limit.expired() else self._late(given_s)
            raise self._failed(fault) from None
        except Exception as error:
            raise self._failed(fault_of(error)) from error
        self._end(None, message)
        return message

    def _patient(self, limit: asyncio.Timeout) -> None:
        """The first token is there: from now on only the deadline counts."""
        if self.on_first_token is not None:
            self.on_first_token()
        left_s = self.deadline.left_s()
        try:
            limit.reschedule(asyncio.get_running_loop().time() + left_s if left_s < float("inf") else None)
        except RuntimeError:
            raise Overtaken from None

    def _late(self, given_s: float) -> Fault:
        """No answer in the time given. Where that was less than the model is known to need, it is not to blame."""
        what = "the answer did not end" if self._progress.first_token_at is not None else "no token came"
        blame = given_s >= self.candidate.expected_s
        return Fault(Outcome.FAILED if blame else Outcome.CANCELLED, f"{what} within {self._seconds():.1f} s")

    def _failed(self, fault: Fault) -> AttemptFailed:
        self._end(fault)
        self.failure = AttemptFailed(self.candidate, fault, spoken=self._progress.spoken)
        return self.failure

    def _sent(self) -> None:
        self.health.started(self.name, self._input_estimate())

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _input_estimate(self) -> int:
        return count_tokens_approximately(self.messages)

    def _end(self, fault: Fault | None, message: AIMessage | None = None) -> None:
        model, progress = self.candidate.model, self._progress
        seconds = self._seconds()
        first_token_s = None if progress.first_token_at is None else progress.first_token_at - self._began
        cached = message is not None and not model.local and progress.sent_at is None
        if message is not None:
            tokens = tokens_of(message, self.messages, self.tools)
        elif progress.characters:
            # What broke off is billed too, and brings no usage.
            tokens = Tokens(self._input_estimate(), -(-progress.characters // CHARACTERS_PER_TOKEN), counted=True)
        else:
            tokens = Tokens(0, 0)
        outcome = Outcome.OK if fault is None else fault.outcome
        self.attempt = Attempt(
            model=model.name,
            provider=model.provider,
            outcome=outcome.value,
            seconds=seconds,
            first_token_s=first_token_s,
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            cost_usd=0.0 if cached else cost_usd(model, tokens),
            cached=cached,
            error=None if fault is None else fault.text,
        )
        if progress.sent_at is not None:
            self.health.finished(
                self.name,
                outcome,
                seconds=seconds,
                first_token_s=first_token_s,
                output_tokens=tokens.output,
                headers=(fault.headers if fault is not None else None) or progress.headers,
            )


def _heard(config: RunnableConfig | None) -> bool:
    """Whether a handler wants the tokens of a call made with ``config``; outside of any run LangSmith may."""
    callbacks = (config or {}).get("callbacks") or (var_child_runnable_config.get() or {}).get("callbacks")
    if callbacks is None:
        return bool(tracing_is_enabled())
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks
    return any(type(handler).on_llm_new_token not in _DEAF for handler in handlers)


def _checked(message: AIMessage) -> AIMessage:
    if not message.response_metadata.get("finish_reason"):
        raise CutShort("the answer ended without a finish reason")
    if message.invalid_tool_calls:
        raise BadToolCall("the arguments of a tool call are no JSON object")
    return message
