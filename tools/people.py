"""Entities as tools ask for them and show them: who it is, how many records, and the facts asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from tilores_x.tools.access import Access
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.compact import Content
from tilores_x.tools.facts import FactsQuery, LabelQuery
from tilores_x.tools.fields.concepts import PROFILE
from tilores_x.tools.fields.paths import Path
from tilores_x.tools.records import EntityBrief, Fact

#: People shown of those that match one search.
MOST_PEOPLE = 10
#: Fields shown of an entity when none are asked for and no concept is known.
PROFILE_FIELDS = 40
#: Values of one field shown when no fields are asked for.
PROFILE_VALUES = 5

_SEARCH = {"input": "SearchInput!"}


class PeopleQuery:
    """What is asked of each entity: ``text`` goes inside ``Entity``; ``shown`` makes of it what the model reads.

    Written once per instance and list of fields, see :meth:`of`.
    """

    def __init__(self, access: Access, fields: Sequence[str] | None) -> None:
        paths = access.fields(fields) if fields else _profile(access)
        self._access = access
        self._label = access.once(LabelQuery, lambda: LabelQuery(access))
        self._facts = FactsQuery(access, paths)
        self._values = None if fields else PROFILE_VALUES
        self.paths = paths

    @classmethod
    def of(cls, access: Access, fields: Sequence[str] | None) -> PeopleQuery:
        """
        Raises:
            ToolFailed: a field is unknown or may not leave, or there are too many.
        """
        return access.once((cls, tuple(fields or ())), lambda: cls(access, fields))

    @cached_property
    def text(self) -> str:
        return f"id recordInsights {{ count {self._label.text} {self._facts.text} }}"

    def searched(self, parameters: Mapping[str, Any]) -> Lookup:
        """The search with these parameters: its first matches, and how many there are where that can be told."""
        asked: dict[str, Any] = {"parameters": parameters}
        if self._paged:
            # One more than is shown tells that there are more, where nothing counts them.
            asked |= {"page": 1, "pageSize": MOST_PEOPLE if self.counted else MOST_PEOPLE + 1}
        return Lookup(self._search_text, {"input": asked}, _SEARCH)

    @cached_property
    def counted(self) -> bool:
        return self._access.schema.has("SearchOutput.totalCount")

    @cached_property
    def _paged(self) -> bool:
        return self._access.schema.has("SearchInput.page", "SearchInput.pageSize")

    def more_than(self, matches: int) -> bool:
        """Whether the ``matches`` that came are only some of more, uncounted ones."""
        return self._paged and not self.counted and matches > MOST_PEOPLE

    @cached_property
    def _search_text(self) -> str:
        return f"search(input: $input) {{ {'totalCount ' if self.counted else ''}entities {{ {self.text} }} }}"

    def shown(self, entity: Mapping[str, Any]) -> Content:
        insights = entity["recordInsights"]
        self._access.sizes[entity["id"]] = insights["count"]
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
            "label": shown.get("label", {}),
            "records": shown["records"],
        }
        return brief, self._facts.facts(shown["entity_id"], shown.get("facts", {}))


def _profile(access: Access) -> list[Path]:
    known = [path for _, path in access.concept_paths(PROFILE, flat=True)]
    if len(known) >= 3:
        return known
    flat = [path for path in access.visible_fields() if "." not in path and path != "id"]
    return access.fields(flat[:PROFILE_FIELDS])
