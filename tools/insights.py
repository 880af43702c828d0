"""``tilores_insights``: aggregates over all records of an entity, worked out by Tilores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tilores_x.errors import TiloresRefused, ToolFailed
from tilores_x.tools.access import Access, check_text
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.asks import Answered, Ask, Question
from tilores_x.tools.compact import Content, fewer_rows, fitted
from tilores_x.tools.facts import literal
from tilores_x.tools.fields.paths import Path
from tilores_x.tools.records import Evidence, Figure, Plain, evidence
from tilores_x.tools.rows import row_facts, row_selection
from tilores_x.tools.where import Condition, criteria

NAME = "tilores_insights"
_TYPES = {"input": "EntityInput!", "where": "[FilterCondition!]!"}
MOST_ASKS = 20
MOST_CONDITIONS = 20
MOST_GROUPS = 50

DESCRIPTION = """\
Aggregate over ALL records of one entity: filter with `where`, order with `sort`, cut with `limit`, group with \
`group_by`, and ask. Records are sparse: one that lacks a field is left out where that field is sorted, grouped or \
aggregated by. For the two newest reports: sort by their date DESC, limit 2, ask `records` with the fields of \
interest. newest and oldest take dates written YYYY-MM-DD as well as full times. Values that belong together stand in \
one row."""


class Order(BaseModel):
    """Records without a value in ``field`` are left out: Tilores would put them first in DESC."""

    model_config = ConfigDict(extra="forbid")

    field: str
    direction: Literal["ASC", "DESC"] = "ASC"

    @field_validator("direction", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value


class InsightsArguments(BaseModel):
    """Arguments of ``tilores_insights``."""

    model_config = ConfigDict(extra="forbid")

    entity_id: str
    where: list[Condition] = Field(default_factory=list, max_length=MOST_CONDITIONS, description="All must hold")
    sort: list[Order] = Field(default_factory=list, max_length=5)
    limit: int | None = Field(None, ge=1, le=10_000, description="Only the first records, after sorting")
    group_by: list[str] = Field(default_factory=list, max_length=5, description="Fields outside of lists")
    ask: list[Ask] = Field(default_factory=lambda: [Ask(function="count")], min_length=1, max_length=MOST_ASKS)


async def insights(access: Access, arguments: InsightsArguments) -> tuple[Content, Evidence]:
    """Content and evidence of one call.

    Raises:
        ToolFailed: a field is unknown or may not be used so, the entity doesn't exist, or Tilores can't work it out.
    """
    check_text(arguments.model_dump())
    request = _Request(access, arguments)
    found = await request.run()
    if any(not question.in_days(part) for question, part in request.parts(found)):
        found = await request.natively(found).run()
    return request.read(found)


class _Request:
    def __init__(self, access: Access, arguments: InsightsArguments) -> None:
        self.access = access
        self.arguments = arguments
        self.groups = [_testable(access, name, "group by") for name in arguments.group_by]
        orders = [(_testable(access, order.field, "sort by"), order.direction) for order in arguments.sort]
        self.conditions = [one for condition in arguments.where for one in criteria(access, condition)]
        needed = {path.star: path for path in [*(path for path, _ in orders), *self.groups]}
        self.conditions += [access.present(path) for path in needed.values()]
        self.order = ", ".join(f'{{field: "{path.star}", direction: {direction}}}' for path, direction in orders)
        self.questions = [Question.checked(access, ask, f"a{at}") for at, ask in enumerate(arguments.ask)]

    def natively(self, found: Mapping[str, Any]) -> _Request:
        """The same with newest and oldest left to Tilores where the values aren't plain dates."""
        mixed = {question.alias for question, part in self.parts(found) if not question.in_days(part)}
        self.questions = [q.natively() if q.alias in mixed else q for q in self.questions]
        return self

    @property
    def _text(self) -> str:
        inner = " ".join(["count", *(question.text for question in self.questions)])
        if self.groups:
            fields = literal([path.star for path in self.groups])
            inner = f"count groups: group(fields: {fields}) {{ key: first {{ {row_selection(self.groups)} }} {inner} }}"
        if self.arguments.limit:
            inner = f"cut: limit(count: {self.arguments.limit}) {{ {inner} }}"
        if self.order:
            inner = f"ordered: sort(criteria: [{self.order}]) {{ {inner} }}"
        kept = f"all: count kept: filter(conditions: $where) {{ {inner} }}"
        return f"entity(input: $input) {{ entity {{ recordInsights {{ {kept} }} }} }}"

    async def run(self) -> Mapping[str, Any]:
        """The innermost records' answers: ``count``, and aliases or ``groups``; failed ones as ``errors`` by alias."""
        variables = {"input": {"id": self.arguments.entity_id}, "where": self.conditions}
        errors: dict[str, str] = {}
        try:
            data = {"entity": await self.access.client.look_up(Lookup(self._text, variables, _TYPES))}
        except TiloresRefused as refused:
            errors = self._failed(refused)
            data = dict(refused.data or {})
        entity = (data.get("entity") or {}).get("entity")
        if entity is None:
            raise ToolFailed(
                f"No entity has the id {self.arguments.entity_id!r}. Take one from tilores_search, or give "
                "a record's id to tilores_entity."
            )
        found = entity["recordInsights"]["kept"]
        for level in ("ordered", "cut"):
            found = found.get(level, found)
        return {**found, "all": entity["recordInsights"]["all"], "errors": errors}

    def _failed(self, refused: TiloresRefused) -> dict[str, str]:
        """What failed, by alias, where the rest of the answer stands."""
        whole = ((refused.data or {}).get("entity") or {}).get("entity")
        aliases = {question.alias: question for question in self.questions}
        errors: dict[str, str] = {}
        for error in refused.errors:
            path = error.get("path")
            alias = next((step for step in path if step in aliases), None) if isinstance(path, list) else None
            if whole is None or alias is None:
                raise ToolFailed(f"{str(refused).rstrip('.')}. {_advice(self.arguments)}") from refused
            question = aliases[alias]
            errors[alias] = (
                f"Tilores can't work out {question.function} of {question.path.text}: {_why(question.function)}"
            )
        return errors

    def parts(self, found: Mapping[str, Any]) -> list[tuple[Question, Any]]:
        scopes = found["groups"] if self.groups else [found]
        return [(q, scope[q.alias]) for scope in scopes for q in self.questions if q.alias not in found["errors"]]

    def read(self, found: Mapping[str, Any]) -> tuple[Content, Evidence]:
        arguments = self.arguments
        content: Content = {"ok": True, "entity_id": arguments.entity_id, "count": found["count"]}
        shown = evidence(NAME, arguments.model_dump(exclude_none=True, exclude_defaults=True))
        shown["figures"].append(_figure(arguments.entity_id, "records", found["count"], (), found["count"]))
        if self.groups:
            content["groups"] = []
            for group in found["groups"][:MOST_GROUPS]:
                key = {path.text: self.access.shown(path, path.values(group["key"])[0]) for path in self.groups}
                results, answers = self._results(group, found["errors"])
                content["groups"].append({"group": key, "count": group["count"], "results": results})
                name = "records with " + ", ".join(f"{field} {value}" for field, value in key.items())
                key_rows = [{"record_id": group["key"]["id"], **key}]
                shown["figures"].append(_figure(arguments.entity_id, name, group["count"], key_rows, group["count"]))
                self._prove(shown, answers)
            if len(found["groups"]) > MOST_GROUPS:
                content["left_out"] = f"{len(found['groups']) - MOST_GROUPS} more groups"
        else:
            content["results"], answers = self._results(found, found["errors"])
            self._prove(shown, answers)
        fitted(content, [*(partial(_shorter, most=most) for most in (50, 20, 10, 5)), _drop_last, _drop_values])
        _only_shown(shown, content)
        shown["note"] = content.get("left_out")
        return content, shown

    def _results(
        self, scope: Mapping[str, Any], errors: Mapping[str, str]
    ) -> tuple[list[dict[str, Any]], list[Answered]]:
        answers = [question.read(scope[question.alias]) for question in self.questions if question.alias not in errors]
        failed = [
            {"function": question.function, "field": question.path.text, "value": None, "error": errors[question.alias]}
            for question in self.questions
            if question.alias in errors
        ]
        return [*(answer.result for answer in answers), *failed], answers

    def _prove(self, shown: Evidence, answers: Sequence[Answered]) -> None:
        entity_id = self.arguments.entity_id
        for answer in answers:
            shown["facts"].extend(row_facts(entity_id, answer.rows))
            result = answer.result
            name = f"{result['function']} of {result['field']}" if result["field"] else result["function"]
            values = result["value"] if isinstance(result["value"], list) else [result["value"]]
            if result["function"] == "frequency":
                for entry in values:
                    rows = [r for r in answer.rows if entry["value"] in r.values()]
                    label = f"records with {result['field']} {entry['value']}"
                    shown["figures"].append(_figure(entity_id, label, entry["count"], rows, entry["count"]))
                    shown["figures"].append(
                        _figure(entity_id, label, entry["percent"], rows, entry["count"], "percent")
                    )
                continue
            for value in values:
                if isinstance(value, str | int | float):
                    shown["figures"].append(_figure(entity_id, name, value, answer.rows, answer.count))


