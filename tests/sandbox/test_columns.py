"""Working by column gives what working record by record gives, errors included."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tilores_x.sandbox.insights.columns import column_of, each
from tilores_x.sandbox.insights.filter import keeps, kept
from tilores_x.sandbox.insights.values import InsightError

values = st.one_of(
    st.none(), st.booleans(),
    st.sampled_from([0, 1, 1.0, 2.5, "1", "1.0", "a", "A", "", "2024-01-01T00:00:00Z", "1e999"]),
    st.lists(st.integers(0, 2), max_size=2), st.dictionaries(st.just("x"), st.sampled_from([1, "a"]), max_size=1),
)  # fmt: skip
records = st.lists(st.fixed_dictionaries({"id": st.text(max_size=1)}, optional={"a": values, "b": values}), max_size=8)
conditions = st.lists(
    st.fixed_dictionaries(
        {"field": st.sampled_from(["a", "b", "a.x", "a.0", "a.*"])},
        optional={
            "isNull": st.booleans(), "equals": st.sampled_from(["a", "1", 1, True]), "startsWith": st.just("A"),
            "likeRegex": st.sampled_from(["a", r"\S", "("]), "greaterThan": st.just(0.5),
            "after": st.just("2023-01-01T00:00:00Z"), "invert": st.booleans(), "caseSensitive": st.booleans(),
        },
    ),
    min_size=1, max_size=3,
)  # fmt: skip


def outcome(work: Any) -> Any:
    try:
        return work()
    except InsightError as error:
        return str(error)


@given(records=records, conditions=conditions)
def test_filtering_by_column(records: list[dict[str, Any]], conditions: list[dict[str, Any]]) -> None:
    expected = outcome(lambda: list(filter(keeps(conditions), records)))
    assert outcome(lambda: kept(records, conditions)) == expected


@given(records=records)
def test_equal_keys_of_a_dict_are_not_taken_for_equal_values(records: list[dict[str, Any]]) -> None:
    column = column_of(records, "a")
    assert each(column, repr) == [repr(record.get("a")) for record in records]


def test_each_different_text_is_worked_on_once() -> None:
    seen: list[str] = []
    assert each(["a", "b", "a", None, "a"], lambda value: seen.append(value) or value) == ["a", "b", "a", None, "a"]
    assert seen == ["a", "b", None]
