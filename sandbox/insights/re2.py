"""RE2's syntax, as Go reads it, written anew for the package ``regex``.

The two disagree on much that they both accept: ``$`` means the end of the text alone, ``\\d``, ``\\s``, ``\\w`` and
``\\b`` know ASCII only, flags may change anywhere in the pattern, and backreferences and lookaround are errors. Only
whether a text matches is asked for, so groups capture nothing and greed is dropped.
"""

from __future__ import annotations

import re
import string
from typing import NoReturn

import regex

from tilores_x.sandbox.insights.chars import PERL, POSIX, unicode_class
from tilores_x.sandbox.insights.values import InsightError

_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_WORD_CHARS = frozenset(string.ascii_letters + string.digits + "_")
_MOST_REPEATS = 1000
_MOST_NESTED = 1000
_COUNT = re.compile(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}")
_HEX = re.compile(r"\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2})")
_NO_HEX = re.compile(r"\{[0-9A-Fa-f]{0,5}.?|.{0,2}", re.DOTALL)
_OCTAL = re.compile(r"[0-7]{1,2}")
_PROPERTY = re.compile(r"(\^?)(?:\{([^}]*)\}|([^{]))", re.DOTALL)
_NAMED = re.compile(r"\(\?P?<")


def translate(pattern: str) -> str:
    """The pattern for the package ``regex``, to be searched for. InsightError with Go's message if RE2 refuses it."""
    return _Parser(pattern).translate()


def _refuse(reason: str, text: str) -> NoReturn:
    raise InsightError(f"error parsing regexp: {reason}: `{text}`")


