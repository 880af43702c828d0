"""Entities as tools show them: who it is, how many records, and the facts asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tilores_x.tools.access import Access
from tilores_x.tools.compact import Content, fewer_rows, fitted
from tilores_x.tools.facts import FactsQuery, LabelQuery
from tilores_x.tools.fields.concepts import PROFILE
from tilores_x.tools.fields.paths import Path
from tilores_x.tools.records import EntityBrief, Fact

#: Fields shown of an entity when none are asked for and no concept is known.
PROFILE_FIELDS = 40
#: Values of one field shown when no fields are asked for.
PROFILE_VALUES = 5


class PeopleQuery:
    """What is asked of each entity: ``text`` goes inside ``Entity``; ``shown`` makes of it what the model reads."""

    def __init__(self, access: Access, fields: Sequence[str] | None) -> None:
        paths = access.fields(fields) if fields else _profile(access)
        self._label = LabelQuery(access)
        self._facts = FactsQuery(access, paths)
        self._values = None if fields else PROFILE_VALUES
        self.paths = paths

    @property
    def text(self) -> str:
        return f"id recordInsights {{ count {self._label.text} {self._facts.text} }}"

    def shown(self, entity: Mapping[str, Any]) -> Content:
        insights = entity["recordInsights"]
        facts, partly = self._facts.read(insights)
        if self._values:
            partly = sorted({*partly, *(field for field, values in facts.items() if len(values) > self._values)})
            facts = {field: values[: self._values] for field, values in facts.items()}
        content: Content = {
            "entity_id": entity["id"],
            "records": insights["count"],
            "label": self._label.read(insights),
            "facts": facts,
        }
        if partly:
            content["newest_only"] = partly
        return content

    def evidence(self, shown: Content) -> tuple[EntityBrief, list[Fact]]:
        brief: EntityBrief = {
            "entity_id": shown["entity_id"],
            "label": shown["label"],
            "records": shown["records"],
        }
        return brief, self._facts.facts(shown["entity_id"], shown.get("facts", {}))


def _profile(access: Access) -> list[Path]:
    known = [path for _, path in access.concept_paths(PROFILE, flat=True)]
    if len(known) >= 3:
        return known
    flat = [path for path in access.visible_fields() if "." not in path and path != "id"]
    return access.fields(flat[:PROFILE_FIELDS])


def fit_people(content: Content, budget_bytes: int | None = None) -> Content:
    """Shorten ``content["entities"]``: fewer values of a field, fewer records, then fewer people."""
    steps: list[Callable[[Content], str | None]] = [
        *(partial(_fewer_values, most=most) for most in (10, 5)),
        *(partial(_fewer_records, bytes_each=size) for size in (4000, 1500)),
        *(partial(_fewer_values, most=most) for most in (3, 1)),
        partial(_fewer_records, bytes_each=0),
        *(partial(_facts_of_first, most=most) for most in (5, 2, 1)),
        _fewer_fields,
        *(partial(_fewer_people, most=most) for most in (5, 1)),
    ]
    return fitted(content, steps) if budget_bytes is None else fitted(content, steps, budget_bytes)


def _fewer_values(content: Content, most: int) -> str | None:
    cut = set()
    for entity in content["entities"]:
        for field, values in entity.get("facts", {}).items():
            if len(values) > most:
                cut.add(field)
                del values[most:]
    return f"only the first {most} values of {', '.join(sorted(cut))}" if cut else None


def _fewer_records(content: Content, bytes_each: int) -> str | None:
    cut = False
    for entity in content["entities"]:
        if rows := entity.get("records_shown"):
            kept = fewer_rows(rows, bytes_each)
            cut = cut or len(kept) < len(rows)
            entity["records_shown"] = kept
    return "further records, ask tilores_insights for them" if cut else None


def _facts_of_first(content: Content, most: int) -> str | None:
    without = [entity for entity in content["entities"][most:] if entity.pop("facts", None)]
    return f"facts of all but the first {most} people" if without else None


def _fewer_fields(content: Content) -> str | None:
    cut: list[str] = []
    for entity in content["entities"]:
        facts = entity.get("facts", {})
        kept = dict(fewer_rows(list(facts.items()), 6000))
        cut.extend(field for field in facts if field not in kept)
        entity["facts"] = kept
    return f"the fields {', '.join(cut[:30])}" if cut else None


def _fewer_people(content: Content, most: int) -> str | None:
    dropped = len(content["entities"]) - most
    del content["entities"][most:]
    return f"{dropped} more people" if dropped > 0 else None
