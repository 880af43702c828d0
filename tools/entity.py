"""``tilores_entity``: one person by an entity's id or by the id of any of its records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tilores_x.errors import ToolFailed
from tilores_x.tools.access import Access, check_text
from tilores_x.tools.compact import Content
from tilores_x.tools.people import PeopleQuery, fit_people
from tilores_x.tools.records import Evidence, evidence
from tilores_x.tools.rows import row, row_facts, row_selection

NAME = "tilores_entity"
#: Records read for display; the facts are looked for in all of them.
ROWS = 50

DESCRIPTION = """\
Show one entity, by `entity_id` or by the id of any of its records (`record_id`). With `fields`, their distinct values \
over ALL its records (`facts`, newest first, with record ids) and the records that hold them (`records_shown`). \
Without `fields` a short profile is given."""


class EntityArguments(BaseModel):
    """Arguments of ``tilores_entity``; either id, not both."""

    model_config = ConfigDict(extra="forbid")

    entity_id: str | None = Field(None, description="Id of an entity, from an earlier result")
    record_id: str | None = Field(None, description="Id of any record of the entity")
    fields: list[str] | None = Field(None, description="Record fields to show, or what contains them")


async def entity(access: Access, arguments: EntityArguments) -> tuple[Content, Evidence]:
    """Content and evidence of one call; an unknown id gives ``total`` 0.

    Raises:
        ToolFailed: not exactly one id, unknown fields, or an instance too old to look up a record's entity.
    """
    if bool(arguments.entity_id) == bool(arguments.record_id):
        raise ToolFailed("Give either entity_id or record_id.")
    check_text(arguments.model_dump())
    people = PeopleQuery(access, arguments.fields)
    rows = ""
    if arguments.fields:
        rows = f"shown: limit(count: {ROWS}) {{ records {{ {row_selection(people.paths)} }} }}"
    found = await _found(access, arguments, f"{people.text} recordInsights {{ {rows} }}" if rows else people.text)
    content: Content = {"ok": True, "total": int(found is not None), "entities": []}
    shown = evidence(NAME, arguments.model_dump(exclude_none=True))
    if found is None:
        return content, shown
    person = people.shown(found)
    if rows:
        records = found["recordInsights"]["shown"]["records"]
        person["records_shown"] = [told for record in records if (told := row(access, people.paths, record))]
        if person["records"] > len(records):
            content["left_out"] = f"{person['records'] - len(records)} further records, ask tilores_insights for them"
    content["entities"] = [person]
    fit_people(content)
    brief, facts = people.evidence(person)
    shown["entities"].append(brief)
    shown["facts"] = facts
    shown["facts"].extend(row_facts(person["entity_id"], person.get("records_shown", [])))
    shown["note"] = content.get("left_out")
    return content, shown


async def _found(access: Access, arguments: EntityArguments, text: str) -> Mapping[str, Any] | None:
    asked_id = arguments.entity_id or arguments.record_id
    if arguments.entity_id:
        document = f"query entity($input: EntityInput!) {{ entity(input: $input) {{ entity {{ {text} }} }} }}"
        found = (await access.client.execute(document, {"input": {"id": asked_id}}))["entity"]["entity"]
    elif access.schema.has("Query.entityByRecord"):
        document = (
            "query entityByRecord($input: EntityByRecordInput!) "
            f"{{ entityByRecord(input: $input) {{ entity {{ {text} }} }} }}"
        )
        found = (await access.client.execute(document, {"input": {"id": asked_id}}))["entityByRecord"]["entity"]
    else:
        found = await _found_by_search(access, str(asked_id), text)
    return found if isinstance(found, dict) else None


async def _found_by_search(access: Access, record_id: str, text: str) -> Mapping[str, Any] | None:
    """Older instances know no ``entityByRecord``; some can be searched by a record's id."""
    if not any(parameter.name == "id" for parameter in access.schema.search_params):
        raise ToolFailed("This instance can't look up an entity by a record's id. Use tilores_search.")
    document = (
        f"query search($input: SearchInput!) {{ search(input: $input) {{ entities {{ {text} records {{ id }} }} }} }}"
    )
    entities = (await access.client.execute(document, {"input": {"parameters": {"id": record_id}}}))["search"][
        "entities"
    ]
    return next((found for found in entities if any(r["id"] == record_id for r in found["records"])), None)
