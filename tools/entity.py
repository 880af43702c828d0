"""``tilores_entity``: people by the ids of entities or of any of their records."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tilores_x.errors import TiloresXError, ToolFailed
from tilores_x.tools.access import Access, check_text
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.compact import Content
from tilores_x.tools.fit import fit_people, parts_of
from tilores_x.tools.people import PeopleQuery
from tilores_x.tools.records import Evidence, evidence
from tilores_x.tools.rows import row, row_facts, row_selection
from tilores_x.tools.several import MOST_AT_ONCE, each_alone, missing

NAME = "tilores_entity"
#: Records read for display; the facts are looked for in all of them.
ROWS = 50

DESCRIPTION = """\
Show one entity, by `entity_id` or by the id of any of its records (`record_id`), or several by `entity_ids`. With \
`fields`, their distinct values over ALL its records (`facts`, newest first, with record ids) and the records that \
hold them (`records_shown`). Without `fields` a short profile is given."""


class EntityArguments(BaseModel):
    """Arguments of ``tilores_entity``; one of the three."""

    model_config = ConfigDict(extra="forbid")

    entity_id: str | None = Field(None, description="Id of an entity, from an earlier result")
    record_id: str | None = Field(None, description="Id of any record of the entity")
    entity_ids: list[str] | None = Field(None, description="Several entities at once")
    fields: list[str] | None = Field(None, description="Record fields to show, or what contains them")


class _EntityQuery:
    """An entity with its facts and, where fields are asked for, the records that hold them."""

    def __init__(self, access: Access, fields: list[str] | None) -> None:
        self._access = access
        self.people = PeopleQuery.of(access, fields)
        self.rows = bool(fields)

    @cached_property
    def text(self) -> str:
        people = self.people
        if not self.rows:
            return people.text
        shown = f"shown: limit(count: {ROWS}) {{ records {{ {row_selection(people.paths)} }} }}"
        return f"{people.text} recordInsights {{ {shown} }}"

    def shown(self, found: Mapping[str, Any]) -> Content:
        """The entity as a model reads it."""
        people = self.people
        person = people.shown(found)
        if self.rows:
            records = found["recordInsights"]["shown"]["records"]
            person["records_shown"] = [told for one in records if (told := row(self._access, people.paths, one))]
        return person

    def unread(self, person: Content) -> int:
        """How many of the entity's records were not read for display."""
        return max(0, int(person["records"]) - ROWS) if self.rows else 0


async def entity(access: Access, arguments: EntityArguments) -> tuple[Content, Evidence]:
    """Content and evidence of one call; an unknown id gives ``total`` 0.

    Raises:
        ToolFailed: not exactly one of the ids, unknown fields, or an instance too old to look up a record's entity.
        TiloresXError: as ``TiloresClient.look_up`` raises; of several only where all fail.
    """
    if sum(map(bool, (arguments.entity_id, arguments.record_id, arguments.entity_ids))) != 1:
        raise ToolFailed("Give either entity_id or record_id, or entity_ids for several.")
    check_text(arguments.model_dump())
    fields = arguments.fields
    query = access.once((_EntityQuery, tuple(fields or ())), lambda: _EntityQuery(access, fields))
    content: Content = {"ok": True}
    shown = evidence(NAME, arguments.model_dump(exclude_none=True))
    if arguments.entity_ids:
        await _several(access, query, list(dict.fromkeys(arguments.entity_ids)), content)
        shown["apart"] = []
    else:
        found = await _found(access, arguments, query.text)
        content |= _told(query, found)
    fit_people(content)
    for part in parts_of(content):
        for person in part.get("entities", ()):
            brief, facts = query.people.evidence(person)
            shown["entities"].append(brief)
            shown["facts"] += facts
            shown["facts"] += row_facts(person["entity_id"], person.get("records_shown", []))
        if "apart" in shown:
            shown["apart"].append([person["entity_id"] for person in part.get("entities", ())])
    shown["note"] = "; ".join(content[key] for key in ("missing", "left_out") if key in content) or None
    return content, shown


async def _several(access: Access, query: _EntityQuery, ids: list[str], content: Content) -> None:
    asked = ids[:MOST_AT_ONCE]
    outcomes = await each_alone([_by_id(access, entity_id, query.text) for entity_id in asked])
    content["people"] = [
        {"entity_id": entity_id, "error": str(outcome)}
        if isinstance(outcome, TiloresXError)
        else {"entity_id": entity_id, **_told(query, outcome)}
        for entity_id, outcome in zip(asked, outcomes, strict=True)
    ]
    if failed := sum("error" in part for part in content["people"]):
        content["missing"] = missing(failed, len(asked), "entities")
    if len(ids) > MOST_AT_ONCE:
        content["left_out"] = f"{len(ids) - MOST_AT_ONCE} entities beyond the first {MOST_AT_ONCE}, ask for them anew"


def _told(query: _EntityQuery, found: Mapping[str, Any] | None) -> Content:
    if found is None:
        return {"total": 0, "entities": []}
    person = query.shown(found)
    told: Content = {"total": 1, "entities": [person]}
    if unread := query.unread(person):
        told["left_out"] = f"{unread} further records, ask tilores_insights for them"
    return told


async def _by_id(access: Access, entity_id: str, text: str) -> Mapping[str, Any] | None:
    wanted = Lookup(f"entity(input: $input) {{ entity {{ {text} }} }}", {"input": {"id": entity_id}}, _ENTITY)
    found = (await access.client.look_up(wanted))["entity"]
    return found if isinstance(found, dict) else None


_ENTITY = {"input": "EntityInput!"}
_BY_RECORD = {"input": "EntityByRecordInput!"}
_SEARCH = {"input": "SearchInput!"}


async def _found(access: Access, arguments: EntityArguments, text: str) -> Mapping[str, Any] | None:
    if arguments.entity_id:
        return await _by_id(access, arguments.entity_id, text)
    record_id = str(arguments.record_id)
    if access.schema.has("Query.entityByRecord"):
        text = f"entityByRecord(input: $input) {{ entity {{ {text} }} }}"
        found = (await access.client.look_up(Lookup(text, {"input": {"id": record_id}}, _BY_RECORD)))["entity"]
        return found if isinstance(found, dict) else None
    return await _found_by_search(access, record_id, text)


async def _found_by_search(access: Access, record_id: str, text: str) -> Mapping[str, Any] | None:
    """Older instances know no ``entityByRecord``; some can be searched by a record's id."""
    if not any(parameter.name == "id" for parameter in access.schema.search_params):
        raise ToolFailed("This instance can't look up an entity by a record's id. Use tilores_search.")
    text = f"search(input: $input) {{ entities {{ {text} records {{ id }} }} }}"
    found = await access.client.look_up(Lookup(text, {"input": {"parameters": {"id": record_id}}}, _SEARCH))
    return next((one for one in found["entities"] if any(r["id"] == record_id for r in one["records"])), None)
