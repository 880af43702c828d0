"""A query's text taken apart at its root: each field with its variables under plain names, and the fragments it uses.

Clients put lookups of the same few kinds together in ever new mixes. A mix is new, its parts are not: what was parsed
and checked for one serves all. Only the plain form is taken apart (one query, variables without defaults, no comments);
for everything else there is the parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r'(?P<text>"""(?:\\"""|(?!""").)*"""|"(?:[^"\\\n]|\\.)*")|\$(?P<variable>[_A-Za-z]\w*)'
    r"|\.\.\.\s*(?P<spread>(?!on\b)[_A-Za-z]\w*)|(?P<sign>[{}()\[\]#])",
    re.DOTALL | re.ASCII,
)
_HEAD = re.compile(r"\s*(?:query\s*(?P<name>[_A-Za-z]\w*)?\s*(?:\((?P<declared>[^(){}\"#@=]*)\))?\s*)?\{", re.ASCII)
_DECLARED = re.compile(r"\s*,?\s*\$([_A-Za-z]\w*)\s*:\s*([\[_A-Za-z][\[\]!\w\s]*?)\s*(?=,|\$|$)", re.ASCII)
_ROOT = re.compile(r"[\s,]*(?:(?P<alias>[_A-Za-z]\w*)\s*:\s*)?(?P<field>[_A-Za-z]\w*)", re.ASCII)
_NEXT = re.compile(r"\s*([({])")
_NOT_PLAIN = re.compile(r"\s*[@({]")
_END = re.compile(r"[\s,]*\}")
_FRAGMENT = re.compile(r"\s*fragment\s+(?P<name>[_A-Za-z]\w*)\s+on\s+[_A-Za-z]\w*\s*\{", re.ASCII)


@dataclass(frozen=True, slots=True)
class Piece:
    """A root field: ``text`` is a query of it alone, ``variables`` the names there by those in the whole query."""

    answers_as: str
    text: str
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Whole:
    """A query in pieces."""

    name: str | None
    pieces: tuple[Piece, ...]


def pieces_of(text: str) -> Whole | None:
    """None where the text is not of the plain form; whether it is valid is left to be seen."""
    head = _HEAD.match(text)
    if head is None:
        return None
    declared = dict(_DECLARED.findall(head["declared"] or ""))
    if _DECLARED.sub("", head["declared"] or "").strip(" \t\r\n,"):
        return None
    found = list(_roots(text, head.end()))
    if not found or found[-1] is None:
        return None
    *roots, end = found
    fragments = _fragments(text, int(end))  # type: ignore[arg-type]
    if fragments is None:
        return None
    pieces = tuple(_piece(root, declared, fragments) for root in roots if isinstance(root, tuple))
    if any(piece is None for piece in pieces):
        return None
    whole = tuple(piece for piece in pieces if piece is not None)
    names = {piece.answers_as for piece in whole}
    used = {name for piece in whole for name in piece.variables}
    if not whole or len(names) < len(whole) or used != declared.keys() or any(len(v) == 0 for v in declared.values()):
        return None
    return Whole(head["name"], whole)


def _roots(text: str, start: int) -> Iterator[tuple[str, str] | int | None]:
    """(response name, field with all that belongs to it) of each, then where the query ends; None where it fails."""
    at = start
    while True:
        closing = _END.match(text, at)
        if closing:
            yield closing.end()
            return
        root = _ROOT.match(text, at)
        end = _end_of_field(text, root.end()) if root else None
        if root is None or end is None:
            yield None
            return
        yield (root["alias"] or root["field"], text[root.start("field") : end])
        at = end


def _end_of_field(text: str, at: int) -> int | None:
    """Where a field with arguments and a selection ends."""
    for opening in "({":
        following = _NEXT.match(text, at)
        if following and following[1] == opening:
            end = _closing(text, following.end())
            if end is None:
                return None
            at = end
    # A directive, or something else that belongs to it.
    return None if _NOT_PLAIN.match(text, at) else at


def _closing(text: str, at: int) -> int | None:
    """Where the bracket that was opened before ``at`` is closed."""
    depth = 1
    for token in _TOKEN.finditer(text, at):
        sign = token["sign"]
        if sign == "#":
            return None
        if sign in ("{", "(", "["):
            depth += 1
        elif sign:
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def _fragments(text: str, at: int) -> Mapping[str, str] | None:
    found: dict[str, str] = {}
    while text[at:].strip():
        fragment = _FRAGMENT.match(text, at)
        end = _closing(text, fragment.end()) if fragment else None
        if fragment is None or end is None or fragment["name"] in found:
            return None
        found[fragment["name"]] = text[at:end]
        at = end
    return found


def _piece(root: tuple[str, str], declared: Mapping[str, str], fragments: Mapping[str, str]) -> Piece | None:
    name, field = root
    used = _used(field, fragments)
    if used is None:
        return None
    parts = [field, *(fragments[each] for each in used)]
    variables: dict[str, str] = {}

    def renamed(token: re.Match[str]) -> str:
        given = token["variable"]
        return token[0] if given is None else "$" + variables.setdefault(given, f"v{len(variables)}")

    written, *rest = [_TOKEN.sub(renamed, part) if "$" in part else part for part in parts]
    if not variables.keys() <= declared.keys():
        return None
    head = ", ".join(f"${plain}: {declared[given]}" for given, plain in variables.items())
    return Piece(name, f"query{f' ({head})' if head else ''} {{ {written} }} {' '.join(rest)}", variables)


@lru_cache(maxsize=256)
def _spreads(text: str) -> tuple[str, ...]:
    return tuple(token["spread"] for token in _TOKEN.finditer(text) if token["spread"]) if "..." in text else ()


def _used(field: str, fragments: Mapping[str, str]) -> list[str] | None:
    """The fragments that a field uses, those that these use included; None where one is missing."""
    used: dict[str, None] = {}
    pending = [field]
    while pending:
        for spread in _spreads(pending.pop()):
            if spread in used:
                continue
            if spread not in fragments:
                return None
            used[spread] = None
            pending.append(fragments[spread])
    return list(used)
