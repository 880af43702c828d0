"""One read of one field of the query root: what the tools ask Tilores for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_FIELD = re.compile(r"\s*([_A-Za-z][_0-9A-Za-z]*)")


@dataclass(frozen=True, slots=True)
class Lookup:
    """``text`` is the field with its arguments and selection, without alias or fragments:
    ``search(input: $input) { totalCount entities { id } }``. ``types`` are the GraphQL types of its ``variables``:
    ``{"input": "SearchInput!"}``.
    """

    text: str
    variables: Mapping[str, Any]
    types: Mapping[str, str]

    @property
    def field(self) -> str:
        """The name of the field."""
        return field_of(self.text)

    @property
    def document(self) -> str:
        """The lookup as a GraphQL document of its own."""
        return _document(self.text, tuple(self.types.items()))


@lru_cache(maxsize=1024)
def field_of(text: str) -> str:
    found = _FIELD.match(text)
    if found is None:
        raise ValueError(f"a lookup begins with a field's name, not as {text[:40]!r} does")
    return found[1]


@lru_cache(maxsize=1024)
def _document(text: str, types: tuple[tuple[str, str], ...]) -> str:
    declared = ", ".join(f"${name}: {kind}" for name, kind in types)
    return f"query lookup({declared}) {{ {text} }}" if declared else f"query lookup {{ {text} }}"
