"""When a rule holds: every matcher, never on a missing value, along paths and through lists."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import JaroWinkler

from tilores_x.sandbox.engine.matching import comparable, dates, neighbourhood, phone, sound
from tilores_x.sandbox.engine.rules import Rule, RuleSet, texts_at

Record = dict[str, Any]


def rule(*matchers: dict[str, Any], **options: Any) -> Rule:
    return Rule.model_validate({"id": "R", "match": matchers, **options})


def holds(tested: Rule, a: Record, b: Record) -> bool:
    x, y = tested.traits(a), tested.traits(b)
    return x is not None and y is not None and tested.holds(x, y)


VALUES = st.sampled_from(
    [
        "",
        " ",
        "Marlow",
        "marlow",
        "MARLOWE",
        "Tarrant",
        "1980-03-02",
        "02/03/1980",
        "03.02.1980",
        "Stephen",
        "Steven",
        "415-555-0134",
        "(415) 555-0134",
        "José",
        "Jose",
    ]
)
MATCHERS = st.sampled_from(
    [
        {"how": "exact"},
        {"how": "exact", "transform": ["lowercase"]},
        {"how": "exact", "transform": ["ascii", "uppercase", "trim"]},
        {"how": "similar", "least": 0.85},
        {"how": "similar", "least": 0.97},
        {"how": "phonetic"},
        {"how": "date"},
        {"how": "date", "order": "MDY"},
        {"how": "phone"},
    ]
)
RECORD = st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(VALUES, st.none(), st.lists(VALUES, max_size=2)))


def naive(matcher: dict[str, Any], alone: bool, a: str, b: str) -> bool:
    """Whether one matcher holds for two texts, by its definition."""
    for name in matcher.get("transform", ()):
        if name == "ascii":
            a, b = (text.replace("é", "e") for text in (a, b))
        else:
            a, b = ({"lowercase": str.lower, "uppercase": str.upper, "trim": str.strip}[name](text) for text in (a, b))
    match matcher["how"]:
        case "exact":
            return bool(a) and a == b
        case "similar":
            x, y = comparable(a), comparable(b)
            near = not alone or set(neighbourhood(x)) & set(neighbourhood(y))
            return bool(x and y and near) and JaroWinkler.similarity(x, y) >= matcher["least"]
        case "phonetic":
            return bool(sound(a)) and sound(a) == sound(b)
        case "date":
            return bool(set(dates(a, matcher.get("order"))) & set(dates(b, matcher.get("order"))))
    return phone(a) is not None and phone(a) == phone(b)


@given(first=MATCHERS, second=MATCHERS, a=RECORD, b=RECORD)
def test_a_rule_holds_when_each_matcher_holds_for_some_pair_of_values(
    first: dict[str, Any], second: dict[str, Any], a: Record, b: Record
) -> None:
    matchers = [{"field": "a"} | first, {"field": "b"} | second]
    tested = rule(*matchers)
    # In a rule of `similar` matchers only, the first finds the candidates.
    only_similar = all(matcher["how"] == "similar" for matcher in matchers)
    expected = all(
        any(
            naive(matcher, only_similar and at == 0, x, y)
            for x, y in product(texts_at(a, matcher["field"]), texts_at(b, matcher["field"]))
        )
        for at, matcher in enumerate(matchers)
    )
    assert holds(tested, a, b) == holds(tested, b, a) == expected


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("name", ["Ann"]),
        ("visits", ["3"]),
        ("amount", ["2.5"]),
        ("round", ["7"]),
        ("active", ["true"]),
        ("tags", ["x", "y"]),
        ("tags.1", ["y"]),
        ("tags.7", []),
        ("report.scores.value", ["710", "690"]),
        ("report.scores.*.value", ["710", "690"]),
        ("report.scores.0.value", ["710"]),
        ("report.scores.*.factors", ["p", "q"]),
        ("name.first", []),
        ("nothing.at.all", []),
        ("gone", []),
    ],
)
def test_a_path_leads_through_objects_and_lists(path: str, found: list[str]) -> None:
    record = {
        "name": "Ann",
        "visits": 3,
        "amount": 2.5,
        "round": 7.0,
        "active": True,
        "gone": None,
        "tags": ["x", None, "y"][::2],
        "report": {"scores": [{"value": "710", "factors": ["p"]}, {"value": "690", "factors": ["q"]}, {"other": 1}]},
    }
    assert texts_at(record, path) == found


@pytest.mark.parametrize(
    ("transform", "text", "result"),
    [
        (["lowercase"], "ÀB", "àb"),
        (["uppercase"], "àb", "ÀB"),
        (["trim"], "  a b ", "a b"),
        (["squeeze"], "  a \t b ", "a b"),
        (["ascii"], "Ünïcode", "Unicode"),
        (["digits"], "12-34 a", "1234"),
        (["letters"], "o'Neil 2", "oNeil"),
        (["alphanumeric"], "AB-12 c", "AB12c"),
        (["digits", "trim"], "none", ""),
    ],
)
def test_transforms_apply_in_the_order_given(transform: list[str], text: str, result: str) -> None:
    (matcher,) = rule({"field": "a", "transform": transform}).match
    assert matcher.values({"a": text}) == ([result] if result else [])


def test_two_rules_never_share_keys() -> None:
    one, other = (Rule.model_validate({"id": name, "match": [{"field": "a"}]}) for name in ("ONE", "OTHER"))
    x, y = one.traits({"a": "v"}), other.traits({"a": "v"})
    assert x is not None
    assert y is not None
    assert set(x.keys).isdisjoint(y.keys)


def test_keys_do_not_run_into_each_other() -> None:
    tested = rule({"field": "a"}, {"field": "b"})
    assert not holds(tested, {"a": "x", "b": "yz"}, {"a": "xy", "b": "z"})


def test_a_set_of_search_rules_may_name_rules_that_do_not_search_by_default() -> None:
    rules = RuleSet.model_validate(
        {
            "rule": [
                {"id": "A", "match": [{"field": "a"}], "search": False},
                {"id": "B", "match": [{"field": "b"}]},
            ],
            "search_sets": {"careful": ["A"]},
        }
    )
    assert [each.id for each in rules.searching()] == ["B"]
    assert [each.id for each in rules.searching("careful")] == ["A"]
    assert [each.id for each in rules.linking] == ["A", "B"]
