"""The ground truth beside the records: who is who and what is true of them, told by the generator that made it up.

Questions are checked against it, and nothing in it is read through the engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import NamedTuple, NotRequired, TypedDict

import orjson

Record = dict[str, object]

AS_OF = date(2026, 10, 31)
"""The day the made-up data was taken; nothing in it happened later."""


class Score(TypedDict):
    bureau: str
    date: str
    value: int
    record_id: str


class Report(TypedDict):
    """One bureau report. ``value`` and ``utilization`` (percent) are None where a frozen file gave none."""

    bureau: str
    date: str
    report_id: str
    record_id: str
    value: int | None
    utilization: int | None
    factors: list[str]


class Payment(TypedDict):
    """One instalment. A missed one has no ``paid`` and no ``amount``, one on time no ``days_late``."""

    due: str
    paid: str | None
    amount: str | None
    status: str
    days_late: int | None
    record_id: str


class Dated(TypedDict):
    value: str
    date: str


class Truth(TypedDict):
    """What is true of one customer on ``as_of``.

    Lists of events are in the order of time; None is what no record holds. ``client_id`` is None for a record that is
    nobody's, and the key of the person in the instance ``people``.
    """

    as_of: str
    client_id: str | None
    kin: NotRequired[str]
    kin_of: NotRequired[list[str]]
    record_ids: list[str]
    notations: dict[str, list[str]]
    """Per field, each value as some record writes it."""
    first_name: NotRequired[str]
    last_name: NotRequired[str]
    born: NotRequired[str]
    statuses: NotRequired[list[Dated]]
    products: NotRequired[list[Dated]]
    enroll_date: NotRequired[str]
    cancel_reason: NotRequired[str | None]
    reports: NotRequired[list[Report]]
    scores: NotRequired[list[Score]]
    missing_bureaus: NotRequired[list[str]]
    payments: NotRequired[list[Payment]]
    payment_method: NotRequired[str | None]
    balance: NotRequired[Dated | None]
    next_due: NotRequired[str | None]
    cards: NotRequired[list[str]]
    """The last four digits of each."""
    calls: NotRequired[list[str]]
    tickets: NotRequired[list[str]]
    conflicts: NotRequired[dict[str, list[str]]]
    """Fields whose records disagree, beyond notation, and the values in a common notation."""
    duplicates: NotRequired[list[list[str]]]
    """Groups of records that are equal but for their id."""
    missing: NotRequired[list[str]]
    """Facts that no record holds."""


class Case(NamedTuple):
    """One person's records, in the order in which they are submitted, and the truth about them."""

    records: list[Record]
    truth: Mapping[str, object]


def dump_line(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def notations(records: Iterable[Record], fields: Iterable[str]) -> dict[str, list[str]]:
    """Per field its distinct values as written, in the order of the records."""
    kept = list(records)
    found = {field: list(dict.fromkeys(str(record[field]) for record in kept if field in record)) for field in fields}
    return {field: values for field, values in found.items() if values}


def conflicts(written: Mapping[str, list[str]], common: Mapping[str, Callable[[str], str]]) -> dict[str, list[str]]:
    """The fields of ``written`` that hold several values once each is brought into its ``common`` notation."""
    distinct = {field: sorted({common[field](value) for value in written.get(field, ())}) for field in common}
    return {field: values for field, values in distinct.items() if len(values) > 1}


def duplicates(records: Iterable[Record]) -> list[list[str]]:
    """Groups of ids of records that are equal but for their id, first submitted first."""
    groups: dict[bytes, list[str]] = {}
    for record in records:
        rest = {field: value for field, value in record.items() if field != "id"}
        groups.setdefault(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS), []).append(str(record["id"]))
    return [ids for ids in groups.values() if len(ids) > 1]


def ten_digits(phone: str) -> str:
    """A North American number without its notation."""
    return re.sub(r"\D", "", phone)[-10:]