class _Parser:
    """Reads one pattern from left to right; ``weight`` is how often the innermost part is repeated at most."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.flags: frozenset[str] = frozenset()
        self.depth = 0

    def translate(self) -> str:
        translated, _ = self.alternatives()
        if self.at < len(self.pattern):
            _refuse("unexpected )", self.pattern)
        return translated

    def alternatives(self) -> tuple[str, int]:
        """Everything up to a closing parenthesis or the end."""
        branches: list[list[str]] = [[]]
        weight = 1
        repeat_start: int | None = None  # where the repetition just read begins, if one was
        atom_weight = 1
        while self.at < len(self.pattern):
            start, char = self.at, self.pattern[self.at]
            if char == ")":
                break
            if char == "|":
                self.at += 1
                branches.append([])
                repeat_start = None
                continue
            found = self.repetition()
            if found is not None:
                written, least, most = found
                if not branches[-1]:
                    _refuse("missing argument to repetition operator", self.pattern[start : self.at])
                if repeat_start is not None:
                    _refuse("invalid nested repetition operator", self.pattern[repeat_start : self.at])
                if max(least, most or 0) >= 2:
                    atom_weight *= most or least
                    if atom_weight > _MOST_REPEATS:
                        _refuse("invalid repeat count", self.pattern[start : self.at])
                    weight = max(weight, atom_weight)
                branches[-1][-1] = f"(?:{branches[-1][-1]}){written}"
                repeat_start = start
                continue
            repeat_start = None
            if self.pattern.startswith("\\Q", self.at):
                branches[-1].extend(self.literals())
                atom_weight = 1
                continue
            atom, atom_weight = self.atom()
            weight = max(weight, atom_weight)
            if atom is not None:
                branches[-1].append(atom)
        return "|".join("".join(branch) for branch in branches), weight

    def repetition(self) -> tuple[str, int, int | None] | None:
        """The repetition operator here as Python writes it, with its least and most (None: no limit)."""
        char = self.pattern[self.at]
        if char in "*+?":
            self.at += 1
            found: tuple[str, int, int | None] = (char, int(char == "+"), 1 if char == "?" else None)
        else:
            counts = _COUNT.match(self.pattern, self.at)
            if counts is None:
                return None
            least = int(counts[1])
            most = least if counts[2] is None else int(counts[3]) if counts[3] else None
            if max(least, most or 0) > _MOST_REPEATS or (most is not None and most < least):
                _refuse("invalid repeat count", counts[0])
            self.at = counts.end()
            found = (f"{{{least},{'' if most is None else most}}}", least, most)
        if self.pattern.startswith("?", self.at):
            self.at += 1
        return found

    def atom(self) -> tuple[str | None, int]:
        """One thing that can be repeated; None where only flags were changed."""
        char = self.pattern[self.at]
        if char == "(":
            return self.group()
        if char == "[":
            return self.bracket(), 1
        if char == "\\":
            return self.escape(), 1
        self.at += 1
        if char == ".":
            return "(?s:.)" if "s" in self.flags else ".", 1
        if char == "^":
            return "(?m:^)" if "m" in self.flags else r"\A", 1
        if char == "$":
            return "(?m:$)" if "m" in self.flags else r"\Z", 1
        return self.literal(ord(char)), 1

    def literals(self) -> list[str]:
        """``\\Q…\\E``: everything between stands for itself."""
        end = self.pattern.find("\\E", self.at + 2)
        text = self.pattern[self.at + 2 : end if end >= 0 else None]
        self.at = end + 2 if end >= 0 else len(self.pattern)
        return [self.literal(ord(char)) for char in text]

    # --- groups ---

    def group(self) -> tuple[str | None, int]:
        outer = self.flags
        named = _NAMED.match(self.pattern, self.at)
        if named is not None:
            self.name(named.end())
        elif self.pattern.startswith("(?", self.at):
            if not self.change_flags():
                return None, 1
        else:
            self.at += 1
        self.depth += 1
        if self.depth > _MOST_NESTED:
            _refuse("expression nests too deeply", self.pattern)
        inside, weight = self.alternatives()
        if self.at >= len(self.pattern):
            _refuse("missing closing )", self.pattern)
        self.at += 1
        self.depth -= 1
        self.flags = outer
        return f"(?:{inside})", weight

    def name(self, start: int) -> None:
        end = self.pattern.find(">", start)
        if end < 0:
            _refuse("invalid named capture", self.pattern[self.at :])
        name = self.pattern[start:end]
        if not name or not _WORD_CHARS.issuperset(name):
            _refuse("invalid named capture", self.pattern[self.at : end + 1])
        self.at = end + 1

    def change_flags(self) -> bool:
        """Read ``(?flags)`` or ``(?flags:``; True if a group begins here."""
        start = self.at
        self.at += 2
        flags = set(self.flags)
        clearing = seen = False
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            self.at += 1
            if char in "imsU":
                seen = True
                (flags.discard if clearing else flags.add)(char)
            elif char == "-" and not clearing:
                clearing, seen = True, False
            elif char in ":)" and (seen or not clearing):
                self.flags = frozenset(flags)
                return char == ":"
            else:
                _refuse("invalid or unsupported Perl syntax", self.pattern[start : self.at])
        return _refuse("invalid or unsupported Perl syntax", self.pattern[start:])

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
            _refuse("invalid character class range", self.pattern[self.at :])
        name = found[2] if found[2] is not None else found[3]
        negated = (kind == "P") != bool(found[1])
        if found[2] is not None and name.startswith("^"):
            name, negated = name[1:], not negated
        inside = unicode_class(name)
        if inside is None:
            _refuse("invalid character class range", self.pattern[self.at : found.end()])
        self.at = found.end()
        return inside, negated

    def char_escape(self) -> int:
        """A backslash and what follows it, standing for one character."""
        start = self.at
        char = self.pattern[start + 1 : start + 2]
        if not char:
            _refuse("trailing backslash at end of expression", "")
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
        return _refuse("invalid escape sequence", self.pattern[start : self.at])

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
                    _refuse("invalid character class range", self.pattern[self.at : end + 2])
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
                _refuse("invalid character class range", self.pattern[start : self.at])
        return _code(low) if low == high else f"{_code(low)}-{_code(high)}"

    def class_char(self, bracket: int) -> int:
        if self.at >= len(self.pattern):
            _refuse("missing closing ]", self.pattern[bracket:])
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

    def literal(self, code: int) -> str:
        char = chr(code)
        return f"(?i:{regex.escape(char)})" if "i" in self.flags and char.swapcase() != char else regex.escape(char)


def _code(code: int) -> str:
    return f"\\U{code:08x}"
