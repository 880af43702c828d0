"""Answers about the account with the company: status, product, payments."""

from __future__ import annotations

from tilores_x.llm.planner.case import Case, bold, bullets, listed
from tilores_x.llm.planner.desk import Row

_CANCELLED = ("cancel", "terminat", "closed")
_ON_TIME = ("paid", "on time", "ok", "complete", "success", "settled")


def status(case: Case) -> str:
    row = case.newest("status", "account_status")
    if row is None:
        return "No record holds an account status."
    since = f" since {row['status_date']}" if row["status_date"] else ""
    return f"Account status: {bold(row['account_status'])}{since}{_reason(row)}."


def cancelled(case: Case) -> str:
    row = case.newest("status", "account_status")
    if row is None:
        return "No record holds an account status."
    since = f" since {row['status_date']}" if row["status_date"] else ""
    if row["account_status"].lower().startswith(_CANCELLED):
        on = f" on {row['cancel_date']}" if row["cancel_date"] else since
        return f"Yes, the account is {bold(row['account_status'])}{on}{_reason(row) or '; no record gives a reason'}."
    return f"No, not cancelled: the account status is {bold(row['account_status'])}{since}."


def _reason(row: Row) -> str:
    return f" (reason: {row['cancel_reason']})" if row["cancel_reason"] else ""


def product(case: Case) -> str:
    row = case.newest("product", "product")
    return f"Product: {bold(row['product'])}." if row else "No record holds a product."


def enrolled(case: Case) -> str:
    row = case.newest("enrolled", "enroll_date")
    return f"Enrolled on {bold(row['enroll_date'])}." if row else "No record holds an enrollment date."


def late(case: Case) -> str:
    rows = [row for row in case.rows("payments") if row["payment_status"]]
    bad = [row for row in case.in_years(rows, "due_date", "payment_date") if not _on_time(row)]
    within = f" in {listed(case.years)}" if case.years else ""
    if not rows:
        return "No record holds a payment."
    if not bad:
        return f"There are no late or missed payments{within} in the records."
    lines = bullets([_said(row) for row in bad])
    if within:
        return f"Late or missed payments{within}:\n{lines}"
    return f"{_tally(case)}\n{lines}"


def consistency(case: Case) -> str:
    rows = [row for row in case.rows("payments") if row["payment_status"]]
    if not rows:
        return "No record holds a payment."
    return f"{_tally(case)} Newest: {_said(rows[0])}."


def _tally(case: Case) -> str:
    """How many payments of how many were on time, counted by Tilores."""
    counts = case.desk.counts(case.entity_id, "payment_status")
    good = {value: count for value, count in counts.items() if value.lower().startswith(_ON_TIME)}
    bad = {value: count for value, count in counts.items() if value not in good}
    total = case.desk.total(counts)
    rest = listed([f"{bold(count)} {value.lower()}" for value, count in bad.items()])
    if not bad:
        return f"All {bold(total)} payments in the records were on time; none was late or missed."
    on_time = f"{bold(case.desk.total(good))} of {bold(total)} payments were on time" if good else f"None of {bold(total)} payments was on time"
    return f"{on_time}, {rest}."


def _on_time(row: Row) -> bool:
    return row["payment_status"].lower().startswith(_ON_TIME)


def _said(row: Row) -> str:
    parts = [f"due {row['due_date']}" if row["due_date"] else "", row["payment_status"].lower()]
    paid = f"paid {row['payment_date']}" if row["payment_date"] else ""
    days = f"{row['days_late']} days late" if row["days_late"] else ""
    return ": ".join(part for part in parts if part) + "".join(f", {part}" for part in (paid, days) if part)


def last_payment(case: Case) -> str:
    paid = [row for row in case.rows("payments") if row["payment_date"]]
    if not paid:
        return "No record holds a payment."
    row = max(paid, key=lambda row: row["payment_date"])
    amount = f", amount {row['payment_amount']}" if row["payment_amount"] else ""
    if row["days_late"]:
        how = f" ({row['days_late']} days late)"
    else:
        how = f" ({row['payment_status'].lower()})" if row["payment_status"] else ""
    return f"Last payment: {bold(row['payment_date'])}{amount}{how}."


def next_due(case: Case) -> str:
    row = case.newest("due", "next_due_date")
    return f"Next payment due: {bold(row['next_due_date'])}." if row else "No record holds a next due date for a payment."


def payment_method(case: Case) -> str:
    row = case.newest("method", "payment_method")
    if row is None:
        return "No record holds a payment method."
    since = f" (payment of {row['payment_date']})" if row["payment_date"] else ""
    return f"Payment method: {bold(row['payment_method'])}{since}."


def balance(case: Case) -> str:
    row = case.newest("balance", "balance")
    if row is None:
        return "No record holds an outstanding balance."
    as_of = f" as of {row['balance_date']}" if row["balance_date"] else ""
    return f"Outstanding balance: {bold(row['balance'])}{as_of}."
