"""What each field of the schema does: privileges, paging, sorting, and the way from the engine to an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from graphql import GraphQLObjectType, GraphQLSchema

from tilores_x.sandbox.api.contents import Content, Contents
from tilores_x.sandbox.api.execution import TooLargeHere
from tilores_x.sandbox.api.plan import python_name
from tilores_x.sandbox.api.schema import Check
from tilores_x.sandbox.api.views import EntityView
from tilores_x.sandbox.engine.engine import Edge, Engine
from tilores_x.sandbox.engine.finding import Found
from tilores_x.sandbox.engine.record import Record, Refused
from tilores_x.sandbox.engine.store import EntityRow, RecordRow

PAGE_SIZE: Final = 10
PRIVILEGES: Final = {
    "search": "tilores/query.search",
    "entity": "tilores/query.entity",
    "entityByRecord": "tilores/query.entity",
    "metrics": "tilores/query.metrics",
    "submit": "tilores/mutation.submit",
    "submitWithPreview": "tilores/mutation.submit",
    "disassemble": "tilores/mutation.disassemble",
    "removeConnectionBan": "tilores/mutation.removeConnectionBan",
}

Resolver = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Call:
    """What the resolvers of one request share.

    ``most_values`` bounds records times fields of one answer; None lifts the bound.
    """

    engine: Engine
    contents: Contents
    check: Check
    scopes: frozenset[str]
    fields: int
    most_values: int | None

    def affordable(self, records: int) -> None:
        """Raises: TooLargeHere: that many records are too much for the event loop."""
        if self.most_values is not None and records * self.fields > self.most_values:
            raise TooLargeHere

    def view(self, entity: EntityRow) -> EntityView:
        self.affordable(entity.size)
        return EntityView(entity.id, self.engine, self._reader(entity))

    def found(self, found: Found) -> EntityView:
        return EntityView(found.entity.id, self.engine, self._reader(found.entity), found.hits, found.hit_score)

    def _reader(self, entity: EntityRow) -> Callable[[], Content]:
        return lambda: self.contents.of(entity)


def attach(schema: GraphQLSchema) -> None:
    """Give the fields of the generic types their resolvers."""
    for root, table in (("Query", _QUERIES), ("Mutation", _MUTATIONS)):
        for name, resolver in table.items():
            _object(schema, root).fields[name].resolve = _guarded(name, resolver)
    for type_name in ("Entity", "RecordInsights", "EdgeInsights"):
        for name, field in _object(schema, type_name).fields.items():
            field.resolve = _member(name)


def _object(schema: GraphQLSchema, name: str) -> GraphQLObjectType:
    named = schema.type_map[name]
    assert isinstance(named, GraphQLObjectType)
    return named


def _guarded(name: str, resolver: Resolver) -> Resolver:
    privilege = PRIVILEGES[name]

    @wraps(resolver)
    def resolve(_source: Any, info: Any, **args: Any) -> Any:
        call: Call = info.context
        if privilege not in call.scopes:
            raise Refused(f"access denied, required privilege: {privilege}")
        return resolver(call, **args)

    return resolve


def _member(name: str) -> Resolver:
    """The attribute or method of the same name in Python's spelling; a null argument is an absent one."""
    attribute = python_name(name)

    def resolve(source: Any, _info: Any, **args: Any) -> Any:
        value = getattr(source, attribute)
        if callable(value):
            return value(**{python_name(key): given for key, given in args.items() if given is not None})
        return value

    return resolve


# --- queries ---


