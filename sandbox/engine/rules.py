"""Rules: when two records belong to one person, and when a search finds a record.

``rules.toml`` is documented in README.md beside this file. A rule holds for two records when all of its matchers do; a
matcher never holds on a missing or empty value. What a rule sees in a record is its `Traits`: keys, of which two
matching records share at least one, and the texts whose likeness is then measured. So a rule without ``similar`` is
decided by looking keys up, and one with it by comparing few candidates.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import islice, product
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from tilores_x.errors import InstanceError
from tilores_x.sandbox.engine.matching import (
    TRANSFORMS,
    DateOrder,
    PhoneticCode,
    alike,
    comparable,
    dates,
    neighbourhood,
    phone,
    sound,
)

MOST_KEYS: Final = 256
"""Keys that one rule takes from one record; only lists of many values reach it."""

Name = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^:\s]+$")]
Transform = Literal["lowercase", "uppercase", "trim", "squeeze", "ascii", "digits", "letters", "alphanumeric"]


class Traits(NamedTuple):
    """What one rule sees in one record."""

    keys: tuple[int, ...]
    texts: tuple[tuple[str, ...], ...]
    """Per ``similar`` matcher, the texts to be compared."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Matcher(_Table):
    """A test of one field, given by its dotted path."""

    field: str = Field(min_length=1)
    how: Literal["exact", "similar", "phonetic", "date", "phone"] = "exact"
    transform: tuple[Transform, ...] = ()
    least: float | None = Field(None, gt=0, le=1)
    order: DateOrder | None = None
    region: str = Field("US", pattern="^[A-Z]{2}$")
    code: PhoneticCode = "metaphone"

    @model_validator(mode="after")
    def _fitting(self) -> Matcher:
        owners = {"least": "similar", "order": "date", "region": "phone", "code": "phonetic"}
        for option, owner in owners.items():
            if option in self.model_fields_set and self.how != owner:
                raise ValueError(f'`{option}` is for how = "{owner}" only')
        if self.how == "similar" and self.least is None:
            raise ValueError('how = "similar" needs `least`, e.g. least = 0.9')
        return self

    def values(self, record: Mapping[str, Any]) -> list[str]:
        """What the field holds in the matcher's common notation; empty where nothing fits."""
        found: dict[str, None] = {}
        for text in texts_at(record, self.field):
            for name in self.transform:
                text = TRANSFORMS[name](text)
            found.update(dict.fromkeys(self._keys(text)))
        return list(found)

    def _keys(self, text: str) -> Iterable[str]:
        match self.how:
            case "exact":
                return (text,) if text else ()
            case "similar":
                return filter(None, (comparable(text),))
            case "phonetic":
                return filter(None, (sound(text, self.code),))
            case "date":
                return dates(text, self.order)
            case "phone":
                return filter(None, (phone(text, self.region),))


class Rule(_Table):
    """A named conjunction of matchers."""

    id: Name
    match: tuple[Matcher, ...] = Field(min_length=1)
    link: bool = True
    search: bool = True
    alone: bool = False

    @property
    def fields(self) -> frozenset[str]:
        """The names of the record's own fields that the rule looks at."""
        return frozenset(matcher.field.split(".")[0] for matcher in self.match)

    @property
    def measures(self) -> tuple[float, ...]:
        """``least`` of each ``similar`` matcher, in the order of `Traits.texts`."""
        return tuple(matcher.least for matcher in self.match if matcher.least is not None)

    def traits(self, record: Mapping[str, Any]) -> Traits | None:
        """What this rule sees in the record, or None where a matcher finds nothing to test."""
        exact: list[Sequence[str]] = []
        texts: list[tuple[str, ...]] = []
        for matcher in self.match:
            values = matcher.values(record)
            if not values:
                return None
            if matcher.how == "similar":
                texts.append(tuple(values))
            else:
                exact.append(values)
        if not exact:
            exact = [list(dict.fromkeys(key for text in texts[0] for key in neighbourhood(text)))]
        combined = islice(product(*exact), MOST_KEYS)
        return Traits(tuple(dict.fromkeys(_hash(self.id, parts) for parts in combined)), tuple(texts))

    def holds(self, a: Traits, b: Traits) -> bool:
        """Whether the rule links two records with these traits."""
        return not set(a.keys).isdisjoint(b.keys) and self.close(a.texts, b.texts)

    def close(self, a: Sequence[Sequence[str]], b: Sequence[Sequence[str]]) -> bool:
        """Whether the ``similar`` matchers hold between two records that share a key."""
        return all(
            any(alike(x, y, least) for x in xs for y in ys) for least, xs, ys in zip(self.measures, a, b, strict=True)
        )


