"""Amounts in the notations that records and people use, read exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_AMOUNT = re.compile(
    r"(?P<open>\()?\s*(?P<sign>[+\-\u2212])?\s*(?P<money>[$€£])?\s*(?P<sign2>[+\-\u2212])?\s*"
    r"(?P<number>\d[\d.,'\u202f\u00a0 ]*|\.\d+)(?:[eE](?P<exponent>[+-]?\d{1,2}))?"
    r"\s*(?P<unit>%|percent|[$€£]|USD|EUR|GBP|points?|days?)?\s*\)?",
    re.IGNORECASE,
)
_MONEY = {"usd": "$", "eur": "€", "gbp": "£"}
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Amount:
    """An exact number and its unit: a currency sign, ``%``, ``points``, ``days`` or None."""

    value: Decimal
    unit: str | None


def amount_of(value: object) -> Amount | None:
    """The amount that ``value`` writes; None where it writes none.

    Thousands may be set apart; where one of ``.`` and ``,`` comes last it is the decimal mark, but a single comma
    before exactly three digits sets thousands apart.
    """
    if isinstance(value, bool) or value is None:
        return None
    text = str(value).strip()
    match = _AMOUNT.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or bool(match["open"]) != text.endswith(")"):
        return None
    plain = _plain(re.sub(r"['\u202f\u00a0 ]", "", match["number"]))
    if plain is None:
        return None
    number = Decimal(plain).scaleb(int(match["exponent"] or 0))
    if (match["sign"] or match["sign2"] or "+") in "-\u2212" or match["open"]:
        number = -number
    unit = (match["unit"] or match["money"] or "").lower()
    unit = _MONEY.get(unit, {"percent": "%", "point": "points", "day": "days"}.get(unit, unit))
    return Amount(number, unit or None)


def _plain(text: str) -> str | None:
    """Digits with a point, out of a number with thousands set apart."""
    text = text.rstrip(".,") if text[-1:] in ".," and text[:-1].isdigit() else text
    comma, point = text.count(","), text.count(".")
    if comma and point:
        mark = "," if text.rfind(",") > text.rfind(".") else "."
        other = "." if mark == "," else ","
        whole, _, decimals = text.rpartition(mark)
        groups = whole.split(other)
        if mark in whole or not _in_thousands(groups):
            return None
        return "".join(groups) + "." + decimals
    for mark, count in ((",", comma), (".", point)):
        groups = text.split(mark)
        if count > 1 or (count == 1 and mark == "," and len(groups[1]) == 3):
            return "".join(groups) if _in_thousands(groups) else None
    return text.replace(",", ".")


def _in_thousands(groups: list[str]) -> bool:
    return 1 <= len(groups[0]) <= 3 and groups[0].isdigit() and all(len(g) == 3 and g.isdigit() for g in groups[1:])
