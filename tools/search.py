"""``tilores_search``: find people by what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tilores_x.errors import ToolFailed
from tilores_x.tools.access import Access, check_text
from tilores_x.tools.compact import Content
from tilores_x.tools.fields.names import nearest
from tilores_x.tools.fields.spellings import spellings
from tilores_x.tools.people import PeopleQuery, fit_people
from tilores_x.tools.records import Evidence, evidence

NAME = "tilores_search"
#: People shown of those that match.
MOST_PEOPLE = 10

DESCRIPTION = """\
Find people (entities) by what is known of them; give every identifier you have, as it was written. Each entity comes \
with what tells it from others, and with the distinct values of the asked `fields` over ALL its records, newest first, \
each with the ids of records that hold it. `total` says how many people match: if more than one does and one person \
is meant, do not pick one. Without `fields` a short profile is given."""


def args_schema(access: Access) -> dict[str, Any]:
    """JSON schema of the arguments: one optional argument per search parameter that the policy lets be searched by."""
    properties: dict[str, Any] = {}
    for parameter in access.schema.search_params:
        if access.policy.searchable(parameter.name):
            properties[parameter.name] = dict(parameter.shape)
    properties[fields_argument(access)] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "Record fields to show (dotted paths, `*` for list levels), or what contains them.",
    }
    return {"title": NAME, "description": DESCRIPTION, "type": "object", "properties": properties, "required": []}


def fields_argument(access: Access) -> str:
    """``fields``, unless the instance has a search parameter of that name."""
    return "show_fields" if any(p.name == "fields" for p in access.schema.search_params) else "fields"


async def search(access: Access, arguments: Mapping[str, Any]) -> tuple[Content, Evidence]:
    """Content and evidence of one call.

    Raises:
        ToolFailed: no or unknown parameters, unknown fields.
    """
    wanted = dict(arguments)
    fields = wanted.pop(fields_argument(access), None)
    people = PeopleQuery(access, _names(fields))
    parameters = _parameters(access, wanted)
    found = await _first_found(access, people, [parameters])
    if not found.entities and (others := _other_spellings(access, parameters)):
        found = await _first_found(access, people, others)
        if not found.entities:
            found = replace(found, parameters=parameters)
    entities, total = found.entities, found.total
    content: Content = {
        "ok": True,
        "searched": found.parameters,
        "total": total,
        "entities": [people.shown(entity) for entity in entities],
    }
    if found.at_least:
        content["left_out"] = f"more people than {total} may match, the first {len(entities)} are shown"
    elif total > len(entities):
        content["left_out"] = f"{total - len(entities)} more people match, the first {len(entities)} are shown"
    fit_people(content)
    shown = evidence(NAME, {**wanted, **({"fields": list(fields)} if fields else {})})
    shown["arguments"]["searched"] = found.parameters
    for entity in content["entities"]:
        brief, facts = people.evidence(entity)
        shown["entities"].append(brief)
        shown["facts"].extend(facts)
    shown["figures"].append({"name": "people found", "value": total, "unit": None, "facts": [], "count": total})
    shown["note"] = content.get("left_out")
    return content, shown


def _names(fields: object) -> Sequence[str] | None:
    if fields is None:
        return None
    names = [fields] if isinstance(fields, str) else fields
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ToolFailed("`fields` is a list of field names.")
    return names


def _parameters(access: Access, wanted: Mapping[str, Any]) -> dict[str, Any]:
    check_text(wanted)
    known = {p.name: p for p in access.schema.search_params if access.policy.searchable(p.name)}
    folded = {name.casefold(): name for name in known}
    found: dict[str, Any] = {}
    for given, value in wanted.items():
        name = folded.get(given.casefold())
        if name is None:
            near = nearest(given, known) or list(known)
            raise ToolFailed(f"There is no search parameter {given!r}. Nearest: {', '.join(near)}.")
        if isinstance(value, str):
            value = value.strip()
        if value is None or value in ("", [], {}):
            continue
        found[name] = _typed(name, value, known[name].shape)
    if not found:
        raise ToolFailed(f"Give at least one of the search parameters: {', '.join(known)}.")
    return found


def _typed(name: str, value: Any, shape: Mapping[str, Any]) -> Any:
    """``value`` as GraphQL takes it: models give numbers for text and text for numbers."""
    kind = shape.get("type")
    if kind == "array":
        items = value if isinstance(value, list) else [value]
        return [_typed(name, item, shape["items"]) for item in items]
    if kind == "object":
        if not isinstance(value, Mapping):
            raise ToolFailed(f"{name} is an object with {', '.join(shape['properties'])}.")
        unknown = [key for key in value if key not in shape["properties"]]
        if unknown:
            raise ToolFailed(f"{name} has no part {unknown[0]!r}, but {', '.join(shape['properties'])}.")
        return {key: _typed(f"{name}.{key}", part, shape["properties"][key]) for key, part in value.items()}
    if isinstance(value, list | Mapping):
        raise ToolFailed(f"{name} takes one value.")
    if kind == "string":
        text = str(value)
        if "enum" in shape and text not in shape["enum"]:
            raise ToolFailed(f"{name} is one of {', '.join(shape['enum'])}.")
        return text
    if kind == "boolean":
        if not isinstance(value, bool):
            raise ToolFailed(f"{name} is true or false.")
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ToolFailed(f"{name} is a number.") from None
    if kind == "integer" and number != int(number):
        raise ToolFailed(f"{name} is a whole number.")
    return int(number) if kind == "integer" else number


@dataclass(frozen=True, slots=True)
class _Found:
    """The first entities and how many there are in all; ``at_least`` where that is only a lower bound."""

    parameters: Mapping[str, Any]
    entities: Sequence[Mapping[str, Any]]
    total: int
    at_least: bool


async def _first_found(access: Access, people: PeopleQuery, candidates: Sequence[Mapping[str, Any]]) -> _Found:
    """The first of ``candidates`` that finds anyone, or the last; all in one request."""
    has = access.schema.has
    counted, paged = has("SearchOutput.totalCount"), has("SearchInput.page", "SearchInput.pageSize")
    # One more than is shown tells that there are more, where nothing counts them.
    page = {"page": 1, "pageSize": MOST_PEOPLE if counted else MOST_PEOPLE + 1} if paged else {}
    declared = ", ".join(f"$input{at}: SearchInput!" for at in range(len(candidates)))
    asked = " ".join(
        f"s{at}: search(input: $input{at}) {{ {'totalCount' if counted else ''} entities {{ {people.text} }} }}"
        for at in range(len(candidates))
    )
    variables = {f"input{at}": {"parameters": parameters, **page} for at, parameters in enumerate(candidates)}
    data = await access.client.execute(f"query search({declared}) {{ {asked} }}", variables)
    found = None
    for at, parameters in enumerate(candidates):
        entities = data[f"s{at}"]["entities"]
        total = data[f"s{at}"]["totalCount"] if counted else len(entities)
        found = _Found(parameters, entities[:MOST_PEOPLE], total, paged and not counted and total > MOST_PEOPLE)
        if entities:
            break
    assert found is not None
    return found


def _other_spellings(access: Access, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same search with phones, e-mails and dates in notations that an instance's rules may want."""
    tried = [dict(parameters)]
    for name, value in parameters.items():
        concept = access.concepts.of_parameter(name)
        if isinstance(value, str) and concept:
            for other in spellings(concept, value):
                if (changed := {**parameters, name: other}) not in tried:
                    tried.append(changed)
    return tried[1:]
