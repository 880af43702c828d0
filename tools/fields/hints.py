"""What the operator says about an instance's fields, in the TOML file that TILORES_FIELDS names.

::

    [concepts]                        # what a field means, where its name doesn't tell
    account_status = "KUNDENSTATUS"   # one path, or a list of them
    email = ["MAIL_1", "MAIL_2"]

    [search]                          # the same for search parameters
    email = "MAIL"

    [policy]                          # patterns: `*` matches any part of a name or path
    never = ["IBAN", "*SECRET*"]      # neither selected nor filtered by
    masked = ["DATE_OF_BIRTH"]        # leaves only masked
    allowed = ["CARD_LAST4"]          # takes a field out of the two defaults
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tilores_x.errors import ConfigError

_TABLES = {"concepts", "search", "policy"}
_POLICY = {"never", "masked", "allowed"}


@dataclass(frozen=True, slots=True)
class Hints:
    """The file's content; empty where there is none."""

    source: str = "TILORES_FIELDS"
    concepts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    search: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


def load_hints(path: Path | None) -> Hints:
    """Read the file.

    Raises:
        ConfigError: it can't be read, or holds something else than the tables above.
    """
    if path is None:
        return Hints()
    source = f"TILORES_FIELDS ({path})"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{source} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is no TOML: {error}") from error
    _only(content, _TABLES, source, "table")
    policy = _texts(content.get("policy", {}), source, "policy")
    _only(policy, _POLICY, f"{source} [policy]", "key")
    return Hints(
        source=source,
        concepts=_texts(content.get("concepts", {}), source, "concepts"),
        search=_texts(content.get("search", {}), source, "search"),
        never=policy.get("never", ()),
        masked=policy.get("masked", ()),
        allowed=policy.get("allowed", ()),
    )


def _only(table: Mapping[str, object], known: set[str], where: str, what: str) -> None:
    if unknown := sorted(set(table) - known):
        raise ConfigError(f"{where} has an unknown {what}: {unknown[0]}. Known are {', '.join(sorted(known))}.")


def _texts(table: object, source: str, name: str) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(table, dict):
        raise ConfigError(f"{source}: {name} must be a table.")
    found = {}
    for key, value in table.items():
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
            raise ConfigError(f"{source} [{name}] {key}: give one name or a list of names.")
        found[key] = tuple(texts)
    return found
