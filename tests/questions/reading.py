"""What stands in a reply: its figures, dates, identifiers and sentences, in any usual notation.

This is the scorer's own reader. It shares nothing with the pipeline that wrote the reply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = (
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?"),
    re.compile(r"\b(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})\b"),
    re.compile(rf"\b{MONTH}\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})\b", re.IGNORECASE),
    re.compile(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH},?\s+(?P<y>\d{{4}})\b", re.IGNORECASE),
)
MONTH_ONLY = re.compile(rf"\b{MONTH}\s+(?P<y>\d{{4}})\b", re.IGNORECASE)
EMAIL = re.compile(r"[\w.+*-]+@[\w-]+(?:\.[\w-]+)+")
RECORD_ID = re.compile(r"\b(?:crm|pay|card|call|tic|bur)-[a-z0-9]+-[a-z0-9]+\b")
OTHER_ID = re.compile(r"\b(?:[A-Z]{3}|T)-\d+-\d+\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
PHONE = re.compile(r"(?<![\w.])(?:\+?1[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s.-]?)\d{3}[\s.-]?\d{4}(?!\w)")
NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-+\u2212])?(?P<usd>\$)?(?P<n>\d+(?:,\d{3})*(?:\.\d+)?)(?P<pct>\s?%| ?percent\b)?(?!\w)"
)
LISTING = re.compile(r"(?m)^\s*(?:\d+[.)]|[-*+])\s+")
WORDS = {
    **{"no": 0, "none": 0, "zero": 0, "never": 0, "once": 1, "twice": 2, "one": 1, "two": 2, "three": 3, "four": 4},
    **{"five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12},
}
NEGATION = re.compile(
    r"\b(?:no|not|none|nobody|nothing|never|without|missing|lacks?|lacking|cannot|unknown|unavailable|absent|neither)\b"
    r"|n['\u2019]t\b|\bn/a\b",
    re.IGNORECASE,
)


class Figure(NamedTuple):
    """A number in a reply; ``at`` to ``end`` is where it stands in `Reading.plain`, ``after`` the text that follows."""

    value: Decimal
    sign: str
    dollars: bool
    percent: bool
    at: int
    end: int
    after: str


class Reading:
    """A reply taken apart. Identifiers and dates are blanked before figures are looked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = LISTING.sub(_blank, re.sub(r"[*`#>|]", " ", text.replace("\u00a0", " ")))
        self.low = self.plain.lower()
        self.emails: set[str] = set()
        self.record_ids: set[str] = set()
        self.phones: set[str] = set()
        self.days: dict[date, int] = {}
        self.months: set[tuple[int, int]] = set()

        rest = _take(EMAIL, self.plain, lambda m: self.emails.add(m[0].casefold().rstrip(".")))
        rest = _take(RECORD_ID, rest, lambda m: self.record_ids.add(m[0]))
        rest = _take(OTHER_ID, rest, lambda _: None)
        for form in DAYS:
            rest = _take(form, rest, self._day)
        rest = _take(MONTH_ONLY, rest, lambda m: self.months.add((int(m["y"]), _month(m))))
        rest = _take(PHONE, rest, lambda m: self.phones.add(re.sub(r"\D", "", m[0])[-10:]))
        self.figures = [
            Figure(
                value=Decimal(m["n"].replace(",", "")),
                sign=m["sign"] or "",
                dollars=bool(m["usd"]),
                percent=bool(m["pct"]),
                at=m.start("n"),
                end=m.end("n"),
                after=rest[m.end() : m.end() + 24],
            )
            for m in NUMBER.finditer(rest)
        ]

    def _day(self, match: re.Match[str]) -> None:
        try:
            day = date(int(match["y"]), _month(match), int(match["d"]))
        except ValueError:
            return
        self.days.setdefault(day, match.start())

    @cached_property
    def values(self) -> set[Decimal]:
        return {figure.value for figure in self.figures}

    @cached_property
    def sentences(self) -> list[str]:
        """The lines and sentences, in lower case."""
        return [part for part in re.split(r"\n+|(?<=[.!?;])\s+", self.low) if part.strip()]

    def has(self, value: object) -> bool:
        """Whether the figure stands in the reply."""
        return Decimal(str(value)) in self.values

    def has_day(self, day: str | None) -> bool:
        return day is not None and date.fromisoformat(day) in self.days

    def first(self, value: object) -> int:
        """Where the figure stands first, or beyond the end."""
        wanted = Decimal(str(value))
        return min((figure.at for figure in self.figures if figure.value == wanted), default=len(self.text) + 1)

    def says(self, pattern: str) -> bool:
        return re.search(pattern, self.low) is not None

    def denies(self, topic: str) -> bool:
        """Whether a sentence about the topic says that there is none."""
        return any(re.search(topic, sentence) and NEGATION.search(sentence) for sentence in self.sentences)

    def counts(self, topic: str) -> set[int]:
        """The whole numbers, in figures or words, of the sentences about the topic."""
        return {number for sentence in self.sentences if re.search(topic, sentence) for number in _counts(sentence)}

    def line_at(self, at: int) -> str:
        return self.low[self.low.rfind("\n", 0, at) + 1 :].split("\n", 1)[0]


def _take(form: re.Pattern[str], text: str, keep: Callable[[re.Match[str]], object]) -> str:
    def taken(match: re.Match[str]) -> str:
        keep(match)
        return _blank(match)

    return form.sub(taken, text)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _month(match: re.Match[str]) -> int:
    groups = match.groupdict()
    return int(groups["m"]) if groups.get("m") else MONTHS.index(groups["month"][:3].lower()) + 1


def _counts(sentence: str) -> Iterator[int]:
    reading = Reading(sentence)
    yield from (int(value) for value in reading.values if value == int(value))
    yield from (WORDS[word] for word in re.findall(r"[a-z]+", sentence) if word in WORDS)
