"""Answers about the account with the company: status, product, payments."""

from __future__ import annotations

from collections.abc import Callable

from tilores_x.llm.planner.case import Case, bold, bullets, listed
from tilores_x.llm.planner.desk import Row

_CANCELLED = ("cancel", "terminat", "closed")
_ON_TIME = ("paid", "on time", "ok", "complete", "success", "settled")


def newest(read: str, concept: str, said: str, what: str) -> Callable[[Case], str]:
    """An answer that words the newest value of ``concept``; parts of ``said`` in brackets need all that they name."""

    def say(case: Case) -> str:
        row = case.newest(read, concept)
        return row.worded(said) if row else f"No record holds {what}."

    return say


status = newest(
    "status",
    "account_status",
    "Account status: **{account_status}**[ since {status_date}][ (reason: {cancel_reason})].",
    "an account status",
)
product = newest("product", "product", "Product: **{product}**.", "a product")
enrolled = newest("enrolled", "enroll_date", "Enrolled on **{enroll_date}**.", "an enrollment date")
next_due = newest("due", "next_due_date", "Next payment due: **{next_due_date}**.", "a next due date for a payment")
payment_method = newest(
    "method",
    "payment_method",
    "Payment method: **{payment_method}**[ (payment of {payment_date})].",
    "a payment method",
)
balance = newest(
    "balance", "balance", "Outstanding balance: **{balance}**[ as of {balance_date}].", "an outstanding balance"
)
last_payment = newest(
    "paid",
    "payment_date",
    "Last payment: **{payment_date}**[, amount {payment_amount}][ ({payment_status})][, {days_late} days late].",
    "a payment",
)


def cancelled(case: Case) -> str:
    row = case.newest("status", "account_status")
    if row is None:
        return "No record holds an account status."
    if row["account_status"].lower().startswith(_CANCELLED):
        said = row.worded("Yes, the account is **{account_status}**[ since {status_date}][ (reason: {cancel_reason})].")
        return said if row["cancel_reason"] else f"{said} No record gives a reason."
    return row.worded("No, not cancelled: the account status is **{account_status}**[ since {status_date}].")


def late(case: Case) -> str:
    rows = _payments(case)
    bad = [row for row in case.in_years(rows, "due_date", "payment_date") if not _on_time(row["payment_status"])]
    within = f" in {listed(case.years)}" if case.years else ""
    if not rows:
        return "No record holds a payment."
    if not bad:
        return f"There are no late or missed payments{within} in the records."
    head = f"Late or missed payments{within}:" if within else tally(case)
    return f"{head}\n{bullets([row.worded(_PAYMENT) for row in bad])}"


def consistency(case: Case) -> str:
    rows = _payments(case)
    return f"{tally(case)} Newest: {rows[0].worded(_PAYMENT)}." if rows else "No record holds a payment."


_PAYMENT = "[due {due_date}: ]{payment_status}[, paid {payment_date}][, {days_late} days late]"


def _payments(case: Case) -> list[Row]:
    return [row for row in case.rows("payments") if row["payment_status"]]


def tally(case: Case) -> str:
    """How many payments of how many were on time, counted by Tilores; empty where there are none."""
    counts = case.desk.counts(case.entity_id, "payment_status")
    good = {value: count for value, count in counts.items() if _on_time(value)}
    bad = [f"{bold(count)} {value.lower()}" for value, count in counts.items() if value not in good]
    total = case.desk.total(counts)
    if not counts:
        return ""
    if not bad:
        return f"All {bold(total)} payments in the records were on time; none was late or missed."
    on_time = f"{bold(case.desk.total(good))} of" if good else "None of"
    return f"{on_time} {bold(total)} payments were on time, {listed(bad)}."


def _on_time(payment_status: str) -> bool:
    return payment_status.lower().startswith(_ON_TIME)
