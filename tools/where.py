"""Conditions on records, as tools take them and as Tilores takes them.

Tilores compares times written as RFC 3339 says and refuses plain dates, which is how most instances write their dates.
On text fields a bound that is a plain date is therefore asked for as a regular expression over ISO dates: exact to the
day, and worked out by Tilores.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tilores_x.errors import ToolFailed
from tilores_x.tools.access import Access
from tilores_x.tools.amounts import amount_of
from tilores_x.tools.dates import date_of
from tilores_x.tools.fields.paths import Path

Op = Literal[
    "equals", "not_equals", "is_null", "not_null", "contains", "starts_with", "ends_with", "matches",
    "lt", "le", "gt", "ge", "after", "since", "before", "until",
]  # fmt: skip

#: A text that begins with an ISO date, and one that is nothing else.
ISO_DATE = r"^\d{4}-\d{2}-\d{2}"
ISO_DATE_ONLY = r"^\d{4}-\d{2}-\d{2}$"

_NUMBERS = {"lt": "lessThan", "le": "lessEquals", "gt": "greaterThan", "ge": "greaterEquals"}
_TIMES = {"lt": "before", "le": "until", "gt": "after", "ge": "since"}
_LONGEST_PATTERN = 200
_LONGEST_VALUE = 1000

Criteria = dict[str, Any]


class Condition(BaseModel):
    """A test on each record. A record without a value in the field passes only ``is_null``."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="Dotted path of a record field; not inside of lists")
    op: Op = Field(
        description="contains/starts_with/ends_with/equals ignore case; matches is an RE2 regular expression; "
        "lt/le/gt/ge compare numbers; after/since/before/until compare dates (since and until include the day)"
    )
    value: str | float | bool | None = Field(None, description="Not for is_null and not_null; dates as YYYY-MM-DD")


def criteria(access: Access, condition: Condition) -> list[Criteria]:
    """The FilterConditions that together say ``condition``.

    Raises:
        ToolFailed: the field is unknown or may not be tested, or the value doesn't fit the test.
    """
    path = access.field(condition.field, "test")
    if path.many:
        raise ToolFailed(
            f"{path.text} lies inside of lists, where Tilores can't filter. Leave the condition out and pick list "
            "elements in the fields of `records` instead: write [NAME=value] in place of `*`."
        )
    field, op, value = path.star, condition.op, condition.value
    if op in ("is_null", "not_null"):
        return [{"field": field, "isNull": True, "invert": op == "not_null"}]
    if access.policy.masks(path):
        raise ToolFailed(f"{path.text} is masked: it can only be tested with is_null and not_null.")
    if value is None or value == "":
        raise ToolFailed(f"The condition {op} on {path.text} needs a value.")
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        raise ToolFailed(f"The value to compare {path.text} with is longer than {_LONGEST_VALUE} characters.")
    match op:
        case "equals":
            return [{"field": field, "equals": value}]
        case "not_equals":
            # Inverted alone it would keep the records that have no value.
            return [access.present(path), {"field": field, "equals": value, "invert": True}]
        case "contains":
            return [{"field": field, "likeRegex": "(?i)" + re.escape(str(value)), "caseSensitive": True}]
        case "starts_with":
            return [{"field": field, "startsWith": str(value)}]
        case "ends_with":
            return [{"field": field, "endsWith": str(value)}]
        case "matches":
            if len(str(value)) > _LONGEST_PATTERN:
                raise ToolFailed(f"The pattern for {path.text} is longer than {_LONGEST_PATTERN} characters.")
            return [{"field": field, "likeRegex": f"(?i){value}", "caseSensitive": True}]
        case "lt" | "le" | "gt" | "ge":
            number = amount_of(value)
            if number is not None:
                return [access.present(path), {"field": field, _NUMBERS[op]: float(number.value)}]
            return _dated(access, path, _TIMES[op], value)
        case _:
            return _dated(access, path, op, value)


def _dated(access: Access, path: Path, op: str, value: str | float | bool) -> list[Criteria]:
    day = date_of(value) if isinstance(value, str) else None
    if day is None or not isinstance(value, str):
        raise ToolFailed(f"{value!r} is neither a number nor a date with day, month and year (YYYY-MM-DD).")
    known = access.schema.field(path)
    if known is not None and known.is_text and not re.search(r"\d[T ]\d", value):
        return _by_day(path.star, op, day)
    time = value if re.search(r"\d[T ]\d", value) else f"{day.isoformat()}T00:00:00Z"
    return [access.present(path), {"field": path.star, op: time}]


def _by_day(field: str, op: str, day: dt.date) -> list[Criteria]:
    """``since`` and ``until`` include the day, ``after`` and ``before`` don't."""
    try:
        first = day + dt.timedelta(days=1) if op in ("after", "until") else day
    except OverflowError:
        raise ToolFailed("The last day of the calendar has none after it.") from None
    iso = {"field": field, "likeRegex": ISO_DATE, "caseSensitive": True}
    from_first = {"field": field, "likeRegex": iso_from(first), "caseSensitive": True}
    return [iso, {**from_first, "invert": True} if op in ("before", "until") else from_first]


def iso_from(day: dt.date) -> str:
    """An RE2 pattern for texts that begin with an ISO date on or after ``day``.

    A later date is equal up to some digit and greater there, so the pattern lists these: 2024-03-15 gives
    ``^(?:[3-9]|2[1-9]|20[3-9]|…|2024-03-15)``.
    """
    text = day.isoformat()
    later = [
        f"{text[:at]}[{chr(ord(digit) + 1)}-9]" for at, digit in enumerate(text) if digit.isdigit() and digit < "9"
    ]
    return f"^(?:{'|'.join([*later, text])})"
