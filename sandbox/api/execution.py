"""Running GraphQL operations: documents are parsed and checked once, and records are read out without a detour.

graphql-core resolves field by field, which for plain data costs some 10 µs each. The fields of Record and of the types
in it are nothing but keys of JSON objects, so a selection of them is turned into a plan once per operation and applied
to each record as a whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from cachetools import LRUCache
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    Visitor,
    execute_sync,
    get_nullable_type,
    get_operation_ast,
    parse,
    validate,
    visit,
)
from graphql.execution.executor import Executor

from tilores_x.sandbox.api.pieces import pieces_of
from tilores_x.sandbox.api.plan import Fragments, LeftAlone, Plan, fragments_of, plain_plan, plain_types
from tilores_x.sandbox.engine.record import Refused
from tilores_x.sandbox.insights.records import InsightError

log = logging.getLogger(__name__)

MOST_TOKENS: Final = 200_000
KEPT_DOCUMENTS: Final = 256
LONGEST_KEPT: Final = 100_000


class TooLargeHere(Exception):
    """The result would keep the event loop busy for too long: run the operation on a thread."""


@dataclass(slots=True)
class Operation:
    """A document that was found valid, and its operation that is to run."""

    document: DocumentNode
    node: OperationDefinitionNode
    fields: int
    """Field selections in the document."""
    roots: tuple[str, ...]
    """Names of the fields at the top, one for each alias."""
    plan: Plan | None = None
    """A quicker way to its data."""
    answer: bytes | None = None
    """Of an introspection, which never changes."""

    @property
    def is_introspection(self) -> bool:
        return all(name.startswith("__") for name in self.roots) and not self.node.variable_definitions


@dataclass(frozen=True, slots=True)
class Mix:
    """A query put together of pieces that were found valid before; ``whole`` parses and checks it after all."""

    pieces: tuple[tuple[str, Plan, Mapping[str, str]], ...]
    """Name of the answer, plan, and the names of its variables by those in the query."""
    fields: int
    roots: tuple[str, ...]
    whole: Callable[[], Operation]

    def run(self, context: Any, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The data, as `Plan.run`."""
        data: dict[str, Any] = {}
        for name, plan, names in self.pieces:
            own = {plain: variables[given] for given, plain in names.items() if given in variables}
            (data[name],) = plan.run(context, own).values()
        return data


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and a GraphQL body."""

    status: int
    body: bytes


class Rejected(Exception):
    """The request is no valid operation; ``answer`` says why."""

    def __init__(self, errors: Iterable[GraphQLError], code: str) -> None:
        super().__init__(code)
        formatted = [_formatted(error) for error in errors]
        for entry in formatted:
            entry["extensions"] = {"code": code}
        self.answer = Answer(422, orjson.dumps({"errors": formatted, "data": None}))


@dataclass(slots=True)
class Operations:
    """Documents by their text, parsed and validated against one schema."""

    schema: GraphQLSchema
    _kept: LRUCache[tuple[str, str | None], Operation] = field(default_factory=lambda: LRUCache(KEPT_DOCUMENTS))
    _mixes: LRUCache[tuple[str, str | None], Mix] = field(default_factory=lambda: LRUCache(KEPT_DOCUMENTS))

    def get(self, text: str, name: str | None) -> Operation | Mix:
        """The operation of that name, or the only one.

        Raises:
            Rejected: the text can't be parsed, is not valid, or has no such operation.
        """
        key = (text, name)
        known = self._kept.get(key) or self._mixes.get(key)
        if known is None:
            known = self._mixed(text, name)
            if known is None:
                return self.whole(text, name)
            if len(text) <= LONGEST_KEPT:
                self._mixes[key] = known
        return known

    def whole(self, text: str, name: str | None) -> Operation:
        """The same, parsed and checked as one."""
        known = self._kept.get((text, name))
        if known is None:
            known = self._parsed(text, name)
            if len(text) <= LONGEST_KEPT:
                self._kept[text, name] = known
        return known

    def _mixed(self, text: str, name: str | None) -> Mix | None:
        whole = pieces_of(text)
        if whole is None or len(whole.pieces) < 2 or name not in (None, whole.name):
            return None
        pieces: list[tuple[str, Plan, Mapping[str, str]]] = []
        roots: list[str] = []
        fields = 0
        for piece in whole.pieces:
            try:
                one = self.whole(piece.text, None)
            except Rejected:
                return None
            if one.plan is None or len(one.plan.fields) != 1:
                return None
            pieces.append((piece.answers_as, one.plan, piece.variables))
            fields += one.fields
            roots += one.roots
        return Mix(tuple(pieces), fields, tuple(roots), lambda: self.whole(text, name))

    def _parsed(self, text: str, name: str | None) -> Operation:
        try:
            document = parse(text, max_tokens=MOST_TOKENS)
            problems = validate(self.schema, document)
        except GraphQLError as error:
            raise Rejected([error], "GRAPHQL_PARSE_FAILED") from None
        except RecursionError:
            raise Rejected([GraphQLError("the document is nested too deeply")], "GRAPHQL_PARSE_FAILED") from None
        if problems:
            raise Rejected(problems, "GRAPHQL_VALIDATION_FAILED")
        node = get_operation_ast(document, name)
        if node is None:
            message = f"operation {name} not found" if name else "operationName is needed to choose an operation"
            raise Rejected([GraphQLError(message)], "GRAPHQL_VALIDATION_FAILED")
        counter = _Counter()
        visit(document, counter)
        plan = Plan.of(self.schema, document, node)
        return Operation(document, node, counter.fields, tuple(_roots(document, node)), plan)


class _Counter(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.fields = 0

    def enter_field(self, *_: Any) -> None:
        self.fields += 1


def _roots(document: DocumentNode, node: OperationDefinitionNode) -> Iterable[str]:
    fragments = fragments_of(document)
    pending: list[Any] = [node]
    while pending:
        for selection in pending.pop().selection_set.selections:
            if isinstance(selection, FieldNode):
                yield selection.name.value
            else:
                pending.append(selection if selection.kind == "inline_fragment" else fragments[selection.name.value])


def execute(
    schema: GraphQLSchema, operation: Operation | Mix, variables: Mapping[str, Any] | None, context: Any
) -> Answer:
    """Run an operation to its end.

    Raises:
        TooLargeHere: a resolver found that the result is too large for the event loop.
        Rejected: a variable does not fit its type.
    """
    quick = operation if isinstance(operation, Mix) else operation.plan
    if quick is not None:
        try:
            return Answer(200, orjson.dumps({"data": quick.run(context, variables or {})}))
        except TooLargeHere:
            raise
        except Exception:  # noqa: S110  graphql-core comes upon it again, and says it with path and place
            pass
    if isinstance(operation, Mix):
        operation = operation.whole()
    if operation.answer is not None:
        return Answer(200, operation.answer)
    result = execute_sync(
        schema,
        operation.document,
        context_value=context,
        variable_values=dict(variables or {}),
        operation_name=operation.node.name.value if operation.node.name else None,
        executor_class=_Projecting,
    )
    for error in result.errors or ():
        if isinstance(error.original_error, TooLargeHere):
            raise error.original_error
    if result.data is None and result.errors and all(error.path is None for error in result.errors):
        raise Rejected(result.errors, "GRAPHQL_VALIDATION_FAILED")
    body = orjson.dumps(_as_json(result))
    if operation.is_introspection:
        operation.answer = body
    return Answer(200, body)


def _as_json(result: ExecutionResult) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    return {"errors": [_formatted(error) for error in result.errors], "data": result.data}


def _formatted(error: GraphQLError) -> dict[str, Any]:
    entry: dict[str, Any] = dict(error.formatted)
    cause = error.original_error
    if cause is not None and not isinstance(cause, GraphQLError | Refused | InsightError):
        log.error("a resolver failed", exc_info=cause)
        entry["message"] = "internal system error"
    return entry


class _Projecting(Executor[Any]):
    """graphql-core's executor, with records read out by plan and lists of plain values passed on whole."""

    def complete_list_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        item = get_nullable_type(return_type.of_type)
        if isinstance(item, GraphQLScalarType):
            return list(result)
        if isinstance(item, GraphQLObjectType) and _is_plain(self.schema, item):
            plan = _read_out(item, field_details_list, self.fragment_definitions)
            if plan is not None:
                return [plan(each) for each in result]
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def complete_object_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        if _is_plain(self.schema, return_type):
            plan = _read_out(return_type, field_details_list, self.fragment_definitions)
            if plan is not None:
                return plan(result)
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)


def _is_plain(schema: GraphQLSchema, named: GraphQLObjectType) -> bool:
    known = schema.extensions.get("plain")
    if known is None:
        record = schema.type_map["Record"]
        assert isinstance(record, GraphQLObjectType)
        known = schema.extensions["plain"] = plain_types(record)
    return named.name in known


def _read_out(
    named: GraphQLObjectType, field_details_list: Any, fragments: Fragments
) -> Callable[[Mapping[str, Any]], Any] | None:
    try:
        return plain_plan(named, [details.node for details in field_details_list], fragments)
    except LeftAlone:
        return None
