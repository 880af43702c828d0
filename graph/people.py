"""Never guess who is meant: an answer about one of several people who match is no answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tilores_x.graph.proof.figures import read_items, read_value
from tilores_x.tools.records import EntityBrief, Evidence

MOST_LISTED = 10

_TITLES = {"client_id": "client ID", "account_status": "status"}
_NAME = ("first_name", "last_name")


def guessed(text: str, evidence: Sequence[Evidence], question: str, before: Sequence[str] = ()) -> list[EntityBrief]:
    """The people among whom ``text`` chose one, although the question singles none out; empty where all is well.

    ``before`` are the earlier questions of the conversation: they tell who is meant when this one names nobody.
    """
    searches = [people for one in evidence if _searched(one) for people in _apart(one)]
    alone = {people[0]["entity_id"] for people in searches if len(people) == 1}
    searches = [people for people in searches if len(people) > 1]
    if not searches:
        return []
    said = Words(text)
    for people in searches:
        if alone & {person["entity_id"] for person in people}:
            continue
        own = _own_values(people, lambda person: _labels(person))
        if _singles_out(own, question) or (not _names_any(people, question) and _singles_out(own, "\n".join(before))):
            continue
        facts = _own_values(people, lambda person: _labels(person) | _facts(person["entity_id"], evidence))
        spoken_of = [person for person in people if any(said.holds(value) for value in facts[person["entity_id"]])]
        if len(spoken_of) == 1:
            return people
    return []


def which_one(people: Sequence[EntityBrief]) -> str:
    """The people with what tells them apart, and the question which of them is meant."""
    rows = [f"- {_described(person)}" for person in people[:MOST_LISTED]]
    if len(people) > MOST_LISTED:
        rows.append("- and more; say more about whom you mean")
    return "\n".join(["Several customers match. Which one do you mean?", "", *rows])


def _described(person: EntityBrief) -> str:
    label = person["label"]
    name = " ".join(values[0] for concept in _NAME if (values := label.get(concept)))
    rest = [
        f"{_TITLES.get(concept, concept.replace('_', ' '))} {', '.join(values)}"
        for concept, values in label.items()
        if concept not in _NAME and values
    ]
    return ", ".join([f"**{name or person['entity_id']}**", *rest])


def _searched(one: Evidence) -> bool:
    return one["tool"] == "tilores_search"


def _apart(one: Evidence) -> list[list[EntityBrief]]:
    """The people found by each search of a call."""
    by_id = {person["entity_id"]: person for person in one["entities"]}
    return [[by_id[key] for key in keys if key in by_id] for keys in one.get("apart", [list(by_id)])]


def _labels(person: EntityBrief) -> set[str]:
    return {value for values in person["label"].values() for value in values} | {person["entity_id"]}


def _facts(entity_id: str, evidence: Sequence[Evidence]) -> set[str]:
    """The values that records of an entity hold, computed figures included."""
    found = set()
    for one in evidence:
        found |= {str(fact["value"]) for fact in one["facts"] if fact["entity_id"] == entity_id}
        for figure in one["figures"]:
            if {fact["entity_id"] for fact in figure["facts"]} == {entity_id}:
                found.add(str(figure["value"]))
    return found


def _own_values(people: Sequence[EntityBrief], values: object) -> dict[str, set[str]]:
    """For each person the values that no other of them has."""
    assert callable(values)
    each = {person["entity_id"]: {_folded(value) for value in values(person)} for person in people}
    return {
        entity_id: own - set().union(*(other for other_id, other in each.items() if other_id != entity_id))
        for entity_id, own in each.items()
    }


def _singles_out(own: dict[str, set[str]], text: str) -> bool:
    said = Words(text)
    return sum(any(said.holds(value) for value in values) for values in own.values()) == 1


def _names_any(people: Iterable[EntityBrief], question: str) -> bool:
    said = Words(question)
    return any(said.holds(value) for person in people for value in map(_folded, _labels(person)))


def _folded(value: str) -> str:
    return " ".join(str(value).split()).casefold()


class Words:
    """A text that can be asked whether it shows a value: word for word, or as the same figure, date or number."""

    def __init__(self, text: str) -> None:
        letters = (character if character.isalnum() else " " for character in text.casefold())
        self._words = f" {' '.join(''.join(letters).split())} "
        self._keys = {(item.kind, key) for item in read_items(text) for key in item.keys}

    def holds(self, value: str) -> bool:
        letters = "".join(character if character.isalnum() else " " for character in value)
        words = " ".join(letters.split())
        if len(words) > 1 and f" {words} " in self._words:
            return True
        items = read_value(value)
        return len(items) == 1 and any((items[0].kind, key) in self._keys for key in items[0].keys)
