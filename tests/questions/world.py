"""The customers that questions are about: the generator's ground truth, and their records as they stand in the file."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from importlib import resources
from pathlib import Path

from questions.reading import Reading
from rapidfuzz.distance import JaroWinkler

SHIPPED = Path(str(resources.files("tilores_x.sandbox"))) / "instances" / "credit"
BUREAUS = ("Experian", "Equifax", "TransUnion")


class Customer:
    """One customer: ``truth`` is what the generator says, ``records`` what the files hold."""

    def __init__(self, truth: dict, records: list[dict]) -> None:
        self.truth, self.records = truth, records
        self.client_id: str = truth["client_id"]
        self.notations: dict[str, list[str]] = truth["notations"]
        self.full_name = f"{truth['first_name']} {truth['last_name']}"

    def __repr__(self) -> str:
        return f"<customer {self.client_id}>"

    @cached_property
    def leaves(self) -> list[str]:
        """Every value in the records, as text."""
        return [leaf for record in self.records for leaf in _leaves(record)]

    @cached_property
    def days(self) -> set[date]:
        return {day for leaf in self.leaves for day in Reading(leaf).days} | {date.fromisoformat(self.truth["born"])}

    @cached_property
    def emails(self) -> set[str]:
        return {email.casefold() for email in self.notations.get("EMAIL", ())}

    @cached_property
    def phones(self) -> set[str]:
        return {re.sub(r"\D", "", phone)[-10:] for phone in self.notations.get("PHONE_NUMBER", ())}

    @cached_property
    def names(self) -> set[str]:
        """Full names, in lower case, that the records allow."""
        firsts, lasts = self.notations["FIRST_NAME"], self.notations["LAST_NAME"]
        return {f"{first} {last}".casefold() for first in firsts for last in lasts}

    @property
    def status(self) -> str:
        return self.truth["statuses"][-1]["value"]

    @property
    def product(self) -> str:
        return self.truth["products"][-1]["value"]

    def scores(self, bureau: str) -> list[dict]:
        """The bureau's scores, oldest first."""
        return [score for score in self.truth["scores"] if score["bureau"] == bureau]

    @cached_property
    def scored(self) -> list[str]:
        """The bureaus that gave a score."""
        return [bureau for bureau in BUREAUS if self.scores(bureau)]

    def newest(self, bureau: str) -> int:
        return self.scores(bureau)[-1]["value"]

    def change(self, bureau: str) -> int:
        """Points from the first to the newest score."""
        return self.newest(bureau) - self.scores(bureau)[0]["value"]

    @property
    def utilization(self) -> int | None:
        """Percent, in the newest report of any bureau that states it."""
        return next((r["utilization"] for r in reversed(self.truth["reports"]) if r["utilization"] is not None), None)

    @property
    def payments(self) -> list[dict]:
        return self.truth["payments"]

    def paid_as(self, *statuses: str) -> list[dict]:
        return [payment for payment in self.payments if payment["status"] in statuses]

    @property
    def bad(self) -> list[dict]:
        """Late and missed payments, oldest first."""
        return self.paid_as("Late", "Missed")

    @property
    def last_payment(self) -> dict | None:
        return max((p for p in self.payments if p["paid"]), key=lambda p: p["paid"], default=None)

    @cached_property
    def points(self) -> set[Decimal]:
        """Differences between scores, and between states of utilization."""
        rates = [r["utilization"] for r in self.truth["reports"] if r["utilization"] is not None]
        values = [score["value"] for score in self.truth["scores"]]
        return {abs(Decimal(a - b)) for series in (values, rates) for a in series for b in series}

    @cached_property
    def percents(self) -> set[Decimal]:
        """Utilization, shares of payments, changes of scores."""
        rates = {Decimal(r["utilization"]) for r in self.truth["reports"] if r["utilization"] is not None}
        values = [score["value"] for score in self.truth["scores"]]
        counted = [
            len(self.paid_as(*s)) for s in (("Paid",), ("Late",), ("Missed",), ("Late", "Missed"), ("Paid", "Late"))
        ]
        shares = [Decimal(100 * n) / len(self.payments) for n in counted] if self.payments else []
        shares += [Decimal(abs(a - b)) * 100 / b for a in values for b in values]
        shares += [sum(rates) / len(rates)] if rates else []
        return rates | {abs(a - b) for a in rates for b in rates} | {r for share in shares for r in _roundings(share)}

    @cached_property
    def dollars(self) -> set[Decimal]:
        """Amounts of money in the records, and totals and averages of what was paid."""
        held = {value for record in self.records for text in _amounts(record) for value in Reading(text).values}
        paid = [Decimal(p["amount"]) for p in self.payments if p["amount"]]
        held |= {sum(paid, Decimal(0)), Decimal(0)}
        return held | set(_roundings(sum(paid, Decimal(0)) / len(paid))) if paid else held

    @cached_property
    def figures(self) -> set[Decimal]:
        """All figures that an answer may hold: those of the records and those that follow from them."""
        latest = [self.newest(bureau) for bureau in self.scored]
        late = [p["days_late"] for p in self.payments if p["days_late"]]
        moments = sorted({date.fromisoformat(s["date"]) for s in self.truth["scores"]} | {self._enrolled})
        spans = {Decimal((b - a).days) for a in moments for b in moments if b > a}
        months = {
            Decimal((b.year - a.year) * 12 + b.month - a.month - (b.day < a.day)) for a in moments for b in moments
        }
        averages = [Decimal(sum(few)) / len(few) for few in (latest, late) if few]
        averages += [Decimal(sum(late))]
        derived = {r for average in averages for r in _roundings(average)} | {Decimal(day.year) for day in self.days}
        held = {value for leaf in self.leaves for value in Reading(leaf).values}
        return held | self.dollars | self.points | self.percents | set(self._counts()) | spans | months | derived

    def _counts(self) -> Iterator[Decimal]:
        """How many there are of what: payments by status and year, records by source, reports, conflicts, copies."""
        kinds = [(p["status"], p["due"][:4]) for p in self.payments]
        groups: list[Sequence[object]] = [self.records, self.payments, self.bad, self.paid_as("Paid", "Late")]
        groups += [self.truth[key] for key in ("reports", "scores", "conflicts", "duplicates", "statuses", "products")]
        groups += [self.truth[key] for key in ("cards", "calls", "tickets", "missing_bureaus")]
        groups += [self.scored, [copy for group in self.truth["duplicates"] for copy in group[1:]]]
        groups += [[k for k in kinds if k[0] == status] for status in ("Paid", "Late", "Missed")]
        years = {year for _, year in kinds}
        groups += [[k for k in kinds if k == (status, year)] for status in ("Paid", "Late", "Missed") for year in years]
        groups += [[k for k in kinds if k[1] == year] for year in years]
        groups += [[k for k in kinds if k[0] != "Paid" and k[1] == year] for year in years]
        groups += [[r for r in self.records if r["SOURCE"] == source] for source in {r["SOURCE"] for r in self.records}]
        groups += [self.scores(bureau) for bureau in BUREAUS]
        yield from (Decimal(len(group)) for group in groups)
        yield from (Decimal(len(values)) for values in self.notations.values())

    @property
    def _enrolled(self) -> date:
        return date.fromisoformat(self.truth["enroll_date"])


