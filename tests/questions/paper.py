"""A question paper: wordings out of the two files, filled in for customers chosen with a seed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from questions.asks import Scene
from questions.world import BUREAUS, Customer, World

HERE = Path(__file__).parent
FILES = {"open": HERE / "phrasings.toml", "held-out": HERE / "held_out.toml"}
PHONES = ("({0}) {1}-{2}", "{0}-{1}-{2}", "{0}.{1}.{2}", "+1 {0} {1} {2}", "{0}{1}{2}", "1-{0}-{1}-{2}", "{0} {1} {2}")
NOBODY = ("Zebulon Quackenbush", "Ottoline Featherstonehaugh", "Ignatius Vanderwhistle", "Perpetua Longbottomley")


@dataclass(frozen=True)
class Wording:
    """One wording with its asks, turn by turn. ``share`` is open or held-out."""

    kind: int
    share: str
    turns: tuple[str, ...]
    asks: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.turns)


@dataclass(frozen=True)
class Turn:
    scene: Scene
    asks: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """One question, or a conversation of several turns, ready to be asked."""

    number: int
    wording: Wording
    turns: tuple[Turn, ...]


def wordings(*shares: str) -> list[Wording]:
    """All wordings of the shares, in the order of the files."""
    found = []
    for share in shares:
        for group in tomllib.loads(FILES[share].read_text("utf-8"))["group"]:
            for say in group["say"]:
                turns = (say,) if isinstance(say, str) else tuple(say)
                asks = (group["ask"],) if isinstance(group["ask"], str) else tuple(group["ask"])
                assert len(turns) == len(asks), say
                found.append(Wording(group["kind"], share, turns, asks))
    return found


def paper(world: World, seed: int, wanted: Sequence[Wording], count: int | None = None) -> list[Question]:
    """``count`` questions (all wordings once, by default), spread evenly over the kinds."""
    rng = Random(f"paper/{seed}")
    chosen = list(wanted) if count is None else list(_spread(rng, wanted, count))
    return [
        _ask(world, Random(f"question/{seed}/{number}"), number, wording) for number, wording in enumerate(chosen, 1)
    ]


def _spread(rng: Random, wanted: Sequence[Wording], count: int) -> Iterator[Wording]:
    kinds: dict[int, list[Wording]] = {}
    for wording in wanted:
        kinds.setdefault(wording.kind, []).append(wording)
    decks: dict[int, list[Wording]] = {kind: [] for kind in kinds}
    for number in range(count):
        kind = list(kinds)[number % len(kinds)]
        if not decks[kind]:
            decks[kind] = rng.sample(kinds[kind], len(kinds[kind]))
        yield decks[kind].pop()


# --- whom to ask about ----------------------------------------------------------------------------------------------

Fits = Callable[[Customer], bool]


def _several(customer: Customer) -> list[str]:
    return [bureau for bureau in customer.scored if len(customer.scores(bureau)) > 1]


def _frozen(customer: Customer) -> bool:
    return any(report["value"] is None for report in customer.truth["reports"])


def _recently_or_never(customer: Customer) -> bool:
    """Whether every reader of "lately" agrees: the newest instalment itself was late or missed, or none was."""
    return bool(customer.payments) and (not customer.bad or customer.payments[-1] in customer.bad)


def _one_year(customer: Customer) -> list[str]:
    """Years with late or missed payments, each of them due and paid in one year."""
    years = {p["due"][:4] for p in customer.bad}
    return sorted(y for y in years if all((p["paid"] or p["due"])[:4] == p["due"][:4] for p in customer.bad))


FITS: dict[str, Fits] = {
    "bureau_score": lambda c: bool(c.scored),
    "bureau_missing": lambda c: bool(c.truth["missing_bureaus"] and c.scored),
    "report_compare": lambda c: bool(_several(c)) and not _frozen(c),
    "bureau_compare": lambda c: len(c.scored) > 1,
    "bureau_compare_missing": lambda c: bool(c.truth["missing_bureaus"] and c.scored),
    "score_at_enrolment": lambda c: bool(c.scored),
    "improvement": lambda c: bool(_several(c)),
    "timeline": lambda c: bool(_several(c)),
    "late_lately": _recently_or_never,
    "late_count": lambda c: bool(c.payments),
    "late_in_year": lambda c: bool(_one_year(c)),
    "improve": lambda c: bool(c.scored),
    "payments_and_credit": lambda c: bool(_several(c) and c.payments),
    "payment_status": lambda c: bool(c.payments),
    "conflicts": lambda c: bool(set(c.truth["conflicts"]) - {"DATE_OF_BIRTH"}),
    "why_one": lambda c: len(c.records) > 5,
    "namesakes": lambda c: True,
}
LACKING: dict[str, Fits] = {
    "score": lambda c: bool(c.scored),
    "utilization": lambda c: c.utilization is not None,
    "last_payment": lambda c: c.last_payment is not None,
    "consistency": lambda c: bool(c.payments),
    "next_due": lambda c: bool(c.truth["next_due"]),
    "payment_method": lambda c: bool(c.truth["payment_method"]),
    "balance": lambda c: c.truth["balance"] is not None,
}
"""Asks whose fact some customers lack; one question in eight is about one of them."""

TELLING: dict[str, Fits] = {
    **dict.fromkeys(("late_lately", "late_count", "consistency", "payment_status"), lambda c: bool(c.bad)),
    "payments_and_credit": lambda c: bool(c.bad),
    "status": lambda c: c.status != "Active",
    "is_cancelled": lambda c: c.status == "Cancelled",
    "product": lambda c: len(c.truth["products"]) > 1,
    "duplicates": lambda c: bool(c.truth["duplicates"]),
    **dict.fromkeys(
        ("timeline", "improvement", "report_compare"), lambda c: any(len(c.scores(b)) > 2 for b in BUREAUS)
    ),
}
"""Customers on whom an ask is harder to answer; more than half of the questions are about one of them."""


def _ask(world: World, rng: Random, number: int, wording: Wording) -> Question:
    asks = [tuple(part.removesuffix("@2") for part in ask.split("+")) for ask in wording.asks]
    about = [ask.endswith("@2") for ask in wording.asks]
    needs = [name for ask, second in zip(asks, about, strict=True) if not second for name in ask]
    customer = _choose(world, rng, wording.text, needs)
    other = _choose(
        world,
        rng,
        re.sub(r"_2\}", "}", "".join(re.findall(r"\{[a-z_]+_2\}", wording.text))),
        [name for ask, second in zip(asks, about, strict=True) if second for name in ask],
        but=customer,
    )
    given = _given(world, rng, wording.text, customer, other, needs)
    turns = []
    for text, names, second in zip(wording.turns, asks, about, strict=True):
        question = re.sub(r"\{(\w+)\}", lambda match: given[match[1]], text)
        nobody = set(names) & {"unknown", "no_customer", "empty"}
        candidates = tuple(_sharing(world, text, customer)) if "namesakes" in names else ()
        who = None if nobody or candidates else other if second else customer
        turns.append(Turn(Scene(world, question, who, given, candidates), names))
    return Question(number, wording, tuple(turns))


def _choose(world: World, rng: Random, text: str, asks: Sequence[str], but: Customer | None = None) -> Customer:
    """A customer whom the identifiers in the text single out, or don't where it asks for that, and whose data fits."""
    pool = [c for c in world.customers if c is not but and _identifiable(world, text, c)]
    if "experience" in text:
        pool = [c for c in pool if c.scores("Experian")]
    pool = [c for c in pool if all(FITS.get(ask, _always)(c) for ask in asks)]
    lacking = [c for c in pool if any(not LACKING.get(ask, _always)(c) for ask in asks)]
    full = [c for c in pool if c not in lacking]
    assert full, f"nobody to ask about: {text}"
    if lacking and rng.random() < 0.125:
        return rng.choice(lacking)
    telling = [c for c in full if all(TELLING.get(ask, _always)(c) for ask in asks)]
    return rng.choice(telling if telling and rng.random() < 0.6 else full)