def _search(call: Call, input: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: A002  the API's name
    found = call.contents.search(input["parameters"], input.get("searchRules"))
    _sort(found, input.get("sort"))
    total = len(found)
    found = _page(found, input.get("page"), input.get("pageSize"))
    call.affordable(sum(each.entity.size for each in found))
    views = [call.found(each) for each in found]
    if conditions := input.get("considerRecords"):
        views = [part for view in views for part in view.considering(conditions)]
    return {"entities": views, "totalCount": total}


def _sort(found: list[Found], criteria: Mapping[str, Any] | None) -> None:
    if not criteria:
        found.sort(key=lambda each: (-each.hit_score, each.entity.id))
        return
    name, direction = criteria["field"], criteria.get("direction")
    if name not in ("id", "hitScore"):
        raise Refused(f"search results can be sorted by id or hitScore, not by {name}")
    found.sort(key=lambda each: each.entity.id)
    if name == "hitScore":
        found.sort(key=lambda each: each.hit_score, reverse=direction != "ASC")
    elif direction == "DESC":
        found.reverse()


def _page(found: list[Found], page: int | None, size: int | None) -> list[Found]:
    if page is None:
        return found
    size = PAGE_SIZE if size is None else size
    if page < 1 or size < 1:
        raise Refused("page and pageSize begin at 1")
    return found[(page - 1) * size : page * size]


def _entity(call: Call, input: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: A002
    row = call.engine.store.entity(input["id"])
    if row is None:
        return {"entity": None}
    view = call.view(row)
    if conditions := input.get("considerRecords"):
        # Several parts may be left of it; the one answered is the largest, and of equals the oldest.
        return {"entity": max(view.considering(conditions), key=lambda part: len(part.records), default=None)}
    return {"entity": view}


def _entity_by_record(call: Call, input: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: A002
    row = call.engine.entity_of(input["id"])
    if row is None:
        return {"entity": None}
    view = call.view(row)
    if conditions := input.get("considerRecords"):
        parts = view.considering(conditions)
        holding = (part for part in parts if any(record["id"] == input["id"] for record in part.records))
        return {"entity": next(holding, None)}
    return {"entity": view}


def _metrics(call: Call) -> Mapping[str, Any]:
    waiting = call.engine.waiting
    return {
        "assemblyStatus": {
            "state": "IN_PROGRESS" if waiting else "READY",
            "estimatedTimeRemaining": math.ceil(call.engine.remaining_s) if waiting else None,
        }
    }


# --- mutations ---


def _records(call: Call, given: list[Mapping[str, Any]]) -> list[Record]:
    records = [{name: value for name, value in record.items() if value is not None} for record in given]
    for at, record in enumerate(records):
        if problem := call.check(record):
            raise Refused(f"record {at + 1} of {len(records)}: {problem}")
    return records


def _submit(call: Call, input: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: A002
    return {"recordsAdded": call.engine.submit(_records(call, input["records"]))}


def _submit_with_preview(call: Call, input: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: A002
    records = _records(call, input["records"])
    found = call.engine.add(records, keep=not input.get("dryRun"))

    def shown(rows: list[RecordRow]) -> Callable[[], Content]:
        return lambda: Content(call.engine, rows)

    return {"entities": [EntityView(entity.id, call.engine, shown(rows)) for entity, rows in found]}


def _disassemble(call: Call, input: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: A002
    edges = [Edge(edge["a"], edge["b"]) for edge in input.get("edges") or ()]
    call.engine.disassemble(edges, input.get("recordIDs") or (), ban=bool(input.get("createConnectionBan")))
    return {"triggered": True}


def _remove_connection_ban(call: Call, input: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: A002
    return {"removed": call.engine.remove_ban(input["reference"], input["entityID"], input["others"])}


_QUERIES: Final[Mapping[str, Resolver]] = {
    "search": _search,
    "entity": _entity,
    "entityByRecord": _entity_by_record,
    "metrics": _metrics,
}
_MUTATIONS: Final[Mapping[str, Resolver]] = {
    "submit": _submit,
    "submitWithPreview": _submit_with_preview,
    "disassemble": _disassemble,
    "removeConnectionBan": _remove_connection_ban,
}
SETTLING: Final = frozenset({"submitWithPreview", "disassemble", "removeConnectionBan"})
"""Fields that need all submitted records to be assembled first."""
