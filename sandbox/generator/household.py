"""Who there is: single people, twins, namesakes, fathers and sons. They come in blocks of twenty, so that any number
of them streams and the first ones stay the same however many follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from rapidfuzz.distance import JaroWinkler

from tilores_x.sandbox.generator.noise import NICKNAMES
from tilores_x.sandbox.generator.pools import AREA_CODES, Place, pools

BLOCK = 20
FIRST_CLIENT_ID = 4001
DOMAINS = ("example.com", "example.org", "example.net")


@dataclass(frozen=True, slots=True)
class Address:
    street: str
    place: Place


@dataclass(frozen=True, slots=True)
class Person:
    """One person as they are. ``former_…`` is what they had earlier and what older records still hold.

    ``kin`` names the relation to others who are easily taken for this person (twin, father, son, namesake), ``kin_of``
    their client ids.
    """

    index: int
    first: str
    last: str
    female: bool
    born: date
    address: Address
    former_address: Address | None
    email: str
    former_email: str | None
    phone: str
    former_phone: str | None
    ssn: str
    kin: str | None = None
    kin_of: tuple[str, ...] = ()

    @property
    def client_id(self) -> str:
        return str(FIRST_CLIENT_ID + self.index)

    @property
    def nickname(self) -> str | None:
        return NICKNAMES.get(self.first)


def iter_people(people: int, seed: int) -> Iterator[Person]:
    """``people`` made-up people; a pair whose other half would lie beyond the end has no kin."""
    for start in range(0, people, BLOCK):
        for person in _block(start, Random(f"people/{seed}/{start}")):
            if person.index >= people:
                break
            known = tuple(other for other in person.kin_of if int(other) < FIRST_CLIENT_ID + people)
            yield replace(person, kin_of=known, kin=person.kin if known else None)


def _block(start: int, rng: Random) -> list[Person]:
    block = [_person(rng, start + offset) for offset in range(BLOCK)]
    places = rng.sample(range(1, BLOCK), 7)
    _make_twins(rng, block, *places[:2])
    _make_father_and_son(rng, block, *places[2:4])
    _make_namesakes(block, places[4 : rng.choice((6, 6, 7))])
    return block


def _person(rng: Random, index: int) -> Person:
    pool = pools()
    female = rng.random() < 0.5
    first = rng.choice(pool.women if female else pool.men)
    last = rng.choice(pool.last)
    address = _address(rng)
    return Person(
        index=index,
        first=first,
        last=last,
        female=female,
        born=_born(rng, 1948, 2004),
        address=address,
        former_address=_address(rng) if rng.random() < 0.3 else None,
        email=_email(rng, first, last, index, 0),
        former_email=_email(rng, first, last, index, 1) if rng.random() < 0.2 else None,
        phone=_phone(index, 0),
        former_phone=_phone(index, 1) if rng.random() < 0.3 else None,
        ssn=f"666-{index // 9999 % 99 + 1:02d}-{index % 9999 + 1:04d}",
    )


def _make_twins(rng: Random, block: list[Person], a: int, b: int) -> None:
    """Same birthday, last name, home and landline; first names that are no typo of each other."""
    one, other = block[a], block[b]
    first = other.first
    while JaroWinkler.similarity(first.lower(), one.first.lower()) > 0.75:
        first = rng.choice(pools().women if other.female else pools().men)
    landline = one.former_phone or _phone(one.index, 1)
    block[a] = replace(one, former_phone=landline, kin="twin", kin_of=(other.client_id,))
    block[b] = replace(
        _renamed(rng, other, first, one.last),
        born=one.born,
        address=one.address,
        former_phone=landline,
        kin="twin",
        kin_of=(one.client_id,),
    )


def _make_father_and_son(rng: Random, block: list[Person], a: int, b: int) -> None:
    """Same full name under the same roof, a generation apart."""
    first = rng.choice(pools().men)
    father = replace(_renamed(rng, block[a], first, block[a].last), female=False, born=_born(rng, 1948, 1966))
    son = replace(_renamed(rng, block[b], first, father.last), female=False, born=_born(rng, 1988, 2003))
    block[a] = replace(father, kin="father", kin_of=(son.client_id,))
    block[b] = replace(son, address=father.address, former_address=None, kin="son", kin_of=(father.client_id,))


def _make_namesakes(block: list[Person], places: list[int]) -> None:
    """Strangers of the same full name, born in different years."""
    model = block[places[0]]
    group = [block[at] for at in places]
    for step, (at, person) in enumerate(zip(places, group, strict=True)):
        others = tuple(other.client_id for other in group if other is not person)
        named = person if step == 0 else _renamed(Random(person.index), person, model.first, model.last)
        born = model.born.replace(year=model.born.year - 3 * step, day=1 + (model.born.day + step) % 28)
        block[at] = replace(named, female=model.female, born=born, kin="namesake", kin_of=others)


def _renamed(rng: Random, person: Person, first: str, last: str) -> Person:
    return replace(
        person,
        first=first,
        last=last,
        email=_email(rng, first, last, person.index, 0),
        former_email=person.former_email and _email(rng, first, last, person.index, 1),
    )


def _born(rng: Random, earliest: int, latest: int) -> date:
    return date(earliest, 1, 1) + timedelta(days=rng.randrange((latest - earliest + 1) * 365))


def _address(rng: Random) -> Address:
    return Address(f"{rng.randrange(1, 990)} {rng.choice(pools().streets)}", rng.choice(pools().places))


def _email(rng: Random, first: str, last: str, index: int, former: int) -> str:
    """Nobody else's: the number in it tells namesakes apart, and so does the shape the former address."""
    number = f"{index % 97:02d}" if index < 10_000 else str(index)
    given, family = first.lower(), last.lower().replace(" ", "").replace("'", "")
    local = (
        (f"{given[0]}{family}{number}", f"{family}.{number}")[rng.randrange(2)]
        if former
        else f"{given}.{family}{number}"
    )
    return f"{local}@{rng.choice(DOMAINS)}"


def _phone(index: int, which: int) -> str:
    lines = len(AREA_CODES) * 100
    number = (2 * index + which) * 7919 % lines
    return f"{AREA_CODES[number // 100]}55501{number % 100:02d}"
