"""``tilores_insights``: aggregates over all records of an entity, worked out by Tilores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tilores_x.errors import TiloresRefused, TiloresXError, ToolFailed
from tilores_x.tools.access import Access, check_text
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.asks import Answered, Ask, Question
from tilores_x.tools.compact import Content
from tilores_x.tools.facts import literal
from tilores_x.tools.fields.paths import Path
from tilores_x.tools.fit import parts_of
from tilores_x.tools.fit_answers import fit_answers, still_shown
from tilores_x.tools.foresight import look_up
from tilores_x.tools.records import Evidence, Fact, Figure, Plain, evidence
from tilores_x.tools.rows import row_facts, row_selection
from tilores_x.tools.several import MOST_AT_ONCE, each_alone, missing
from tilores_x.tools.where import Condition, criteria

NAME = "tilores_insights"
_TYPES = {"input": "EntityInput!", "where": "[FilterCondition!]!"}
MOST_ASKS = 20
MOST_CONDITIONS = 20
MOST_GROUPS = 50

DESCRIPTION = """\
Aggregate over ALL records of an entity (or the same of several, by `entity_ids`): filter with `where`, order with \
`sort`, cut with `limit`, group with `group_by`, and ask. Records are sparse: one that lacks a field is left out where \
that field is sorted, grouped or aggregated by. For the two newest reports: sort by their date DESC, limit 2, ask \
`records` with the fields of interest. newest and oldest take dates written YYYY-MM-DD as well as full times. Values \
that belong together stand in one row."""


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

    entity_id: str | None = None
    entity_ids: list[str] | None = Field(None, description="The same of several entities, as to compare them")
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
    if bool(arguments.entity_id) == bool(arguments.entity_ids):
        raise ToolFailed("Give entity_id, or entity_ids for several.")
    check_text(arguments.model_dump())
    request = _Request(access, arguments)
    shown = evidence(NAME, arguments.model_dump(exclude_none=True, exclude_defaults=True))
    content: Content = {"ok": True}
    if arguments.entity_id:
        part, proof = await request.answer(arguments.entity_id)
        content |= part
        parts = [(part, proof)]
    else:
        ids = list(dict.fromkeys(arguments.entity_ids or ()))
        asked = ids[:MOST_AT_ONCE]
        outcomes = await each_alone([request.answer(entity_id) for entity_id in asked])
        parts = [outcome for outcome in outcomes if not isinstance(outcome, TiloresXError)]
        content["people"] = [
            {"entity_id": entity_id, "error": str(outcome)} if isinstance(outcome, TiloresXError) else outcome[0]
            for entity_id, outcome in zip(asked, outcomes, strict=True)
        ]
        shown["apart"] = [[entity_id] for entity_id in asked]
        if failed := len(asked) - len(parts):
            content["missing"] = missing(failed, len(asked), "entities")
        if beyond := len(ids) - len(asked):
            content["left_out"] = f"{beyond} entities beyond the first {MOST_AT_ONCE}, ask for them in another call"
    fit_answers(content)
    told = {part.get("entity_id") for part in parts_of(content)}
    for proof in (proof for part, proof in parts if part["entity_id"] in told):
        shown["facts"] += proof.facts
        shown["figures"] += proof.figures
    shown["facts"] = still_shown(shown["facts"], content)
    shown["note"] = "; ".join(content[key] for key in ("missing", "left_out") if key in content) or None
    return content, shown


def lookup_of(access: Access, arguments: InsightsArguments) -> Lookup:
    """What ``insights`` will look up of an entity that is not known yet.

    Raises:
        ToolFailed: as ``insights`` raises.
    """
    check_text(arguments.model_dump())
    return _Request(access, arguments).lookup("")


@dataclass(slots=True)
class _Proof:
    """What the answers about one entity rest on."""

    facts: list[Fact] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


class _Request:
    """What is asked, of whichever entity."""

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

    async def answer(self, entity_id: str) -> tuple[Content, _Proof]:
        """What is told of one entity, and its proof.

        Raises:
            ToolFailed: the entity doesn't exist, or Tilores can't work it out.
        """
        found = await self._run(entity_id)
        mixed = {question.alias for question, part in self._parts(found) if not question.in_days(part)}
        if not mixed:
            return self._read(entity_id, found)
        # Newest and oldest are left to Tilores where the values aren't plain dates.
        request = copy(self)
        request.questions = [q.natively() if q.alias in mixed else q for q in self.questions]
        request.__dict__.pop("_text", None)
        return request._read(entity_id, await request._run(entity_id))

    @cached_property
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

    def lookup(self, entity_id: str) -> Lookup:
        return Lookup(self._text, {"input": {"id": entity_id}, "where": self.conditions}, _TYPES)

    async def _run(self, entity_id: str) -> Mapping[str, Any]:
        """The innermost records' answers: ``count``, and aliases or ``groups``; failed ones as ``errors`` by alias."""
        errors: dict[str, str] = {}
        try:
            data = {"entity": await look_up(self.access.client, self.lookup(entity_id))}
        except TiloresRefused as refused:
            errors = self._failed(refused)
            data = dict(refused.data or {})
        entity = (data.get("entity") or {}).get("entity")
        if entity is None:
            raise ToolFailed(
                f"No entity has the id {entity_id!r}. Take one from tilores_search, or give "
                "a record's id to tilores_entity."
            )
        found = entity["recordInsights"]["kept"]
        for level in ("ordered", "cut"):
            found = found.get(level, found)
        return {**found, "all": entity["recordInsights"]["all"], "errors": errors}

    def _failed(self, refused: TiloresRefused) -> dict[str, str]:
        """What failed, by alias, where the rest of the answer stands."""
        if not refused.errors:
            raise ToolFailed(f"{refused} Narrow it with `where` or `limit`, or ask for less.") from refused
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

    def _parts(self, found: Mapping[str, Any]) -> list[tuple[Question, Any]]:
        scopes = found["groups"] if self.groups else [found]
        return [(q, scope[q.alias]) for scope in scopes for q in self.questions if q.alias not in found["errors"]]

    def _read(self, entity_id: str, found: Mapping[str, Any]) -> tuple[Content, _Proof]:
        content: Content = {"entity_id": entity_id, "count": found["count"]}
        proof = _Proof()
        proof.figures.append(_figure(entity_id, "records", found["count"], (), found["count"]))
        if self.groups:
            content["groups"] = []
            for group in found["groups"][:MOST_GROUPS]:
                key = {path.text: self.access.shown(path, path.values(group["key"])[0]) for path in self.groups}
                results, answers = self._results(group, found["errors"])
                content["groups"].append({"group": key, "count": group["count"], "results": results})
                name = "records with " + ", ".join(f"{name} {value}" for name, value in key.items())
                key_rows = [{"record_id": group["key"]["id"], **key}]
                proof.figures.append(_figure(entity_id, name, group["count"], key_rows, group["count"]))
                self._prove(entity_id, proof, answers)
            if len(found["groups"]) > MOST_GROUPS:
                content["left_out"] = f"{len(found['groups']) - MOST_GROUPS} more groups"
        else:
            content["results"], answers = self._results(found, found["errors"])
            self._prove(entity_id, proof, answers)
        return content, proof

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

    def _prove(self, entity_id: str, proof: _Proof, answers: Sequence[Answered]) -> None:
        for answer in answers:
            proof.facts.extend(row_facts(entity_id, answer.rows))
            result = answer.result
            name = f"{result['function']} of {result['field']}" if result["field"] else result["function"]
            values = result["value"] if isinstance(result["value"], list) else [result["value"]]
            if result["function"] == "frequency":
                for entry in values:
                    rows = [r for r in answer.rows if entry["value"] in r.values()]
                    label = f"records with {result['field']} {entry['value']}"
                    proof.figures.append(_figure(entity_id, label, entry["count"], rows, entry["count"]))
                    proof.figures.append(_figure(entity_id, label, entry["percent"], rows, entry["count"], "percent"))
                continue
            for value in values:
                if isinstance(value, str | int | float):
                    proof.figures.append(_figure(entity_id, name, value, answer.rows, answer.count))


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
