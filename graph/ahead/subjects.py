"""Whom a question is about, as far as that can be told before anything is looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage

from tilores_x.graph.ahead.kinds import Said, Vocabulary
from tilores_x.graph.ahead.templates import Subject
from tilores_x.graph.identifiers import Identifier, find_identifiers
from tilores_x.graph.window import turns
from tilores_x.tools.records import EntityBrief

FOCUS, FOUND = "focus", "found"
"""Kinds of subjects that no identifier in the question names: the conversation does, or a search has found them."""

LONGEST_FOLLOW_UP = 25
"""Words of a question that may go on about the person spoken of before."""


def named_before(earlier: Sequence[AnyMessage], said: Said, vocabulary: Vocabulary) -> Subject | list[Identifier]:
    """Whom a question that names nobody goes on about: an entity found before, or identifiers of the last question.

    An empty list where it isn't clear: the last answer was about several people, or the question may name somebody.
    """
    past = turns(earlier)
    if not past or not said.pairs or len(said.pairs) > LONGEST_FOLLOW_UP:
        return []
    strange = vocabulary.strange(said)
    for turn in reversed(past):
        people = list({person["entity_id"]: person for person in _people(turn)}.values())
        if len(people) > 1:
            return []
        if people:
            return Subject(FOCUS, "", people[0]["entity_id"]) if strange <= _own_words(people[0]) else []
        if isinstance(turn[0], HumanMessage) and (named := find_identifiers(turn[0].text)):
            # A client that sends the conversation without what the tools returned.
            looked_up = any(isinstance(message, ToolMessage) for message in turn)
            return named if not strange and not looked_up else []
    return []


def _people(turn: Sequence[AnyMessage]) -> Iterator[EntityBrief | dict[str, str]]:
    for message in turn:
        artifact = message.artifact if isinstance(message, ToolMessage) else None
        if isinstance(artifact, dict):
            yield from artifact.get("entities") or ()
            yield from ({"entity_id": fact["entity_id"]} for fact in artifact.get("facts") or ())


def _own_words(person: EntityBrief | dict[str, str]) -> set[str]:
    label = person.get("label") or {}
    assert isinstance(label, dict)
    return {word.lower() for values in label.values() for value in values for word in str(value).split()}
