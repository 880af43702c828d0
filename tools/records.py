"""What tools hand on as evidence: plain data, fit for a graph's state and its checkpoints."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict  # schemas are made of these, which pydantic wants before Python 3.12

Plain = str | int | float | bool | None


class Fact(TypedDict):
    """A record holds a value in a field. ``value`` is as it may leave: masked where the policy masks it."""

    entity_id: str
    record_id: str
    field: str
    value: Plain


class Figure(TypedDict):
    """A figure that Tilores or ``calculate`` worked out.

    ``facts`` are the operands, or some of the rows it rests on; ``count`` says how many records stand behind it.
    """

    name: str
    value: Plain
    unit: str | None
    facts: list[Fact]
    count: int


class EntityBrief(TypedDict):
    """An entity and what tells it from others; ``records`` is how many it has."""

    entity_id: str
    label: dict[str, list[str]]
    records: int


class Evidence(TypedDict):
    """What one call of a tool has shown; never more than its content shows to the model.

    ``apart``: the call asked about several, and these are the entities found for each, by id: those of one are
    candidates for one person, those of two are two people.
    """

    tool: str
    call_id: str | None
    arguments: dict[str, Any]
    entities: list[EntityBrief]
    facts: list[Fact]
    figures: list[Figure]
    note: str | None
    apart: NotRequired[list[list[str]]]


def evidence(tool: str, arguments: dict[str, Any]) -> Evidence:
    """Empty evidence of a call."""
    return {
        "tool": tool,
        "call_id": None,
        "arguments": arguments,
        "entities": [],
        "facts": [],
        "figures": [],
        "note": None,
    }