def _testable(access: Access, name: str, use: str) -> Path:
    path = access.field(name, use)
    if path.many:
        raise ToolFailed(
            f"{path.text} lies inside of lists: Tilores can't {use} it. {use.capitalize()} a field outside."
        )
    if access.policy.masks(path):
        raise ToolFailed(f"{path.text} is masked: to {use} it would tell its values.")
    return path


def _figure(
    entity_id: str, name: str, value: Plain, rows: Sequence[dict[str, Any]], count: int, unit: str | None = None
) -> Figure:
    return {"name": name, "value": value, "unit": unit, "facts": row_facts(entity_id, rows[:10]), "count": count}


def _why(function: str) -> str:
    if function in ("newest", "oldest"):
        return "some values are neither dates (YYYY-MM-DD) throughout nor full times. Ask for values_distinct instead."
    if function.startswith("flatten"):
        return "the field holds no list in every record. Ask for values instead."
    return "some values are no plain numbers (1204.50). Ask for values and give them to calculate."


def _advice(arguments: InsightsArguments) -> str:
    if any(condition.op in ("lt", "le", "gt", "ge") for condition in arguments.where):
        return "lt, le, gt and ge need plain numbers in every record: ask for the values instead."
    return "Ask for `records` or `values_distinct` to see what the field holds."


