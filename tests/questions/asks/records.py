"""The records themselves."""

from __future__ import annotations

from questions.asks.scene import Scene, Wrong, ask
from questions.asks.wording import missing, shows
from questions.reading import Reading

FIELD_WORDS = {
    "FIRST_NAME": r"name",
    "LAST_NAME": r"name",
    "EMAIL": r"e-?mail",
    "PHONE_NUMBER": r"phone",
    "DATE_OF_BIRTH": r"birth|dob\b",
    **dict.fromkeys(("STREET", "CITY", "STATE", "ZIP"), r"street|city|address|zip|postal|state\b"),
}


@ask
def why_one(scene: Scene, reply: Reading) -> Wrong:
    """At least two of what links the records: client id, e-mail address, phone, birthday, social security number."""
    bonds = (r"client[ _]?id", r"e-?mail", r"phone", r"birth|dob\b", r"\bssn|social security")
    if sum(reply.says(bond) for bond in bonds) < 2:
        yield "doesn't name two of the bonds between the records"


@ask
def conflicts(scene: Scene, reply: Reading) -> Wrong:
    """Every field of identity whose records disagree beyond notation (an address counts once), and for one of them at
    least (not the birthday, which may be masked) two of the values."""
    found = scene.who.truth["conflicts"]
    for name in found:
        if not reply.says(FIELD_WORDS[name]):
            yield f"leaves out {name}"
    shown = [name for name in found if sum(shows(reply, name, value) for value in found[name]) > 1]
    if not shown and set(found) != {"DATE_OF_BIRTH"}:
        yield "shows no two conflicting values"


@ask
def duplicates(scene: Scene, reply: Reading) -> Wrong:
    """Whether records are equal but for their id; if so, one of their ids or how many copies there are."""
    groups = scene.who.truth["duplicates"]
    if not groups:
        yield from missing(reply, "duplicate|cop(?:y|ies)", "a duplicate")
        return
    ids = {record_id for group in groups for record_id in group}
    copies = {len(groups), sum(len(group) - 1 for group in groups), len(ids)}
    if not ids & reply.record_ids and not copies & reply.counts("duplicate|cop(?:y|ies)"):
        yield f"doesn't tell the duplicates {sorted(ids)}"
