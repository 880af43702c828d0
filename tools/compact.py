"""Replies that fit: compact JSON under a byte budget, saying what was left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

#: The most bytes of JSON that one call of a tool puts before a model: about 4,000 tokens.
BUDGET_BYTES = 12_000
#: The same for a call that asks for many, in place of as many calls: what each adds, up to the most.
BYTES_EACH, MOST_BUDGET_BYTES = 400, 20_000

Content = dict[str, Any]


def budget_bytes(asked: int) -> int:
    """The budget of a call that asks for that many people or entities."""
    return min(MOST_BUDGET_BYTES, BUDGET_BYTES + BYTES_EACH * max(0, asked - 1))


def dumps(content: Content) -> str:
    return orjson.dumps(content).decode()


def fitted(
    content: Content, shorten: Sequence[Callable[[Content], str | None]], budget_bytes: int = BUDGET_BYTES
) -> Content:
    """``content``, shortened in place step by step until it fits.

    Each step drops something and says what, or returns None where there was nothing to drop; a later step of the same
    function drops more, and says so in place of the earlier one. What is said is gathered in ``left_out``, beside what
    stands there already. The last step must make it fit.
    """
    said: dict[object, str] = {None: content.pop("left_out")} if content.get("left_out") else {}

    def size() -> int:
        return len(orjson.dumps(content)) + sum(map(len, said.values())) + 30

    for step in shorten:
        if size() <= budget_bytes:
            break
        if what := step(content):
            said[getattr(step, "func", step)] = what
    if said:
        content["left_out"] = "; ".join(said.values()) + "."
    return content


def fewer_rows(rows: list[Any], fits: int) -> list[Any]:
    """The first rows whose JSON stays under ``fits`` bytes, in one pass."""
    used = 0
    for at, row in enumerate(rows):
        used += len(orjson.dumps(row)) + 1
        if used > fits:
            return rows[:at]
    return rows