def _every_result(content: Content) -> list[dict[str, Any]]:
    scopes = content.get("groups") or [content]
    return [result for scope in scopes for result in scope.get("results", [])]


def _shorter(content: Content, most: int) -> str | None:
    cut = False
    for result in _every_result(content):
        if isinstance(result["value"], list) and len(result["value"]) > most:
            del result["value"][most:]
            cut = True
        if len(result.get("record_ids", ())) > 3:
            del result["record_ids"][3:]
    return f"only the first {most} values or rows of each result" if cut else None


def _drop_last(content: Content) -> str | None:
    key = "groups" if "groups" in content else "results"
    kept = fewer_rows(content[key], 10_000)
    dropped = len(content[key]) - len(kept)
    if not kept:
        return None
    content[key] = kept
    return f"the last {dropped} {key}" if dropped else None


def _drop_values(content: Content) -> str | None:
    for result in _every_result(content):
        if isinstance(result["value"], list):
            result["value"] = fewer_rows(result["value"], 2_000)
    return "values or rows that are too long"


def _only_shown(shown: Evidence, content: Content) -> None:
    """Rows cut from the content are no evidence either."""
    if "left_out" not in content:
        return
    text = {
        (row["record_id"], field)
        for result in _every_result(content)
        for row in (result["value"] if isinstance(result["value"], list) else [])
        if isinstance(row, dict) and "record_id" in row
        for field in row
    }
    listed = {record_id for result in _every_result(content) for record_id in result.get("record_ids", ())}
    shown["facts"] = [f for f in shown["facts"] if (f["record_id"], f["field"]) in text or f["record_id"] in listed]
