"""``calculate``: exact arithmetic over cited figures, so that none is left to a model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tilores_x.errors import ToolFailed
from tilores_x.tools.access import check_text
from tilores_x.tools.amounts import Amount, amount_of
from tilores_x.tools.compact import Content
from tilores_x.tools.dates import date_of
from tilores_x.tools.records import Evidence, Fact, Figure, evidence

NAME = "calculate"
#: Digits after the point of what a division gives.
DECIMALS = 4
MOST_OPERANDS = 500

_EXACT = Context(prec=60)

Operation = Literal[
    "difference", "percent_change", "share", "sum", "average", "min", "max", "count",
    "days_between", "months_between", "years_between",
]  # fmt: skip

DESCRIPTION = """\
Exact arithmetic. Use it for EVERY figure that is not itself in a record; cite each operand's record_id and field. \
difference = first - second; percent_change = from first to second; share = first as a percentage of second; \
days_between, months_between, years_between = from first to second (negative if second is earlier; completed months \
and years); sum, average, min, max, count = over all operands."""


class Operand(BaseModel):
    """A value and where it stands."""

    model_config = ConfigDict(extra="forbid")

    value: str | int | float = Field(description="As the record has it: 712, '$1,204.50', '2024-03-01'")
    record_id: str | None = Field(None, description="The record that holds it")
    field: str | None = Field(None, description="The field that holds it")
    entity_id: str | None = None


class CalculateArguments(BaseModel):
    """Arguments of ``calculate``."""

    model_config = ConfigDict(extra="forbid")

    operation: Operation
    operands: list[Operand] = Field(description="In the order that the operation needs")


async def calculate(arguments: CalculateArguments) -> tuple[Content, Evidence]:
    """Content and evidence of one call.

    ``difference``, ``sum``, ``min``, ``max`` and the spans of time are exact; what divides is rounded half to even to
    four decimals.

    Raises:
        ToolFailed: an operand is no number or date, units differ, there are too few, or a division by zero.
    """
    check_text(arguments.model_dump())
    operands = arguments.operands
    if len(operands) > MOST_OPERANDS:
        raise ToolFailed(
            f"{len(operands)} operands are too many: at most {MOST_OPERANDS}; let tilores_insights aggregate."
        )
    if arguments.operation in _PAIRS and len(operands) != 2:
        raise ToolFailed(f"{arguments.operation} takes exactly two operands, not {len(operands)}.")
    if not operands:
        raise ToolFailed(f"{arguments.operation} needs operands.")
    if arguments.operation == "count":
        value, unit, text = Decimal(len(operands)), None, f"{len(operands)}"
    elif arguments.operation in _SPANS:
        first, second = (_date(operand) for operand in operands)
        value, unit, text = _SPANS[arguments.operation](first, second)
    else:
        amounts = [_amount(operand) for operand in operands]
        value, unit, text = _FIGURES[arguments.operation]([a.value for a in amounts], _unit(amounts))
    number = int(value) if value == value.to_integral_value() else float(value)
    content: Content = {"ok": True, "operation": arguments.operation, "value": number, "unit": unit, "text": text}
    shown = evidence(NAME, arguments.model_dump(exclude_none=True))
    facts: list[Fact] = [
        {
            "entity_id": operand.entity_id or "",
            "record_id": operand.record_id,
            "field": operand.field or "",
            "value": operand.value,
        }
        for operand in operands
        if operand.record_id
    ]
    figure: Figure = {
        "name": arguments.operation,
        "value": number,
        "unit": unit,
        "facts": facts,
        "count": len({fact["record_id"] for fact in facts}),
    }
    shown["figures"].append(figure)
    return content, shown


def _amount(operand: Operand) -> Amount:
    amount = amount_of(operand.value)
    if amount is None:
        raise ToolFailed(f"The operand {operand.value!r}{_where(operand)} is no number.")
    return amount


def _date(operand: Operand) -> dt.date:
    day = date_of(str(operand.value))
    if day is None:
        raise ToolFailed(
            f"The operand {operand.value!r}{_where(operand)} is no date with day, month and year, such as 2024-03-01."
        )
    return day


def _where(operand: Operand) -> str:
    return f" ({operand.field} of record {operand.record_id})" if operand.field and operand.record_id else ""


