"""What the help desk of the made-up company keeps: cards on file, calls, tickets, and calls of nobody known."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tilores_x.sandbox.generator import noise
from tilores_x.sandbox.generator.truth import AS_OF, Case, Record, Truth

AGENTS = ("D. Whitlow", "K. Osei", "M. Tanaka", "R. Lindqvist")
CALLS = (
    "Asked when the next report comes in",
    "Wants to change the due date",
    "Confirmed the new address",
    "Asked about a disputed account",
    "Left a voicemail, please call back",
    "Asked for a copy of the contract",
)
TICKETS = ("Login does not work", "Invoice not received", "Update my phone number", "Question about a dispute letter")
CARDS = {"Visa": "4000", "Mastercard": "5200", "Amex": "3700"}


def call(rng: Random, at: date) -> Record:
    return {
        "CALL_DATE": at.isoformat(),
        "CALL_DIRECTION": rng.choice(("Inbound", "Outbound")),
        "CALL_DURATION": str(rng.randint(40, 1500)),
        "CALL_NOTES": rng.choice(CALLS),
        "AGENT_NAME": rng.choice(AGENTS),
    }


def ticket(rng: Random, ticket_id: str, at: date) -> Record:
    closed = at + timedelta(days=rng.randint(1, 30))
    opened: Record = {"TICKET_ID": ticket_id, "TICKET_SUBJECT": rng.choice(TICKETS), "TICKET_OPENED": at.isoformat()}
    if closed <= AS_OF and rng.random() < 0.7:
        return opened | {"TICKET_STATUS": "Closed", "TICKET_CLOSED": closed.isoformat()}
    return opened | {"TICKET_STATUS": "Open"}


def card(rng: Random) -> Record:
    """A card whose number fails its check digit, so that it is nobody's."""
    brand = rng.choice(list(CARDS))
    body = CARDS[brand] + "".join(rng.choices("0123456789", k=11))
    number = body + str((_check_digit(body) + rng.randint(1, 9)) % 10)
    expiry = f"{rng.randint(1, 12):02d}/{rng.randint(27, 31)}"
    return {
        "CARD_TYPE": brand,
        "CARD_NUMBER": number,
        "CARD_LAST4": number[-4:],
        "CARD_EXPIRY": expiry,
        "CVV": f"{rng.randrange(1000):03d}",
    }


def _check_digit(body: str) -> int:
    """The digit that would make ``body`` a valid card number (Luhn, ISO/IEC 7812-1)."""
    doubled = (int(digit) * 2 for digit in body[::-2])
    return -(sum(d - 9 if d > 9 else d for d in doubled) + sum(map(int, body[-2::-2]))) % 10


def unknown_caller(rng: Random, block: int) -> Case:
    """A call from a number that no customer has, on a toll-free line."""
    at = AS_OF - timedelta(days=rng.randrange(300))
    record: Record = {
        "id": f"call-x{block + 1}-1",
        "SOURCE": "CALL",
        "PHONE_NUMBER": noise.phone_notation(rng, f"{rng.choice(('800', '888', '877', '866'))}55501{block % 100:02d}"),
        "CALL_DATE": at.isoformat(),
        "CALL_DIRECTION": "Inbound",
        "CALL_DURATION": str(rng.randint(5, 90)),
        "CALL_NOTES": "Hung up",
        "CREATED_AT": f"{at.isoformat()}T12:00:00Z",
    }
    truth: Truth = {
        "as_of": AS_OF.isoformat(),
        "client_id": None,
        "record_ids": [str(record["id"])],
        "notations": {"PHONE_NUMBER": [str(record["PHONE_NUMBER"])]},
    }
    return Case([record], truth)
