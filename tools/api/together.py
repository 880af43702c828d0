"""Several lookups as one document: each under an alias, its variables renamed, equal selections written once.

A text is rewritten and a document put together once; the same lookups with other values find it there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from tilores_x.tools.api.lookup import Lookup, field_of
from tilores_x.tools.api.requests import Request

#: What the fields of Tilores' query root return: a fragment names its type.
RETURNS = {"search": "SearchOutput", "entity": "EntityOutput", "entityByRecord": "EntityOutput"}

#: A string (a variable's name in it is none), a variable, or what opens and closes.
_TOKEN = re.compile(r'"""(?:\\"""|(?!""").)*"""|"(?:[^"\\\n]|\\.)*"|\$([_A-Za-z][_0-9A-Za-z]*)|[(){}]', re.DOTALL)

Shape = tuple[str, tuple[tuple[str, str], ...]]


def request_of(lookups: Sequence[Lookup]) -> Request:
    """One request for all ``lookups``: the one at place 3 answers as ``x3``, its variables are called ``x3_<name>``.

    Raises:
        QuestionError: variables can't be written as JSON.
    """
    if len(lookups) == 1:
        return Request.of(lookups[0].document, lookups[0].variables)
    document = _document(tuple((lookup.text, tuple(lookup.types.items())) for lookup in lookups))
    variables = {f"x{at}_{name}": value for at, one in enumerate(lookups) for name, value in one.variables.items()}
    return Request.of(document, variables, len(lookups))


class Parts(NamedTuple):
    """A lookup's text: up to its selection, and the selection with its braces. ``free``: no variable stands in it."""

    head: str
    selection: str
    free: bool


@lru_cache(maxsize=1024)
def parts_of(text: str) -> Parts:
    """``text`` taken apart; what is no whole field stays in one piece."""
    depth, start = 0, None
    free = True
    for token in _TOKEN.finditer(text):
        if token[0] in ("(", ")"):
            depth += 1 if token[0] == "(" else -1
        elif token[0] == "{" and not depth and start is None:
            start = token.start()
        elif token[1] and start is not None:
            free = False
    if start is None or depth or not text.rstrip().endswith("}"):
        return Parts(text, "", False)
    return Parts(text[:start], text[start:], free)


@lru_cache(maxsize=256)
def _document(shapes: tuple[Shape, ...]) -> str:
    parts = [parts_of(text) for text, _ in shapes]
    shared = Counter((field_of(part.head), part.selection) for part in parts if part.free)
    names = {one: f"s{at}" for at, (one, uses) in enumerate(shared.items()) if uses > 1 and one[0] in RETURNS}
    declared, fields = [], []
    for at, ((text, types), part) in enumerate(zip(shapes, parts, strict=True)):
        name = names.get((field_of(part.head), part.selection)) if part.free else None
        whole = text if name is None else f"{part.head}{{ ...{name} }}"
        fields.append(f"x{at}: {_renamed(whole, at)}")
        declared += [f"$x{at}_{variable}: {kind}" for variable, kind in types]
    fragments = [f"fragment {name} on {RETURNS[field]} {selection}" for (field, selection), name in names.items()]
    head = f"query lookups({', '.join(declared)})" if declared else "query lookups"
    return " ".join([f"{head} {{ {' '.join(fields)} }}", *fragments])


@lru_cache(maxsize=1024)
def _renamed(text: str, at: int) -> str:
    return _TOKEN.sub(lambda token: f"$x{at}_{token[1]}" if token[1] else token[0], text)
