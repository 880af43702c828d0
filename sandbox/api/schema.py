"""An instance's GraphQL schema: the three types that are its own, put together with the generic rest."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, cast

import orjson
from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    build_ast_schema,
    get_named_type,
    get_nullable_type,
    parse,
    validate_schema,
)

from tilores_x.errors import InstanceError
from tilores_x.sandbox.engine.record import id_problem
from tilores_x.sandbox.insights import times
from tilores_x.sandbox.insights.values import InsightError

OWN: Final = {
    "Record": ("object_type_definition", "type"),
    "RecordInput": ("input_object_type_definition", "input"),
    "SearchParams": ("input_object_type_definition", "input"),
}
Check = Callable[[Any], str | None]
"""Says what is wrong with a value, or None."""


@cache
def _generic() -> DocumentNode:
    return parse(resources.files("tilores_x.sandbox.api").joinpath("base.graphql").read_text("utf-8"), no_location=True)


def build_instance_schema(sdl: str, source: str) -> GraphQLSchema:
    """The whole schema of an instance with these types.

    Raises:
        InstanceError: the text is no valid schema or lacks a type; the message names ``source``.
    """
    try:
        own = parse(sdl)
    except GraphQLError as error:
        line = f", line {error.locations[0].line}" if error.locations else ""
        raise InstanceError(f"{source}{line}: {error.message}") from None
    generic = {node.name.value: node for node in _generic().definitions if isinstance(node, TypeDefinitionNode)}
    kept = []
    for node in own.definitions:
        name = node.name.value if isinstance(node, TypeDefinitionNode) else None
        if isinstance(node, ScalarTypeDefinitionNode) and name in generic:
            continue
        if name in generic:
            raise InstanceError(f"{source}: the type {name} belongs to every instance; remove it.")
        kept.append(node)
    kinds = {node.name.value: node.kind for node in kept if isinstance(node, TypeDefinitionNode)}
    if missing := [name for name in OWN if name not in kinds]:
        raise InstanceError(f"{source}: {_listed(missing)} must be defined.")
    for name, (kind, keyword) in OWN.items():
        if kinds[name] != kind:
            raise InstanceError(f"{source}: {name} must be defined as `{keyword} {name}`.")
    try:
        document = DocumentNode(definitions=(*_generic().definitions, *kept))
        schema = build_ast_schema(document)
        problems = validate_schema(schema)
    except (GraphQLError, TypeError) as error:
        raise InstanceError(f"{source}: {error}") from None
    if problems:
        raise InstanceError(f"{source}: " + "; ".join(problem.message for problem in problems))
    _check_own_types(schema, source)
    time = schema.type_map["Time"]
    assert isinstance(time, GraphQLScalarType)
    time.parse_value = time.coerce_input_value = parse_time  # type: ignore[method-assign]
    return schema


def _check_own_types(schema: GraphQLSchema, source: str) -> None:
    record, *inputs = (schema.type_map[name] for name in OWN)
    assert isinstance(record, GraphQLObjectType)
    for named in inputs:
        assert isinstance(named, GraphQLInputObjectType)
        if unknown := [field for field in named.fields if field not in record.fields]:
            raise InstanceError(f"{source}: {named.name} has the field {unknown[0]}, which Record has not.")
    for name in ("Record", "RecordInput"):
        identifier = cast("GraphQLObjectType | GraphQLInputObjectType", schema.type_map[name]).fields.get("id")
        if identifier is None or str(identifier.type) != "ID!":
            raise InstanceError(f"{source}: {name} must have the field `id: ID!`.")
    for path, field in _walk(record):
        if field.args:
            raise InstanceError(f"{source}: the field {path} of Record takes arguments; remove them.")
        if not isinstance(get_named_type(field.type), GraphQLObjectType | GraphQLScalarType | GraphQLEnumType):
            raise InstanceError(f"{source}: the field {path} of Record must be a scalar, an enum or an object type.")


def _walk(named: GraphQLObjectType, above: tuple[str, ...] = (), under: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in named.fields.items():
        yield under + name, field
        below = get_named_type(field.type)
        if isinstance(below, GraphQLObjectType) and below.name not in above:
            yield from _walk(below, (*above, below.name), f"{under}{name}.")


def check_path(schema: GraphQLSchema, path: str) -> str | None:
    """What is wrong with a dotted path into Record; it must lead to a scalar."""
    named: Any = schema.type_map["Record"]
    done = ""
    for part in path.split("."):
        if part == "*" or part.isdigit():
            continue
        if not isinstance(named, GraphQLObjectType):
            return f"{done} is a {named.name} and has no field {part}"
        if part not in named.fields:
            near = difflib.get_close_matches(part, named.fields, 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            return f"the type {named.name} has no field {part}{hint}"
        named = get_named_type(named.fields[part].type)
        done = f"{done}.{part}".lstrip(".")
    if isinstance(named, GraphQLObjectType):
        return f"{path} is an object ({named.name}); name one of its fields"
    return None


def parse_time(value: Any) -> str:
    """A point in time as it came, once it is known to be one."""
    try:
        times.parse_time(value if isinstance(value, str) else "")
    except InsightError:
        raise GraphQLError("time should be RFC3339Nano or ISO 8601 formatted string") from None
    return str(value)


# --- checking records against the type Record ---


def record_check(schema: GraphQLSchema) -> Check:
    """A check of records as JSON gives them: known fields, right types, an ID without a colon."""
    record = schema.type_map["Record"]
    assert isinstance(record, GraphQLObjectType)
    inner = _object_check(record, {})

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "a record must be a JSON object"
        return id_problem(value.get("id")) or inner(value)

    return check


def _object_check(named: GraphQLObjectType, known: dict[str, Check]) -> Check:
    if named.name in known:
        return known[named.name]
    checks: dict[str, Check] = {}
    required: list[str] = []

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"must be an object ({named.name})"
        for name, item in value.items():
            test = checks.get(name)
            if test is None:
                return f"{name} is no field of the type {named.name}"
            if item is not None and (problem := test(item)):
                return f"{name} {problem}"
        for name in required:
            if value.get(name) is None:
                return f"{name} must be given"
        return None

    known[named.name] = check
    for name, field in named.fields.items():
        checks[name] = _type_check(field.type, known)
        if isinstance(field.type, GraphQLNonNull):
            required.append(name)
    return check


def _type_check(wanted: Any, known: dict[str, Check]) -> Check:
    wanted = get_nullable_type(wanted)
    if isinstance(wanted, GraphQLList):
        nullable = not isinstance(wanted.of_type, GraphQLNonNull)
        each = _type_check(wanted.of_type, known)

        def check(value: Any) -> str | None:
            if not isinstance(value, list):
                return "must be a list"
            problems = (each(item) if item is not None else None if nullable else "is null" for item in value)
            return next((f"has an element that {problem}" for problem in problems if problem), None)

        return check
    if isinstance(wanted, GraphQLObjectType):
        return _object_check(wanted, known)
    if isinstance(wanted, GraphQLEnumType):
        names = wanted.values
        return lambda value: None if isinstance(value, str) and value in names else f"must be one of {_listed(names)}"
    return _SCALARS.get(wanted.name, _is_json)


def _is_json(value: Any) -> str | None:
    try:
        orjson.dumps(value)
    except (TypeError, ValueError) as error:
        return f"can't be written as JSON: {error}"
    return None


def _is_time(value: Any) -> str | None:
    try:
        parse_time(value)
    except GraphQLError as error:
        return f"is no time: {error.message}"
    return None


def _of(words: str, *types: type) -> Check:
    return lambda value: None if type(value) in types else f"must be {words}"


_SCALARS: Final[Mapping[str, Check]] = {
    "String": _of("a text", str),
    "ID": _of("a text", str),
    "Int": lambda value: None if type(value) is int and -(2**31) <= value < 2**31 else "must be a 32-bit whole number",
    "Float": _of("a number", int, float),
    "Boolean": _of("true or false", bool),
    "Time": _is_time,
}


def _listed(names: Any) -> str:
    return ", ".join(names)
