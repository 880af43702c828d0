"""Queries as plans: what a selection asks for is worked out once, then each request only walks through it.

graphql-core takes some 10 µs a field, again for every request. A plan calls the same resolvers and gives the same
data, as long as all goes well; where anything doesn't, the whole operation is left to graphql-core, which knows how to
say it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    VariableNode,
    Visitor,
    get_argument_values,
    get_variable_values,
    visit,
)

from tilores_x.sandbox.insights.records import RecordInsights

Json = Any
Value = Callable[[Any, "Run"], Json]
"""What becomes of a resolved value."""
Step = Callable[[Any, "Run"], Json]
"""A field of an object."""
Fragments = Mapping[str, FragmentDefinitionNode]


class LeftAlone(Exception):
    """Not for a plan: graphql-core must do it."""


@dataclass(slots=True)
class Run:
    """One request: ``context`` is for the resolvers of the root, ``variables`` are coerced."""

    context: Any
    variables: Any


@dataclass(frozen=True, slots=True)
class Plan:
    """A query that is ready to run."""

    schema: GraphQLSchema
    node: OperationDefinitionNode
    fields: Mapping[str, Step]

    @classmethod
    def of(cls, schema: GraphQLSchema, document: DocumentNode, node: OperationDefinitionNode) -> Plan | None:
        """None for what is no plain query: mutations, directives, introspection."""
        if node.operation is not OperationType.QUERY or node.directives or schema.query_type is None:
            return None
        try:
            return cls(schema, node, _Planner(schema, document).steps(schema.query_type, [node]))
        except LeftAlone:
            return None

    def run(self, context: Any, variables: Mapping[str, Any]) -> dict[str, Json]:
        """The data.

        Raises:
            LeftAlone: the variables don't fit, or a value is null where none may be.
            Exception: as resolvers raise.
        """
        coerced: Any = None
        if self.node.variable_definitions:
            coerced = get_variable_values(self.schema, self.node.variable_definitions, dict(variables))
            if isinstance(coerced, list):
                raise LeftAlone
        run = Run(context, coerced)
        return {name: step(None, run) for name, step in self.fields.items()}


class _Planner:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        record = schema.type_map["Record"]
        assert isinstance(record, GraphQLObjectType)
        self._query = schema.query_type
        self._plain = plain_types(record)
        self._fragments = fragments_of(document)

    def steps(self, named: GraphQLObjectType, nodes: Sequence[Any]) -> dict[str, Step]:
        return {name: self._step(named, group) for name, group in grouped(nodes, self._fragments).items()}

    def _step(self, named: GraphQLObjectType, nodes: list[FieldNode]) -> Step:
        node = nodes[0]
        name = node.name.value
        if name == "__typename":
            return lambda _source, _run: named.name
        if name.startswith("__"):
            raise LeftAlone
        field = named.fields[name]
        done = self._value(field.type, nodes)
        arguments = _arguments(field, node)
        if named is self._query:
            resolve = field.resolve
            assert resolve is not None
            return lambda source, run: done(resolve(source, run, **arguments(run)), run)
        if field.resolve is None:
            return lambda source, run: done(source[name], run)
        return _member(python_name(name), arguments, done)

    def _value(self, kind: Any, nodes: list[FieldNode]) -> Value:
        if isinstance(kind, GraphQLNonNull):
            return _required(self._value(kind.of_type, nodes))
        if isinstance(kind, GraphQLList):
            item = kind.of_type.of_type if isinstance(kind.of_type, GraphQLNonNull) else kind.of_type
            if not isinstance(item, GraphQLObjectType):
                return lambda value, _run: None if value is None else list(value)
            if item.name in self._plain:
                plan = plain_plan(item, nodes, self._fragments)
                return lambda value, _run: None if value is None else [plan(each) for each in value]
            below = self._value(kind.of_type, nodes)
            return lambda value, run: None if value is None else [below(each, run) for each in value]
        if isinstance(kind, GraphQLObjectType):
            if kind.name in self._plain:
                plan = plain_plan(kind, nodes, self._fragments)
                return lambda value, _run: None if value is None else plan(value)
            steps = list(self.steps(kind, nodes).items())
            return lambda value, run: None if value is None else {name: step(value, run) for name, step in steps}
        coerce = kind.coerce_output_value
        return lambda value, _run: None if value is None else _leaf(coerce(value))


def _leaf(value: Any) -> Json:
    if value is Undefined or value is None:
        raise LeftAlone
    return value


def _required(done: Value) -> Value:
    def apply(value: Any, run: Run) -> Json:
        if value is None:
            raise LeftAlone
        return done(value, run)

    return apply


def _member(attribute: str, arguments: Callable[[Run], dict[str, Any]], done: Value) -> Step:
    """The attribute or method of the same name in Python's spelling; a null argument is an absent one."""

    def step(source: Any, run: Run) -> Json:
        given = {python_name(key): value for key, value in arguments(run).items() if value is not None}
        if isinstance(source, RecordInsights):
            return done(source.remembered(attribute, given), run)
        value = getattr(source, attribute)
        return done(value(**given) if callable(value) else value, run)

    return step


