"""Right answers, worded out of the ground truth: what the judge must accept, and what it is misled with."""

from __future__ import annotations

from collections.abc import Callable

from questions.asks import Scene
from questions.world import BUREAUS, Customer

Worded = Callable[[Scene], str]


def oracle(scene: Scene, asks: tuple[str, ...]) -> dict:
    """An answer that is right, with the customer's first record cited."""
    cited = scene.customer.records[0] if scene.customer else None
    citations = [{"record_id": cited["id"], "field": "SOURCE", "value": cited["SOURCE"]}] if cited else []
    return {"reply": "\n".join(WORDED[ask](scene) for ask in asks), "citations": citations, "entities": []}


def _scores(scene: Scene) -> str:
    who = scene.who
    parts = [f"{bureau} {who.newest(bureau)} ({who.scores(bureau)[-1]['date']})" for bureau in who.scored]
    lines = [f"Latest credit scores: {', '.join(parts)}."] if parts else ["There is no credit score on record."]
    return "\n".join(lines + [f"No {bureau} report is on record." for bureau in BUREAUS if bureau not in who.scored])


def _status(scene: Scene) -> str:
    newest = scene.who.truth["statuses"][-1]
    return f"Client {scene.who.client_id} is **{newest['value']}** since {newest['date']}."


def _improvement(scene: Scene) -> str:
    who = scene.who
    several = [bureau for bureau in who.scored if len(who.scores(bureau)) > 1]
    return "\n".join(
        f"- {b}: {who.change(b):+} points, from {who.scores(b)[0]['value']} to {who.newest(b)}" for b in several
    )


def _compare_reports(scene: Scene) -> str:
    older, newer = scene.who.scores(scene.given["bureau"])[-2:]
    gone = newer["value"] - older["value"]
    word = "up" if gone > 0 else "down" if gone < 0 else "unchanged,"
    states = f"Newest {newer['value']} ({newer['date']}), before {older['value']} ({older['date']})"
    return f"{states}: {word} {abs(gone)} points."


def _compare_bureaus(scene: Scene) -> str:
    one, other = scene.given["bureau"], scene.given["bureau_2"]
    a, b = scene.who.newest(one), scene.who.newest(other)
    return f"{one} has {a} and {other} has {b}, a difference of {abs(a - b)} points."


def _improve(scene: Scene) -> str:
    factors = [report["factors"][0] for report in reversed(scene.who.truth["reports"]) if report["factors"]]
    return f"The newest report names: {factors[0]}." if factors else "No report is on record."


def _late(scene: Scene) -> str:
    who = scene.who
    listed = [f"- due {p['due']}: {p['status']}" for p in who.bad]
    late, missed = len(who.paid_as("Late")), len(who.paid_as("Missed"))
    return (
        "\n".join([f"{late} late and {missed} missed payments.", *listed]) if listed else "No late or missed payments."
    )


def _late_in_year(scene: Scene) -> str:
    return "\n".join(f"- due {p['due']}: {p['status']}" for p in scene.who.bad if p["due"][:4] == scene.given["year"])


def _last_payment(scene: Scene) -> str:
    payment = scene.who.last_payment
    return f"Last paid on {payment['paid']}: ${payment['amount']}." if payment else "No payment is on record."


def _consistency(scene: Scene) -> str:
    payments = scene.who.payments
    if not payments:
        return "No payment is on record."
    return f"{len(scene.who.paid_as('Paid'))} of {len(payments)} payments were on time."


def _payment_status(scene: Scene) -> str:
    words = {"Paid": "paid on time", "Late": "paid late", "Missed": "missed"}
    return f"The latest instalment was {words[scene.who.payments[-1]['status']]}."


def _payments_and_credit(scene: Scene) -> str:
    return f"{_consistency(scene)}\n{_improvement(scene)}"


def _balance(scene: Scene) -> str:
    held = scene.who.truth["balance"]
    return f"The outstanding balance is ${held['value']} as of {held['date']}." if held else "No balance is on record."


def _conflicts(scene: Scene) -> str:
    found = {name: values for name, values in scene.who.truth["conflicts"].items() if name != "DATE_OF_BIRTH"}
    return "\n".join(
        [*(f"- {n.replace('_', ' ')}: {', '.join(v)}" for n, v in found.items()), "- date of birth: masked"]
    )


def _duplicates(scene: Scene) -> str:
    groups = scene.who.truth["duplicates"]
    return (
        "\n".join(f"- {ids[0]} is duplicated by {', '.join(ids[1:])}" for ids in groups) or "There are no duplicates."
    )


def _fact(name: str, worded: str, value: Callable[[Customer], object]) -> Worded:
    def say(scene: Scene) -> str:
        held = value(scene.who)
        return f"No {name} is on record." if held is None else worded.format(held)

    return say


def _namesakes(scene: Scene) -> str:
    return "Several customers match. Which one do you mean?\n" + "\n".join(
        f"- {who.full_name}, client ID {who.client_id}, {who.status}" for who in scene.candidates
    )


WORDED: dict[str, Worded] = {
    "identity": lambda s: f"{s.who.full_name}, client ID {s.who.client_id}, {sorted(s.who.emails)[0]}, {s.who.status}.",
    "namesakes": _namesakes,
    "unknown": lambda _: "No customer was found for that.",
    "no_customer": lambda _: "Which customer do you mean? Please give a client ID, an e-mail address or a name.",
    "status": _status,
    "is_cancelled": _status,
    "product": _fact("product", "The product is {}.", lambda c: c.product),
    "enrolled": _fact("date", "Enrolled on {}.", lambda c: c.truth["enroll_date"]),
    "score": _scores,
    "bureau_score": lambda s: f"{s.given['bureau']}: {s.who.newest(s.given['bureau'])}.",
    "bureau_missing": lambda s: f"There is no {s.given['missing_bureau']} report on record.",
    "report_compare": _compare_reports,
    "bureau_compare": _compare_bureaus,
    "bureau_compare_missing": lambda s: (
        f"{s.given['bureau']}: {s.who.newest(s.given['bureau'])}.\nNo {s.given['missing_bureau']} report is on record."
    ),
    "score_at_enrolment": lambda s: "\n".join(f"- {b}: {s.who.scores(b)[0]['value']}" for b in s.who.scored),
    "improvement": _improvement,
    "timeline": lambda s: "\n".join(f"- {e['date']}: {e['value']}" for e in s.who.scores(s.given["bureau"])),
    "utilization": _fact("utilization", "Revolving utilization is {}%.", lambda c: c.utilization),
    "improve": _improve,
    "late_lately": _late,
    "late_count": _late,
    "late_in_year": _late_in_year,
    "last_payment": _last_payment,
    "consistency": _consistency,
    "payment_status": _payment_status,
    "next_due": _fact("next due date", "The next payment is due on {}.", lambda c: c.truth["next_due"]),
    "payment_method": _fact("payment method", "They pay by {}.", lambda c: c.truth["payment_method"]),
    "balance": _balance,
    "payments_and_credit": _payments_and_credit,
    "why_one": lambda _: "They share the client ID, the e-mail address, and name with date of birth.",
    "conflicts": _conflicts,
    "duplicates": _duplicates,
}
