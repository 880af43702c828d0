"""Which fields may leave Tilores: allowed, masked, never.

Never: neither selected nor searched, filtered, sorted or grouped by. Masked: selected, but only a mask of the value
leaves, and nothing that would tell the value (filters, order, groups, aggregates over it) is asked for. Defaults go by
name; the operator's ``[policy]`` table stands above them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from cachetools import LRUCache

from tilores_x.errors import ConfigError
from tilores_x.tools.api.schema import InstanceSchema
from tilores_x.tools.dates import date_of
from tilores_x.tools.fields.hints import Hints
from tilores_x.tools.fields.names import nearest, words
from tilores_x.tools.fields.paths import Json, Path


class Rule(StrEnum):
    ALLOWED = "allowed"
    MASKED = "masked"
    NEVER = "never"


#: Words that make a name never leave, wherever they stand in a path: payment cards, their codes and expiry, national
#: identity, tax and bank account numbers, and what opens an account.
NEVER = (
    "card number", "card no", "cardnumber", "creditcard number", "pan", "card expiry", "card expiration", "card exp",
    "cvv", "cvc", "cvv 2", "cvc 2", "security code", "pin",
    "ssn", "social security", "social security number", "taxpayer identifier", "tax id", "tin", "itin", "national id",
    "passport", "passport number", "driver license", "drivers license", "driving licence",
    "iban", "bank account number", "account number", "account no", "routing number",
    "password", "passwd", "secret", "token", "api key",
)  # fmt: skip
#: Words whose field leaves masked: a birthday together with a name identifies a person to others.
MASKED = ("date of birth", "birth date", "birthdate", "dob", "birthday")

HIDDEN = "[hidden]"

_SSN = re.compile(r"(?<![\d-])\d{3}[- ]\d{2}[- ]\d{4}(?![\d-])")
_LONG_NUMBER = re.compile(r"(?<![\d.])[2-6](?:[ -]?\d){12,18}(?![\d.])")


@dataclass(frozen=True)
class FieldPolicy:
    """The rule of every field and search parameter of one instance."""

    _fields: Mapping[str, Rule]
    _params: Mapping[str, Rule]
    _asked: LRUCache[str, Rule] = field(default_factory=lambda: LRUCache(4096), init=False, repr=False, compare=False)

    @classmethod
    def of(cls, schema: InstanceSchema, hints: Hints | None = None) -> FieldPolicy:
        """The defaults by name, under what the operator says.

        Raises:
            ConfigError: a pattern of the operator's matches no field.
        """
        hints = hints or Hints()
        known = [*schema.by_path, *(parameter.name for parameter in schema.search_params)]
        for pattern in (*hints.never, *hints.masked, *hints.allowed):
            if not any(_matches(pattern, name) for name in known):
                near = ", ".join(nearest(pattern, known)) or "none alike"
                raise ConfigError(f"{hints.source} [policy]: no field is named {pattern}. Near: {near}.")
        return cls(
            {path: _rule(path, hints) for path in schema.by_path},
            {parameter.name: _rule(parameter.name, hints) for parameter in schema.search_params},
        )

    def rule(self, path: Path | str) -> Rule:
        """The rule of a value field; what is unknown never leaves."""
        text = path if isinstance(path, str) else path.text
        rule = self._asked.get(text)
        if rule is None:
            rule = self._asked[text] = self._rule_of(Path.parse(text))
        return rule

    def _rule_of(self, parsed: Path | None) -> Rule:
        if parsed is None:
            return Rule.NEVER
        rule = self._fields.get(parsed.star, Rule.NEVER)
        # What a pick compares with is told by what it finds.
        picked = [other for names in parsed.picked_names for other in self._fields if _plain(other) == names]
        if any(self._fields[other] is not Rule.ALLOWED for other in picked):
            return Rule.NEVER
        return rule

    def visible(self, path: Path | str) -> bool:
        """Whether the field may be selected at all."""
        return self.rule(path) is not Rule.NEVER

    def masks(self, path: Path | str) -> bool:
        return self.rule(path) is Rule.MASKED

    def searchable(self, parameter: str) -> bool:
        return self._params.get(parameter, Rule.NEVER) is not Rule.NEVER

    def shown(self, path: Path | str, value: Json) -> Json:
        """``value`` as it may leave: masked, hidden, or with numbers of cards and identities hidden in free text."""
        return SHOWN[self.rule(path)](value)


def _hidden(_value: Json) -> Json:
    return HIDDEN


def mask(value: Json) -> Json:
    """The year of a date, nothing of anything else."""
    if value is None or value == "":
        return value
    date = date_of(value) if isinstance(value, str) else None
    return f"{date.year} (only the year is shown)" if date else HIDDEN


def _allowed(value: Json) -> Json:
    return scrubbed(value) if isinstance(value, str) else value


#: What becomes of a value under each rule.
SHOWN: Mapping[Rule, Callable[[Json], Json]] = {Rule.NEVER: _hidden, Rule.MASKED: mask, Rule.ALLOWED: _allowed}


def scrubbed(text: str) -> str:
    """``text`` with what looks like a card number (13 to 19 digits, Luhn's check holds) or an SSN hidden.

    Cards begin with 2 to 6 (ISO/IEC 7812-1: travel, banking and merchandising).
    """
    if len(text) < 9:
        return text
    text = _SSN.sub(HIDDEN, text)
    return _LONG_NUMBER.sub(lambda match: HIDDEN if _luhn(match[0]) else match[0], text)


def _luhn(text: str) -> bool:
    """Luhn's checksum (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _rule(path: str, hints: Hints) -> Rule:
    for patterns, rule in ((hints.never, Rule.NEVER), (hints.masked, Rule.MASKED), (hints.allowed, Rule.ALLOWED)):
        if any(_matches(pattern, path) for pattern in patterns):
            return rule
    names = [f" {' '.join(words(name))} " for name in _plain(path)]
    if any(f" {term} " in name for name in names for term in NEVER):
        return Rule.NEVER
    if any(f" {term} " in name for name in names for term in MASKED):
        return Rule.MASKED
    return Rule.ALLOWED


def _matches(pattern: str, path: str) -> bool:
    wanted, name = pattern.casefold(), path.casefold()
    return fnmatchcase(name, wanted) or fnmatchcase(name, f"*.{wanted}") or fnmatchcase(name, f"{wanted}.*")


def _plain(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split(".") if part != "*")
