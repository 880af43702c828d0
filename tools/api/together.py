"""Several lookups as one document: each under an alias, its variables renamed.

A text is rewritten and a document put together once; the same lookups with other values find it there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.api.requests import Request

#: A string (a variable's name in it is none), or a variable.
_TOKEN = re.compile(r'"""(?:\\"""|(?!""").)*"""|"(?:[^"\\\n]|\\.)*"|\$([_A-Za-z][_0-9A-Za-z]*)', re.DOTALL)

Shape = tuple[str, tuple[tuple[str, str], ...]]


def alias(at: int) -> str:
    """The name under which the lookup at that place answers; its variables are called ``<alias>_<name>``."""
    return f"x{at}"


def request_of(lookups: Sequence[Lookup]) -> Request:
    """One request for all ``lookups``.

    Raises:
        QuestionError: variables can't be written as JSON.
    """
    if len(lookups) == 1:
        return Request.of(lookups[0].document, lookups[0].variables)
    document = _document(tuple((lookup.text, tuple(lookup.types.items())) for lookup in lookups))
    variables = {f"x{at}_{name}": value for at, one in enumerate(lookups) for name, value in one.variables.items()}
    return Request.of(document, variables, len(lookups))


@lru_cache(maxsize=256)
def _document(shapes: tuple[Shape, ...]) -> str:
    pieces = [_piece(at, text, types) for at, (text, types) in enumerate(shapes)]
    declared = ", ".join(declaration for declaration, _ in pieces if declaration)
    fields = " ".join(field for _, field in pieces)
    return f"query lookups({declared}) {{ {fields} }}" if declared else f"query lookups {{ {fields} }}"


@lru_cache(maxsize=1024)
def _piece(at: int, text: str, types: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    def renamed(token: re.Match[str]) -> str:
        return f"$x{at}_{token[1]}" if token[1] else token[0]

    declared = ", ".join(f"$x{at}_{name}: {kind}" for name, kind in types)
    return declared, f"x{at}: {_TOKEN.sub(renamed, text)}"
