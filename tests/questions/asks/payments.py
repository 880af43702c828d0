"""Payments to the company."""

from __future__ import annotations

from decimal import Decimal

from questions.asks.scene import Scene, Wrong, ask
from questions.asks.wording import missing
from questions.reading import Reading

BAD = r"late|missed|on time|behind|overdue|past due"


@ask
def late_lately(scene: Scene, reply: Reading) -> Wrong:
    """Where there are late or missed payments: the day of the newest one (due or paid), or how many there are of each
    kind. Else: that there are none. The data ends some time ago, so "lately" means the newest in the records."""
    who = scene.who
    if not who.bad:
        yield from missing(reply, BAD, "a late or missed payment")
        return
    newest = who.bad[-1]
    if not (reply.has_day(newest["due"]) or reply.has_day(newest["paid"])) and any(late_count(scene, reply)):
        yield f"doesn't give the newest late or missed payment, due {newest['due']}"


@ask
def late_count(scene: Scene, reply: Reading) -> Wrong:
    """How many are late and how many missed, or how many both together."""
    late, missed = (len(scene.who.paid_as(status)) for status in ("Late", "Missed"))
    counted = reply.counts(BAD)
    if not (late + missed in counted or {late, missed} <= counted or (not late + missed and reply.denies(BAD))):
        yield f"doesn't count {late} late and {missed} missed"


@ask
def late_in_year(scene: Scene, reply: Reading) -> Wrong:
    """The days (due or paid) of that year's late and missed payments, or how many they are; none of another year."""
    year = scene.given["year"]
    mine = [p for p in scene.who.bad if p["due"].startswith(year)]
    dated = all(reply.has_day(p["due"]) or reply.has_day(p["paid"]) for p in mine)
    if not dated and len(mine) not in reply.counts(BAD):
        yield f"doesn't tell the {len(mine)} late or missed payments of {year}"
    for other in scene.who.bad:
        if not other["due"].startswith(year) and reply.has_day(other["due"]):
            yield f"lists the payment due {other['due']}, which is of another year"


@ask
def last_payment(scene: Scene, reply: Reading) -> Wrong:
    """The day of the newest payment made; the amount too where the question asks for it. Amounts told in one line with
    the day include the right one."""
    payment = scene.who.last_payment
    if payment is None:
        yield from missing(reply, "pay|paid", "a payment")
        return
    if not reply.has_day(payment["paid"]):
        yield f"doesn't give the day of the last payment, {payment['paid']}"
    if "amount" in scene.question.casefold() and not reply.has(payment["amount"]):
        yield f"doesn't give the amount, {payment['amount']}"
    told = [Reading(line) for line in reply.plain.split("\n")]
    amounts = {f.value for line in told if line.has_day(payment["paid"]) for f in line.figures if f.dollars}
    if amounts and Decimal(payment["amount"]) not in amounts:
        yield f"gives another amount than {payment['amount']}"


@ask
def consistency(scene: Scene, reply: Reading) -> Wrong:
    """How many of how many payments were on time, as counts or as a share in percent."""
    who = scene.who
    if not who.payments:
        yield from missing(reply, "pay|paid", "a payment")
        return
    on_time, total = len(who.paid_as("Paid")), len(who.payments)
    share = Decimal(100 * on_time) / total
    shares = {figure.value for figure in reply.figures if figure.percent}
    counted = {int(value) for value in reply.values if value == int(value)} | reply.counts("pay|paid|on time|late")
    if {on_time, total} <= counted or shares & {round(share), round(share, 1), round(share, 2)}:
        return
    if on_time == total and total in counted and reply.says(r"\b(?:all|every|each|always)\b"):
        return
    yield f"doesn't say that {on_time} of {total} payments were on time"


@ask
def payment_status(scene: Scene, reply: Reading) -> Wrong:
    """How the newest instalment was paid (paid on time, late, missed), or how many of how many were on time."""
    if not scene.who.payments:
        yield from missing(reply, "pay|paid", "a payment")
        return
    words = {"Paid": r"\bpaid\b|on time", "Late": r"\blate\b", "Missed": r"\bmissed\b"}
    if not reply.says(words[scene.who.payments[-1]["status"]]) and any(consistency(scene, reply)):
        yield f"doesn't say that the newest instalment is {scene.who.payments[-1]['status']}"


@ask
def next_due(scene: Scene, reply: Reading) -> Wrong:
    """The day on which the next payment is due."""
    day = scene.who.truth["next_due"]
    if day is None:
        yield from missing(reply, "due|payment|pay", "a next due date")
    elif not reply.has_day(day):
        yield f"doesn't give the next due date, {day}"


@ask
def payment_method(scene: Scene, reply: Reading) -> Wrong:
    """The method of the newest payment; an earlier one only after it."""
    method = scene.who.truth["payment_method"]
    if method is None:
        yield from missing(reply, "method|pay|paid", "a payment method")
        return
    now = reply.low.find(method.casefold())
    if now < 0:
        yield f"doesn't name the payment method, {method}"
    earlier = {record["PAYMENT_METHOD"] for record in scene.who.records if "PAYMENT_METHOD" in record} - {method}
    yield from (
        f"names {old} first, which is the earlier one" for old in earlier if 0 <= reply.low.find(old.casefold()) < now
    )


@ask
def balance(scene: Scene, reply: Reading) -> Wrong:
    """The newest outstanding balance; of a balance of zero, that nothing is owed."""
    held = scene.who.truth["balance"]
    if held is None:
        yield from missing(reply, r"balance|owe|outstanding|record", "a balance")
    elif not reply.has(held["value"]) and not (Decimal(held["value"]) == 0 and reply.denies("balance|owe|outstanding")):
        yield f"doesn't give the balance, {held['value']}"


@ask
def payments_and_credit(scene: Scene, reply: Reading) -> Wrong:
    """Both sides in figures: how the payments went (late and missed, or on time of all) and a bureau's first and newest
    score."""
    who = scene.who
    if any(late_count(scene, reply)) and any(consistency(scene, reply)):
        yield "doesn't say in figures how the payments went"
    several = [who.scores(bureau) for bureau in who.scored if len(who.scores(bureau)) > 1]
    if not any(reply.has(scores[0]["value"]) and reply.has(scores[-1]["value"]) for scores in several):
        yield "doesn't say in figures how a score changed"
