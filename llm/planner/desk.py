"""Where answers get their figures: a look-up that has come back is read, another is put on the list of calls to make.

So an intent is worded by one function that simply asks for what it needs; while anything is missing, what it says is
thrown away and the calls are made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tilores_x.llm.planner.subjects import Subject
from tilores_x.llm.planner.talk import Content, Hints, Lookup

MOST_ROWS = 60
_OPTIONAL, _NAMED = re.compile(r"\[([^\]]*)\]"), re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Read:
    """Records to read: those that hold the first of ``anchors`` that the instance knows, newest ``by`` a date."""

    anchors: tuple[str, ...]
    by: tuple[str, ...]
    more: tuple[str, ...] = ()


READS = {
    "status": Read(("account_status",), ("status_date", "created_at"), ("cancel_date", "cancel_reason")),
    "product": Read(("product",), ("created_at", "enroll_date"), ("enroll_date",)),
    "enrolled": Read(("enroll_date",), ("enroll_date",)),
    "reports": Read(("credit_score", "utilization"), ("report_date", "score_date"),
                    ("bureau", "score_date", "utilization", "score_factor", "credit_frozen")),
    "payments": Read(("payment_status", "payment_date"), ("due_date", "payment_date"),
                     ("payment_date", "payment_amount", "days_late", "payment_method")),
    "paid": Read(("payment_date",), ("payment_date",), ("payment_amount", "payment_status", "days_late")),
    "method": Read(("payment_method",), ("payment_date",)),
    "due": Read(("next_due_date",), ("next_due_date",)),
    "balance": Read(("balance",), ("balance_date", "created_at")),
}  # fmt: skip
READ_CONCEPTS = frozenset(concept for read in READS.values() for concept in (*read.anchors, *read.by, *read.more))


@dataclass(frozen=True, slots=True)
class Row:
    """One record's values by concept."""

    record_id: str
    entity_id: str
    values: Mapping[str, str]
    paths: Mapping[str, str]
    factors: tuple[str, ...] = ()

    def __getitem__(self, concept: str) -> str:
        return self.values.get(concept, "")

    def worded(self, said: str) -> str:
        """``said`` with the values in; parts in brackets drop out where the record lacks what they name."""
        kept = _OPTIONAL.sub(lambda part: part[1] if all(map(self.__getitem__, _NAMED.findall(part[1]))) else "", said)
        return _NAMED.sub(lambda name: self[name[1]], kept)


