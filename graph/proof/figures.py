"""Reads the checkable items out of a text: numbers, dates, times, e-mail addresses, phone numbers, identifiers.

The same reader runs over an answer and over the records, so that "$1,234.50" meets 1234.5 and "May 3rd, 2024" meets
2024-05-03. A slashed date that can be read both ways carries both readings.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import phonenumbers

from tilores_x.graph.identifiers import EMAIL, NATIONAL_DIGITS, phone_numbers

ItemKind = Literal["number", "date", "time", "email", "phone", "identifier"]
PartialDate = tuple[int | None, int | None, int | None]


class Item(NamedTuple):
    """One item at ``text[start:end]``; it is the same as another of its kind when they share one of ``keys``.

    ``digits`` is how many decimals a number shows, ``unit`` the word or sign behind it and ``before`` the word ahead of
    it, lower-case.
    """

    kind: ItemKind
    keys: tuple[Hashable, ...]
    text: str
    start: int
    end: int
    digits: int = 0
    unit: str = ""
    before: str = ""


_MONTHS = {
    month.casefold(): number
    for names in (calendar.month_name, calendar.month_abbr)
    for number, month in enumerate(names)
    if number
} | {"sept": 9}
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DIGIT = re.compile(r"\d")
_LETTERS = re.compile("[a-z]+")
_SIGN = re.compile(r"\d[-/.]\d")
_DATES = [
    (re.compile(pattern, re.IGNORECASE), _MONTH in pattern)
    for pattern in (
        r"(?<![\w.-])(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?=T\d|(?![\w-]))",
        r"(?<![\w./-])(?P<a>\d{1,2})(?P<sign>[-/.])(?P<b>\d{1,2})(?P=sign)(?P<year>\d{4}|\d{2})(?![\w/-])",
        rf"\b{_MONTH}\s+{_DAY}(?:\s*,\s*|\s+){_YEAR}\b",
        rf"\b{_DAY}[\s-]+(?:of\s+)?{_MONTH}(?:\s*,\s*|[\s-]+){_YEAR}\b",
        rf"\b{_MONTH}(?:\s+|\s*,\s*|-|\s+of\s+){_YEAR}\b",
        r"(?<![\w./-])(?P<month>\d{1,2})/(?P<year>(?:19|20)\d\d)(?![\w/-])",
        r"(?<![\w./-])(?P<year>(?:19|20)\d\d)-(?P<month>0[1-9]|1[0-2])(?![\w/-])",
        rf"\b{_MONTH}\s+{_DAY}\b",
        rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}(?!\w)",
    )
]
_TIME = re.compile(
    r"(?<![\d:.])T?(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:\.\d+)?)?(?:\s*(?P<half>[ap])\.?m\.?)?(?:Z|[+-]\d\d:?\d\d)?(?![\d:])",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(r"(?<![\w])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9]\w*(?:-\w+)*(?!\w)", re.ASCII)
_NOT_AN_IDENTIFIER = re.compile(r"\d+(?:st|nd|rd|th|k|m|x|h|s|am|pm)|\d+(?:-[A-Za-z]+)+|\d+[A-Za-z]+", re.IGNORECASE)
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)\b", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[-\u2212+])?\s?(?P<money>[$€£])?\s?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<part>\.\d+)?(?:[eE](?P<power>[+-]?\d{1,3})(?!\w))?"
    r"(?:(?P<scale>[kKmM]|\s?(?:thousand|million|billion))(?![A-Za-z]))?"
    r"(?P<unit>\s?%|(?:\s|-)?[A-Za-z]+)?"
)
_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "billion": 1e9}
_NUMBERED = """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen
"""
_UNITS = {word: number for number, word in enumerate(_NUMBERED.split(), start=1)}
_ONES = {word: number for word, number in _UNITS.items() if number < 10}
_DECADES = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: 10 * number for number, word in enumerate(_DECADES.split(), start=2)}
_WORDS = {"zero": 0, **_UNITS, **_TENS}
del _WORDS["one"]  # "one of them" counts nothing
_WORD = re.compile(
    rf"\b(?P<word>(?ai:{'|'.join(_WORDS)}))(?:-(?P<one>(?ai:{'|'.join(_ONES)})))?(?P<scale>\s+(?ai:hundred|thousand|million))?\b(?P<unit>(?:\s|-)[A-Za-z]+)?",
)
# A plain number with too few digits for a phone's; a date; an American phone number.
_USUAL = re.compile(
    r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,3})?)"
    r"|(?P<date>(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2}))"
    r"|(?:\+1[ .-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-]?)[0-9]{3}[ .-]?[0-9]{4}"
)
_LAST_WORD = re.compile(r"([A-Za-z]+)[\s-]+\Z")
_LEAST_PHONE_DIGITS = NATIONAL_DIGITS - 3
_MONEY = ("$", "€", "£")
_LONG = 5_000
_LIST_MARK = re.compile(r"^[ \t]*(?:[-*>#]+[ \t]+)*(?:\*\*)?\d{1,3}[.)](?=[ \t*])", re.MULTILINE)


def read_items(text: str, *, prose: bool = True) -> list[Item]:
    """All items in the order of the text. ``prose`` also reads number words and passes over list numbers."""
    return list((_kept if len(text) <= _LONG else _kept_long)(text, prose))


def _in_order(text: str, prose: bool) -> tuple[Item, ...]:
    return tuple(sorted(_read(text, prose), key=lambda item: item.start))


# An answer is read once for each thing that is held against it, and its question is read before it is looked up: there
# are hundreds under way. Long texts have so many items that only a few are kept.
_kept = lru_cache(maxsize=512)(_in_order)
_kept_long = lru_cache(maxsize=8)(_in_order)


@lru_cache(maxsize=20_000)
def read_value(text: str) -> tuple[Item, ...]:
    """The items in a value out of a record."""
    if (alone := _alone(text)) is not None:
        return (alone,)
    return _in_order(text, False)


def _alone(text: str) -> Item | None:
    """The one item that ``text`` is in a usual notation, as reading it piece by piece finds it too: most values are.

    None where it is more, or anything else.
    """
    if "@" in text:
        match = EMAIL.match(text)
        return _email(match) if match and match.end() == len(text) else None
    match = _USUAL.fullmatch(text)
    if match is None:
        return None
    if match["number"]:
        return _plain_number(text)
    if match["date"]:
        return _date(match)
    digits = "".join(filter(str.isdigit, text))
    return Item("phone", (f"+1{digits[-NATIONAL_DIGITS:]}",), text, 0, len(text))


def _read(text: str, prose: bool) -> Iterator[Item]:
    """What a pattern can't do without is looked for before the pattern: most values are plain words or figures."""
    rest = _Rest(text)
    if prose:
        rest.blank(_LIST_MARK)
    if "@" in text:
        yield from rest.take(EMAIL, _email)
    if _DIGIT.search(text):
        signs, months = _SIGN.search(text), rest.says(_MONTHS)
        for pattern, named in _DATES:
            if months if named else signs:
                yield from rest.take(pattern, _date)
        if ":" in text:
            yield from rest.take(_TIME, _time)
        yield from rest.take(_IDENTIFIER, _identifier)
        yield from rest.phones()
        rest.blank(_ORDINAL)
        yield from rest.take(_NUMBER, _number)
    if prose and rest.says(_WORDS):
        yield from rest.take(_WORD, _number_word)


