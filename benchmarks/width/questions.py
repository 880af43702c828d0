"""Questions about several customers, the model that answers them, and the time that they need at the least.

A question names a book of customers, which tells the pipeline nothing and the model everything, or the customers
themselves by e-mail. The model does as a real one would: without results it asks for searches, one call for each
customer (or one for all, where the tool takes several people); with results it answers, always at the same length.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from support.wire import Dialect, Encoder, Script

SEARCH_S, ALIAS_S = 0.2, 0.002
FIRST_TOKEN_S, TOKENS_PER_S = 0.3, 300.0
ANSWER_TOKENS = 60
"""Words of an answer: 0.2 s of the model's time."""
TOLD = 5
"""Customers of whom the answer says something of their own."""
SEARCH = "tilores_search"
WHOLE = "Begin with all that is known."
"""Words in a question after which the model names no fields: a whole profile of each customer comes."""
INSTANCES = Path(__file__).parents[2] / "sandbox" / "instances"
FOLDER = "WIDTH_INSTANCE"
"""The variable with the folder of the instance that is asked about; the shipped `credit` without it."""


@dataclass(frozen=True)
class Customer:
    email: str
    client_id: str
    status: str


@dataclass(frozen=True)
class Question:
    """``number`` draws the customers; ``named`` puts their addresses into the question."""

    number: int
    lookups: int
    named: bool = False

    @property
    def customers(self) -> list[Customer]:
        return drawn(self.number, self.lookups)

    @property
    def text(self) -> str:
        if not self.named:
            return f"What is the status of each customer in book {_word(self.number)} of {_word(self.lookups)}?"
        return "What is the status of each of " + ", ".join(customer.email for customer in self.customers) + "?"

    @property
    def floor_s(self) -> float:
        """The slowest search, and the model's time: once where the customers are named, else for its calls too."""
        floor_s = SEARCH_S + ALIAS_S + FIRST_TOKEN_S + ANSWER_TOKENS / TOKENS_PER_S
        if self.named:
            return floor_s
        calls = Encoder(calls_for(self.customers, {}), {}, Dialect.OPENAI).tokens()
        return floor_s + FIRST_TOKEN_S + len(calls) / TOKENS_PER_S

    def answered_by(self, reply: str) -> bool:
        return all(told in reply for told in _told(self.customers))


@cache
def customers() -> list[Customer]:
    """Those of the instance whose address is theirs alone."""
    file = Path(os.environ.get(FOLDER, INSTANCES / "credit")) / "truth.jsonl"
    known = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    owners = Counter(
        address
        for one in known
        for address in {address.casefold() for address in one.get("notations", {}).get("EMAIL", ())}
    )
    return [
        Customer(address, one["client_id"], max(one["statuses"], key=lambda status: str(status["date"]))["value"])
        for one in known
        if one.get("statuses")
        for address in one["notations"].get("EMAIL", ())[:1]
        if owners[address.casefold()] == 1
    ]


@cache
def drawn(number: int, lookups: int) -> list[Customer]:
    """The next ``lookups`` customers in a long row: questions with numbers close by have none in common."""
    known = customers()
    return [known[(number * lookups + at) % len(known)] for at in range(lookups)]


def reply(question: str, shown: str, tools: list[dict[str, Any]]) -> Script:
    """What the model says; ``shown`` is what the tools returned."""
    wanted = _customers_in(question)
    if not shown:
        return calls_for(wanted, _arguments(tools), fields=WHOLE not in question)
    missing = [customer.client_id for customer in wanted if customer.client_id not in shown]
    told = "Missing: " + ", ".join(missing) if missing else " ".join(_told(wanted))
    words = told.split()
    return Script(" ".join([*words, *("and" for _ in range(ANSWER_TOKENS - len(words) - 1)), "so."]))


def calls_for(wanted: list[Customer], arguments: Mapping[str, Any], *, fields: bool = True) -> Script:
    """The searches, as the tool's ``arguments`` let them be asked: its schema's properties."""
    asked = {"fields": ["STATUS"]} if fields and "fields" in arguments else {}
    if "people" in arguments and len(wanted) > 1:
        return Script(tool_calls=((SEARCH, {"people": [{"EMAIL": customer.email} for customer in wanted], **asked}),))
    return Script(tool_calls=tuple((SEARCH, {"EMAIL": customer.email, **asked}) for customer in wanted))


def _told(wanted: list[Customer]) -> list[str]:
    return [f"Client ID {customer.client_id} is {customer.status}." for customer in wanted[:TOLD]]


def _customers_in(question: str) -> list[Customer]:
    if found := re.search(r"book (\w+) of (\w+)\?", question):
        return drawn(_number(found[1]), _number(found[2]))
    by_address = {customer.email: customer for customer in customers()}
    return [by_address[address] for address in re.findall(r"[^\s,]+@[^\s,?]+", question)]


def _arguments(tools: list[dict[str, Any]]) -> dict[str, Any]:
    named = (tool["function"] for tool in tools)
    return next((tool["parameters"]["properties"] for tool in named if tool["name"] == SEARCH), {})


def _word(number: int) -> str:
    """A number in letters, so that it looks like no identifier."""
    return "".join("bdfgklmnpr"[int(digit)] + "a" for digit in str(number))


def _number(word: str) -> int:
    return int("".join(str("bdfgklmnpr".index(letter)) for letter in word[::2]))
