"""RE2's syntax, as Go reads it, written anew for the package ``regex``.

The two disagree on much that they both accept: ``$`` means the end of the text alone, ``\\d``, ``\\s``, ``\\w`` and
``\\b`` know ASCII only, flags may change anywhere in the pattern, and backreferences and lookaround are errors. Only
whether a text matches is asked for, so groups capture nothing and greed is dropped.
"""

from __future__ import annotations

import re
import string

from tilores_x.sandbox.insights.re2_chars import CharacterReader, refuse

_WORD_CHARS = frozenset(string.ascii_letters + string.digits + "_")
_MOST_REPEATS = 1000
_MOST_NESTED = 1000
_COUNT = re.compile(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}")
_NAMED = re.compile(r"\(\?P?<")


def translate(pattern: str) -> str:
    """The pattern for the package ``regex``, to be searched for. InsightError with Go's message if RE2 refuses it."""
    return _Parser(pattern).translate()


class _Parser(CharacterReader):
    """Reads one pattern from left to right; ``weight`` is how often the innermost part is repeated at most."""

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern)
        self.depth = 0

    def translate(self) -> str:
        translated, _ = self.alternatives()
        if self.at < len(self.pattern):
            refuse("unexpected )", self.pattern)
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
                    refuse("missing argument to repetition operator", self.pattern[start : self.at])
                if repeat_start is not None:
                    refuse("invalid nested repetition operator", self.pattern[repeat_start : self.at])
                if max(least, most or 0) >= 2:
                    atom_weight *= most or least
                    if atom_weight > _MOST_REPEATS:
                        refuse("invalid repeat count", self.pattern[start : self.at])
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
                refuse("invalid repeat count", counts[0])
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
            refuse("expression nests too deeply", self.pattern)
        inside, weight = self.alternatives()
        if self.at >= len(self.pattern):
            refuse("missing closing )", self.pattern)
        self.at += 1
        self.depth -= 1
        self.flags = outer
        return f"(?:{inside})", weight

    def name(self, start: int) -> None:
        end = self.pattern.find(">", start)
        if end < 0:
            refuse("invalid named capture", self.pattern[self.at :])
        name = self.pattern[start:end]
        if not name or not _WORD_CHARS.issuperset(name):
            refuse("invalid named capture", self.pattern[self.at : end + 1])
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
                refuse("invalid or unsupported Perl syntax", self.pattern[start : self.at])
        return refuse("invalid or unsupported Perl syntax", self.pattern[start:])
