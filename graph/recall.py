"""What earlier questions of a conversation have found, as far as this answer may rest on it.

A follow-up may; but what was found about another customer must not prove a word about this one. So where this question
has looked somebody up, only these people count, and those whom the question or the answer names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from langchain_core.messages import AnyMessage, ToolMessage

from tilores_x.graph.people import Words
from tilores_x.graph.proof.grounding import CALCULATE
from tilores_x.tools.records import EntityBrief, Evidence, Fact

_OWN = ("client_id", "email", "phone")
_NAME = ("first_name", "last_name")


class Recalled(NamedTuple):
    """Evidence, and what the tools showed with it (JSON; see ``EvidenceIndex``)."""

    evidence: list[Evidence]
    contents: list[str]


def people_of(evidence: Iterable[Evidence]) -> set[str]:
    """The entities that ``evidence`` is about."""
    found = set()
    for one in evidence:
        found |= {entity["entity_id"] for entity in one["entities"]}
        found |= {fact["entity_id"] for fact in one["facts"]}
        found |= {fact["entity_id"] for figure in one["figures"] for fact in figure["facts"]}
        found.update(*one.get("apart", ()))
        if isinstance(asked := one["arguments"].get("entity_id"), str):
            found.add(asked)
    return found


def recall(earlier: Sequence[AnyMessage], about: set[str], said: str) -> Recalled:
    """What the tool results in ``earlier`` prove about the people in ``about`` and those named in ``said``.

    Where ``about`` is empty the question looked nobody up, and all counts.
    """
    found: list[tuple[Evidence, ToolMessage]] = [
        (message.artifact, message)  # type: ignore[misc]
        for message in earlier
        if isinstance(message, ToolMessage) and isinstance(message.artifact, dict)
    ]
    if not found:
        return Recalled([], [])
    allowed = about | (_named((artifact for artifact, _ in found), said) if about else set())
    evidence, contents = [], []
    for artifact, message in found:
        if not about or people_of([artifact]) <= allowed:
            evidence.append(artifact)
            contents += shown([message])
        else:
            evidence.append(_narrowed(artifact, allowed))
    return Recalled(evidence, contents)


def shown(messages: Iterable[AnyMessage]) -> list[str]:
    """What tools returned; a computed result is left out, since it proves itself by its operands alone."""
    return [
        str(message.text)
        for message in messages
        if isinstance(message, ToolMessage) and message.status != "error" and message.name != CALCULATE
    ]


def _named(evidence: Iterable[Evidence], said: str) -> set[str]:
    words = Words(said)
    people: list[EntityBrief] = [person for one in evidence for person in one["entities"]]
    return {person["entity_id"] for person in people if _is_named(person, words)}


def _is_named(person: EntityBrief, words: Words) -> bool:
    label = person["label"]
    if any(words.holds(value) for concept in _OWN for value in label.get(concept, ())):
        return True
    return all(any(words.holds(value.casefold()) for value in label.get(concept, ())) for concept in _NAME)


def _narrowed(one: Evidence, allowed: set[str]) -> Evidence:
    """The part of ``one`` that is about ``allowed`` people; a figure without them, or without any, is left out."""

    def of_them(facts: Sequence[Fact]) -> bool:
        return bool(facts) and all(fact["entity_id"] in allowed for fact in facts)

    narrowed: Evidence = {
        **one,
        "arguments": {},
        "entities": [entity for entity in one["entities"] if entity["entity_id"] in allowed],
        "facts": [fact for fact in one["facts"] if of_them([fact])],
        "figures": [figure for figure in one["figures"] if of_them(figure["facts"])],
    }
    if "apart" in one:
        narrowed["apart"] = [[key for key in keys if key in allowed] for keys in one["apart"]]
    return narrowed
