"""A day's questions, replayed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from support.pipeline import pipeline, truth
from support.provider import Provider
from support.wire import Script


async def workload(provider: Provider, folder: Path, questions: int, seed: int) -> str:
    """Questions of 100 users about 300 customers by Zipf's law (exponent 1), a third of them follow-ups."""
    draw = random.Random(seed)
    customers = [one["client_id"] for one in truth()][:300]
    weights = [1 / rank for rank in range(1, len(customers) + 1)]
    first = ["who is client ID {}", "what is the account status of client {}", "credit score of client {}"]
    follow = ["and when did they enroll", "any late payments", "what is their balance"]
    provider.forget()

    def brain(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Script:
        found = [one for one in messages if one["role"] == "tool"]
        return Script("That is what the records hold." if found else "Whom do you mean?")

    provider.brain = brain
    threads: dict[int, tuple[str, int]] = {}
    calls = hits = whole = 0
    async with pipeline(folder, provider, cache="memory", cache_result_s=3600, cache_megabytes=16) as asker:
        assert asker.resources.cache is not None
        most = 0
        for number in range(questions):
            user = draw.randrange(100)
            thread, turns = threads.get(user, ("", 0))
            if thread and turns < 3 and draw.random() < 0.4:
                question, turns = draw.choice(follow), turns + 1
            else:
                thread, turns = f"{user}-{number}", 1
                question = draw.choice(first).format(draw.choices(customers, weights)[0])
            threads[user] = thread, turns
            reply = await asker.ask(question, thread_id=thread)
            whole += reply["cached_age_s"] is not None
            made = [one for one in reply["attempts"] if not one["cached"]]
            calls += len(made)
            hits += not made
            most = max(most, asker.resources.cache.store.memory.bytes)
        bound = asker.resources.cache.store.memory.most_bytes
        assert most <= bound
        assert calls == provider.counts.requests
        distinct = len({_conversation(one.body["messages"]) for one in provider.received})
    share = f"{hits / questions:.1%}"
    return "\n".join(
        [
            f"Workload (seed {seed}): {questions:,} questions of 100 users over {len(customers)} customers,",
            f"drawn by Zipf's law, follow-ups included: {share} of them made no model call",
            f"({whole / questions:.1%} were whole answers), {calls:,} calls were made.",
            f"What bounds it: these were {distinct:,} different conversations, so that a perfect cache would have",
            f"made {distinct:,} calls; the share rises with the number of questions.",
            f"Memory: at most {most / 1e6:.1f} MB of the {bound / 1e6:.1f} MB given.",
        ]
    )


def _conversation(messages: list[dict[str, Any]]) -> str:
    """The messages with tool calls by number, as their ids are drawn anew."""
    text, ids = json.dumps(messages, sort_keys=True), {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            ids[call["id"]] = f"call {len(ids)}"
    for id_, number in ids.items():
        text = text.replace(id_, number)
    return text
