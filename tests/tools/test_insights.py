"""tilores_insights against the ground truth: aggregates over whole entities, checked requests, dates in text."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import Desk, open_desk
from support.small_instance import write_instance

from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.tools.where import iso_from

Person = dict[str, Any]
BUREAU = "CREDIT_RESPONSE.CREDIT_BUREAU"
REPORT_DATE = "CREDIT_RESPONSE.CreditReportFirstIssuedDate"
SCORE = "CREDIT_RESPONSE.CREDIT_SCORE.*.Value"


@pytest.fixture(params=["4021", "4003", "4120", "4200"])
async def person(request: pytest.FixtureRequest, truth: dict[str, Person], credit: Desk) -> Person:
    client_id = request.param
    return {**truth[client_id], "entity_id": await credit.entity_of(client_id)}


def ask(function: str, field: str | None = None, *fields: str, **more: Any) -> dict[str, Any]:
    return {"function": function, "field": field, "fields": list(fields) or None, **more}


def only(content: Any) -> Any:
    assert len(content["results"]) == 1
    return content["results"][0]


async def test_newest_payment_over_plain_dates(credit: Desk, person: Person) -> None:
    paid = [payment for payment in person["payments"] if payment["paid"]]
    result = only(await credit.insights(person["entity_id"], ask("newest", "PAYMENT_DATE", "PAYMENT_AMOUNT")))
    newest = max(paid, key=lambda payment: payment["paid"], default=None)
    if newest is None:
        assert result["value"] is None
        return
    assert result["value"] == newest["paid"]
    assert result["record"]["PAYMENT_AMOUNT"] == newest["amount"]
    assert result["record_ids"] == [newest["record_id"]]
    oldest = only(await credit.insights(person["entity_id"], ask("oldest", "PAYMENT_DATE")))
    assert oldest["value"] == min(payment["paid"] for payment in paid)


async def test_amounts_written_as_text_are_added_up(credit: Desk, person: Person) -> None:
    amounts = [float(p["amount"]) for p in person["payments"] if p["paid"]]
    content = await credit.insights(
        person["entity_id"],
        *(ask(function, "PAYMENT_AMOUNT") for function in ("sum", "average", "min", "max")),
        where=[{"field": "PAYMENT_DATE", "op": "not_null"}],
    )
    values = [result["value"] for result in content["results"]]
    if amounts:
        expected = [sum(amounts), sum(amounts) / len(amounts), min(amounts), max(amounts)]
        assert values == pytest.approx(expected, abs=1e-6)
        assert content["results"][0]["records"] == len(amounts)
    else:
        assert values == [None] * 4


async def test_how_often_payments_came_late(credit: Desk, person: Person) -> None:
    told = only(await credit.insights(person["entity_id"], ask("frequency", "PAYMENT_STATUS")))["value"]
    counted = Counter(payment["status"] for payment in person["payments"])
    assert {entry["value"]: entry["count"] for entry in told} == counted
    assert [entry["count"] for entry in told] == sorted(counted.values(), reverse=True)
    assert sum(entry["percent"] for entry in told) == pytest.approx(100 if counted else 0, abs=0.05)


async def test_grouped_by_bureau(credit: Desk, person: Person) -> None:
    content = await credit.insights(person["entity_id"], ask("count"), ask("max", SCORE), group_by=[BUREAU])
    told = {group["group"][BUREAU]: (group["count"], group["results"][1]["value"]) for group in content["groups"]}
    bureaus = {report["bureau"] for report in person["reports"]}
    assert told == {
        bureau: (
            sum(report["bureau"] == bureau for report in person["reports"]),
            max(int(score["value"]) for score in person["scores"] if score["bureau"] == bureau),
        )
        for bureau in bureaus
    }


async def test_the_two_newest_reports_of_a_bureau(credit: Desk, person: Person) -> None:
    content = await credit.insights(
        person["entity_id"],
        ask("records", None, BUREAU, REPORT_DATE, SCORE, "utilization"),
        where=[{"field": BUREAU, "op": "equals", "value": "experian"}],
        sort=[{"field": REPORT_DATE, "direction": "desc"}],
        limit=2,
    )
    reports = sorted((r for r in person["reports"] if r["bureau"] == "Experian"), key=lambda r: r["date"])[-2:]
    rows = only(content)["value"]
    assert content["count"] == len(reports)
    assert [(row["record_id"], row[REPORT_DATE], row[SCORE]) for row in rows] == [
        (r["record_id"], r["date"], [str(r["value"])]) for r in reversed(reports)
    ]
    path = credit.box.concepts["utilization"][0]
    told = [row.get(path, [None])[0] for row in rows]
    assert told == [r["utilization"] and str(r["utilization"]) for r in reversed(reports)]


@pytest.mark.parametrize("op", ["since", "after", "until", "before"])
async def test_plain_dates_are_compared_to_the_day(credit: Desk, person: Person, op: str) -> None:
    days = sorted(payment["paid"] for payment in person["payments"] if payment["paid"])
    holds = {
        "since": lambda day, bound: day >= bound,
        "after": lambda day, bound: day > bound,
        "until": lambda day, bound: day <= bound,
        "before": lambda day, bound: day < bound,
    }[op]
    for bound in [*days[:2], "2026-02-28", "1999-12-31", "9999-12-31"]:
        if (op, bound) in {("after", "9999-12-31"), ("until", "9999-12-31")}:
            continue
        content = await credit.insights(
            person["entity_id"], "count", where=[{"field": "PAYMENT_DATE", "op": op, "value": bound}]
        )
        assert content["count"] == sum(holds(day, bound) for day in days), (op, bound)


async def test_conditions_hold_together_and_lacking_records_are_left_out(
    credit: Desk, person: Person, records: dict[str, Person]
) -> None:
    mine = [records[record_id] for record_id in person["record_ids"]]

    def amount(record: Person) -> float:
        return float(record.get("PAYMENT_AMOUNT") or 0)

    cases: list[tuple[dict[str, Any], Any]] = [
        (
            {"field": "PAYMENT_STATUS", "op": "not_equals", "value": "Paid"},
            lambda r: r.get("PAYMENT_STATUS", "Paid") != "Paid",
        ),
        ({"field": "SOURCE", "op": "contains", "value": "ure"}, lambda r: "ure" in r["SOURCE"].lower()),
        ({"field": "SOURCE", "op": "starts_with", "value": "c"}, lambda r: r["SOURCE"].startswith("C")),
        ({"field": "SOURCE", "op": "ends_with", "value": "t"}, lambda r: r["SOURCE"].endswith("T")),
        ({"field": "EMAIL", "op": "contains", "value": "@EX"}, lambda r: "@ex" in r.get("EMAIL", "").lower()),
        ({"field": "CLIENT_ID", "op": "matches", "value": r"^\D*4\d{3}$"}, lambda r: bool(r.get("CLIENT_ID"))),
        ({"field": "PAYMENT_AMOUNT", "op": "ge", "value": "$79.00"}, lambda r: amount(r) >= 79),
        ({"field": "PAYMENT_AMOUNT", "op": "lt", "value": 79}, lambda r: 0 < amount(r) < 79),
        ({"field": "SOURCE", "op": "equals", "value": "bureau"}, lambda r: r["SOURCE"] == "BUREAU"),
        ({"field": "EMAIL", "op": "is_null"}, lambda r: not r.get("EMAIL")),
        ({"field": "CREDIT_RESPONSE.CREDIT_BUREAU", "op": "not_null"}, lambda r: bool(r.get("CREDIT_RESPONSE"))),
    ]  # fmt: skip
    for condition, holds in cases:
        content = await credit.insights(person["entity_id"], "count", where=[condition])
        assert content["count"] == sum(map(holds, mine)), condition


async def test_sorting_leaves_out_records_that_lack_the_field(credit: Desk, person: Person) -> None:
    paid = [payment["paid"] for payment in person["payments"] if payment["paid"]]
    content = await credit.insights(
        person["entity_id"],
        ask("records", None, "PAYMENT_DATE"),
        sort=[{"field": "PAYMENT_DATE", "direction": "DESC"}],
        limit=3,
    )
    assert [row["PAYMENT_DATE"] for row in only(content)["value"]] == sorted(paid, reverse=True)[:3]
    assert content["count"] == min(3, len(paid))


async def test_everything_else_that_can_be_asked(credit: Desk, person: Person, records: dict[str, Person]) -> None:
    mine = [records[record_id] for record_id in person["record_ids"]]
    emails = [record["EMAIL"] for record in mine if record.get("EMAIL")]
    content = await credit.insights(
        person["entity_id"],
        "count",
        ask("count", "EMAIL"),
        ask("count_distinct", None, "EMAIL"),
        ask("values", "EMAIL"),
        ask("values_distinct", "EMAIL"),
        ask("confidence", "EMAIL"),
        ask("median", SCORE),
        ask("standard_deviation", SCORE),
        ask("values", SCORE),
        ask("flatten", "CREDIT_RESPONSE.CREDIT_LIABILITY.*.PaymentPattern.*"),
        ask("first", None, "SOURCE"),
        ask("last", None, "SOURCE"),
    )
    results = content["results"]
    shares = Counter(email.lower() for email in emails)
    assert content["count"] == results[0]["value"] == len(mine)
    assert results[1]["value"] == len(emails)
    assert results[2]["value"] == len(shares)
    assert sorted(results[3]["value"]) == sorted(emails)
    assert {email.lower() for email in results[4]["value"]} == set(shares)
    expected = sum((count / len(emails)) ** 2 for count in shares.values()) if emails else None
    assert results[5]["value"] == pytest.approx(expected, abs=1e-6)
    scores = sorted(int(score["value"]) for score in person["scores"])
    assert sorted(map(int, results[8]["value"])) == scores
    if scores:
        middle = len(scores) // 2
        median = scores[middle] if len(scores) % 2 else (scores[middle - 1] + scores[middle]) / 2
        assert results[6]["value"] == median
    assert results[10]["value"]["SOURCE"] in {record["SOURCE"] for record in mine}
    assert results[11]["record_ids"][0] in person["record_ids"]


async def test_what_a_result_rests_on_is_named(credit: Desk, truth: dict[str, Person]) -> None:
    entity_id = await credit.entity_of("4021")
    shown = await credit.call("tilores_insights", entity_id=entity_id, ask=[ask("sum", "PAYMENT_AMOUNT")])
    paid = [payment for payment in truth["4021"]["payments"] if payment["paid"]]
    figure = shown.evidence["figures"][-1]
    assert figure["value"] == sum(float(payment["amount"]) for payment in paid)
    assert figure["count"] == len(paid)
    assert {fact["record_id"] for fact in figure["facts"]} <= {payment["record_id"] for payment in paid}
    assert set(shown.content["results"][0]["record_ids"]) <= {payment["record_id"] for payment in paid}


async def test_one_ask_that_fails_fails_alone(credit: Desk) -> None:
    entity_id = await credit.entity_of("4021")
    content = await credit.insights(entity_id, ask("average", "PAYMENT_STATUS"), ask("sum", "PAYMENT_AMOUNT"))
    by_function = {result["function"]: result for result in content["results"]}
    assert by_function["sum"]["value"] > 0
    assert by_function["average"]["value"] is None
    assert "no plain numbers" in by_function["average"]["error"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"ask": [ask("sum", "PAYMENT_AMONT")]}, "Nearest: PAYMENT_AMOUNT"),
        ({"ask": [ask("sum")]}, "needs a `field`"),
        ({"ask": [ask("records")]}, "needs `fields`"),
        ({"ask": [ask("total", "PAYMENT_AMOUNT")]}, "'sum'"),
        ({"ask": [ask("sum", "CREDIT_RESPONSE.CREDIT_LIABILITY")]}, "holds several fields"),
        ({"ask": []}, "ask"),
        ({"asks": []}, "asks"),
        ({"where": [{"field": SCORE, "op": "gt", "value": 700}]}, "inside of lists"),
        ({"where": [{"field": "PAYMENT_DATE", "op": "since", "value": "lately"}]}, "YYYY-MM-DD"),
        ({"where": [{"field": "PAYMENT_AMOUNT", "op": "gt", "value": "many"}]}, "neither a number nor a date"),
        ({"where": [{"field": "STATUS", "op": "equals"}]}, "needs a value"),
        ({"where": [{"field": "STATUS", "op": "is", "value": "x"}]}, "op"),
        ({"where": [{"field": "PAYMENT_STATUS", "op": "gt", "value": 3}]}, "plain numbers"),
        ({"where": [{"field": "STATUS", "op": "matches", "value": "(a"}]}, "Tilores refused"),
        ({"where": [{"field": "STATUS", "op": "equals", "value": "\ud800"}]}, "no text"),
        ({"sort": [{"field": SCORE}]}, "inside of lists"),
        ({"sort": [{"field": "STATUS", "direction": "up"}]}, "direction"),
        ({"group_by": [SCORE]}, "inside of lists"),
        ({"limit": 0}, "limit"),
        ({"ask": [ask("newest", "CREDIT_RESPONSE.CREDIT_SCORE.*.Date")]}, "inside of lists"),
        ({"ask": [ask("sum", "CREDIT_RESPONSE.CREDIT_SUMMARY.DATA_SET.[ID=PT016].Value")]}, "ask for `records`"),
    ],
)
async def test_calls_that_cannot_work_say_how_to_ask(credit: Desk, arguments: dict[str, Any], said: str) -> None:
    entity_id = await credit.entity_of("4021")
    assert said in await credit.refused("tilores_insights", entity_id=entity_id, **arguments)


async def test_an_unknown_entity_is_told(credit: Desk) -> None:
    assert "tilores_search" in await credit.refused("tilores_insights", entity_id="nosuch", ask=["count"])


async def test_newest_of_values_that_are_no_dates_is_told(credit: Desk) -> None:
    content = await credit.insights(await credit.entity_of("4021"), ask("newest", "PAYMENT_STATUS"), "count")
    failed = next(result for result in content["results"] if result["function"] == "newest")
    assert "neither dates" in failed["error"]


# Other kinds of fields than the credit instance has.

SCHEMA = """
type Record { id: ID!  KEY: String  AT: Time  WHEN: String  N: Float  TAGS: [String!]  ON: Boolean }
input RecordInput { id: ID!  KEY: String }
input SearchParams { KEY: String }
"""
RULES = '[[rule]]\nid = "KEY"\nmatch = [{ field = "KEY", how = "exact" }]\n'
ROWS = [
    {"id": "a", "KEY": "k", "AT": "2026-01-02T10:00:00Z", "WHEN": "2026-01-02T23:00:00+05:00", "N": 0.1, "TAGS": ["x"]},
    {"id": "b", "KEY": "k", "AT": "2026-03-01T10:00:00Z", "WHEN": "2026-01-02T21:00:00Z", "N": 0.2, "TAGS": ["y", "x"]},
    {"id": "c", "KEY": "k", "AT": None, "WHEN": " ", "N": None, "ON": True},
]  # fmt: skip


@pytest.fixture
async def odd(tmp_path: Path) -> AsyncIterator[tuple[Desk, str]]:
    folder = write_instance(tmp_path / "odd", ROWS, schema=SCHEMA, rules=RULES)
    async with open_desk(await create_app(load_instance(str(folder))), tmp_path) as desk:
        found = await desk.call("tilores_search", KEY="k")
        yield desk, found.content["entities"][0]["entity_id"]


async def test_full_times_are_compared_as_times(odd: tuple[Desk, str]) -> None:
    desk, entity_id = odd
    assert only(await desk.insights(entity_id, ask("newest", "AT")))["record_ids"] == ["b"]
    # As text 23:00+05:00 comes after 21:00Z, as a time it is 18:00Z.
    newest = only(
        await desk.insights(
            entity_id, ask("newest", "WHEN"), where=[{"field": "WHEN", "op": "contains", "value": "2026"}]
        )
    )
    assert newest["record_ids"] == ["b"]
    kept = await desk.insights(entity_id, "count", where=[{"field": "AT", "op": "since", "value": "2026-02-01"}])
    assert kept["count"] == 1
    late = [{"field": "WHEN", "op": "after", "value": "2026-01-02T20:00:00Z"}]
    assert (await desk.insights(entity_id, "count", where=late))["count"] == 1


async def test_blank_text_and_null_count_for_nothing(odd: tuple[Desk, str]) -> None:
    desk, entity_id = odd
    content = await desk.insights(entity_id, ask("count", "WHEN"), ask("sum", "N"), ask("flatten_distinct", "TAGS"))
    assert [result["value"] for result in content["results"]] == [2, 0.3, ["x", "y"]]


async def test_numbers_and_truths_can_be_tested(odd: tuple[Desk, str]) -> None:
    desk, entity_id = odd
    for condition, count in (
        ({"field": "N", "op": "gt", "value": 0.1}, 1),
        ({"field": "N", "op": "equals", "value": 0.2}, 1),
        ({"field": "ON", "op": "equals", "value": True}, 1),
        ({"field": "ON", "op": "not_null"}, 1),
    ):
        assert (await desk.insights(entity_id, "count", where=[condition]))["count"] == count, condition


@given(bound=st.dates(), day=st.dates())
def test_the_pattern_for_dates_from_a_day_on(bound: dt.date, day: dt.date) -> None:
    import re

    assert bool(re.search(iso_from(bound), day.isoformat())) == (day >= bound)
