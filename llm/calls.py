"""Asks the chosen models for one answer: fallback, retry, deadline, and never two answers spliced.

One pass tries the candidates in order, without a pause between them: a fallback costs the user the time of the failure
and nothing more. When none answered, the pass is repeated after a pause, under a budget. A model that is
cooling down is passed over, so that an outage costs a provider a few calls and not one per question. The
planner, which runs in this process, answers when all others have given up.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from tilores_x.deadline import Deadline, current_deadline
from tilores_x.errors import DeadlineExceeded
from tilores_x.llm.attempt import Attempt, AttemptFailed, Trial
from tilores_x.llm.bound import BoundModels
from tilores_x.llm.cache.replay import told
from tilores_x.llm.cache.replies import KEPT_AS, Name, Replies
from tilores_x.llm.cache.scope import upstream
from tilores_x.llm.catalog import ModelCatalog
from tilores_x.llm.choice import Candidate, Choice
from tilores_x.llm.gate import Gate
from tilores_x.llm.giving_up import NoAnswer, again, broken_off, final, too_late
from tilores_x.llm.health import Health, Outcome
from tilores_x.llm.hedge import race
from tilores_x.llm.progress import Floor
from tilores_x.llm.providers import ChatModels
from tilores_x.llm.under_way import Call, kept
from tilores_x.retry import LONGEST_DELAY_S, RetryBudget, retrying
from tilores_x.settings import Settings

__all__ = ["Attempt", "Called", "Caller"]

PATIENCE_SHARE = 0.5
"""The share of the time left that a model may take for its first token, where another one could answer instead."""

LAST_RESORT_SHARE = 0.1
LAST_RESORT_S = 1.0
"""What is kept of the time left, and at most, for the planner after all others."""

CORRECTION = (
    "Your last tool call could not be read: its arguments were not a JSON object of the tool's parameters. "
    "Call the tool again with valid JSON, or answer without it."
)


class Called(NamedTuple):
    """``attempts``: every upstream call made, failed ones first; the last one gave ``message``."""

    message: AIMessage
    attempts: list[Attempt]


class Caller:
    """Calls models in the order of a choice. One per process and pipeline: it holds the budget of retries.

    ``replies``: replies that are kept. The planner's are not: they cost less than looking them up.
    """

    def __init__(
        self,
        catalog: ModelCatalog,
        chat_models: ChatModels,
        health: Health,
        settings: Settings | None = None,
        replies: Replies | None = None,
    ) -> None:
        self.replies = replies
        self._catalog = catalog
        self._chat_models = chat_models
        self._health = health
        self._settings = settings or Settings()
        self._passes = RetryBudget()
        self._gates: dict[str, Gate] = {}
        self._bound = BoundModels(chat_models)

    async def call(
        self,
        choice: Choice,
        messages: Sequence[BaseMessage],
        tools: Sequence[BaseTool] = (),
        *,
        config: RunnableConfig | None = None,
        attempts: list[Attempt] | None = None,
        about: Collection[str] = (),
    ) -> Called:
        """One finished answer to ``messages``, by the first candidate of ``choice`` that gives one.

        Tokens reach the callbacks in ``config`` as they come. ``attempts`` is filled while the calls go on, for who
        wants to know them although the call raises. ``about`` are the entities whose data ``messages`` hold: a reply
        that is kept is erased with them.

        Raises:
            DeadlineExceeded: the time given to the question has run out.
            ModelUnavailable: no model answered, or one broke off in the middle of its answer.
            AccessDenied: every provider refused its key.
            QuestionError: every model refused this conversation, and would refuse it again.
            ConfigError, BudgetExceeded: the choice is empty.
        """
        attempts = [] if attempts is None else attempts
        if not choice.ordered:
            raise choice.error()
        first = choice.ordered[0]
        name = self._name(first, messages, tools)
        if self.replies is None or name is None:
            return await self._called(choice, messages, tools, config, attempts, about)
        replies, began = self.replies, time.monotonic()
        found = None if replies.fresh else await replies.find(name)
        if found is None:

            async def work() -> Called:
                upstream.set(True)  # in the flight's own task
                return await self._called(choice, messages, tools, config, attempts, about)

            async def look() -> Called | None:
                kept = await replies.find(name)
                return None if kept is None else Called(kept, [])

            fresh = replies.fresh
            flight = f"{name.key}:fresh" if fresh else name.key
            called, own = await replies.store.flights.run(flight, work, None if fresh else look)
            if own and called.attempts:
                if called.attempts is not attempts:
                    attempts.extend(called.attempts)
                return Called(called.message, attempts)
            found = replies.again(called.message)
        attempts.append(kept(first, found, time.monotonic() - began))
        return Called(await told(found, first.model.name, messages, config), attempts)

    def _name(self, candidate: Candidate, messages: Sequence[BaseMessage], tools: Sequence[BaseTool]) -> Name | None:
        if self.replies is None or candidate.model.local:
            return None
        endpoint = self._chat_models.endpoint_of(candidate.model)
        return self.replies.name(candidate.model, endpoint, messages, tools)

    async def _called(
        self,
        choice: Choice,
        messages: Sequence[BaseMessage],
        tools: Sequence[BaseTool],
        config: RunnableConfig | None,
        attempts: list[Attempt],
        about: Collection[str],
    ) -> Called:
        """The answer from upstream, or of a fallback from what is kept."""
        deadline = current_deadline()
        deadline = min(deadline, Deadline.after(self._settings.question_s), key=lambda one: one.at)
        remote = tuple(candidate for candidate in choice.ordered if not candidate.model.local)
        local = tuple(candidate for candidate in choice.ordered if candidate.model.local)
        if remote:
            kept_s = min(LAST_RESORT_S, deadline.left_s() * LAST_RESORT_SHARE) if local else 0.0
            call = Call(remote, messages, tools, config, Deadline(deadline.at - kept_s), attempts, about)
            try:
                message = await retrying(
                    lambda: self._pass(call), again=again, budget=self._passes, deadline=call.deadline
                )
                return Called(message, attempts)
            except NoAnswer as error:
                if not local:
                    raise final(call, error) from error.__cause__
            except DeadlineExceeded:
                if not local:
                    raise
        call = Call(local, messages, tools, config, deadline, attempts)
        try:
            return Called(await self._pass(call), attempts)
        except NoAnswer as error:
            raise final(call, error) from error.__cause__

    async def _pass(self, call: Call) -> AIMessage:
        """Try every candidate that may be called now, once."""
        call.passes += 1
        cause: Exception | None = None
        for place, candidate in enumerate(call.candidates):
            if place and call.passes == 1 and (found := await self._found(call, candidate)):
                return found
            if candidate.model.name in call.given_up or self._held_s(candidate) > 0:
                continue
            if call.deadline.left_s() <= 0:
                raise too_late(call)
            try:
                async with self._turn(call, candidate):
                    if self._held_s(candidate) > 0:
                        continue
                    message = await self._answer(call, candidate, call.candidates[place + 1 :])
                return await self._keep(call, message)
            except AttemptFailed as failed:
                if failed.spoken:
                    raise broken_off(failed) from failed.__cause__
                cause = failed
        if call.deadline.left_s() <= 0:
            raise too_late(call)
        raise self._no_answer(call) from (cause.__cause__ if cause else None)

    async def _found(self, call: Call, candidate: Candidate) -> AIMessage | None:
        """A kept reply of a model that stands in for the first."""
        name = self._name(candidate, call.messages, call.tools)
        if self.replies is None or name is None or self.replies.fresh:
            return None
        began = time.monotonic()
        found = await self.replies.find(name)
        if found is None:
            return None
        call.attempts.append(kept(candidate, found, time.monotonic() - began))
        return await told(found, candidate.model.name, call.messages, call.config)

    async def _keep(self, call: Call, message: AIMessage) -> AIMessage:
        """Keep the reply under the name of the model that gave it, which a hedge may have changed."""
        by = next((one["model"] for one in reversed(call.attempts) if one["outcome"] == Outcome.OK), None)
        candidate = next((one for one in call.candidates if one.model.name == by), None)
        name = self._name(candidate, call.messages, call.tools) if candidate else None
        if self.replies is None or name is None:
            return message
        if not await self.replies.keep(name, message, begun_at=call.begun_at, about=call.about):
            return message
        return message.model_copy(update={"response_metadata": {**message.response_metadata, KEPT_AS: name.key}})

    def _turn(self, call: Call, candidate: Candidate) -> AbstractAsyncContextManager[None]:
        return self._gate(candidate).turn(call.deadline) if call.faults else nullcontext()

    def _gate(self, candidate: Candidate) -> Gate:
        return self._gates.setdefault(candidate.model.name, Gate())

    def _held_s(self, candidate: Candidate) -> float:
        """Seconds for which the model, or its provider, is to be left alone."""
        if candidate.model.local:
            return 0.0
        seen = self._health.snapshot()
        model, provider = seen.models.get(candidate.model.name), seen.providers.get(candidate.model.provider)
        until = max(model.held_until if model else 0.0, provider.until if provider else 0.0)
        return max(0.0, until - seen.at)

    async def _answer(self, call: Call, candidate: Candidate, others: Sequence[Candidate]) -> AIMessage:
        """The candidate's answer; for a tool call that can't be read, one more chance with word of it."""
        try:
            return await self._run(call, candidate, others, call.messages)
        except AttemptFailed as failed:
            if failed.fault.outcome is not Outcome.TOOL_USE_FAILED or failed.spoken or call.corrected:
                raise
            call.corrected = True
            return await self._run(call, candidate, others, [*call.messages, SystemMessage(CORRECTION)])

    async def _run(
        self, call: Call, candidate: Candidate, others: Sequence[Candidate], messages: Sequence[BaseMessage]
    ) -> AIMessage:
        rivals = [other for other in others if other.model.name not in call.given_up and self._held_s(other) == 0]
        hedge_after_s = self._health.hedge_after_s(candidate.model.name) if self._settings.hedging and rivals else None
        floor = Floor()
        trials = [self._trial(call, candidate, messages, floor, hurried=bool(rivals))]

        async def rival() -> Trial | None:
            # Not the rival's own budget: it earns nothing while its turn never comes.
            if not self._passes.spend():
                return None
            trials.append(self._trial(call, rivals[0], messages, floor, hurried=False))
            return trials[-1]

        try:
            if hedge_after_s is None:
                return await trials[0].run()
            return await race(trials[0], hedge_after_s, rival, floor)
        finally:
            for trial in sorted(trials, key=lambda trial: trial.answered):
                call.note(trial)
                if trial.failure is not None:
                    self._gate(trial.candidate).failed()

    def _trial(
        self, call: Call, candidate: Candidate, messages: Sequence[BaseMessage], floor: Floor, *, hurried: bool
    ) -> Trial:
        left_s = call.deadline.left_s()
        return Trial(
            candidate,
            lambda: self._bound.get(candidate.model, call.tools),
            messages,
            call.tools,
            self._health,
            call.deadline,
            left_s * PATIENCE_SHARE if hurried else left_s,
            floor,
            call.config,
            self._gate(candidate).spoke,
        )

    def _no_answer(self, call: Call) -> NoAnswer:
        open_again = [self._held_s(one) for one in call.candidates if one.model.name not in call.given_up]
        wait_s = min(open_again, default=0.0)
        return NoAnswer(
            f"No model answered: {call.told()}. Try again later, or configure a further provider.",
            again=bool(open_again) and wait_s <= LONGEST_DELAY_S,
            retry_after_s=wait_s or None,
        )
