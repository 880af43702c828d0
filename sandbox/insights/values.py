"""How Tilores reads a record's values: as text, as numbers, as times, and along dotted paths.

Tilores is written in Go, and its insights compare values by Go's own text of them, so ``1000000`` starts with
``1e+06``. The rules here follow Go's packages ``fmt``, ``strconv``, ``strings`` and ``encoding/json``. A record
is a JSON object as Python reads it; every JSON number counts as a 64-bit float.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_TYPE_NAMES: dict[type, str] = {
    bool: "bool",
    int: "float64",
    float: "float64",
    str: "string",
    dict: "map[string]interface {}",
    list: "[]interface {}",
}

_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_HEX = r"[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
_NUMBER_BEGINS = frozenset("+-.0123456789iInN")
_PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEXADECIMAL = re.compile(rf"[+-]?0[xX](?:_?{_HEX}\.?(?:{_HEX})?|\.{_HEX})[pP][+-]?{_DIGITS}")
_SPECIAL = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE | re.ASCII)
_INDEX = re.compile(r"[+-]?[0-9]+")
_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_NEEDS_HTML = re.compile("[<>&\u2028\u2029]")
_encode = json.JSONEncoder(ensure_ascii=False).encode
_GO_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


class InsightError(ValueError):
    """An insight can't be computed over these values; the message is what the API's ``errors`` carry."""


# --- paths ---


def extract(record: Mapping[str, Any], parts: Sequence[str]) -> Any:
    """The value at a path given in parts, None where there is none. ``*`` is no wildcard here: it finds nothing."""
    value: Any = record
    for part in parts:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list):
            value = _element(value, part)
        else:
            return None
    return value


def visit(record: Any, parts: Sequence[str]) -> Iterator[Any]:
    """Every value at a path given in parts, where ``*`` stands for all elements of a list.

    A path that leads nowhere gives one None; a wildcard over an empty list gives nothing at all.
    """
    value: Any = record
    for depth, part in enumerate(parts):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list):
            if part == "*":
                rest = parts[depth + 1 :]
                for element in value:
                    yield from visit(element, rest)
                return
            value = _element(value, part)
        else:
            value = None
        if value is None:
            break
    yield value


def _element(values: list[Any], index: str) -> Any:
    if not _INDEX.fullmatch(index) or len(index) > 19:
        return None
    number = int(index)
    return values[number] if 0 <= number < len(values) else None


# --- text ---


def text_of(value: Any, *, case_sensitive: bool) -> str | None:
    """A value's text as comparisons see it, lowercased unless case counts. None for None."""
    if value is None:
        return None
    text = value if type(value) is str else go_text(value)
    return text if case_sensitive else lower(text)


def go_text(value: Any) -> str:
    """What Go's ``%v`` prints for a scalar; maps and lists as JSON text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _shortest(as_float(value), plain_below=6)
    return json_text(value)


def json_text(value: Any) -> str:
    """JSON as Go's ``encoding/json`` writes it: keys sorted, no spaces, ``<``, ``>`` and ``&`` escaped."""
    if isinstance(value, str):
        text = _encode(value)
        return text.translate(_HTML) if _NEEDS_HTML.search(text) else text
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _json_number(as_float(value))
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json_text(key)}:{json_text(value[key])}" for key in sorted(value)) + "}"
    return "[" + ",".join(json_text(element) for element in value) + "]"


def lower(text: str) -> str:
    """Lowercase letter by letter, as Go does: no letter turns into two, and no sigma looks at its neighbours."""
    if "\u0130" in text or "\u03a3" in text:
        return "".join("i" if char == "\u0130" else char.lower() for char in text)
    return text.lower()


def quote(text: str) -> str:
    """Text in double quotes as Go's error messages show it."""
    quoted = []
    for char in text:
        if char in '"\\':
            quoted.append("\\" + char)
        elif char in _GO_ESCAPES:
            quoted.append(_GO_ESCAPES[char])
        elif char.isprintable():
            quoted.append(char)
        elif ord(char) < 0x80:
            quoted.append(f"\\x{ord(char):02x}")
        else:
            quoted.append(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
    return '"' + "".join(quoted) + '"'


def _digits(value: float) -> tuple[str, str, int]:
    """Sign, the shortest digits that read back as this float, and the decimal exponent of the first of them."""
    sign, magnitude = ("-", -value) if math.copysign(1, value) < 0 else ("", value)
    mantissa, _, exponent = repr(magnitude).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return sign, "0", 0
    leading = len(whole) - 1 if whole != "0" else -(len(fraction) - len(fraction.lstrip("0")) + 1)
    return sign, digits.rstrip("0") or "0", leading + int(exponent or 0)


def _shortest(value: float, *, plain_below: int) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = _digits(value)
    if -4 <= exponent < plain_below:
        return _plain(sign, digits, exponent)
    return _exponential(sign, digits, exponent)


def _plain(sign: str, digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def _exponential(sign: str, digits: str, exponent: int) -> str:
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _json_number(value: float) -> str:
    if not math.isfinite(value):
        raise InsightError(f"json: unsupported value: {_shortest(value, plain_below=6)}")
    sign, digits, exponent = _digits(value)
    if digits == "0" or -6 <= exponent < 21:
        return _plain(sign, digits, exponent)
    return _exponential(sign, digits, exponent).replace("e-0", "e-")


# --- numbers and lists ---


def number_of(value: Any, path: str) -> float | None:
    """A value as a number: JSON numbers and numeric strings. None for None; InsightError for anything else."""
    if value is None:
        return None
    if type(value) is float:
        return value
    if isinstance(value, str):
        return parse_float(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return as_float(value)
    raise InsightError(
        f"invalid type while extracting number from path {path}, expected numeric value but received {type_name(value)}"
    )


def array_of(value: Any, path: str) -> list[Any]:
    """A value as a list, empty for None; InsightError for anything else."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise InsightError(f"invalid type while extracting array from path {path}, received {type_name(value)}")


def parse_float(text: str) -> float:
    """Read a number as Go's ``strconv.ParseFloat`` does.

    ``1e3``, ``.5``, ``1_000``, ``0x1p-2``, ``Inf`` and ``NaN`` are numbers; spaces, other digits than ASCII's, and what
    is too large for a 64-bit float raise InsightError.
    """
    number = read_float(text)
    if number is None:
        in_syntax = _DECIMAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text)
        reason = "value out of range" if in_syntax else "invalid syntax"
        raise InsightError(f"strconv.ParseFloat: parsing {quote(text)}: {reason}")
    return number


def read_float(text: str) -> float | None:
    """The same, but None for what is no number."""
    if text[:1] not in _NUMBER_BEGINS:
        return None
    if _PLAIN_NUMBER.fullmatch(text):
        number = float(text)
    elif _SPECIAL.fullmatch(text):
        return float(text)
    elif _DECIMAL.fullmatch(text):
        number = float(text.replace("_", ""))
    elif _HEXADECIMAL.fullmatch(text):
        try:
            number = float.fromhex(text.replace("_", ""))
        except OverflowError:
            return None
    else:
        return None
    return None if math.isinf(number) else number


def as_float(number: float) -> float:
    """A JSON number as a 64-bit float; InsightError if it is too large for one."""
    try:
        return float(number)
    except OverflowError:
        raise InsightError("a number of a record is too large for a 64-bit float") from None


def type_name(value: Any) -> str:
    """A JSON value's type as Go's error messages name it."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)
