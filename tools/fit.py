"""People under the byte budget of a reply: what there is most of goes first, and what was asked for last.

``content`` shows either the ``entities`` of one search, or under ``people`` one part per person asked for, each with
its own ``entities``. All are shortened alike, so that the last is told as much as the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tilores_x.tools.compact import Content, budget_bytes, fewer_rows, fitted

#: Labels that stay where many people are to fit.
_NAMES = ("first_name", "last_name", "client_id")


def fit_people(content: Content) -> Content:
    """Shorten ``content``: fewer values of a field, fewer records, shorter labels, fewer fields, then fewer people."""
    budget = budget_bytes(len(parts_of(content)))
    steps: list[Callable[[Content], str | None]] = [
        *(partial(_fewer_values, most=most) for most in (10, 5)),
        *(partial(_fewer_records, bytes_all=size) for size in (4000, 1500)),
        *(partial(_fewer_values, most=most) for most in (3, 1)),
        partial(_fewer_records, bytes_all=0),
        *(partial(_facts_of_first, most=most) for most in (5, 2, 1)),
        *(partial(_shorter_labels, names=names) for names in ((), _NAMES)),
        _no_labels,
        _one_record_each,
        *(partial(_fewer_fields, bytes_all=budget * share // 6) for share in (5, 4, 3, 2, 1)),
        *(partial(_fewer_people, most=most) for most in (5, 1)),
        *(partial(_fewer_parts, bytes_all=budget * share // 6) for share in (5, 3)),
    ]
    return fitted(content, steps, budget)


def parts_of(content: Content) -> list[Content]:
    """The searches that ``content`` shows, each with its ``entities``."""
    parts: list[Content] = content.get("people", [content])
    return parts


def _entities(content: Content) -> Iterator[Content]:
    return (entity for part in parts_of(content) for entity in part.get("entities", ()))


def _fewer_values(content: Content, most: int) -> str | None:
    cut = set()
    for entity in _entities(content):
        for field, values in entity.get("facts", {}).items():
            if len(values) > most:
                cut.add(field)
                del values[most:]
    return f"only the first {most} values of {', '.join(sorted(cut))}" if cut else None


def _fewer_records(content: Content, bytes_all: int) -> str | None:
    cut = False
    share = bytes_all // max(1, sum(1 for _ in _entities(content)))
    for entity in _entities(content):
        if rows := entity.get("records_shown"):
            kept = fewer_rows(rows, share)
            cut = cut or len(kept) < len(rows)
            entity["records_shown"] = kept
    return "further records, ask tilores_insights for them" if cut else None


def _facts_of_first(content: Content, most: int) -> str | None:
    parts = parts_of(content)
    without = [entity for part in parts for entity in part.get("entities", ())[most:] if entity.pop("facts", None)]
    whose = " of each search" if len(parts) > 1 else ""
    return f"facts of all but the first {most} people{whose}" if without else None


def _shorter_labels(content: Content, names: tuple[str, ...]) -> str | None:
    """Where many are asked for, who they are is known: a label need not tell all."""
    if "people" not in content:
        return None
    for entity in _entities(content):
        label = entity["label"]
        entity["label"] = {name: label[name][:1] for name in names or label if name in label}
    return "labels in full"


def _one_record_each(content: Content) -> str | None:
    """Of a value in many records one proves it; which fields have more values is said for all of them at once."""
    if "people" in content:
        for entity in _entities(content):
            entity.pop("newest_only", None)
            for values in entity.get("facts", {}).values():
                for value in values:
                    del value["record_ids"][1:]
    return None


def _fewer_fields(content: Content, bytes_all: int) -> str | None:
    holding = [entity for entity in _entities(content) if entity.get("facts")]
    share = bytes_all // max(1, len(holding))
    cut: dict[str, None] = {}
    for entity in holding:
        facts = entity["facts"]
        kept = dict(fewer_rows(list(facts.items()), share))
        cut |= dict.fromkeys(field for field in facts if field not in kept)
        entity["facts"] = kept
        entity.pop("newest_only", None)
    some = " of some" if len(holding) > 1 else ""
    return f"the fields {', '.join(list(cut)[:30])}{some}" if cut else None


def _fewer_people(content: Content, most: int) -> str | None:
    dropped = 0
    for part in parts_of(content):
        dropped += max(0, len(part.get("entities", ())) - most)
        del part.get("entities", [])[most:]
    return f"{dropped} more people" if dropped > 0 else None


def _no_labels(content: Content) -> str | None:
    """A person found alone is the one asked for."""
    if "people" in content:
        for part in content["people"]:
            if part.get("total") == 1:
                for entity in part["entities"]:
                    entity.pop("label", None)
    return None


def _fewer_parts(content: Content, bytes_all: int) -> str | None:
    if "people" not in content:
        return None
    kept = fewer_rows(content["people"], bytes_all)
    dropped = len(content["people"]) - len(kept)
    content["people"] = kept
    return f"the last {dropped} people, ask for them in another call" if dropped else None