@dataclass(slots=True)
class Desk:
    hints: Hints
    lookups: Sequence[Lookup]
    tools: frozenset[str]
    wanted: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def look_up(self, name: str, **arguments: Any) -> Content | None:
        """What the call gave; None while it hasn't been made, and where it failed."""
        key = _key(name, arguments)
        for lookup in self.lookups:
            if lookup.content is not None and _key(lookup.name, lookup.arguments) == key:
                if lookup.content.get("ok"):
                    return lookup.content
                self._failed(str(lookup.content.get("error") or "no reason given"))
                return None
        if name in self.tools:
            self.wanted[key] = (name, arguments)
        else:
            self._failed("nothing can be looked up here")
        return None

    def _failed(self, why: str) -> None:
        if why not in self.failures:
            self.failures.append(why)

    def find(self, subject: Subject) -> tuple[list[Content] | None, int]:
        """The entities that are ``subject``, and how many match in all; None where they can't be told (yet).

        Of people whose names are merely alike, the ones of exactly that name count alone where there are any, those of
        the longest name before others.
        """
        answers = [(dict(search), self._found(dict(search))) for search in subject.searches]
        told = [(search, content) for search, content in answers if content is not None]
        found = {entity["entity_id"]: entity for _, content in told for entity in content.get("entities") or ()}
        total = max((content.get("total", 0) for _, content in told), default=0)
        exact = {key: max(_named(entity, search) for search, _ in told) for key, entity in found.items()}
        best = max(exact.values(), default=0)
        return ([entity for key, entity in found.items() if exact[key] == best] if told else None), total

    def _found(self, search: Mapping[str, str]) -> Content | None:
        if "entity_id" in search or "record_id" in search:
            return self.look_up("tilores_entity", **search)
        if not all(concept in self.hints.search for concept in search):
            missing = [concept.replace("_", " ") for concept in search if concept not in self.hints.search]
            if search.keys() == {"client_id"}:
                return self.look_up("tilores_entity", record_id=search["client_id"])
            self._failed(f"this instance can't be searched by {' and '.join(missing)}")
            return None
        arguments = {self.hints.search[concept]: value for concept, value in search.items()}
        return self.look_up("tilores_search", **arguments)

    def rows(self, entity_id: str, name: str) -> list[Row]:
        """The records of ``READS[name]``, newest first."""
        read = READS[name]
        anchor = next((concept for concept in read.anchors if concept in self.hints.fields), None)
        if anchor is None:
            return []
        flat = {concept: path for concept, path in self.hints.fields.items() if not re.search(r"[*\[]", path)}
        by = next((concept for concept in read.by if concept in flat), None)
        concepts = [c for c in dict.fromkeys((anchor, *read.by, *read.more)) if c in self.hints.fields]
        paths = {concept: self.hints.fields[concept] for concept in concepts}
        asked = [{"function": "records", "fields": list(dict.fromkeys(paths.values()))}]
        present = [{"field": flat[anchor], "op": "not_null"}] if anchor in flat else []
        order = [{"field": flat[by], "direction": "DESC"}] if by else []
        content = self._insights(entity_id, where=present, sort=order, limit=MOST_ROWS, ask=asked)
        if content is not None and not content.get("count") and order and by != anchor:
            content = self._insights(entity_id, where=present, limit=MOST_ROWS, ask=asked)  # where nothing is dated
        return [_row(entity_id, row, paths) for row in _records(content)]

    def counts(self, entity_id: str, concept: str) -> dict[str, int]:
        """How many records hold each value of a field."""
        path = self.hints.fields.get(concept)
        if path is None:
            return {}
        present = [{"field": path, "op": "not_null"}]
        content = self._insights(entity_id, where=present, group_by=[path], ask=[{"function": "count"}])
        return {str(group["group"].get(path)): group["count"] for group in (content or {}).get("groups") or ()}

    def _insights(self, entity_id: str, **arguments: Any) -> Content | None:
        return self.look_up("tilores_insights", entity_id=entity_id, **{k: v for k, v in arguments.items() if v})

    def profile(self, entity_id: str, fields: Iterable[str] = ()) -> Content | None:
        """The entity itself, with the values of ``fields``."""
        content = self.look_up("tilores_entity", entity_id=entity_id, **({"fields": list(fields)} if fields else {}))
        return next(iter((content or {}).get("entities") or ()), None)

    def difference(self, newer: Row, older: Row, concept: str) -> float:
        """``newer`` minus ``older``, by the tool; 0 until it has come."""
        operands = [
            {"value": row[concept], "record_id": row.record_id, "field": row.paths[concept], "entity_id": row.entity_id}
            for row in (newer, older)
        ]
        content = self.look_up("calculate", operation="difference", operands=operands)
        value = (content or {}).get("value")
        return value if isinstance(value, int | float) else 0

    def total(self, counts: Mapping[str, int]) -> int:
        """The sum of ``counts``, by the tool; a single one needs none."""
        if len(counts) < 2:
            return sum(counts.values())
        content = self.look_up("calculate", operation="sum", operands=[{"value": count} for count in counts.values()])
        value = (content or {}).get("value")
        return int(value) if isinstance(value, int | float) else 0


def _named(entity: Content, search: Mapping[str, str]) -> int:
    """How many letters of the name searched for are exactly the entity's; 0 where any is not."""
    label = entity.get("label") or {}
    held = all(value.casefold() in map(str.casefold, label.get(concept) or ()) for concept, value in search.items())
    return sum(map(len, search.values())) if held and search.keys() <= {"first_name", "last_name"} else 0


def _records(content: Content | None) -> list[Mapping[str, Any]]:
    for result in (content or {}).get("results") or ():
        if result.get("function") == "records":
            return list(result.get("value") or ())
    return []


def _row(entity_id: str, row: Mapping[str, Any], paths: Mapping[str, str]) -> Row:
    found = {concept: _texts(row.get(path)) for concept, path in paths.items()}
    values = {concept: texts[0] for concept, texts in found.items() if texts}
    values.setdefault("score_date", values.get("report_date", ""))
    values["utilization"] = values.get("utilization", "").rstrip(" %")
    factors = tuple(dict.fromkeys(found.get("score_factor", ())))
    return Row(str(row.get("record_id", "")), entity_id, values, paths, factors)


def _texts(value: Any) -> list[str]:
    """The values in a field, be it one or a list of lists."""
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _texts(part)]
    return [] if value is None or value == "" else [str(value)]


def _key(name: str, arguments: Mapping[str, Any]) -> str:
    """What a call asks; unset arguments, case and the notation of a phone number don't matter."""
    given = {key: value for key, value in arguments.items() if value not in (None, [], {}, "")}
    if name == "tilores_search":
        given = {key: _plain(str(value)) for key, value in given.items()}
    elif given.keys() <= {"entity_id", "record_id"}:
        given = {key: str(value).casefold() for key, value in given.items()}
    return f"{name} {json.dumps(given, sort_keys=True, default=str)}"


def _plain(value: str) -> str:
    digits = re.sub(r"[\s().+-]", "", value)
    return digits[-10:] if digits.isdigit() and len(digits) >= 10 else " ".join(value.split()).casefold()
