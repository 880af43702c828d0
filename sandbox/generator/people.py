"""Flat person records of several systems, for the instance ``people``: one to four records a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from tilores_x.sandbox.generator import noise
from tilores_x.sandbox.generator.household import FIRST_CLIENT_ID, Person, iter_people
from tilores_x.sandbox.generator.truth import AS_OF, Case, Record, Truth, notations

FIELDS = ("first_name", "last_name", "dob", "street", "city", "postal_code", "phone", "email")


def iter_cases(people: int, seed: int) -> Iterator[Case]:
    """Each person's records with the truth about which they are."""
    for person in iter_people(people, seed):
        rng = Random(f"flat/{seed}/{person.index}")
        records = [_record(rng, person, number) for number in range(1, rng.choice((1, 2, 2, 3, 4)) + 1)]
        truth: Truth = {
            "as_of": AS_OF.isoformat(),
            "client_id": _key(person.client_id),
            "record_ids": [str(record["id"]) for record in records],
            "notations": notations(records, FIELDS),
            "first_name": person.first,
            "last_name": person.last,
            "born": person.born.isoformat(),
        }
        if person.kin:
            truth["kin"], truth["kin_of"] = person.kin, [_key(other) for other in person.kin_of]
        yield Case(records, truth)


def _key(client_id: str) -> str:
    """These systems have no client ids: the person's key is what the ids of the records begin with."""
    return f"p{int(client_id) - FIRST_CLIENT_ID + 1}"


def _record(rng: Random, person: Person, number: int) -> Record:
    """The first record is complete and clean; later ones err in one way each, and lack this and that."""
    received = date(2021, 1, 1) + timedelta(days=rng.randrange(2100))
    record: Record = {
        "id": f"{_key(person.client_id)}-{number}",
        "first_name": person.first,
        "last_name": person.last,
        "dob": noise.day_notation(rng, person.born),
        "street": person.address.street,
        "city": person.address.place.city,
        "postal_code": person.address.place.postal_code,
        "phone": noise.phone_notation(rng, person.phone),
        "email": noise.email_notation(rng, person.email),
    }
    if number > 1:
        _disturb(rng, person, record)
    return record | {"received_date": f"{received.isoformat()}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:00Z"}


def _disturb(rng: Random, person: Person, record: Record) -> None:
    luck = rng.randrange(7)
    if luck == 0:
        record["last_name"] = noise.typo(rng, person.last)
    elif luck == 1:
        record["dob"] = noise.day_notation(rng, noise.swapped(person.born))
    elif luck == 2 and person.nickname:
        record["first_name"] = person.nickname
    elif luck == 3 and person.former_address:
        former = person.former_address
        record |= {"street": former.street, "city": former.place.city, "postal_code": former.place.postal_code}
    elif luck == 4 and person.former_phone:
        record["phone"] = noise.phone_notation(rng, person.former_phone)
    elif luck == 5:
        del record["dob"]
    # The e-mail address or the birthday goes at times, never what the one error leaves as the only bond.
    optional = ["street", "city", "postal_code"] if rng.random() < 0.4 else []
    optional += ["phone"] if rng.random() < 0.3 else []
    optional += ["email"] if luck in (3, 6) and rng.random() < 0.5 else []
    for field in optional:
        record.pop(field, None)
