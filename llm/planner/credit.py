"""Answers about what the bureaus report: scores, their development, utilization, what would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tilores_x.llm.planner import account
from tilores_x.llm.planner.case import NATIONAL, Case, bold, bullets, listed
from tilores_x.llm.planner.desk import Row

NO_BUREAU = ""


def _scores(case: Case) -> dict[str, list[Row]]:
    """Bureau -> its reports that hold a score, newest first; only the bureaus asked for, in alphabetical order."""
    found: dict[str, list[Row]] = {}
    for row in case.in_years(case.rows("reports"), "report_date", "score_date"):
        if row["credit_score"] and (not case.bureaus or row["bureau"] in case.bureaus):
            found.setdefault(row["bureau"], []).append(row)
    return dict(sorted(found.items()))


def _absent(case: Case, scores: Mapping[str, Sequence[Row]]) -> str:
    """What to say of bureaus that gave no score: those asked for, else the national ones."""
    reported = {row["bureau"] for row in case.rows("reports")}
    wanted = case.bureaus or (NATIONAL if reported & set(NATIONAL) else ())
    within = f" in {listed(case.years)}" if case.years else ""
    return " ".join(
        f"There is no {bureau} score{within}: the {bureau} report holds none."
        if bureau in reported
        else f"There is no {bureau} report in the records."
        for bureau in wanted
        if bureau not in scores
    )


def _on(row: Row) -> str:
    return row["score_date"] or row["report_date"]


def _told(row: Row) -> str:
    day = f" ({_on(row)})" if _on(row) else ""
    return " ".join(part for part in (row["bureau"], bold(row["credit_score"])) if part) + day


def _answered(case: Case, scores: Mapping[str, Sequence[Row]], said: str) -> str:
    if not scores and not (case.bureaus and case.rows("reports")):
        return "No record holds a credit score" + (f" of {listed(case.bureaus)}." if case.bureaus else ".")
    return "\n".join(part for part in (said, _absent(case, scores)) if part)


def score(case: Case) -> str:
    scores = _scores(case)
    said = [_told(rows[0]) for rows in scores.values()]
    head = "Credit score: " if len(said) == 1 else "Credit scores: "
    return _answered(case, scores, head + ", ".join(said) + "." if said else "")


def score_at_enrolment(case: Case) -> str:
    scores = _scores(case)
    row = case.newest("enrolled", "enroll_date")
    since = row["enroll_date"] if row else ""
    firsts = [min(rows, key=lambda row: (abs(_after(row, since)), _on(row))) for rows in scores.values()]
    when = f"at enrollment ({since})" if since else "in the oldest reports (no record holds an enrollment date)"
    return _answered(case, scores, f"Credit scores {when}: {', '.join(map(_told, firsts))}." if firsts else "")


def _after(row: Row, since: str) -> int:
    """How far apart two ISO dates are, roughly: enough to tell which is nearest."""
    def days(date: str) -> int:
        parts = [int(part) for part in date[:10].split("-") if part.isdigit()]
        return parts[0] * 372 + parts[1] * 31 + parts[2] if len(parts) == 3 else 0

    return days(_on(row)) - days(since) if since else days(_on(row))


def development(case: Case) -> str:
    scores = _scores(case)
    lines = []
    for bureau, rows in scores.items():
        steps = " → ".join(f"{row['credit_score']} ({_on(row)})" for row in reversed(rows))
        change = f": {_direction(case, rows[0], rows[-1])}" if len(rows) > 1 else ": only one report, so no change can be told"
        lines.append(f"{bureau} {steps}{change}".strip())
    return _answered(case, scores, bullets(lines))


def _direction(case: Case, newer: Row, older: Row, unit: str = "points", concept: str = "credit_score") -> str:
    change = case.desk.difference(newer, older, concept)
    if not change:
        return bold("unchanged")
    return bold(f"{'up' if change > 0 else 'down'} {abs(change):g} {unit}")


def compare(case: Case) -> str:
    scores = _scores(case)
    if len(case.bureaus) != 1 and "previous" not in case.topics and (len(case.bureaus) > 1 or len(scores) > 1):
        return _answered(case, scores, _across(case, scores))
    lines = []
    for bureau, rows in scores.items():
        if len(rows) < 2:
            lines.append(f"{_told(rows[0])}: the only {bureau} report with a score, there is no earlier one to compare with.")
            continue
        line = f"{bureau}: {bold(rows[0]['credit_score'])} ({_on(rows[0])}) against {bold(rows[1]['credit_score'])} ({_on(rows[1])}): "
        line += _direction(case, rows[0], rows[1])
        if rows[0]["utilization"] and rows[1]["utilization"]:
            line += f"; utilization {rows[0]['utilization']}% against {rows[1]['utilization']}%"
        lines.append(line + ".")
    return _answered(case, scores, lines[0] if len(lines) == 1 else bullets(lines))


def _across(case: Case, scores: Mapping[str, Sequence[Row]]) -> str:
    newest = [rows[0] for rows in scores.values()]
    if len(newest) < 2:
        return "".join(f"{_told(row)}." for row in newest)
    best, *others = sorted(newest, key=lambda row: -float(row["credit_score"]) if row["credit_score"].isdigit() else 0)
    gaps = []
    for other in others:
        gap = case.desk.difference(best, other, "credit_score")
        gaps.append(f"{best['bureau']} is {bold(f'{gap:g} points')} higher than {other['bureau']}" if gap else f"{best['bureau']} and {other['bureau']} are equal")
    return f"{', '.join(_told(row) for row in newest)}: {'; '.join(gaps)}."


def utilization(case: Case) -> str:
    rows = [row for row in case.in_years(case.rows("reports"), "report_date") if row["utilization"]]
    rows = [row for row in rows if not case.bureaus or row["bureau"] in case.bureaus]
    if not rows:
        return f"No{' ' + ' or '.join(case.bureaus) if case.bureaus else ''} report in the records holds a utilization rate."
    newest: dict[str, Row] = {}
    for row in rows:
        newest.setdefault(row["bureau"], row)
    first, *others = newest.values()
    rest = f"; other bureaus: {', '.join(_rate(row) for row in others)}" if others else ""
    return f"Revolving credit utilization: {_rate(first)}{rest}."


def _rate(row: Row) -> str:
    source = ", ".join(part for part in (row["bureau"], row["report_date"]) if part)
    return bold(row["utilization"].rstrip("% ") + "%") + (f" ({source})" if source else "")


def improve(case: Case) -> str:
    newest = [rows[0] for rows in _scores(case).values()]
    lines = [f"{row['bureau']} ({_on(row)}) names: {'; '.join(row.factors)}.".strip() for row in newest if row.factors]
    if any(row["utilization"] for row in case.rows("reports")):
        lines.append(f"{utilization(case)} Paying card balances down lowers it.")
    if any(row["payment_status"] for row in case.rows("payments")):
        lines.append(f"Payments to us: {account._tally(case)}")
    if not lines:
        return "No record holds a credit report or a payment, so there is nothing to base advice on."
    return f"What the records show is holding the score back, and so where to work:\n{bullets(lines)}"


def relation(case: Case) -> str:
    """Both timelines side by side. What caused what is in no record, and so is not said."""
    missing = [] if any(row["payment_status"] for row in case.rows("payments")) else ["No record holds a payment."]
    paid = missing or [account.late(case) if not case.years else account.consistency(case)]
    return (
        f"Payments: {paid[0]}\n\nScores:\n{development(case)}\n\n"
        "The records show both side by side; they don't say whether one caused the other."
    )
