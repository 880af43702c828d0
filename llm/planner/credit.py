"""Answers about what the bureaus report: scores, their development, utilization, what would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from tilores_x.llm.planner import account
from tilores_x.llm.planner.case import NATIONAL, Case, bold, bullets, listed
from tilores_x.llm.planner.desk import Row

Scores = Mapping[str, Sequence[Row]]

_SCORE = "[{bureau} ]**{credit_score}**[ ({score_date})]"
_RATE = "**{utilization}%**[ ({bureau}, {report_date})]"


def _scores(case: Case) -> Scores:
    """Bureau -> its reports that hold a score, newest first; only the bureaus asked for."""
    found: dict[str, list[Row]] = {}
    for row in case.in_years(case.rows("reports"), "score_date", "report_date"):
        if row["credit_score"] and (not case.bureaus or row["bureau"] in case.bureaus):
            found.setdefault(row["bureau"], []).append(row)
    return dict(sorted(found.items()))


def _answered(case: Case, scores: Scores, said: str) -> str:
    """``said``, and word of the bureaus that gave no score: of those asked for, or else of the national ones."""
    reported = {row["bureau"] for row in case.rows("reports")}
    wanted = case.bureaus or (NATIONAL if reported & set(NATIONAL) else ())
    within = f" in {listed(case.years)}" if case.years else ""
    absent = [
        f"The {bureau} reports hold no score{within}."
        if bureau in reported
        else f"There is no {bureau} report in the records."
        for bureau in wanted
        if bureau not in scores
    ]
    if not scores and not case.bureaus:
        absent = [f"No record holds a credit score{within}.", *absent]
    return "\n".join([*([said] if said else []), *([" ".join(absent)] if absent else [])])


def score(case: Case) -> str:
    scores = _scores(case)
    said = ", ".join(rows[0].worded(_SCORE) for rows in scores.values())
    return _answered(case, scores, f"Credit score{'s' if len(scores) > 1 else ''}: {said}." if said else "")


def score_at_enrolment(case: Case) -> str:
    """The scores of the reports nearest to the day of enrolment."""
    scores = _scores(case)
    row = case.newest("enrolled", "enroll_date")
    since = row["enroll_date"] if row else ""
    firsts = [min(rows, key=lambda row: _days_apart(row["score_date"], since)) for rows in scores.values()]
    when = f"at enrollment ({since})" if since else "in the oldest reports, as no record holds an enrollment date"
    said = ", ".join(row.worded(_SCORE) for row in firsts)
    return _answered(case, scores, f"Credit scores {when}: {said}." if said else "")


def _days_apart(one: str, other: str) -> int:
    """How far ``one`` is from ``other``, or from the first day of all; what is no ISO date is farthest."""
    try:
        return abs((date.fromisoformat(one[:10]) - date.fromisoformat(other[:10] or "0001-01-01")).days)
    except ValueError:
        return date.max.toordinal()


def development(case: Case) -> str:
    scores = _scores(case)
    lines = []
    for bureau, rows in scores.items():
        steps = " → ".join(row.worded("{credit_score}[ ({score_date})]") for row in reversed(rows))
        change = _direction(case, rows[0], rows[-1]) if len(rows) > 1 else "only one report, so no change can be told"
        lines.append(f"{bureau} {steps}: {change}".strip())
    return _answered(case, scores, bullets(lines))


def _direction(case: Case, newer: Row, older: Row) -> str:
    change = case.desk.difference(newer, older, "credit_score")
    return bold(f"{'up' if change > 0 else 'down'} {abs(change):g} points") if change else bold("unchanged")


def compare(case: Case) -> str:
    """The newest scores of several bureaus, or the newest report with the one before it."""
    scores = _scores(case)
    if len(case.bureaus) != 1 and "previous" not in case.topics and len(scores) > 1:
        return _answered(case, scores, _across(case, [rows[0] for rows in scores.values()]))
    lines = []
    for bureau, rows in scores.items():
        if len(rows) < 2 or len(case.bureaus) > 1:
            lines.append(
                rows[0].worded(_SCORE) + ("" if len(case.bureaus) > 1 else f": the only {bureau} report with a score.")
            )
            continue
        pair = " against ".join(row.worded("**{credit_score}**[ ({score_date})]") for row in rows[:2])
        rates = [row.worded("{utilization}%") for row in rows[:2] if row["utilization"]]
        told = f"; utilization {' against '.join(rates)}" if len(rates) == 2 else ""
        lines.append(f"{bureau} {pair}: {_direction(case, rows[0], rows[1])}{told}.".strip())
    return _answered(case, scores, lines[0] if len(lines) == 1 else bullets(lines))


def _across(case: Case, newest: Sequence[Row]) -> str:
    numeric = all(row["credit_score"].isdigit() for row in newest)
    best, *others = sorted(newest, key=lambda row: -int(row["credit_score"])) if numeric else newest
    gaps = []
    for other in others if numeric else ():
        gap = case.desk.difference(best, other, "credit_score")
        how = f"{bold(f'{gap:g} points')} higher than" if gap else "equal to"
        gaps.append(f"{best['bureau']} is {how} {other['bureau']}")
    return f"{', '.join(row.worded(_SCORE) for row in newest)}" + (f": {'; '.join(gaps)}." if gaps else ".")


def utilization(case: Case) -> str:
    newest: dict[str, Row] = {}
    for row in case.in_years(case.rows("reports"), "report_date"):
        if row["utilization"] and (not case.bureaus or row["bureau"] in case.bureaus):
            newest.setdefault(row["bureau"], row)
    if not newest:
        return f"No {' or '.join([*case.bureaus, 'report'])} in the records holds a utilization rate."
    first, *others = (row.worded(_RATE) for row in newest.values())
    rest = f"; other bureaus: {', '.join(others)}" if others else ""
    return f"Revolving credit utilization: {first}{rest}."


def improve(case: Case) -> str:
    newest = [rows[0] for rows in _scores(case).values()]
    lines = [
        f"{row.worded('[{bureau} ][({score_date}) ]')}names: {'; '.join(row.factors)}." for row in newest if row.factors
    ]
    if any(row["utilization"] for row in case.rows("reports")):
        lines.append(f"{utilization(case)} Paying card balances down lowers it.")
    if paid := account.tally(case):
        lines.append(f"Payments to us: {paid}")
    if not lines:
        return "No record holds a credit report or a payment, so there is nothing to base advice on."
    return f"What the records show to hold the score back, and so where to work:\n{bullets(lines)}"


def relation(case: Case) -> str:
    """Both timelines side by side. What caused what is in no record, and so is not said."""
    paid, scores = account.consistency(case) if case.years else account.late(case), development(case)
    if not case.years and "no late or missed" in paid:
        paid = account.consistency(case)
    return (
        f"Payments: {paid}\n\nScores:\n{scores}\n\n"
        "The records show both side by side; they don't say whether one caused the other."
    )
