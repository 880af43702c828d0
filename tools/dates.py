"""Dates in any usual notation."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[T ])")
_LOOKS_LIKE = re.compile(r"\d")
_USUAL = (
    re.compile(r"(?P<month>\d{1,2})(?P<sign>[/.-])(?P<day>\d{1,2})(?P=sign)(?P<year>[12]\d{3})", re.ASCII),
    re.compile(r"(?P<month>[A-Za-z]+)\.? (?P<day>\d{1,2}),? (?P<year>[12]\d{3})", re.ASCII),
    re.compile(r"(?P<day>\d{1,2})[ -](?P<month>[A-Za-z]+)\.?,?[ -](?P<year>[12]\d{3})", re.ASCII),
)
_NAMES = "january|february|march|april|may|june|july|august|september|october|november|december"
_MONTHS = {spelling: at for at, name in enumerate(_NAMES.split("|"), 1) for spelling in (name, name[:3])} | {"sept": 9}
#: Two days that differ in every part: what dateutil fills in from them was not in the text.
_FILL = (dt.datetime(2000, 1, 1), dt.datetime(2003, 2, 2))  # noqa: DTZ001


def date_of(text: str) -> dt.date | None:
    """The day that ``text`` names with day, month and year; None where it names none.

    ``03/04/2024`` is read month first, ``13/04/2024`` day first, as nothing else fits.
    """
    text = text.strip()
    if not _LOOKS_LIKE.search(text) or not 6 <= len(text) <= 40:
        return None
    if _ISO.match(text):
        try:
            return dt.date.fromisoformat(text[:10])
        except ValueError:
            return None
    if re.fullmatch(r"[\d.,+-]+", text) and not re.fullmatch(r"\d{8}|\d{1,4}([.-])\d{1,2}\1\d{1,4}", text):
        return None
    return _read(text)


@lru_cache(maxsize=1024)
def _read(text: str) -> dt.date | None:
    """What a regular expression reads in a microsecond, else what dateutil reads in a hundred: the two agree."""
    for pattern in _USUAL:
        if match := pattern.fullmatch(text):
            month = match["month"]
            number = int(month) if month.isdigit() else _MONTHS.get(month.lower())
            day = int(match["day"])
            if number is None:
                break
            if number > 12 and month.isdigit():
                number, day = day, number
            try:
                return dt.date(int(match["year"]), number, day)
            except ValueError:
                break
    return _read_otherwise(text)


def _read_otherwise(text: str) -> dt.date | None:
    # Imported here: it costs 50 ms, and ISO dates need none of it.
    from dateutil.parser import ParserError, parse

    try:
        first, second = (parse(text, default=fill).date() for fill in _FILL)
    except (ParserError, OverflowError, ValueError, TypeError):
        return None
    return first if first == second else None