def _unit(amounts: Sequence[Amount]) -> str | None:
    units = {amount.unit for amount in amounts if amount.unit}
    if len(units) > 1:
        raise ToolFailed(f"The operands have different units: {', '.join(sorted(units))}.")
    return units.pop() if units else None


Outcome = tuple[Decimal, str | None, str]
Values = Sequence[Decimal]


def _difference(values: Values, unit: str | None) -> Outcome:
    first, second = values
    result = _EXACT.subtract(first, second)
    return result, unit, f"{said(first, unit)} - {said(second, unit)} = {said(result, unit)}"


def _percent_change(values: Values, unit: str | None) -> Outcome:
    first, second = values
    if first == 0:
        raise ToolFailed("percent_change from 0 is not defined.")
    result = _rounded(_EXACT.divide((second - first) * 100, abs(first)))
    sign = "+" if result > 0 else ""
    return result, "percent", f"from {said(first, unit)} to {said(second, unit)}: {sign}{said(result, 'percent')}"


def _share(values: Values, unit: str | None) -> Outcome:
    first, second = values
    if second == 0:
        raise ToolFailed("A share of 0 is not defined.")
    result = _rounded(_EXACT.divide(first * 100, second))
    return result, "percent", f"{said(first, unit)} of {said(second, unit)} = {said(result, 'percent')}"


def _sum(values: Values, unit: str | None) -> Outcome:
    result = _total(values)
    return result, unit, f"sum of {len(values)} values = {said(result, unit)}"


def _average(values: Values, unit: str | None) -> Outcome:
    result = _rounded(_EXACT.divide(_total(values), Decimal(len(values))))
    return result, unit, f"average of {len(values)} values = {said(result, unit)}"


def _min(values: Values, unit: str | None) -> Outcome:
    return min(values), unit, f"least of {len(values)} values = {said(min(values), unit)}"


def _max(values: Values, unit: str | None) -> Outcome:
    return max(values), unit, f"greatest of {len(values)} values = {said(max(values), unit)}"


def _total(values: Values) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, value)
    return total


def _days(first: dt.date, second: dt.date) -> Outcome:
    days = (second - first).days
    return Decimal(days), "days", f"from {first} to {second}: {days:,} {'day' if abs(days) == 1 else 'days'}"


def _months(first: dt.date, second: dt.date) -> Outcome:
    years, months, days = _span(first, second)
    total = years * 12 + months
    rest = f" and {abs(days)} {'day' if abs(days) == 1 else 'days'}" if days else ""
    return (
        Decimal(total),
        "months",
        f"from {first} to {second}: {total} {'month' if abs(total) == 1 else 'months'}{rest}",
    )


def _years(first: dt.date, second: dt.date) -> Outcome:
    years, months, _ = _span(first, second)
    rest = f" and {abs(months)} {'month' if abs(months) == 1 else 'months'}" if months else ""
    return Decimal(years), "years", f"from {first} to {second}: {years} {'year' if abs(years) == 1 else 'years'}{rest}"


def _span(first: dt.date, second: dt.date) -> tuple[int, int, int]:
    from dateutil.relativedelta import relativedelta

    span = relativedelta(second, first)
    return span.years, span.months, span.days


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-DECIMALS), ROUND_HALF_EVEN, _EXACT).normalize(_EXACT)


def said(value: Decimal, unit: str | None) -> str:
    """``value`` with its unit, thousands set apart."""
    text = f"{value:,f}"
    if "." in text and unit not in ("$", "€", "£"):
        text = text.rstrip("0").rstrip(".")
    if unit in ("$", "€", "£"):
        whole, _, decimals = text.partition(".")
        text = f"{unit}{whole}.{decimals.ljust(2, '0')}" if decimals else f"{unit}{whole}"
        return text.replace(f"{unit}-", f"-{unit}")
    return text if unit is None else f"{text} %" if unit in ("%", "percent") else f"{text} {unit}"


_FIGURES: dict[str, Callable[[Values, str | None], Outcome]] = {
    "difference": _difference,
    "percent_change": _percent_change,
    "share": _share,
    "sum": _sum,
    "average": _average,
    "min": _min,
    "max": _max,
}
_SPANS: dict[str, Callable[[dt.date, dt.date], Outcome]] = {
    "days_between": _days,
    "months_between": _months,
    "years_between": _years,
}
_PAIRS = {"difference", "percent_change", "share", *_SPANS}
