"""Answers over records under the byte budget of a reply, whether of one entity or of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tilores_x.tools.compact import Content, budget_bytes, fewer_rows, fitted
from tilores_x.tools.fit import parts_of
from tilores_x.tools.records import Fact


def fit_answers(content: Content) -> None:
    """Shorten the results in ``content``: fewer values and rows of each, then fewer results, then fewer entities."""
    steps: list[Callable[[Content], str | None]] = [partial(_shorter, most=most) for most in (50, 20, 10, 5)]
    fitted(
        content,
        [*steps, partial(_shorter, most=2), _drop_last, _drop_values, _fewer_parts],
        budget_bytes(len(parts_of(content))),
    )


def _every_result(content: Content) -> list[dict[str, Any]]:
    scopes = [scope for part in parts_of(content) for scope in part.get("groups") or [part]]
    return [result for scope in scopes for result in scope.get("results", [])]


def _shorter(content: Content, most: int) -> str | None:
    cut = False
    for result in _every_result(content):
        if isinstance(result["value"], list) and len(result["value"]) > most:
            del result["value"][most:]
            cut = True
        if len(result.get("record_ids", ())) > 3:
            del result["record_ids"][3:]
    return f"only the first {most} values or rows of each result" if cut else None


def _drop_last(content: Content) -> str | None:
    parts = parts_of(content)
    share = budget_bytes(len(parts)) * 5 // 6 // len(parts)
    said: dict[str, int] = {}
    for part in parts:
        key = "groups" if "groups" in part else "results"
        kept = fewer_rows(part.get(key, []), share)
        if kept and len(kept) < len(part[key]):
            said[key] = said.get(key, 0) + len(part[key]) - len(kept)
            part[key] = kept
    return "; ".join(f"the last {dropped} {key}" for key, dropped in said.items()) or None


def _drop_values(content: Content) -> str | None:
    results = _every_result(content)
    share = min(2_000, 8_000 // max(1, len(results)))
    for result in results:
        if isinstance(result["value"], list):
            result["value"] = fewer_rows(result["value"], share)
        result["record_ids"] = result.get("record_ids", [])[:1]
    return "values or rows that are too long"


def _fewer_parts(content: Content) -> str | None:
    if "people" not in content:
        return None
    kept = fewer_rows(content["people"], budget_bytes(len(content["people"])) * 5 // 6)
    dropped = len(content["people"]) - len(kept)
    content["people"] = kept
    return f"the last {dropped} entities, ask for them in another call" if dropped else None


def still_shown(facts: Sequence[Fact], content: Content) -> list[Fact]:
    """Without the rows that were cut from ``content``: they are no evidence either."""
    if "left_out" not in content:
        return list(facts)
    rows = {
        (row["record_id"], name)
        for result in _every_result(content)
        for row in (result["value"] if isinstance(result["value"], list) else [])
        if isinstance(row, dict) and "record_id" in row
        for name in row
    }
    listed = {record_id for result in _every_result(content) for record_id in result.get("record_ids", ())}
    return [fact for fact in facts if (fact["record_id"], fact["field"]) in rows or fact["record_id"] in listed]
