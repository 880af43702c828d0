"""calculate: exact arithmetic over amounts and dates in any usual notation."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import Desk

from tilores_x.tools.amounts import amount_of
from tilores_x.tools.calculate import CalculateArguments, calculate
from tilores_x.tools.dates import date_of


async def result(desk: Desk, operation: str, *values: Any) -> Any:
    operands = [{"value": value} for value in values]
    return (await desk.call("calculate", operation=operation, operands=operands)).content


@pytest.mark.parametrize(
    ("operation", "values", "value", "unit", "text"),
    [
        ("difference", ("712", "655"), 57, None, "712 - 655 = 57"),
        ("difference", (0.3, 0.1), 0.2, None, "0.3 - 0.1 = 0.2"),
        ("difference", ("$1,204.50", "$4.75"), 1199.75, "$", "$1,204.50 - $4.75 = $1,199.75"),
        ("difference", ("$5", "$7.50"), -2.5, "$", "$5 - $7.50 = -$2.50"),
        ("percent_change", (655, 712), 8.7023, "percent", "from 655 to 712: +8.7023 %"),
        ("percent_change", ("712", "655"), -8.0056, "percent", "from 712 to 655: -8.0056 %"),
        ("share", (3, 12), 25, "percent", "3 of 12 = 25 %"),
        ("sum", ("79.00", "79.00", "1,000.10"), 1158.1, None, "sum of 3 values = 1,158.1"),
        ("sum", (0.1, 0.2), 0.3, None, "sum of 2 values = 0.3"),
        ("average", (1, 2, 2), 1.6667, None, "average of 3 values = 1.6667"),
        ("min", ("45%", "30%"), 30, "%", "least of 2 values = 30 %"),
        ("max", ("(45.00)", "-50"), -45, None, "greatest of 2 values = -45"),
        ("count", ("a", "b"), 2, None, "2"),
        ("days_between", ("2024-03-01", "March 31, 2024"), 30, "days", "from 2024-03-01 to 2024-03-31: 30 days"),
        ("days_between", ("2024-03-02", "2024-03-01"), -1, "days", "from 2024-03-02 to 2024-03-01: -1 day"),
        ("months_between", ("2024-01-31", "3/1/2024"), 1, "months", "from 2024-01-31 to 2024-03-01: 1 month and 1 day"),
        ("months_between", ("01/15/2023", "15 Jan 2024"), 12, "months", "from 2023-01-15 to 2024-01-15: 12 months"),
        (
            "years_between",
            ("1980-07-19", "2026-07-18"),
            45,
            "years",
            "from 1980-07-19 to 2026-07-18: 45 years and 11 months",
        ),
    ],
)  # fmt: skip
async def test_results(credit: Desk, operation: str, values: Any, value: float, unit: str | None, text: str) -> None:
    told = await result(credit, operation, *values)
    assert (told["value"], told["unit"], told["text"]) == (value, unit, text)


@pytest.mark.parametrize(
    ("operation", "values", "said"),
    [
        ("sum", ("12", "Paid"), "'Paid' is no number"),
        ("difference", (1,), "exactly two"),
        ("difference", (1, 2, 3), "exactly two"),
        ("sum", (), "needs operands"),
        ("sum", ("$5", "5%"), "different units"),
        ("percent_change", (0, 5), "not defined"),
        ("share", (5, "0.00"), "not defined"),
        ("days_between", ("2024-03-01", "soon"), "'soon' is no date"),
        ("days_between", ("2024-03-01", "March 2024"), "is no date with day, month and year"),
        ("days_between", ("2024-03-01", "712"), "is no date"),
        ("days_between", ("2024-02-30", "2024-03-01"), "is no date"),
        ("sum", ("1e999",), "no number"),
        ("sum", ("NaN",), "no number"),
        ("sum", ("1,23,45",), "no number"),
        ("sum", ("9" * 60,), "no number"),
        ("multiply", (1, 2), "operation"),
        ("sum", ("\ud800",), "no text"),
        ("sum", tuple(range(501)), "at most 500"),
    ],
)
async def test_bad_operands_are_named(credit: Desk, operation: str, values: Any, said: str) -> None:
    operands = [{"value": value} for value in values]
    assert said in await credit.refused("calculate", operation=operation, operands=operands)


async def test_a_result_carries_the_records_of_its_operands(credit: Desk) -> None:
    operands = [
        {"value": "712", "record_id": "bur-1", "field": "SCORE", "entity_id": "e1"},
        {"value": "655", "record_id": "bur-2", "field": "SCORE", "entity_id": "e1"},
        {"value": 10},
    ]
    shown = await credit.call("calculate", operation="sum", operands=operands)
    figure = shown.evidence["figures"][0]
    assert figure["value"] == 1377
    assert figure["count"] == 2
    assert figure["facts"][0] == {"entity_id": "e1", "record_id": "bur-1", "field": "SCORE", "value": "712"}
    assert [operand["value"] for operand in shown.evidence["arguments"]["operands"]] == ["712", "655", 10]
    bad = [{"value": "x", "record_id": "bur-1", "field": "SCORE"}]
    assert "SCORE of record bur-1" in await credit.refused("calculate", operation="sum", operands=bad)


numbers = st.decimals(min_value=-(10**9), max_value=10**9, places=4, allow_nan=False)


@given(st.lists(numbers, min_size=1, max_size=30))
async def test_sums_are_exact(values: list[Decimal]) -> None:
    arguments = CalculateArguments.model_validate(
        {"operation": "sum", "operands": [{"value": str(value)} for value in values]}
    )
    content, _ = await calculate(arguments)
    assert Fraction(content["text"].rpartition(" = ")[2].replace(",", "")) == sum(map(Fraction, values))


@given(st.dates(min_value=dt.date(1900, 1, 1)), st.dates(min_value=dt.date(1900, 1, 1)))
async def test_days_between_is_what_the_calendar_says(first: dt.date, second: dt.date) -> None:
    arguments = CalculateArguments.model_validate(
        {"operation": "days_between", "operands": [{"value": str(first)}, {"value": second.strftime("%d %B %Y")}]}
    )
    content, _ = await calculate(arguments)
    assert first + dt.timedelta(days=content["value"]) == second


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1,234.50", "1234.50", None), ("1.234,50", "1234.50", None), ("$1,204", "1204", "$"), ("-$5.00", "-5.00", "$"),
        ("1 234,5", "1234.5", None), ("12,5", "12.5", None), ("1,234", "1234", None), ("1.234", "1.234", None),
        ("1.234.567", "1234567", None), ("82 %", "82", "%"), ("15 percent", "15", "%"), ("1000 USD", "1000", "$"),
        ("(12.00)", "-12.00", None), ("+3 points", "3", "points"), ("1e+06", "1e6", None), (".5", ".5", None),
        ("712", "712", None), (712, "712", None), (0.1, "0.1", None), ("5.", "5", None),
    ],
)  # fmt: skip
def test_amounts_in_usual_notations(text: Any, value: str, unit: str | None) -> None:
    found = amount_of(text)
    assert found is not None
    assert (found.value, found.unit) == (Decimal(value), unit)


@pytest.mark.parametrize(
    "text", ["", "abc", "1,2,3", "12,34.5", "2024-01-02", "1..2", "(5", "5)", None, True, "1-2", ",5"]
)
def test_what_is_no_amount(text: Any) -> None:
    assert amount_of(text) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-01-02", "2024-01-02"), ("2024-01-02T23:00:00Z", "2024-01-02"), ("01/02/2024", "2024-01-02"),
        ("13/04/2024", "2024-04-13"), ("Jan 5, 2024", "2024-01-05"), ("5 March 1984", "1984-03-05"),
        ("20240102", "2024-01-02"), ("12.03.1984", "1984-12-03"), ("Sunday, 3 March 2024", "2024-03-03"),
    ],
)  # fmt: skip
def test_dates_in_usual_notations(text: str, day: str) -> None:
    assert str(date_of(text)) == day


@pytest.mark.parametrize(
    "text", ["", "1984", "712", "March 2024", "2024-13-01", "Monday 10:00", "10:30", "12345678", "4021", "1,234.50"]
)
def test_what_is_no_date(text: str) -> None:
    assert date_of(text) is None
