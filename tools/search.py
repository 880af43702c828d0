"""``tilores_search``: find people by what is known of them, one or many in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilores_x.errors import TiloresXError, ToolFailed
from tilores_x.tools.access import Access, check_text
from tilores_x.tools.api.schema import SearchParam
from tilores_x.tools.compact import Content
from tilores_x.tools.fields.names import nearest
from tilores_x.tools.fields.spellings import spellings
from tilores_x.tools.fit import fit_people, parts_of
from tilores_x.tools.foresight import look_up
from tilores_x.tools.people import MOST_PEOPLE, PeopleQuery
from tilores_x.tools.records import Evidence, evidence
from tilores_x.tools.several import MOST_AT_ONCE, each_alone, missing

NAME = "tilores_search"

DESCRIPTION = """\
Find people (entities) by what is known of them; give every identifier you have, as it was written. Each entity comes \
with what tells it from others, and with the distinct values of the asked `fields` over ALL its records, newest first, \
each with the ids of records that hold it. `total` says how many people match: if more than one does and one person \
is meant, do not pick one. Without `fields` a short profile is given. For several people make one call, with \
`people`."""


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
    properties[people_argument(access)] = {
        "type": "array",
        "items": {"type": "object"},
        "description": "Several people at once: for each an object of the search parameters above.",
    }
    return {"title": NAME, "description": DESCRIPTION, "type": "object", "properties": properties, "required": []}


def fields_argument(access: Access) -> str:
    """``fields``, unless the instance has a search parameter of that name."""
    return _own_name(access, "fields", "show_fields")


def people_argument(access: Access) -> str:
    """``people``, unless the instance has a search parameter of that name."""
    return _own_name(access, "people", "search_people")


def _own_name(access: Access, name: str, instead: str) -> str:
    return instead if any(parameter.name == name for parameter in access.schema.search_params) else name


async def search(access: Access, arguments: Mapping[str, Any]) -> tuple[Content, Evidence]:
    """Content and evidence of one call.

    Several people stand each under ``people``, in the order asked, also those who could not be looked up.

    Raises:
        ToolFailed: no or unknown parameters, unknown fields; of several people only where all fail so.
        TiloresXError: as ``TiloresClient.look_up`` raises; of several people only where all fail.
    """
    wanted = dict(arguments)
    fields = wanted.pop(fields_argument(access), None)
    several = wanted.pop(people_argument(access), None)
    people = PeopleQuery.of(access, _names(fields))
    shown_fields = {"fields": list(fields)} if fields else {}
    if several:
        return await _search_several(access, people, [*([wanted] if _given(wanted) else []), *_listed(several)])
    found = await _found(access, people, wanted)
    content = fit_people({"ok": True, **found.told(people)})
    shown = evidence(NAME, {**wanted, **shown_fields, "searched": found.parameters})
    _prove(shown, people, content)
    shown["note"] = content.get("left_out")
    return content, shown


async def _search_several(
    access: Access, people: PeopleQuery, asked: Sequence[Mapping[str, Any]]
) -> tuple[Content, Evidence]:
    wanted = list({repr(sorted(one.items())): one for one in asked}.values())
    beyond = len(wanted) - MOST_AT_ONCE
    wanted = wanted[:MOST_AT_ONCE]

    async def one(person: Mapping[str, Any]) -> Content:
        return (await _found(access, people, person)).told(people)

    outcomes = await each_alone([one(person) for person in wanted])
    parts: list[Content] = [
        {"searched": dict(person), "error": str(outcome)} if isinstance(outcome, TiloresXError) else outcome
        for person, outcome in zip(wanted, outcomes, strict=True)
    ]
    content: Content = {"ok": True, "people": parts}
    if beyond > 0:
        content["left_out"] = f"{beyond} people beyond the first {MOST_AT_ONCE}, ask for them in another call"
    if failed := sum("error" in part for part in parts):
        content["missing"] = missing(failed, len(parts), "people")
    fit_people(content)
    shown = evidence(NAME, {"searched": [part["searched"] for part in content["people"]]})
    shown["apart"] = []
    _prove(shown, people, content)
    said = [content[key] for key in ("missing", "left_out") if key in content]
    said += [left for part in content["people"] if (left := part.get("left_out"))]
    shown["note"] = "; ".join(said) or None
    return content, shown


def _prove(shown: Evidence, people: PeopleQuery, content: Content) -> None:
    for part in parts_of(content):
        if "error" in part:
            continue
        for entity in part["entities"]:
            brief, facts = people.evidence(entity)
            shown["entities"].append(brief)
            shown["facts"].extend(facts)
        if "apart" in shown:
            shown["apart"].append([entity["entity_id"] for entity in part["entities"]])
        total = part["total"]
        shown["figures"].append({"name": "people found", "value": total, "unit": None, "facts": [], "count": total})


def _given(wanted: Mapping[str, Any]) -> bool:
    return any(value not in (None, "", [], {}) for value in wanted.values())


def _listed(several: object) -> list[Mapping[str, Any]]:
    listed = [several] if isinstance(several, Mapping) else several
    if not isinstance(listed, list | tuple) or not all(isinstance(one, Mapping) for one in listed):
        raise ToolFailed("`people` is a list of objects, each with the search parameters of one person.")
    return list(listed)


def _names(fields: object) -> Sequence[str] | None:
    if fields is None:
        return None
    names = [fields] if isinstance(fields, str) else fields
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ToolFailed("`fields` is a list of field names.")
    return names


def _parameters(access: Access, wanted: Mapping[str, Any]) -> dict[str, Any]:
    check_text(wanted)
    known, folded = access.once("search parameters", lambda: _searchable(access))
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


def _searchable(access: Access) -> tuple[Mapping[str, SearchParam], Mapping[str, str]]:
    """The search parameters by name, and their names by name in small letters."""
    known = {p.name: p for p in access.schema.search_params if access.policy.searchable(p.name)}
    return known, {name.casefold(): name for name in known}


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

    def told(self, people: PeopleQuery) -> Content:
        """As a model reads it."""
        entities = self.entities
        part: Content = {
            "searched": self.parameters,
            "total": self.total,
            "entities": [people.shown(entity) for entity in entities],
        }
        if self.at_least:
            part["left_out"] = f"more people than {self.total} may match, the first {len(entities)} are shown"
        elif self.total > len(entities):
            part["left_out"] = f"{self.total - len(entities)} more people match, the first {len(entities)} are shown"
        return part


async def _found(access: Access, people: PeopleQuery, wanted: Mapping[str, Any]) -> _Found:
    """Who matches; where nobody does, who matches another notation of the same."""
    parameters = _parameters(access, wanted)
    found = await _matches(access, people, parameters)
    if not found.entities and (others := _other_spellings(access, parameters)):
        tried = await asyncio.gather(*(_matches(access, people, other) for other in others))
        return next((other for other in tried if other.entities), found)
    return found


async def _matches(access: Access, people: PeopleQuery, parameters: Mapping[str, Any]) -> _Found:
    came = await look_up(access.client, people.searched(parameters))
    entities = came["entities"]
    total = came["totalCount"] if people.counted else len(entities)
    return _Found(parameters, entities[:MOST_PEOPLE], total, people.more_than(len(entities)))


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
