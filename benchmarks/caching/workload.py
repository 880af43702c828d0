"""A day's questions, replayed: how many of them need no model call, and what bounds that."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from support.pipeline import pipeline, truth
from support.provider import Provider
from support.wire import Script

USERS = 100
CUSTOMERS = 300
ZIPF = 1.0
"""Exponent: the customer of rank r is asked about in proportion to 1 / r ** ZIPF, as Zipf's law has it; what was
measured for pages asked of web proxies is flatter, 0.64 to 0.83 (Breslau et al., "Web Caching and Zipf-like
Distributions", INFOCOM 1999), which is harder on a cache."""

DAYS = 8

FOLLOW = 0.4
"""The chance that a user asks on about the same customer, up to two times in a row."""

MOST_TURNS = 3
OPENINGS = {
    "who": "who is client ID {}",
    "status": "what is the account status of client {}",
    "score": "credit score of client {}",
}
FOLLOW_UPS = {
    "enrolled": "and when did they enroll",
    "late": "any late payments",
    "balance": "what is their balance",
}


class Asked(NamedTuple):
    """``path``: the conversation so far, this question included, whoever has it."""

    thread: str
    text: str
    customer: str
    topic: str
    path: tuple[str, ...]


def asked(customers: list[str], questions: int, seed: int, zipf: float = ZIPF) -> Iterator[Asked]:
    draw = random.Random(seed)
    weights = [1 / rank**zipf for rank in range(1, len(customers) + 1)]
    threads: dict[int, Asked] = {}
    for number in range(questions):
        user = draw.randrange(USERS)
        before = threads.get(user)
        if before and len(before.path) < MOST_TURNS and draw.random() < FOLLOW:
            topic = draw.choice(list(FOLLOW_UPS))
            thread, customer, path, text = before.thread, before.customer, before.path, FOLLOW_UPS[topic]
        else:
            topic, customer = draw.choice(list(OPENINGS)), draw.choices(customers, weights)[0]
            thread, path, text = f"{user}-{number}", (), OPENINGS[topic].format(customer)
        threads[user] = Asked(thread, text + "?" * (user % 2), customer, topic, (*path, text))
        yield threads[user]


def share(part: int, of: int) -> str:
    return f"{part / of:.1%}"


def bounds(questions: list[Asked]) -> tuple[int, int]:
    """Distinct conversations, and distinct things asked: the calls of an endless cache that knows conversations apart
    word by word, and of one that understood that two conversations ask the same."""
    return len({one.path for one in questions}), len({(one.customer, one.topic) for one in questions})


class Replayed(NamedTuple):
    made: list[bool]
    """Of each question: whether a model was called."""

    whole: int
    most_bytes: int
    evictions: int


async def replayed(provider: Provider, folder: Path, questions: list[Asked], megabytes: int) -> Replayed:
    provider.forget()

    def brain(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Script:
        found = [one for one in messages if one["role"] == "tool"]
        return Script("That is what the records hold." if found else "Whom do you mean?")

    provider.brain = brain
    made, whole, most = [], 0, 0
    async with pipeline(
        folder, provider, cache="memory", cache_result_s=3600, cache_megabytes=megabytes, deadline_s=60
    ) as asker:
        assert asker.resources.cache is not None
        memory = asker.resources.cache.store.memory
        for one in questions:
            reply = await asker.ask(one.text, thread_id=one.thread)
            whole += reply["cached_age_s"] is not None
            made.append(any(not attempt["cached"] for attempt in reply["attempts"]))
            most = max(most, memory.bytes)
            assert memory.bytes <= memory.most_bytes
        assert sum(made) == provider.counts.requests
        return Replayed(made, whole, most, memory.counts.evictions)


async def workload(provider: Provider, folder: Path, count: int, seed: int) -> list[str]:
    customers = [one["client_id"] for one in truth()][:CUSTOMERS]
    questions = list(asked(customers, DAYS * count, seed))
    run = await replayed(provider, folder, questions, 64)
    first = questions[:count]
    conversations, things = bounds(first)
    hits = count - sum(run.made[:count])
    small = await replayed(provider, folder, first, 1)
    openings = [text.format(customer) for customer in customers for text in OPENINGS.values()]
    ahead = [Asked(f"ahead {number}", text, "", "", (text,)) for number, text in enumerate(openings)]
    warmed = (await replayed(provider, folder, [*ahead, *first], 64)).made[len(ahead) :]

    def of_all(number: int) -> str:
        return share(number, count)

    follow = of_all(sum(len(one.path) > 1 for one in first))
    perfect, by_meaning = of_all(count - conversations), of_all(count - things)
    return [
        f"Workload (seed {seed}): {count:,} questions of {USERS} users about {len(customers)} customers by Zipf's law",
        f"(exponent {ZIPF:g}); {follow} are follow-ups, which rest on the conversation before them; half of the users",
        f"type question marks. **{of_all(hits)} made no model call**; {count - hits:,} calls were made.",
        "",
        f"What bounds it is the cold cache: these are {conversations:,} different conversations, and each must be",
        f"answered once. An endless cache with perfect keys reaches {perfect}, and ours makes no call that this one",
        f"would not. They ask {things:,} different things (a customer and a topic): even a cache that understood this,",
        f"and ignored what was said before, would reach {by_meaning}, not 90 %. Ours does not try: a follow-up may",
        "mean something else after another answer. The share rises as the cache is kept:",
        "",
        f"| {count:,} questions a day, day | no model call | bound (no conversation is answered twice) |",
        "|---|---|---|",
        *_by_day(questions, run.made, count),
        "",
        f"With the {len(ahead)} opening questions answered ahead (`tilores-x warm`; these calls come on top), the",
        f"first day has {of_all(count - sum(warmed))}. The bounds of a cold first day by the exponent:",
        "",
        "| exponent | perfect keys | by meaning |",
        "|---|---|---|",
        *_by_exponent(customers, count, seed),
        "",
        f"Memory over all {len(questions):,} questions: at most {run.most_bytes / 1e6:.1f} MB of the 67.1 MB given,",
        f"{run.evictions} evictions. Given 1.05 MB: never more than {small.most_bytes / 1e6:.2f} MB,",
        f"{small.evictions:,} evictions, and {of_all(count - sum(small.made))} of the first {count:,} questions",
        "without a model call.",
    ]


def _by_day(questions: list[Asked], made: list[bool], count: int) -> list[str]:
    rows, known = [], set[tuple[str, ...]]()
    for day in range(DAYS):
        of_day = slice(day * count, (day + 1) * count)
        new = {one.path for one in questions[of_day]} - known
        known |= new
        rows.append(f"| {day + 1} | {share(count - sum(made[of_day]), count)} | {share(count - len(new), count)} |")
    return rows


def _by_exponent(customers: list[str], count: int, seed: int) -> list[str]:
    rows = []
    for zipf in (0.8, 1.0, 1.2, 1.5):
        exact, by_meaning = bounds(list(asked(customers, count, seed, zipf)))
        rows.append(f"| {zipf} | {share(count - exact, count)} | {share(count - by_meaning, count)} |")
    return rows
