"""The words of ``vocabulary.toml``, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources

_FILE = tomllib.loads(resources.files("tilores_x.llm.planner").joinpath("vocabulary.toml").read_text("utf-8"))


def _phrases(section: str) -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(text.replace("\n", "").split("|")) for name, text in _FILE[section].items()}


BUREAUS, TOPICS, FIELDS = _phrases("bureaus"), _phrases("topics"), _phrases("fields")
COURTESY, GOING_ON = _phrases("words")["courtesy"], _phrases("words")["going_on"]
SKIPPED = frozenset(_FILE["words"]["skipped"].split())
SMALL = SKIPPED | frozenset(_FILE["words"]["small"].split())
NAMES, BEFORE = frozenset(_FILE["words"]["names"].split()), frozenset(_FILE["words"]["before"].split())
DETERMINERS = frozenset(_FILE["words"]["determiners"].split())
MIXED_UP = tuple(_FILE["words"]["mixed_up"].split())
