"""Points in time as Tilores reads them out of records and arguments.

Two notations count: RFC 3339 with an optional fraction (``2024-05-01T10:00:00.5+02:00``), and the same without
a zone, which then means UTC. A date alone is no point in time. As in Go's ``time.Parse``, the hour may be one
digit, the fraction may follow a comma, and only its first nine digits count.
"""

from __future__ import annotations

import re
from datetime import date

from tilores_x.sandbox.insights.values import InsightError

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
# The layout whose failure is reported: Tilores tries it last.
_LAYOUT = "2006-01-02T15:04:05.999999"
_ELEMENTS = (
    ("2006", r"[0-9]{4}"),
    ("-", "-"),
    ("01", r"[0-9]{2}"),
    ("-", "-"),
    ("02", r"[0-9]{2}"),
    ("T", "T"),
    ("15", r"[0-9]{1,2}"),
    (":", ":"),
    ("04", r"[0-9]{2}"),
    (":", ":"),
    ("05", r"[0-9]{2}"),
    (".999999", r"(?:[.,][0-9]{1,9})?"),
)
_RANGES = {"01": ("month", 1, 12), "15": ("hour", 0, 23), "04": ("minute", 0, 59), "05": ("second", 0, 59)}
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CYCLE_DAYS = 146_097  # days in the calendar's cycle of 400 years
_EPOCH = date(1970, 1, 1).toordinal()


def parse_time(text: str) -> int:
    """Nanoseconds since 1970-01-01T00:00:00Z; InsightError if the text is in neither notation."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise _failure(text)
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    zone = found[8]
    if not (1 <= month <= 12 and 1 <= day <= _days_in(year, month) and hour < 24 and minute < 60 and second < 60):
        raise _failure(text)
    offset = 0
    if zone and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:])
        if hours > 24 or minutes > 60:
            raise _failure(text)
        offset = (hours * 60 + minutes) * (-60 if zone[0] == "-" else 60)
    elif found[7] and len(found[7]) > 9 and not zone:
        raise _failure(text)
    # The calendar repeats after 400 years; Python's starts with year 1.
    days = date(year or 400, month, day).toordinal() - _EPOCH - (0 if year else _CYCLE_DAYS)
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset
    return seconds * 1_000_000_000 + int((found[7] or "0")[:9].ljust(9, "0"))


def _days_in(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _DAYS[month - 1]


def _failure(text: str) -> InsightError:
    """The error that Go reports for text that isn't in the second notation."""
    rest = text
    day_is_wrong = False
    year = month = 0
    for layout, pattern in _ELEMENTS:
        found = re.match(pattern, rest)
        if found is None:
            expected = f"cannot parse {_quote(rest)} as {_quote(layout)}"
            return InsightError(f"parsing time {_quote(text)} as {_quote(_LAYOUT)}: {expected}")
        rest = rest[found.end() :]
        if layout in _RANGES:
            unit, least, most = _RANGES[layout]
            if not least <= int(found[0]) <= most:
                return InsightError(f"parsing time {_quote(text)}: {unit} out of range")
        if layout == "2006":
            year = int(found[0])
        elif layout == "01":
            month = int(found[0])
        elif layout == "02":
            day_is_wrong = not 1 <= int(found[0]) <= _days_in(year, month)
    if rest:
        return InsightError(f"parsing time {_quote(text)}: extra text: {_quote(rest)}")
    assert day_is_wrong
    return InsightError(f"parsing time {_quote(text)}: day out of range")


def _quote(text: str) -> str:
    quoted = []
    for char in text:
        if " " <= char < "\x80":
            quoted.append("\\" + char if char in '"\\' else char)
        else:
            quoted.extend(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    return '"' + "".join(quoted) + '"'