class _Rest:
    """A text in which what was read already is blanked out, position for position."""

    def __init__(self, text: str) -> None:
        self.text = text

    def says(self, words: Mapping[str, int]) -> bool:
        return not words.keys().isdisjoint(_LETTERS.findall(self.text.casefold()))

    def take(self, pattern: re.Pattern[str], read: Callable[[re.Match[str]], Item | None]) -> list[Item]:
        return self._taken([item for match in pattern.finditer(self.text) if (item := read(match))])

    def phones(self) -> list[Item]:
        found = phone_numbers(self.text)
        if not found or sum(map(str.isdigit, self.text)) < _LEAST_PHONE_DIGITS:
            return []
        return self._taken([_phone(match) for match in found if self.text[match.start - 1 : match.start] not in _MONEY])

    def blank(self, pattern: re.Pattern[str]) -> None:
        self._blank([match.span() for match in pattern.finditer(self.text)])

    def _taken(self, items: list[Item]) -> list[Item]:
        self._blank([(item.start, item.end) for item in items])
        return items

    def _blank(self, spans: Sequence[tuple[int, int]]) -> None:
        """``spans`` in the order of the text."""
        at, parts = 0, list[str]()
        for start, end in spans:
            parts += self.text[at:start], " " * (end - start)
            at = end
        if parts:
            self.text = "".join(parts) + self.text[at:]


