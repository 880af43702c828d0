"""The account with the company."""

from __future__ import annotations

import re

from questions.asks.scene import Scene, Wrong, ask
from questions.asks.wording import clauses, is_history
from questions.reading import NEGATION, Reading

STATUSES = {
    "Active": r"\bactive\b",
    "Paused": r"\b(?:paused|on hold)\b",
    "Past Due": r"\bpast[ -]due\b",
    "Cancelled": r"\bcancell?ed\b",
}


@ask
def status(scene: Scene, reply: Reading) -> Wrong:
    """The newest account status comes first. Another one may be named only as denied, or as history: by the day on
    which it began, or with a word such as "earlier"."""
    right = scene.who.status
    said = _said(reply)
    if not said or said[0][0] != right:
        yield f"doesn't say {right} first"
    yield from _wrong_ones(scene, said)


@ask
def is_cancelled(scene: Scene, reply: Reading) -> Wrong:
    """Whether the newest status is Cancelled: a yes or a no that fits, or the status itself, as in `status`."""
    if scene.who.status == "Cancelled":
        yield from status(scene, reply)
        if re.match(r"\s*no\b", reply.low):
            yield "begins with no, though the customer is cancelled"
        return
    said = _said(reply)
    if re.match(r"\s*yes\b", reply.low):
        yield "begins with yes, though the customer isn't cancelled"
    elif not (said or reply.denies(STATUSES["Cancelled"]) or re.match(r"\s*no\b", reply.low)):
        yield f"doesn't say that the customer is {scene.who.status}, not cancelled"
    yield from _wrong_ones(scene, said)


def _said(reply: Reading) -> list[tuple[str, str]]:
    """The statuses that the reply affirms, in its order, each with its sentence."""
    return [
        (name, sentence)
        for clause, sentence in clauses(reply)
        for name in sorted(STATUSES, key=lambda name: _place(name, clause))
        if _place(name, clause) < len(clause) and not NEGATION.search(clause[: _place(name, clause)])
    ]


def _place(name: str, clause: str) -> int:
    found = re.search(STATUSES[name], clause)
    return found.start() if found else len(clause)


def _wrong_ones(scene: Scene, said: list[tuple[str, str]]) -> Wrong:
    for name, sentence in said:
        if name != scene.who.status and not is_history(scene.who, name, sentence):
            yield f"says {name}, though it is {scene.who.status}"


@ask
def product(scene: Scene, reply: Reading) -> Wrong:
    """The newest product; an earlier one only after it."""
    now = reply.low.find(scene.who.product.casefold())
    if now < 0:
        yield f"doesn't name {scene.who.product}"
    for earlier in scene.who.truth["products"][:-1]:
        if 0 <= reply.low.find(earlier["value"].casefold()) < now:
            yield f"names {earlier['value']} first, which was the earlier product"


@ask
def enrolled(scene: Scene, reply: Reading) -> Wrong:
    """The day of enrolment."""
    if not reply.has_day(scene.who.truth["enroll_date"]):
        yield f"doesn't give the day of enrolment, {scene.who.truth['enroll_date']}"
