"""What may be asked of records: each function, how Tilores is asked for it, and how its answer reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tilores_x.errors import ToolFailed
from tilores_x.tools.access import Access
from tilores_x.tools.facts import literal
from tilores_x.tools.fields.paths import Path
from tilores_x.tools.rows import Row, row, row_selection
from tilores_x.tools.where import ISO_DATE_ONLY

Function = Literal[
    "count", "count_distinct", "values", "values_distinct", "frequency", "sum", "average", "min", "max", "median",
    "standard_deviation", "confidence", "newest", "oldest", "first", "last", "flatten", "flatten_distinct", "records",
]  # fmt: skip

#: Rows of `records`, and values of a list of values, that are read.
MOST_ROWS = 200
#: Rows named as what an aggregate rests on.
ROWS_NAMED = 10
#: Entries of a frequency distribution unless `top` says otherwise.
TOP = 20

_NUMERIC = {
    "sum": "sum", "average": "average", "min": "min", "max": "max", "median": "median",
    "standard_deviation": "standardDeviation", "confidence": "confidence",
}  # fmt: skip
_LISTS = {"values": "values", "flatten": "flatten", "flatten_distinct": "flattenDistinct"}
_ROWS = {"first", "last", "records"}
_DATED = {"newest", "oldest"}
#: Functions that tell nothing about a masked value but its mask.
_MASKABLE = {"count", "count_distinct", "values", "values_distinct", "frequency", *_ROWS}


class Ask(BaseModel):
    """One thing to work out over the records."""

    model_config = ConfigDict(extra="forbid")

    function: Function = Field(
        description="count, count_distinct (of `fields` together), values (all), "
        "values_distinct and frequency (most frequent first), sum/average/min/max/median/standard_deviation/confidence "
        "of numbers, "
        "newest/oldest (the record with the latest/earliest date in `field`, showing `fields`), first/last record, "
        "flatten (of a field that holds a list), records (rows of `fields`)"
    )
    field: str | None = Field(None, description="Dotted path; `*` runs over a list")
    fields: list[str] | None = Field(
        None, description="For records, first, last, newest, oldest: what to show; for count_distinct: what together"
    )
    top: int | None = Field(None, description="For frequency: how many entries", ge=1, le=200)

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"function": value} if isinstance(value, str) else value


@dataclass(frozen=True)
class Answered:
    """``result`` as the model reads it, ``rows`` what it rests on, ``count`` of records behind it."""

    result: dict[str, Any]
    rows: Sequence[Row] = ()
    count: int = 0


@dataclass(frozen=True)
class Question:
    """A checked :class:`Ask`. ``native`` leaves newest and oldest to Tilores, which wants full times."""

    access: Access
    alias: str
    function: Function
    paths: tuple[Path, ...]
    shown: tuple[Path, ...]
    top: int = TOP
    native: bool = False

    @property
    def path(self) -> Path:
        return self.paths[0]

    @classmethod
    def checked(cls, access: Access, ask: Ask, alias: str) -> Question:
        """
        Raises:
            ToolFailed: fields are missing, unknown, or may not be used so.
        """
        function = ask.function
        named = ask.fields or ([ask.field] if ask.field else [])
        if function in _ROWS:
            if not named and function == "records":
                raise ToolFailed("`records` needs `fields`: which fields of each record to show.")
            return cls(access, alias, function, (), tuple(access.fields(named)))
        if function == "count":
            return cls(access, alias, function, (access.field(ask.field, "count"),) if ask.field else (), ())
        if function == "count_distinct":
            paths = tuple(access.field(name, "count_distinct") for name in named)
        else:
            paths = (access.field(ask.field, function),) if ask.field else ()
        if not paths:
            raise ToolFailed(f"`{function}` needs a `field`.")
        for path in paths:
            _check_use(access, path, function)
        shown = tuple(access.fields(ask.fields)) if function in _DATED and ask.fields else ()
        return cls(access, alias, function, paths, shown, ask.top or TOP)

    @property
    def text(self) -> str:
        """What goes beside ``count`` where the records are."""
        alias, function = self.alias, self.function
        if function == "count" and not self.paths:
            return f"{alias}: count"
        if function in ("first", "last"):
            return f"{alias}: {function} {{ {row_selection(self.shown)} }}"
        if function == "records":
            present = self._common_presence()
            inner = f"count rows: limit(count: {MOST_ROWS}) {{ records {{ {row_selection(self.shown)} }} }}"
            return f"{alias}: filter(conditions: {present}) {{ {inner} }}"
        if function == "count_distinct":
            fields = literal([path.star for path in self.paths])
            return f"{alias}: countDistinct(fields: {fields})"
        present = literal([self.access.present(self.path)])
        return f"{alias}: filter(conditions: {present}) {{ count {self._inner()} }}"

    def _inner(self) -> str:
        star, function = self.path.star, self.function
        if function == "count":
            return ""
        if function in _DATED:
            return self._dated()
        rows = f"rows: limit(count: {ROWS_NAMED}) {{ records {{ {row_selection([self.path])} }} }}"
        if function in ("min", "max") and not self.path.many:
            order = "ASC" if function == "min" else "DESC"
            sorted_rows = f"limit(count: 1) {{ records {{ {row_selection([self.path])} }} }}"
            rows = f'rows: sort(criteria: [{{field: "{star}", direction: {order}}}]) {{ {sorted_rows} }}'
        if function in _NUMERIC:
            return f'value: {_NUMERIC[function]}(field: "{star}") {rows}'
        if function in _LISTS:
            # flatten opens the list itself, so it is told where the list is, not its elements.
            star = star.removesuffix(".*") if "flatten" in function else star
            return f'value: limit(count: {MOST_ROWS}) {{ values: {_LISTS[function]}(field: "{star}") }} {rows}'
        if function == "values_distinct":
            # Not valuesDistinct, which has no bound: ten thousand records may hold as many values.
            most = f'frequencyDistribution(field: "{star}", top: {MOST_ROWS}, direction: DESC) {{ value }}'
            return f"value: {most} distinct: countDistinct(fields: {literal([star])}) {rows}"
        entries = "{ value frequency percentage }"
        return f'value: frequencyDistribution(field: "{star}", top: {self.top}, direction: DESC) {entries} {rows}'

    def _dated(self) -> str:
        star = self.path.star
        selected = row_selection([self.path, *self.shown])
        if self.native or not self._is_text():
            return f'value: {self.function}(field: "{star}") {{ {selected} }}'
        only_days = literal([{"field": star, "likeRegex": ISO_DATE_ONLY, "caseSensitive": True}])
        order = "DESC" if self.function == "newest" else "ASC"
        return (
            f"days: filter(conditions: {only_days}) {{ count }} "
            f'value: sort(criteria: [{{field: "{star}", direction: {order}}}]) {{ first {{ {selected} }} }}'
        )

    def _is_text(self) -> bool:
        field = self.access.schema.field(self.path)
        return field is not None and field.is_text

    def _common_presence(self) -> str:
        """Rows without any of the fields take the room of others: where one test can tell them, they are left out."""
        if len(self.shown) == 1:
            return literal([self.access.present(self.shown[0])])
        outer = {path.names[0] for path in self.shown if len(path.names) > 1}
        nested = all(len(path.names) > 1 for path in self.shown)
        return literal([{"field": outer.pop(), "isNull": True, "invert": True}]) if nested and len(outer) == 1 else "[]"

    def in_days(self, part: Any) -> bool:
        """Whether the answer ``part`` rests on dates that sort as text; otherwise it must be asked natively."""
        return self.function not in _DATED or "days" not in part or part["days"]["count"] == part["count"]

    def natively(self) -> Question:
        return replace(self, native=True)

    def read(self, part: Any) -> Answered:
        """The answer, out of what came under ``alias``."""
        function = self.function
        result: dict[str, Any] = {"function": function, "field": self.path.text if self.paths else None, "value": None}
        if function in ("first", "last"):
            rows = self._rows([part] if part else [])
            result |= {"value": rows[0] if rows else None, "record_ids": [part["id"]] if part else []}
            return Answered(result, rows, len(rows))
        if function == "records":
            rows = self._rows(part["rows"]["records"])
            result |= {"value": rows, "record_ids": [found["record_id"] for found in rows[:3]]}
            if part["count"] > MOST_ROWS:
                result["left_out"] = f"only the first {MOST_ROWS} of {part['count']} records were looked at"
            return Answered(result, rows, len(rows))
        if function == "count_distinct":
            return Answered(
                result | {"field": ", ".join(path.text for path in self.paths), "value": part, "record_ids": []}
            )
        if function == "count":
            count = part if isinstance(part, int) else part["count"]
            return Answered(result | {"value": count, "record_ids": []}, (), count)
        if function in _DATED:
            found = part["value"] if self.native or "days" not in part else part["value"]["first"]
            rows = self._rows([found] if found else [], self.path, *self.shown)
            date = rows[0].get(self.path.text) if rows else None
            result |= {"value": date, "record_ids": [r["record_id"] for r in rows], "record": rows[0] if rows else None}
            return Answered(result, rows, part["count"])
        rows = self._rows(
            part["rows"]["limit"]["records"] if "limit" in part["rows"] else part["rows"]["records"], self.path
        )
        result |= {"value": self._value(part["value"]), "records": part["count"]}
        result["record_ids"] = [found["record_id"] for found in rows[:ROWS_NAMED]]
        if function in _LISTS and part["count"] > MOST_ROWS:
            result["left_out"] = f"only the first {MOST_ROWS} of {part['count']} records were looked at"
        if part.get("distinct", 0) > MOST_ROWS:
            result["left_out"] = f"only the {MOST_ROWS} most frequent of {part['distinct']} values were looked at"
        return Answered(result, rows, part["count"])

    def _rows(self, records: Iterable[Mapping[str, Any]], *paths: Path) -> list[Row]:
        return [found for record in records if (found := row(self.access, paths or self.shown, record))]

    def _value(self, value: Any) -> Any:
        if self.function in _NUMERIC:
            return None if value is None else _tidy(value)
        if self.function == "frequency":
            merged: dict[str, dict[str, Any]] = {}
            for entry in value:
                shown = self.access.shown(self.path, entry["value"])
                known = merged.setdefault(str(shown), {"value": shown, "count": 0, "percent": 0.0})
                known["count"] += entry["frequency"]
                known["percent"] = round(known["percent"] + entry["percentage"] * 100, 2)
            return list(merged.values())
        values = [entry["value"] for entry in value] if self.function == "values_distinct" else value["values"]
        shown_values = [self.access.shown(self.path, one) for one in values]
        return list({repr(one): one for one in shown_values}.values()) if "distinct" in self.function else shown_values


def _check_use(access: Access, path: Path, function: str) -> None:
    if path.picks:
        raise ToolFailed(
            f"{path.text} picks elements of a list, which Tilores can't: ask for `records` with it in `fields`."
        )
    if access.policy.masks(path) and function not in _MASKABLE:
        raise ToolFailed(f"{path.text} is masked: {function} over it would tell its value.")
    if path.many and function in _DATED:
        raise ToolFailed(
            f"{path.text} lies inside of lists, where records have no one {function} date. Use a date outside "
            "of lists, or ask for `records` with a `sort` and a `limit`."
        )


def _tidy(number: float) -> float | int:
    """Without the last bits that adding binary fractions leaves; a whole number as one."""
    rounded = round(number, 6)
    return int(rounded) if rounded == int(rounded) else rounded
