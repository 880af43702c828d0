"""What the reference's cases leave out: where releases of Go differ we follow the newest, and costs stay linear."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilores_x.sandbox.insights.records import EdgeInsights, InsightError, RecordInsights
from tilores_x.sandbox.insights.regex import matcher
from tilores_x.sandbox.insights.times import parse_time
from tilores_x.sandbox.insights.values import go_text, json_text, parse_float


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_from_its_text(number: float) -> None:
    assert parse_float(go_text(number)) == number
    assert parse_float(json_text(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_text_has_no_more_digits_than_needed(number: float) -> None:
    def digits(text: str) -> str:
        return text.partition("e")[0].lstrip("-0.").replace(".", "").strip("0")

    assert digits(go_text(number)) == digits(json_text(number)) == digits(repr(number))


@pytest.mark.parametrize(
    ("number", "text", "as_json"),
    [
        (999_999, "999999", "999999"),
        (1_000_000, "1e+06", "1000000"),
        (0.0001, "0.0001", "0.0001"),
        (0.00001, "1e-05", "0.00001"),
        (1e-7, "1e-07", "1e-7"),
        (1e21, "1e+21", "1e+21"),
        (-0.0, "-0", "-0"),
    ],
)
def test_numbers_are_written_as_go_writes_them(number: float, text: str, as_json: str) -> None:
    assert go_text(number) == text
    assert json_text(number) == as_json


def test_json_escapes_as_newer_releases_of_go_do() -> None:
    assert json_text("\b\f\x01<") == r'"\b\f\u0001\u003c"'


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001
    st.integers(-23 * 60, 23 * 60),
)
def test_times_agree_with_the_standard_library(moment: datetime, minutes: int) -> None:
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    parsed = parse_time(f"{moment.isoformat()}{sign}{hours:02d}:{rest:02d}")
    since_epoch = moment.replace(tzinfo=UTC) - timedelta(minutes=minutes) - datetime(1970, 1, 1, tzinfo=UTC)
    assert parsed == since_epoch // timedelta(microseconds=1) * 1000


@pytest.mark.parametrize("text", ["2024-05-01T10:00:00.1234567899Z", "2024-05-01T10:00:00.1234567899+00:00"])
def test_digits_beyond_the_nanosecond_are_dropped(text: str) -> None:
    assert parse_time(text) == parse_time("2024-05-01T10:00:00.123456789Z")


def test_the_year_before_the_first() -> None:
    day = 86_400 * 10**9
    assert parse_time("0001-01-01T00:00:00Z") - parse_time("0000-12-31T00:00:00Z") == day
    assert parse_time("0000-03-01T00:00:00Z") - parse_time("0000-02-29T00:00:00Z") == day


@pytest.mark.parametrize("text", ["2024-05-01T10:00:00+25:00", "2024-05-01T10:00:00.1234567899", "2024-05-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InsightError, match="parsing time"):
        parse_time(text)


@pytest.mark.parametrize("pattern", ["(?<name>a)", "(?P<name>a)"])
def test_groups_may_have_names(pattern: str) -> None:
    assert matcher(pattern)("ba")


@pytest.mark.parametrize(
    "pattern", ["(?<=a)b", "(?=a)", r"(a)\1", "a{1001}", "(?>a)", "(" * 20_000, "(" * 900 + ")" * 900 + "("]
)
def test_what_re2_lacks_is_refused(pattern: str) -> None:
    with pytest.raises(InsightError, match=r"^error parsing regexp: "):
        matcher(pattern)


def test_equally_frequent_values_stand_in_order_of_occurrence() -> None:
    insights = RecordInsights([{"id": str(n), "v": list(vs)} for n, vs in enumerate(["ab", "ca", "cb"])])
    assert [row["value"] for row in insights.frequency_distribution("v.*")] == ["a", "b", "c"]
    assert [row["value"] for row in insights.frequency_distribution("v.*", direction="DESC")] == ["a", "b", "c"]


def test_an_average_of_numbers_too_large_is_infinite() -> None:
    insights = RecordInsights([{"id": "1", "v": 1e308}, {"id": "2", "v": 1e308}])
    assert insights.sum("v") == math.inf
    assert insights.standard_deviation("v") == math.inf


def test_the_records_are_left_as_they_are() -> None:
    records = [{"id": "2", "v": [3, None, 1]}, {"id": "1", "v": []}]
    insights = RecordInsights(records)
    insights.sort([{"field": "id"}])
    insights.flatten("v")
    insights.limit(1)
    insights.group(["v.*"])
    assert records == [{"id": "2", "v": [3, None, 1]}, {"id": "1", "v": []}]


def test_one_pass_over_ten_thousand_records() -> None:
    class Counted(dict[str, object]):
        reads = 0

        def get(self, key: str, default: object = None) -> object:
            Counted.reads += 1
            return super().get(key, default)

    insights = RecordInsights([Counted(id=str(n), v=str(n % 97), t="2024-05-01T10:00:00Z") for n in range(10_000)])
    ask = [
        lambda: insights.count_distinct(["v"]),
        lambda: insights.frequency_distribution("v"),
        lambda: insights.standard_deviation("v"),
        lambda: insights.median("v"),
        lambda: insights.confidence("v"),
        lambda: insights.newest("t"),
        lambda: insights.group(["v"]),
        lambda: insights.sort([{"field": "v"}]),
        lambda: insights.filter([{"field": "v", "startsWith": "1", "lessThan": 50}]),
    ]
    for question in ask:
        Counted.reads = 0
        question()
        assert Counted.reads == 10_000


def test_edges_of_one_pair_come_together() -> None:
    insights = EdgeInsights(["b:a:R1", "a:b:R2", "a:c:R1"], {"c": ["d"]})
    assert insights.matrix() == [
        {"a": "a", "b": "b", "links": {"R1": True, "R2": True, "duplicate": False}},
        {"a": "a", "b": "c", "links": {"R1": True, "R2": False, "duplicate": False}},
        {"a": "c", "b": "d", "links": {"R1": False, "R2": False, "duplicate": True}},
    ]
    assert insights.matrix(links=[]) == []
    assert insights.frequency_distribution(direction="DESC", top=1) == [
        {"value": "R1", "frequency": 2, "percentage": 2 / 3}
    ]


def test_a_regular_expression_may_not_run_on() -> None:
    matches = matcher("(a|aa)+$", longest_s=0.05)
    with pytest.raises(InsightError, match=r"takes longer than 0\.05 s"):
        matches("a" * 100 + "!")
