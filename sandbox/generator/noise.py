"""What goes wrong with data in life: typos, swapped dates, other notations, nicknames."""

from __future__ import annotations

from datetime import date
from random import Random

NICKNAMES = {
    "Alexander": "Alex",
    "Andrew": "Andy",
    "Anthony": "Tony",
    "Benjamin": "Ben",
    "Charles": "Chuck",
    "Christopher": "Chris",
    "Daniel": "Danny",
    "David": "Dave",
    "Deborah": "Debbie",
    "Edward": "Ted",
    "Elizabeth": "Liz",
    "Gregory": "Greg",
    "James": "Jim",
    "Jennifer": "Jenny",
    "John": "Jack",
    "Joseph": "Joe",
    "Joshua": "Josh",
    "Katherine": "Kate",
    "Kenneth": "Ken",
    "Kimberly": "Kim",
    "Lawrence": "Larry",
    "Margaret": "Peggy",
    "Matthew": "Matt",
    "Michael": "Mike",
    "Nicholas": "Nick",
    "Pamela": "Pam",
    "Patricia": "Patty",
    "Patrick": "Pat",
    "Rebecca": "Becky",
    "Richard": "Rick",
    "Robert": "Bob",
    "Ronald": "Ron",
    "Samantha": "Sam",
    "Stephen": "Steve",
    "Steven": "Steve",
    "Susan": "Sue",
    "Theresa": "Terry",
    "Thomas": "Tom",
    "Timothy": "Tim",
    "Victoria": "Vicky",
    "William": "Bill",
}

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def typo(rng: Random, name: str) -> str:
    """``name`` with one slip of the finger behind its first two letters; names under six letters stay as they are."""
    if len(name) < 6:
        return name
    at = rng.randrange(2, len(name) - 1)
    how = rng.randrange(3)
    if how == 0:
        return name[:at] + name[at + 1 :]
    if how == 1:
        return name[:at] + name[at] + name[at:]
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def swapped(day: date) -> date:
    """``day`` with day and month in each other's place, where that is a date at all."""
    return date(day.year, day.day, day.month) if day.day <= 12 else day


def day_notation(rng: Random, day: date) -> str:
    """A date as different systems write it. Numbers with slashes are month first."""
    month = MONTHS[day.month - 1]
    return rng.choice(
        (
            day.isoformat(),
            day.isoformat(),
            f"{day.month:02d}/{day.day:02d}/{day.year}",
            f"{day.month}/{day.day}/{day.year}",
            f"{month[:3]} {day.day}, {day.year}",
            f"{day.day} {month} {day.year}",
        )
    )


def phone_notation(rng: Random, digits: str) -> str:
    """A North American number of ten digits as different systems write it."""
    area, office, line = digits[:3], digits[3:6], digits[6:]
    return rng.choice(
        (
            digits,
            f"({area}) {office}-{line}",
            f"{area}-{office}-{line}",
            f"{area}.{office}.{line}",
            f"+1 {area} {office} {line}",
            f"+1{digits}",
        )
    )


def email_notation(rng: Random, email: str) -> str:
    """An address in the case in which somebody typed it."""
    how = rng.randrange(6)
    if how == 0:
        return email.upper()
    if how == 1:
        return ".".join(part.capitalize() for part in email.split("."))
    return email
