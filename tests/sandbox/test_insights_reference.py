"""The insights against results of the Go library that Tilores itself runs.

The cases were made once with a seeded generator and answered by that library (github.com/tilotech/tilores-insights).
Where it walks a Go map at random, results are compared without regard to order, or the first occurrence counts.
"""

from __future__ import annotations

import gzip
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.reference import same, wording

from tilores_x.sandbox.insights.records import EdgeInsights, InsightError, RecordInsights
from tilores_x.sandbox.insights.regex import matcher
from tilores_x.sandbox.insights.times import parse_time
from tilores_x.sandbox.insights.values import parse_float, text_of


@cache
def reference() -> dict[str, Any]:
    path = Path(__file__).with_name("insights_cases.json.gz")
    data: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    for case in data["cases"]:
        if "error" in case["outcome"]:
            case["outcome"]["error"] = wording(case["outcome"]["error"])
    return data


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"want": answer(case)}
    except InsightError as error:
        return {"error": wording(str(error))}


def answer(case: dict[str, Any]) -> Any:
    if "float" in case:
        return number(parse_float(case["float"]))
    if "time" in case:
        return list(divmod(parse_time(case["time"]), 1_000_000_000))
    if "regex" in case:
        return list(map(matcher(case["regex"]), case["texts"]))
    if "text" in case:
        return text_of(case["text"], case_sensitive=False)
    if "set" in case:
        return of_records(RecordInsights(reference()["sets"][case["set"]]), case["ops"])
    name, arguments = case["ops"][0]
    edges = EdgeInsights(case["edges"], case["duplicates"])
    if name == "count":
        return edges.count()
    if name == "matrix":
        return sorted(edges.matrix(**arguments), key=lambda entry: (entry["a"], entry["b"]))
    return edges.frequency_distribution(**arguments)


def of_records(insights: RecordInsights, ops: list[list[Any]]) -> Any:
    if not ops:
        return [record["id"] for record in insights.records]
    (name, arguments), *rest = ops
    arguments = {SNAKE.get(key, key): value for key, value in arguments.items()}
    if name == "group":
        return [of_records(group, rest) for group in insights.group(**arguments)]
    result = getattr(insights, SNAKE.get(name, name))(**arguments)
    if isinstance(result, RecordInsights):
        return of_records(result, rest)
    if name in ("first", "last", "newest", "oldest"):
        return result and result["id"]
    return number(result) if isinstance(result, float) else result


SNAKE = {
    "caseSensitive": "case_sensitive",
    "countDistinct": "count_distinct",
    "valuesDistinct": "values_distinct",
    "frequencyDistribution": "frequency_distribution",
    "standardDeviation": "standard_deviation",
    "flattenDistinct": "flatten_distinct",
}


def number(value: float) -> Any:
    if math.isfinite(value):
        return value
    return {"float": "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"}


def kinds() -> list[str]:
    return sorted({kind(case) for case in reference()["cases"]})


def kind(case: dict[str, Any]) -> str:
    if "ops" in case:
        return ("edges." if "edges" in case else "records.") + str(case["ops"][-1][0])
    return next(key for key in ("float", "time", "regex", "text") if key in case)


@pytest.mark.parametrize("of_kind", kinds())
def test_answers_as_the_reference_does(of_kind: str) -> None:
    cases = [case for case in reference()["cases"] if kind(case) == of_kind]
    assert cases
    wrong = [(case, ours) for case in cases if not same(ours := outcome(case), case["outcome"])]
    assert not wrong, f"{len(wrong)} of {len(cases)}, the first: {wrong[0]}"


def test_there_are_enough_cases() -> None:
    cases = reference()["cases"]
    assert len(cases) > 2000
    assert sum("error" in case["outcome"] for case in cases) > 200
