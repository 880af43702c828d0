"""Answers about who somebody is, and about the records that make them one person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tilores_x.llm.planner.case import Case, bold, bullets, listed

_TITLES = {
    "client_id": "client ID",
    "email": "e-mail",
    "date_of_birth": "date of birth",
    "account_status": "account status",
}
_SHOWN = ("email", "phone", "date_of_birth", "account_status", "product", "city")
_MOST_VALUES = 5


def title(concept: str) -> str:
    return _TITLES.get(concept, concept.replace("_", " "))


def name_of(entity: Mapping[str, Any], fields: Mapping[str, str]) -> str:
    """The full name as most records write it, and the client id."""
    first, last = (_usual(entity, concept, fields) for concept in ("first_name", "last_name"))
    name = " ".join(part for part in (first, last) if part)
    ids = entity.get("label", {}).get("client_id") or ()
    number = f"client ID {ids[0]}" if ids else ""
    return f"{bold(name)} ({number})" if name and number else bold(name or number or entity["entity_id"])


def _usual(entity: Mapping[str, Any], concept: str, fields: Mapping[str, str]) -> str:
    facts = entity.get("facts", {}).get(fields.get(concept, "")) or ()
    label = entity.get("label", {}).get(concept) or ()
    value = str(max(facts, key=lambda fact: fact.get("count", 0))["value"]) if facts else next(iter(label), "")
    return value.title() if value.isupper() else value


def brief(entity: Mapping[str, Any], fields: Mapping[str, str]) -> str:
    """One line that tells an entity from its namesakes."""
    label = entity.get("label", {})
    parts = [f"{title(concept)} {label[concept][0]}" for concept in _SHOWN if label.get(concept)]
    return f"{name_of(entity, fields)}: {', '.join(parts)}"


def who_it_is(case: Case) -> str:
    label = case.entity.get("label", {})
    lines = [f"{title(concept).capitalize()}: {', '.join(label[concept])}" for concept in _SHOWN if label.get(concept)]
    count = case.entity.get("records")
    return bullets([*lines, f"Records: {count}"] if count else lines)


def field(case: Case, concept: str) -> str:
    """What the records hold in one field, newest first."""
    path = case.desk.hints.fields.get(concept)
    if path is None:
        return f"The records have no field for {title(concept)}."
    entity = case.desk.profile(case.entity_id, [path])
    facts = ((entity or {}).get("facts") or {}).get(path) or ()
    if not facts:
        return f"No record holds the {title(concept)}."
    return f"{title(concept).capitalize()}: {', '.join(bold(fact['value']) for fact in facts[:_MOST_VALUES])}."


def why_one_person(case: Case) -> str:
    told = case.desk.look_up("tilores_explain", entity_id=case.entity_id) or {}
    rules: Mapping[str, int] = told.get("rules") or {}
    if not rules:
        return f"No rule links the records: there is {told.get('records', 'one')} record."
    said = bullets([f"same {_rule(rule)}" for rule in rules])
    return f"The {told.get('records')} records are linked by these rules, most used first:\n{said}"


def _rule(rule: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[_\s]+", " ", rule).lower().split()
    return " ".join(words).replace("dob", "date of birth").replace("ssn", "social security number") + f" ({rule})"


def conflicts(case: Case) -> str:
    told = case.desk.look_up("tilores_explain", entity_id=case.entity_id) or {}
    concepts = {path: concept for concept, path in case.desk.hints.fields.items()}
    lines = []
    for path, values in (told.get("conflicts") or {}).items():
        distinct = {_plain(str(value["value"])): str(value["value"]) for value in reversed(values)}
        named = title(concepts.get(path, path.lower())).capitalize()
        if len(distinct) > 1:
            lines.append(f"{named}: {' / '.join(reversed(distinct.values()))}")
        elif len({value["value"] for value in values}) < len(values):  # two values behind one mask
            lines.append(f"{named}: different values, each shown as {values[0]['value']}")
    return f"These values conflict:\n{bullets(lines)}" if lines else "No values conflict: the records agree."


def _plain(value: str) -> str:
    """A value without its notation."""
    plain = re.sub(r"[\W_]+", "", value).casefold()
    return plain[-10:] if plain.isdigit() and len(plain) >= 10 else plain


def duplicates(case: Case) -> str:
    told = case.desk.look_up("tilores_explain", entity_id=case.entity_id) or {}
    found: Mapping[str, Sequence[str]] = told.get("duplicates") or {}
    if not found:
        return "There are no duplicate records."
    said = [f"{listed(list(copies))} says the same as {original}" for original, copies in found.items()]
    return f"Duplicate records:\n{bullets(said)}"


def how_many_records(case: Case) -> str:
    return f"There are {bold(case.entity.get('records', 'no'))} records."