def _arguments(field: Any, node: FieldNode) -> Callable[[Run], dict[str, Any]]:
    if any(map(_has_variables, node.arguments or ())):
        return lambda run: get_argument_values(field, node, run.variables)
    fixed = get_argument_values(field, node)
    return lambda _run: fixed


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_variable(self, _node: VariableNode, *_: Any) -> None:
        self.found = True


def _has_variables(node: Any) -> bool:
    seeker = _Variables()
    visit(node, seeker)
    return seeker.found


def fragments_of(document: DocumentNode) -> Fragments:
    """The fragments of a document by name."""
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def grouped(nodes: Sequence[Any], fragments: Fragments) -> dict[str, list[FieldNode]]:
    """The fields below ``nodes`` by the name under which they answer, those of fragments among them.

    No type here is one of several, so a valid fragment always fits where it is used.

    Raises:
        LeftAlone: there are directives.
    """
    found: dict[str, list[FieldNode]] = {}
    for node in nodes:
        for selection in node.selection_set.selections if node.selection_set else ():
            if selection.directives:
                raise LeftAlone
            if isinstance(selection, FieldNode):
                name = selection.alias.value if selection.alias else selection.name.value
                found.setdefault(name, []).append(selection)
                continue
            inside = fragments[selection.name.value] if isinstance(selection, FragmentSpreadNode) else selection
            for name, group in grouped([inside], fragments).items():
                found.setdefault(name, []).extend(group)
    return found


def plain_types(record: GraphQLObjectType) -> frozenset[str]:
    """The type Record and those inside of it: their fields are nothing but keys of JSON objects."""
    found: set[str] = set()
    pending: list[Any] = [record]
    while pending:
        each = pending.pop()
        while isinstance(each, GraphQLNonNull | GraphQLList):
            each = each.of_type
        if isinstance(each, GraphQLObjectType) and each.name not in found:
            found.add(each.name)
            pending += [field.type for field in each.fields.values()]
    return frozenset(found)


def plain_plan(
    named: GraphQLObjectType, nodes: Sequence[FieldNode], fragments: Fragments
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The asked keys of a JSON object.

    Raises:
        LeftAlone: there are directives.
    """
    steps: list[tuple[str, str, Callable[[Any], Any] | None]] = []
    constants: dict[str, str] = {}
    for response_name, group in grouped(nodes, fragments).items():
        name = group[0].name.value
        if name == "__typename":
            constants[response_name] = named.name
            continue
        below = named.fields[name].type
        while isinstance(below, GraphQLNonNull | GraphQLList):
            below = below.of_type
        nested = _nested(plain_plan(below, group, fragments)) if isinstance(below, GraphQLObjectType) else None
        steps.append((response_name, name, nested))

    def plan(record: Mapping[str, Any]) -> dict[str, Any]:
        get = record.get
        out: dict[str, Any] = {
            response: get(name) if below is None else below(get(name)) for response, name, below in steps
        }
        return out | constants if constants else out

    return plan


def _nested(plan: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:
        if isinstance(value, list):
            return [apply(each) for each in value]
        return None if value is None else plan(value)

    return apply


def python_name(name: str) -> str:
    return _HUMP.sub("_", name).lower() if not name.islower() else name


_HUMP = re.compile("(?<=[a-z])(?=[A-Z])")
