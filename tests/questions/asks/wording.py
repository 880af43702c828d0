"""How replies put things: denials, history, directions, scores beside their bureaus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from questions.asks.scene import Wrong
from questions.reading import Reading
from questions.world import BUREAUS, Customer

UP = r"\b(?:up|rose|risen|gain\w*|increas\w*|improv\w*|higher|grew|grown|climb\w*|better|more|above|ahead|leads?)\b"
DOWN = r"\b(?:down|fell|fallen|lost|decreas\w*|declin\w*|lower|drop\w*|worse\w*|less|below|behind|trails?)\b"


def missing(reply: Reading, topic: str, what: str) -> Wrong:
    if not reply.denies(topic):
        yield f"doesn't say that no record holds {what}"


def values(who: Customer, name: str) -> list[str]:
    return who.notations.get(name, [])


def clauses(reply: Reading) -> Iterator[tuple[str, str]]:
    """Each clause, with the sentence that it stands in."""
    for sentence in reply.sentences:
        for clause in re.split(r"[,:;()]|\bbut\b|\s[-\u2013\u2014]\s", sentence):
            yield clause, sentence


def is_history(who: Customer, value: str, sentence: str) -> bool:
    """Whether the sentence names a status that was in force earlier, as such."""
    earlier = [entry["date"] for entry in who.truth["statuses"] if entry["value"] == value]
    said = Reading(sentence)
    return bool(earlier) and (
        any(said.has_day(day) for day in earlier)
        or said.says(r"\b(?:was|were|earlier|before|previous\w*|former\w*|until|from)\b")
    )


def all_of(reply: Reading, wanted: Mapping[str, int]) -> Wrong:
    yield from (f"doesn't give the {name} score, {value}" for name, value in wanted.items() if not reply.has(value))


def newest(who: Customer, reply: Reading, bureau: str) -> Wrong:
    newest = who.newest(bureau)
    yield from with_bureau(reply, bureau, newest, "newest", who.scored)
    others = {who.newest(scored) for scored in who.scored}
    for older in {score["value"] for score in who.scores(bureau)} - others:
        if reply.first(older) < reply.first(newest) and not _leads_to(reply, older, newest):
            yield f"gives the older score {older} of {bureau} before {newest}"


def _leads_to(reply: Reading, older: int, newest: int) -> bool:
    """Whether the older score is the beginning of a way to the newest one, as in "662 → 690" and "from 662 to 690"."""
    return reply.says(rf"\b{older}\b[^\n]*?(?:->|\u2192|\bto\b)[^\n]*?\b{newest}\b")


def with_bureau(reply: Reading, bureau: str, value: int, which: str, scored: list[str]) -> Wrong:
    """The score must stand by its own bureau: by the bureau named last before it, or by the one named nearest."""
    places = [(figure.at, figure.end) for figure in reply.figures if figure.value == value]
    if not places:
        yield f"doesn't give the {which} score of {bureau}, {value}"
        return
    named = [(m.start(), m.end(), m[0]) for m in re.finditer("|".join(BUREAUS).casefold(), reply.low)]
    if len(scored) == 1 and not named:
        return
    for at, end in places:
        before = [name for start, _, name in named if start < at]
        nearest = min(named, key=lambda n: at - n[1] if n[0] < at else n[0] - end, default=None)
        if (before and before[-1] == bureau.casefold()) or (nearest and nearest[2] == bureau.casefold()):
            return
    yield f"doesn't connect {value} with {bureau}"


def directed(reply: Reading, change: int) -> bool:
    """Whether the figure of the change stands with its sign, or in a line that says which way it went."""
    for figure in reply.figures:
        if figure.value != abs(change):
            continue
        if figure.sign:
            if (figure.sign == "+") == (change > 0):
                return True
            continue
        line = reply.line_at(figure.at)
        up, down = re.search(UP, line), re.search(DOWN, line)
        if (change > 0 and (up or not down)) or (change < 0 and down) or change == 0:
            return True
    return False


def shows(reply: Reading, name: str, value: str) -> bool:
    if name == "EMAIL":
        return value in reply.emails
    if name == "PHONE_NUMBER":
        return value in reply.phones
    return value in reply.low