def _phone(match: phonenumbers.PhoneNumberMatch) -> Item:
    e164 = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
    return Item("phone", (e164,), match.raw_string, match.start, match.end)


def _email(match: re.Match[str]) -> Item:
    return Item("email", (match[0].casefold(),), match[0], *match.span())


def _date(match: re.Match[str]) -> Item | None:
    part = match.groupdict()
    keys: list[PartialDate] = []
    year = _year(part.get("year"))
    if part.get("a"):
        a, b = int(part["a"]), int(part["b"])
        keys = [(year, month, day) for month, day in dict.fromkeys(((a, b), (b, a))) if _exists(month, day)]
    else:
        month = _MONTHS.get(part["month"].lower()) or (int(part["month"]) if part["month"].isdigit() else 0)
        day = int(part["day"]) if part.get("day") else None
        keys = [(year, month, day)] if _exists(month, day) else []
    return Item("date", tuple(keys), match[0], *match.span()) if keys else None


def _year(digits: str | None) -> int | None:
    if digits is None or len(digits) == 4:
        return int(digits) if digits else None
    return int(digits) + (2000 if int(digits) < 70 else 1900)


def _exists(month: int, day: int | None) -> bool:
    return 1 <= month <= 12 and (day is None or 1 <= day <= 31)


def _time(match: re.Match[str]) -> Item | None:
    hour, minute = int(match["h"]), int(match["m"])
    if match["half"]:
        hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
    return Item("time", ((hour, minute),), match[0], *match.span()) if hour < 24 and minute < 60 else None


def _identifier(match: re.Match[str]) -> Item | None:
    if _NOT_AN_IDENTIFIER.fullmatch(match[0]):
        return None
    return Item("identifier", (match[0].casefold(),), match[0], *match.span())


def _number(match: re.Match[str]) -> Item | None:
    value = float(f"{match['whole'].replace(',', '')}{match['part'] or ''}e{match['power'] or 0}")
    scale = (match["scale"] or "").strip().lower()
    value *= _SCALES.get(scale, 1)
    digits = max(0, len(match["part"] or ".") - 1)
    unit = (match["unit"] or "").strip(" -").lower()
    end = match.end() if unit == "%" else match.end() - len(match["unit"] or "")
    start = match.start() + len(match[0]) - len(match[0].lstrip())
    return Item(
        "number",
        (number_key(value),),
        match.string[start:end],
        start,
        end,
        digits=-1 if scale else digits,
        unit=unit or match["money"] or "",
        before=_word_before(match.string, start),
    )


def _plain_number(text: str) -> Item:
    return Item("number", (number_key(float(text)),), text, 0, len(text), digits=len(text.partition(".")[2]))


def _number_word(match: re.Match[str]) -> Item:
    scale = {"": 1, "hundred": 100, "thousand": 1_000, "million": 1_000_000}[(match["scale"] or "").strip().lower()]
    value = (_WORDS[match["word"].lower()] + _ONES.get((match["one"] or "").lower(), 0)) * scale
    unit = (match["unit"] or "").strip(" -").lower()
    end = match.end() - len(match["unit"] or "")
    begin = match.start()
    text = match.string[begin:end]
    return Item("number", (number_key(value),), text, begin, end, unit=unit, before=_word_before(match.string, begin))


def _word_before(text: str, at: int) -> str:
    match = _LAST_WORD.search(text, max(0, at - 40), at)
    return match[1].lower() if match else ""


def number_key(value: float) -> float:
    """Numbers that differ in sign alone, or past the sixth decimal, are one figure ("a drop of 23", -23)."""
    return round(abs(value), 6)