class World:
    """All customers of an instance folder made by the generator."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        self.folder = folder
        self.records = {record["id"]: record for record in _lines(folder / "records.jsonl")}
        cases = list(_lines(folder / "truth.jsonl"))
        self.customers = [
            Customer(case, [self.records[record_id] for record_id in case["record_ids"]])
            for case in cases
            if case["client_id"]
        ]
        self.by_id = {customer.client_id: customer for customer in self.customers}
        self.as_of = date.fromisoformat(cases[0]["as_of"])
        self.owner = {i: c.client_id for c in self.customers for i in c.truth["record_ids"]}
        self.emails = _index((email, c) for c in self.customers for email in c.emails)
        self.phones = _index((phone, c) for c in self.customers for phone in c.phones)
        self.names = _index((name, c) for c in self.customers for name in c.names)
        self.firsts = _index((f.casefold(), c) for c in self.customers for f in c.notations["FIRST_NAME"])
        self.lasts = _index((n.casefold(), c) for c in self.customers for n in c.notations["LAST_NAME"])

    def alike(self, customer: Customer) -> list[Customer]:
        """Everybody whose full name is, or is nearly, this customer's; the customer too."""
        return [other for other in self.customers if _near(customer.names, other.names)]

    @cached_property
    def unmistakable(self) -> set[str]:
        """Client ids of those whose name is nobody else's, not even nearly."""
        return {customer.client_id for customer in self.customers if len(self.alike(customer)) == 1}


def _near(mine: set[str], theirs: set[str]) -> bool:
    for a in mine:
        for b in theirs:
            (a_first, _, a_last), (b_first, _, b_last) = a.partition(" "), b.partition(" ")
            if JaroWinkler.similarity(a_last, b_last) > 0.88 and JaroWinkler.similarity(a_first, b_first) > 0.88:
                return True
    return False


def _index(pairs: Iterator[tuple[str, Customer]]) -> dict[str, set[str]]:
    index: dict[str, set[str]] = defaultdict(set)
    for key, customer in pairs:
        index[key].add(customer.client_id)
    return dict(index)


def _lines(path: Path) -> Iterator[dict]:
    with path.open("rb") as file:
        yield from map(json.loads, file)


def _amounts(record: dict) -> Iterator[str]:
    accounts = record.get("CREDIT_RESPONSE", {}).get("CREDIT_LIABILITY", [])
    yield from (record[name] for name in ("PAYMENT_AMOUNT", "BALANCE") if name in record)
    yield from (a[name] for a in accounts for name in ("CreditLimitAmount", "CreditBalance", "PastDueAmount"))


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)


def _roundings(value: Decimal | None) -> Iterator[Decimal]:
    if value is not None:
        yield from {abs(round(value, places)) for places in (0, 1, 2)} | {abs(Decimal(int(value)))}
