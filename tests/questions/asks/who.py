"""Who is meant."""

from __future__ import annotations

from questions.asks.scene import Scene, Wrong, ask
from questions.asks.wording import values
from questions.reading import Reading


@ask
def identity(scene: Scene, reply: Reading) -> Wrong:
    """The full name, and two more facts that tell who it is and weren't in the question: out of client id, e-mail
    address, phone, city, street, product and status."""
    who = scene.who
    if not any(name in reply.low for name in who.names):
        yield f"doesn't name {who.full_name}"
    asked = scene.question.casefold()
    kinds = [[who.client_id], who.emails, values(who, "CITY"), values(who, "STREET"), [who.product], [who.status]]
    new = [[fact for fact in facts if fact.casefold() not in asked] for facts in kinds]
    told = sum(any(fact.casefold() in reply.low for fact in facts) for facts in new)
    told += bool((reply.phones - Reading(scene.question).phones) & who.phones)
    if told < 2:
        yield "tells hardly more of the customer than the name"


@ask
def namesakes(scene: Scene, reply: Reading) -> Wrong:
    """Several may be meant: each is listed with client id, e-mail address or phone, and the reply asks which."""
    for who in scene.candidates:
        listed = who.client_id in reply.low or who.emails & reply.emails or who.phones & reply.phones
        if not listed:
            yield f"doesn't list {who.full_name}, {who.client_id}"
    if not reply.says(r"\?|\bwhich\b|specify|tell me|let me know|please (?:give|name|choose|say|add)"):
        yield "doesn't ask which one is meant"


@ask
def unknown(scene: Scene, reply: Reading) -> Wrong:
    """Nobody has that identifier: says that no customer was found."""
    if not reply.denies(r"found|find|match|customer|client|record|exist|know|nobody"):
        yield "doesn't say that nobody was found"


@ask
def no_customer(scene: Scene, reply: Reading) -> Wrong:
    """No customer is named: asks for one, or says that one is needed."""
    if not reply.says(
        r"\b(?:which|who|whose|what|need|needs|please|specify|tell|give|name|without|no)\b"
    ) or not reply.says(r"customer|client|e-?mail|\bname\b|phone|\bid\b|person"):
        yield "doesn't ask who is meant"