class RuleSet(_Table):
    """All rules of an instance, in the order of the file."""

    rule: tuple[Rule, ...] = Field(min_length=1)
    duplicates: Duplicates = Field(default_factory=lambda: Duplicates(ignore=()))
    search_sets: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> RuleSet:
        ids = [rule.id for rule in self.rule]
        if repeated := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"the rule ID {repeated[0]} is given twice")
        for name, chosen in self.search_sets.items():
            if unknown := [rule for rule in chosen if rule not in ids]:
                raise ValueError(f"search_sets.{name} names the rule {unknown[0]}, which is not defined")
        used = {matcher.field.split(".")[0]: rule.id for rule in self.rule for matcher in rule.match}
        if clash := [field for field in self.duplicates.ignore if field in used]:
            raise ValueError(f"duplicates.ignore names {clash[0]}, which the rule {used[clash[0]]} looks at")
        return self

    @property
    def linking(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rule if rule.link)

    def searching(self, name: str | None = None) -> tuple[Rule, ...]:
        """The rules of the named search set, or all that search.

        Raises:
            KeyError: no search set has that name.
        """
        if name is None:
            return tuple(rule for rule in self.rule if rule.search)
        chosen = self.search_sets[name]
        return tuple(rule for rule in self.rule if rule.id in chosen)


class Duplicates(_Table):
    """Which fields may differ between duplicates."""

    ignore: tuple[str, ...] = ()


RuleSet.model_rebuild()


def load_rules(path: Path) -> RuleSet:
    """The rules of a file.

    Raises:
        InstanceError: the file can't be read or used; the message names file, rule and remedy.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InstanceError(f"{path}: this is no valid TOML: {error}") from None
    except OSError as error:
        raise InstanceError(f"{path}: can't be read: {error.strerror}") from None
    try:
        return RuleSet.model_validate(tables)
    except ValidationError as error:
        raise InstanceError("; ".join(f"{path}: {_in_words(problem, tables)}" for problem in error.errors())) from None


def _in_words(problem: Any, tables: Mapping[str, Any]) -> str:
    place = list(problem["loc"])
    words = []
    if place[:1] == ["rule"] and len(place) > 1:
        at = int(place[1])
        words.append(f"rule {tables['rule'][at].get('id', f'no. {at + 1}')}")
        place = place[2:]
        if place[:1] == ["match"] and len(place) > 1:
            words.append(f"matcher {int(place[1]) + 1}")
            place = place[2:]
    words += [f"`{'.'.join(map(str, place))}`"] if place else []
    message = problem["msg"].removeprefix("Value error, ")
    if "input" in problem and isinstance(problem["input"], str):
        message += f" (it is {problem['input']!r})"
    return f"{', '.join(words)}: {message}" if words else message


def texts_at(record: Mapping[str, Any], path: str) -> list[str]:
    """The texts at a dotted path; every element counts where the path meets a list (``*`` may stand for it)."""
    level: list[Any] = [record]
    for part in path.split("."):
        below: list[Any] = []
        for value in level:
            if isinstance(value, Mapping):
                below.append(value.get(part))
            elif isinstance(value, list):
                if part == "*":
                    below.extend(value)
                elif part.isdigit():
                    below.extend(value[int(part) : int(part) + 1])
                else:
                    below.extend(item.get(part) for item in value if isinstance(item, Mapping))
        level = below
    leaves = [leaf for value in level for leaf in (value if isinstance(value, list) else (value,))]
    return [_text(leaf) for leaf in leaves if leaf is not None]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _hash(rule: str, parts: Iterable[str]) -> int:
    text = "\x1f".join((rule, *parts))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)
