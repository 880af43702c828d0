"""What a customer of the made-up company paid: instalments on time, late and missed, and what is still owed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from tilores_x.sandbox.generator.truth import AS_OF, Dated, Payment, Record

METHODS = ("Credit card", "Debit card", "Bank transfer", "Check")
HABITS = ((0.97, 0.02), (0.97, 0.02), (0.8, 0.15), (0.55, 0.3))
"""Shares of instalments paid on time and paid late; the others are missed. One habit per customer."""


@dataclass
class Ledger:
    """The payment records, still without identity, and what they amount to."""

    records: list[Record]
    payments: list[Payment]
    method: str | None = None
    balance: Dated | None = None
    next_due: str | None = None

    @property
    def behind(self) -> bool:
        """Whether the newest instalment was missed."""
        return bool(self.payments) and self.payments[-1]["status"] == "Missed"


def pay(rng: Random, client_id: str, enrolled: date, until: date, fee: int, *, cancelled: bool) -> Ledger:
    """The instalments from ``enrolled`` to ``until``, the newest eight at most; ``fee`` in whole dollars a month."""
    every = rng.choice((1, 1, 1, 3))
    dues = _dues(enrolled, until, every)[-rng.randint(3, 7) :]
    on_time, late = rng.choice(HABITS)
    methods = rng.sample(METHODS, 2)
    changed = rng.randrange(len(dues) + 1) if rng.random() < 0.25 else 0
    ledger = Ledger([], [])
    owed = rng.choice((0, 0, 150, 320, 480)) * 100 + rng.choice((0, 0, 25, 50))
    for number, due in enumerate(dues, 1):
        payment = _payment(rng, f"pay-{client_id}-{number}", due, fee * every, on_time, late)
        owed += fee * every * 100 if payment["status"] == "Missed" else -min(owed, rng.choice((0, 0, 4000)))
        record: Record = {"id": payment["record_id"], "SOURCE": "PAYMENT", "DUE_DATE": payment["due"]}
        record["PAYMENT_STATUS"] = payment["status"]
        if payment["paid"] is not None:
            record |= {"PAYMENT_DATE": payment["paid"], "PAYMENT_AMOUNT": payment["amount"]}
            record["PAYMENT_METHOD"] = ledger.method = methods[number > changed]
        if payment["days_late"] is not None:
            record["DAYS_LATE"] = str(payment["days_late"])
        if number >= len(dues) - 1:
            ledger.balance = {"value": f"{owed // 100}.{owed % 100:02d}", "date": due.isoformat()}
            record |= {"BALANCE": ledger.balance["value"], "BALANCE_DATE": ledger.balance["date"]}
        if not cancelled:
            ledger.next_due = _months_on(due, every).isoformat()
            record["NEXT_DUE_DATE"] = ledger.next_due
        record["CREATED_AT"] = f"{payment['paid'] or (due + timedelta(days=20)).isoformat()}T06:{number:02d}:00Z"
        ledger.records.append(record)
        ledger.payments.append(payment)
    return ledger


def _payment(rng: Random, record_id: str, due: date, amount: int, on_time: float, late: float) -> Payment:
    luck = rng.random()
    days = rng.randint(3, 28)
    if luck < on_time:
        paid, status = due - timedelta(days=rng.choice((0, 0, 0, 1, 2))), "Paid"
    elif luck < on_time + late and due + timedelta(days=days) <= AS_OF:
        paid, status = due + timedelta(days=days), "Late"
    else:
        return Payment(
            due=due.isoformat(), paid=None, amount=None, status="Missed", days_late=None, record_id=record_id
        )
    return Payment(
        due=due.isoformat(),
        paid=paid.isoformat(),
        amount=f"{amount}.00",
        status=status,
        days_late=days if status == "Late" else None,
        record_id=record_id,
    )


def _dues(enrolled: date, until: date, every: int) -> list[date]:
    dues = []
    due = _months_on(enrolled.replace(day=min(enrolled.day, 28)), 1)
    while due <= until - timedelta(days=3):
        dues.append(due)
        due = _months_on(due, every)
    return dues


def _months_on(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1)
