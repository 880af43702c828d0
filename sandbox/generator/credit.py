"""Customers of a made-up credit-repair company: sparse CRM, payment, card, call, ticket and bureau records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from dateutil.parser import parse

from tilores_x.sandbox.generator import noise
from tilores_x.sandbox.generator.bureau import BUREAUS, chosen_bureaus, reports
from tilores_x.sandbox.generator.household import BLOCK, Address, Person, iter_people
from tilores_x.sandbox.generator.payments import Ledger, pay
from tilores_x.sandbox.generator.service import AGENTS, call, card, ticket, unknown_caller
from tilores_x.sandbox.generator.truth import (
    AS_OF,
    Case,
    Dated,
    Record,
    Report,
    Score,
    Truth,
    conflicts,
    duplicates,
    notations,
    ten_digits,
)

PRODUCTS = {
    "Score Builder": 49,
    "Essential Repair": 79,
    "Advanced Repair": 99,
    "Premier Repair": 149,
    "Identity Watch": 29,
}
CANCEL_REASONS = ("Too expensive", "Goal reached", "Moved abroad", "Unhappy with the pace", "Found another provider")
COMMON = {
    "FIRST_NAME": str.casefold,
    "LAST_NAME": str.casefold,
    "EMAIL": str.casefold,
    "PHONE_NUMBER": ten_digits,
    "DATE_OF_BIRTH": lambda written: parse(written).date().isoformat(),
    "STREET": str.casefold,
    "CITY": str.casefold,
    "STATE": str.casefold,
    "ZIP": str.casefold,
}


def iter_cases(people: int, seed: int) -> Iterator[Case]:
    """Each customer's records with the truth about them; now and then a call that belongs to nobody."""
    for person in iter_people(people, seed):
        yield _Life(person, Random(f"credit/{seed}/{person.index}")).case()
        if person.index % BLOCK == BLOCK - 1:
            yield unknown_caller(Random(f"caller/{seed}/{person.index}"), person.index // BLOCK)


class _Life:
    """One customer's years with the company, written down record by record."""

    def __init__(self, person: Person, rng: Random) -> None:
        self.person, self.rng = person, rng
        self.records: list[Record] = []
        self.statuses: list[Dated] = []
        self.products: list[Dated] = []
        self.enrolled = date(2023, 3, 1) + timedelta(days=rng.randrange(1217))
        self.moved = self.enrolled + timedelta(days=rng.randint(20, 140))
        self.with_ssn = rng.random() < 0.6
        self.cancelled: date | None = None
        self.cancel_reason: str | None = None
        if rng.random() < 0.18:
            ends = self.enrolled + timedelta(days=rng.randint(160, 700))
            self.cancelled = ends if ends < AS_OF else None

    def case(self) -> Case:
        self._enrol()
        self._change()
        ledger = self._pay()
        self._end(ledger)
        if self.rng.random() < 0.12:
            copy = self.rng.choice([record for record in self.records if record["SOURCE"] == "CRM"])
            self.records.append({**copy, "id": self._next_id("crm")})
        told = self._bureaus()
        self._service()
        self.rng.shuffle(self.records)
        return Case(self.records, self._truth(ledger, told))

    def _add(self, prefix: str, source: str, at: date, fields: Record) -> Record:
        clock = f"{8 + self.rng.randrange(10):02d}:{self.rng.randrange(60):02d}:{self.rng.randrange(60):02d}"
        head: Record = {"id": self._next_id(prefix), "SOURCE": source}
        record = head | fields | {"CREATED_AT": f"{at.isoformat()}T{clock}Z"}
        self.records.append(record)
        return record

    def _next_id(self, prefix: str) -> str:
        stem = f"{prefix}-{self.person.client_id}-"
        return f"{stem}{sum(str(record['id']).startswith(stem) for record in self.records) + 1}"

    # --- who they are ------------------------------------------------------------------------------------------------

    def _name(self) -> Record:
        return {"FIRST_NAME": self.person.first, "LAST_NAME": self.person.last}

    def _email(self, at: date) -> str:
        former = self.person.former_email if at < self.moved else None
        return noise.email_notation(self.rng, former or self.person.email)

    def _phone(self, at: date) -> str:
        former = self.person.former_phone if at < self.moved else None
        return noise.phone_notation(self.rng, former or self.person.phone)

    def _address(self, at: date) -> Record:
        former = self.person.former_address if at < self.moved else None
        return _written(former or self.person.address)

    # --- their contract ----------------------------------------------------------------------------------------------

    def _enrol(self) -> None:
        person, at = self.person, self.enrolled
        product = self.rng.choice(list(PRODUCTS))
        record = self._name() | {
            "CLIENT_ID": person.client_id,
            "EMAIL": self._email(at),
            "PHONE_NUMBER": self._phone(at),
        }
        record["DATE_OF_BIRTH"] = noise.day_notation(self.rng, person.born)
        record |= self._address(at) | {"PRODUCT_NAME": product, "ENROLL_DATE": at.isoformat()}
        record |= self._status("Active", at) | {"AGENT_NAME": self.rng.choice(AGENTS)}
        if self.with_ssn:
            record["SSN"] = person.ssn
        if self.rng.random() < 0.2:
            record["MIDDLE_NAME"] = self.rng.choice("ABCDEGHJKLMNPRST")
        self.products.append({"value": product, "date": at.isoformat()})
        self._add("crm", "CRM", at, record)

    def _status(self, status: str, at: date) -> Record:
        self.statuses.append({"value": status, "date": at.isoformat()})
        return {"STATUS": status, "STATUS_DATE": at.isoformat()}

    def _change(self) -> None:
        person, rng = self.person, self.rng
        who = self._name() | {"CLIENT_ID": person.client_id}
        if rng.random() < 0.12:
            product = rng.choice([name for name in PRODUCTS if name != self.products[0]["value"]])
            at = self.enrolled + timedelta(days=rng.randint(20, 60))
            self.products.append({"value": product, "date": at.isoformat()})
            self._add("crm", "CRM", at, who | {"PRODUCT_NAME": product} | self._status("Active", at))
        if person.former_address or person.former_email or person.former_phone:
            new: Record = {"EMAIL": self._email(self.moved), "PHONE_NUMBER": self._phone(self.moved)}
            self._add("crm", "CRM", self.moved, who | new | self._address(self.moved))
        if rng.random() < 0.15:
            at = self.enrolled + timedelta(days=rng.randint(62, 90))
            self._add("crm", "CRM", at, {"CLIENT_ID": person.client_id} | self._status("Paused", at))
            if self.cancelled or rng.random() < 0.6:
                at += timedelta(days=rng.randint(20, 50))
                self._add("crm", "CRM", at, {"CLIENT_ID": person.client_id} | self._status("Active", at))

    def _pay(self) -> Ledger:
        if self.rng.random() < 0.04:
            return Ledger([], [])
        fee = PRODUCTS[self.products[-1]["value"]]
        until = self.cancelled or AS_OF
        ledger = pay(self.rng, self.person.client_id, self.enrolled, until, fee, cancelled=bool(self.cancelled))
        for record in ledger.records:
            at = date.fromisoformat(str(record["CREATED_AT"])[:10])
            if self.rng.random() < 0.8:
                who: Record = {"CLIENT_ID": self.person.client_id}
            else:
                who = {"EMAIL": self._email(at), "FIRST_NAME": self.person.first}
            self.records.append({"id": record["id"], "SOURCE": record["SOURCE"]} | who | record)
        return ledger

    def _end(self, ledger: Ledger) -> None:
        who = self._name() | {"CLIENT_ID": self.person.client_id}
        newest = date.fromisoformat(self.statuses[-1]["date"])
        if self.cancelled:
            self.cancel_reason = self.rng.choice(CANCEL_REASONS) if self.rng.random() < 0.8 else None
            record = who | self._status("Cancelled", self.cancelled) | {"CANCEL_DATE": self.cancelled.isoformat()}
            if self.cancel_reason:
                record["CANCEL_REASON"] = self.cancel_reason
            self._add("crm", "CRM", self.cancelled, record)
        elif ledger.behind and self.statuses[-1]["value"] == "Active":
            at = date.fromisoformat(ledger.payments[-1]["due"]) + timedelta(days=10)
            if newest < at <= AS_OF:
                self._add("crm", "CRM", at, who | self._status("Past Due", at))

    # --- their credit files ------------------------------------------------------------------------------------------

    def _bureaus(self) -> list[Report]:
        told = []
        for bureau in chosen_bureaus(self.rng):
            for document, report in reports(self.rng, self.person.client_id, bureau, self.enrolled):
                at = date.fromisoformat(report["date"])
                record: Record = {"id": report["record_id"], "SOURCE": "BUREAU"} | self._as_reported(at)
                document["BORROWER"] = {"FirstName": record["FIRST_NAME"], "LastName": record["LAST_NAME"]}
                record["CREDIT_RESPONSE"] = document
                self.records.append(record | {"CREATED_AT": f"{report['date']}T03:30:00Z"})
                told.append(report)
        return sorted(told, key=lambda report: report["date"])

    def _as_reported(self, at: date) -> Record:
        """Identity as a bureau writes it: at times with a slip in the name, or day and month swapped."""
        person, rng = self.person, self.rng
        first, last, born = person.first, person.last, person.born
        luck = rng.random()
        ssn = self.with_ssn and rng.random() < 0.5
        if luck < 0.05:
            first = noise.typo(rng, first)
        elif luck < 0.1:
            last = noise.typo(rng, last)
        elif luck < 0.15 and self.with_ssn:
            born, ssn = noise.swapped(born), True
        elif luck < 0.25:
            first, last = first.upper(), last.upper()
        written = noise.day_notation(rng, born)
        record: Record = {"FIRST_NAME": first, "LAST_NAME": last, "DATE_OF_BIRTH": written} | self._address(at)
        return record | ({"SSN": person.ssn} if ssn else {})

    # --- cards, calls, tickets ---------------------------------------------------------------------------------------

    def _service(self) -> None:
        rng = self.rng
        for _ in range(rng.choice((0, 1, 1, 2))):
            at = self._some_day()
            self._add("card", "CARD", at, self._name() | {"EMAIL": self._email(at)} | card(rng))
        for _ in range(rng.choice((0, 0, 1, 2))):
            at = self._some_day()
            caller = self._name() | {"PHONE_NUMBER": self._phone(at)}
            if self.person.nickname and rng.random() < 0.6:
                caller = {"CLIENT_ID": self.person.client_id, "FIRST_NAME": self.person.nickname}
            self._add("call", "CALL", at, caller | call(rng, at))
        for number in range(1, rng.choice((0, 0, 0, 1, 2)) + 1):
            at = self._some_day()
            writer: Record = {"EMAIL": self._email(at), "FIRST_NAME": self.person.first}
            self._add("tic", "TICKET", at, writer | ticket(rng, f"T-{self.person.client_id}-{number}", at))

    def _some_day(self) -> date:
        return self.enrolled + timedelta(days=self.rng.randint(0, ((self.cancelled or AS_OF) - self.enrolled).days))

    # --- the truth ---------------------------------------------------------------------------------------------------

    def _truth(self, ledger: Ledger, told: list[Report]) -> Truth:
        person, records = self.person, self.records
        written = notations(records, (*COMMON, "CLIENT_ID"))
        scores = [
            Score(bureau=r["bureau"], date=r["date"], value=r["value"], record_id=r["record_id"])
            for r in told
            if r["value"] is not None
        ]
        known = {report["bureau"] for report in told}
        paid = [payment for payment in ledger.payments if payment["paid"]]
        facts = {
            "scores": scores,
            "utilization": scores,
            "payments": ledger.payments,
            "last_payment": paid,
            "payment_method": ledger.method,
            "balance": ledger.balance,
            "next_due": ledger.next_due,
        }
        truth: Truth = {
            "as_of": AS_OF.isoformat(),
            "client_id": person.client_id,
            "record_ids": [str(record["id"]) for record in records],
            "notations": written,
            "first_name": person.first,
            "last_name": person.last,
            "born": person.born.isoformat(),
            "statuses": sorted(self.statuses, key=lambda status: status["date"]),
            "products": self.products,
            "enroll_date": self.enrolled.isoformat(),
            "cancel_reason": self.cancel_reason,
            "reports": told,
            "scores": scores,
            "missing_bureaus": [bureau for bureau in BUREAUS if bureau not in known],
            "payments": ledger.payments,
            "payment_method": ledger.method,
            "balance": ledger.balance,
            "next_due": ledger.next_due,
            "cards": [str(record["CARD_LAST4"]) for record in records if "CARD_LAST4" in record],
            "calls": sorted(str(record["CALL_DATE"]) for record in records if "CALL_DATE" in record),
            "tickets": [str(record["TICKET_ID"]) for record in records if "TICKET_ID" in record],
            "conflicts": conflicts(written, COMMON),
            "duplicates": duplicates(records),
            "missing": [fact for fact, value in facts.items() if not value],
        }
        if person.kin:
            truth["kin"], truth["kin_of"] = person.kin, list(person.kin_of)
        return truth


def _written(address: Address) -> Record:
    place = address.place
    return {"STREET": address.street, "CITY": place.city, "STATE": place.state, "ZIP": place.postal_code}