def _always(_: Customer) -> bool:
    return True


def _identifiable(world: World, text: str, customer: Customer) -> bool:
    if "{shared_name}" in text:
        alike = world.alike(customer)
        return len(alike) > 1 and all(other.full_name == customer.full_name for other in alike)
    if "{shared_first}" in text:
        first = customer.truth["first_name"].casefold()
        return 2 <= len(world.firsts[first]) <= 5 and first not in world.lasts
    if "{name}" in text.casefold():
        return customer.client_id in world.unmistakable and customer.truth["first_name"].casefold() not in world.lasts
    return True


def _sharing(world: World, text: str, customer: Customer) -> list[Customer]:
    if "{shared_first}" in text:
        return [world.by_id[i] for i in sorted(world.firsts[customer.truth["first_name"].casefold()])]
    return world.alike(customer)


def _given(
    world: World, rng: Random, text: str, customer: Customer, other: Customer, asks: Sequence[str]
) -> dict[str, str]:
    """What each placeholder stands for."""
    reports = _several(customer) if {"report_compare", "timeline"} & set(asks) else list(customer.scored)
    bureaus = rng.sample(reports, len(reports)) if reports else list(BUREAUS)
    missing = customer.truth["missing_bureaus"]
    years = _one_year(customer)
    given = {
        "bureau": "Experian" if "experience" in text else bureaus[0],
        "bureau_2": bureaus[1] if len(bureaus) > 1 else "",
        "missing_bureau": rng.choice(missing) if missing else "",
        "year": rng.choice(years) if years else "",
        "shared_name": customer.full_name,
        "shared_first": customer.truth["first_name"],
        "unknown_email": f"nobody.known{rng.randrange(1000)}@example.com",
        "unknown_id": next(i for i in iter(lambda: str(rng.randrange(5000, 10_000)), "") if i not in world.by_id),
        "unknown_name": rng.choice(NOBODY),
        "unknown_phone": _unknown_phone(world, rng),
        "email": rng.choice([e for e in customer.notations["EMAIL"] if not e.isupper()] or customer.notations["EMAIL"]),
        "phone": _phone(world, rng, customer),
        "client_id": customer.client_id,
        "name": customer.full_name,
        "client_id_2": other.client_id,
        "email_2": rng.choice(other.notations["EMAIL"]).lower(),
    }
    return given | {"EMAIL": given["email"].upper(), "NAME": given["name"].upper()}


def _phone(world: World, rng: Random, customer: Customer) -> str:
    """A number that is nobody else's, in one of the notations of life."""
    own = sorted(phone for phone in customer.phones if len(world.phones[phone]) == 1)
    digits = rng.choice(own or sorted(customer.phones))
    return rng.choice(PHONES).format(digits[:3], digits[3:6], digits[6:])


def _unknown_phone(world: World, rng: Random) -> str:
    while (digits := f"{rng.choice(('212', '305', '415', '617', '702'))}55501{rng.randrange(100):02d}") in world.phones:
        pass
    return rng.choice(PHONES).format(digits[:3], digits[3:6], digits[6:])
