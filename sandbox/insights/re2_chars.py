"""What stands for one character in RE2's syntax, written anew for the package ``regex``: escapes, classes, letters."""

from __future__ import annotations

import re
from typing import NoReturn

import regex

from tilores_x.sandbox.insights.chars import PERL, POSIX, unicode_class
from tilores_x.sandbox.insights.values import InsightError

_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_HEX = re.compile(r"\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2})")
_NO_HEX = re.compile(r"\{[0-9A-Fa-f]{0,5}.?|.{0,2}", re.DOTALL)
_OCTAL = re.compile(r"[0-7]{1,2}")
_PROPERTY = re.compile(r"(\^?)(?:\{([^}]*)\}|([^{]))", re.DOTALL)


def refuse(reason: str, text: str) -> NoReturn:
    """InsightError in Go's words."""
    raise InsightError(f"error parsing regexp: {reason}: `{text}`")


class CharacterReader:
    """Reads characters of a pattern, from where it stands; ``flags`` are those that hold there."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.flags: frozenset[str] = frozenset()

    def literal(self, code: int) -> str:
        char = chr(code)
        return f"(?i:{regex.escape(char)})" if "i" in self.flags and char.swapcase() != char else regex.escape(char)

    def literals(self) -> list[str]:
        """``\\Q…\\E``: everything between stands for itself."""
        end = self.pattern.find("\\E", self.at + 2)
        text = self.pattern[self.at + 2 : end if end >= 0 else None]
        self.at = end + 2 if end >= 0 else len(self.pattern)
        return [self.literal(ord(char)) for char in text]

    # --- escapes ---

    def escape(self) -> str:
        next_char = self.pattern[self.at + 1 : self.at + 2]
        fixed = {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?!(?a:\b))"}.get(next_char)
        if fixed is not None:
            self.at += 2
            return fixed
        class_ = self.class_escape()
        if class_ is not None:
            return self.one_of([class_], negated=False)
        return self.literal(self.char_escape())

    def class_escape(self) -> tuple[str, bool] | None:
        """``\\d``, ``\\pL`` and their like: what it stands for, and whether all else is meant; None if others."""
        kind = self.pattern[self.at + 1 : self.at + 2]
        if kind.lower() in PERL:
            self.at += 2
            return PERL[kind.lower()], kind.isupper()
        if kind not in ("p", "P"):
            return None
        found = _PROPERTY.match(self.pattern, self.at + 2)
        if found is None:
            refuse("invalid character class range", self.pattern[self.at :])
        name = found[2] if found[2] is not None else found[3]
        negated = (kind == "P") != bool(found[1])
        if found[2] is not None and name.startswith("^"):
            name, negated = name[1:], not negated
        inside = unicode_class(name)
        if inside is None:
            refuse("invalid character class range", self.pattern[self.at : found.end()])
        self.at = found.end()
        return inside, negated

    def char_escape(self) -> int:
        """A backslash and what follows it, standing for one character."""
        start = self.at
        char = self.pattern[start + 1 : start + 2]
        if not char:
            refuse("trailing backslash at end of expression", "")
        self.at += 2
        if char in _CONTROL:
            return _CONTROL[char]
        if char in "01234567":
            octal = _OCTAL.match(self.pattern, self.at)
            if char == "0" or octal is not None:
                digits = char + (octal[0] if octal else "")
                self.at += len(digits) - 1
                return int(digits, 8)
        elif char == "x":
            code = _HEX.match(self.pattern, self.at)
            if code is not None and int(code[1] or code[2], 16) <= 0x10FFFF:
                self.at = code.end()
                return int(code[1] or code[2], 16)
            bad = _NO_HEX.match(self.pattern, self.at)
            self.at = bad.end() if bad else self.at
        elif char.isascii() and not char.isalnum():
            return ord(char)
        return refuse("invalid escape sequence", self.pattern[start : self.at])

    # --- classes ---

    def bracket(self) -> str:
        start = self.at
        self.at += 1
        negated = self.pattern.startswith("^", self.at)
        self.at += negated
        parts: list[tuple[str, bool]] = []
        first = True
        while first or not self.pattern.startswith("]", self.at):
            first = False
            if self.pattern.startswith("[:", self.at) and (end := self.pattern.find(":]", self.at + 2)) >= 0:
                name = self.pattern[self.at + 2 : end]
                if name.removeprefix("^") not in POSIX:
                    refuse("invalid character class range", self.pattern[self.at : end + 2])
                parts.append((POSIX[name.removeprefix("^")], name.startswith("^")))
                self.at = end + 2
                continue
            if self.pattern.startswith("\\", self.at) and (class_ := self.class_escape()) is not None:
                parts.append(class_)
                continue
            parts.append((self.range(start), False))
        self.at += 1
        return self.one_of(parts, negated=negated)

    def range(self, bracket: int) -> str:
        start = self.at
        low = high = self.class_char(bracket)
        if self.pattern.startswith("-", self.at) and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
            self.at += 1
            high = self.class_char(bracket)
            if high < low:
                refuse("invalid character class range", self.pattern[start : self.at])
        return _code(low) if low == high else f"{_code(low)}-{_code(high)}"

    def class_char(self, bracket: int) -> int:
        if self.at >= len(self.pattern):
            refuse("missing closing ]", self.pattern[bracket:])
        if self.pattern[self.at] == "\\":
            return self.char_escape()
        self.at += 1
        return ord(self.pattern[self.at - 1])

    def one_of(self, parts: list[tuple[str, bool]], *, negated: bool) -> str:
        """One character out of any of the parts (what is between brackets, or all else), or out of none of them."""
        plain = "".join(inside for inside, all_but in parts if not all_but)
        choices = [f"[{plain}]"] if plain else []
        choices += [f"[^{inside}]" for inside, all_but in parts if all_but]
        if negated and len(choices) == 1 and plain:
            text = "[^" + choices[0][1:]
        elif negated:
            text = f"(?!{'|'.join(choices)})(?s:.)"
        else:
            text = choices[0] if len(choices) == 1 else "|".join(choices)
        return f"(?{'i' if 'i' in self.flags else ''}:{text})"


def _code(code: int) -> str:
    return f"\\U{code:08x}"
