"""Filter conditions: which records a ``FilterCondition`` keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from operator import ge, gt, le, lt
from typing import Any

from tilores_x.sandbox.insights.columns import column_of, each
from tilores_x.sandbox.insights.regex import matcher
from tilores_x.sandbox.insights.times import parse_time
from tilores_x.sandbox.insights.values import InsightError, extract, lower, number_of, read_float, text_of

Condition = Mapping[str, Any]
"""A ``FilterCondition`` of the API as plain data: ``field`` and criteria by their API names. None counts as absent."""

Record = dict[str, Any]
_Test = Callable[[Any], bool]

_NUMERIC = (("lessThan", lt), ("lessEquals", le), ("greaterThan", gt), ("greaterEquals", ge))
_TIMES = (("after", gt), ("since", ge), ("before", lt), ("until", le))


def keeps(conditions: Sequence[Condition]) -> Callable[[Mapping[str, Any]], bool]:
    """A test that says whether a record meets all conditions.

    The criteria of one condition must all hold, then ``invert`` negates the whole; a missing value holds for none of
    them but ``isNull``. The test raises InsightError for a numeric criterion on what is no number, a time criterion on
    what is no time, and a bad regular expression, each only once a record's value gets that far.
    """
    tests = [
        (condition["field"].split("."), _tests(condition), bool(condition.get("invert"))) for condition in conditions
    ]

    def test(record: Mapping[str, Any]) -> bool:
        for path, criteria, inverted in tests:
            value = extract(record, path)
            if all(criterion(value) for criterion in criteria) == inverted:
                return False
        return True

    return test


def kept(records: Sequence[Record], conditions: Sequence[Condition]) -> list[Record]:
    """The records that meet all conditions, worked out condition by condition; errors are those of `keeps`."""
    left = list(records)
    try:
        for condition in conditions:
            tests, inverted = _tests(condition), bool(condition.get("invert"))

            def holds(value: Any, tests: list[_Test] = tests, inverted: bool = inverted) -> bool:
                return all(test(value) for test in tests) != inverted

            left = list(compress(left, each(column_of(left, condition["field"]), holds)))
    except InsightError:
        # Which record fails first, and so what is told, depends on all conditions.
        return list(filter(keeps(conditions), records))
    return left


def _tests(condition: Condition) -> list[_Test]:
    """The criteria as Tilores tries them in turn: the first that fails ends it, and spares the record later errors."""
    tests: list[_Test] = []
    is_null = condition.get("isNull")
    if is_null is not None:
        tests.append(lambda value: (value is None) == is_null)
    text_tests = _text_tests(condition)
    if text_tests:
        case_sensitive = bool(condition.get("caseSensitive"))

        def has_text(value: Any) -> bool:
            text = text_of(value, case_sensitive=case_sensitive)
            return text is not None and all(test(text) for test in text_tests)

        tests.append(has_text)
    limits = [(holds, float(condition[name])) for name, holds in _NUMERIC if condition.get(name) is not None]
    if limits:

        def has_number(value: Any) -> bool:
            number = number_of(value, condition["field"])
            return number is not None and all(holds(number, limit) for holds, limit in limits)

        tests.append(has_number)
    moments = [(holds, _moment(condition[name])) for name, holds in _TIMES if condition.get(name) is not None]
    if moments:

        def has_time(value: Any) -> bool:
            text = text_of(value, case_sensitive=True)
            if text is None:
                return False
            moment = parse_time(text)
            return all(holds(moment, limit) for holds, limit in moments)

        tests.append(has_time)
    return tests


def _moment(argument: Any) -> int:
    return argument if isinstance(argument, int) else parse_time(argument)


def _text_tests(condition: Condition) -> list[Callable[[str], bool]]:
    case_sensitive = bool(condition.get("caseSensitive"))
    tests: list[Callable[[str], bool]] = []
    equals = condition.get("equals")
    if equals is not None:
        wanted = text_of(equals, case_sensitive=case_sensitive) or ""
        tests.append(lambda text: _equal(text, wanted))
    for name, method in (("startsWith", str.startswith), ("endsWith", str.endswith)):
        affix = condition.get(name)
        if affix is not None:
            tests.append(_affix_test(method, affix if case_sensitive else lower(affix)))
    pattern = condition.get("likeRegex")
    if pattern is not None:
        pattern = pattern if case_sensitive else f"(?i){pattern}"
        tests.append(_regex_test(pattern))
    return tests


def _regex_test(pattern: str) -> Callable[[str], bool]:
    matches: Callable[[str], bool] | None = None

    def test(text: str) -> bool:
        nonlocal matches
        matches = matches or matcher(pattern)
        return matches(text)

    return test


def _affix_test(method: Callable[[str, str], bool], affix: str) -> Callable[[str], bool]:
    return lambda text: method(text, affix)


def _equal(text: str, wanted: str) -> bool:
    """Numbers compare as numbers where the record's value is one, everything else as text."""
    number = read_float(text)
    return text == wanted if number is None else number == read_float(wanted)
