"""Takes out of an answer what no record proves, and leaves the rest of its Markdown whole."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tilores_x.graph.proof.figures import Item
from tilores_x.graph.proof.grounding import EvidenceIndex, unproven

_SENTENCE = re.compile(r"(?<=[.!?])(?:[*_\"”)]{0,3})\s+(?=[^\s])")
_ROW = re.compile(r"\s*(?:[-*+]\s|\d{1,3}[.)]\s|\|)")
_MARKER = re.compile(r"\s*(?:[-*+>]|\d{1,3}[.)])?\s*")


def proven_part(text: str, index: EvidenceIndex) -> tuple[str, list[str]]:
    """``text`` with all that is unproven taken out, and what that was (see ``without``)."""
    removed: list[str] = []
    while items := unproven(text, index):
        text, more = without(text, items)
        removed += more
    return text, removed


def without(text: str, items: Sequence[Item]) -> tuple[str, list[str]]:
    """``text`` without the sentences, list entries and table rows that hold ``items``.

    Also what was taken out, each with "…" in place of the item itself, so that it can be named without being said.
    """
    lines: list[tuple[str, bool]] = []
    removed: list[str] = []
    at = 0
    for line in text.splitlines(keepends=True):
        hit = [item for item in items if at <= item.start < at + len(line)]
        kept = line if not hit else _without_sentences(line, at, hit, removed)
        lines.append((kept, bool(hit) and not kept.strip()))
        at += len(line)
    return _tidy(lines), removed


def _without_sentences(line: str, at: int, items: Sequence[Item], removed: list[str]) -> str:
    body = line.rstrip("\r\n")
    ends = [] if body.lstrip().startswith("|") else [match.end() for match in _SENTENCE.finditer(body)]
    kept = []
    for start, end in zip([0, *ends], [*ends, len(body)], strict=True):
        hit = [item for item in items if start <= item.start - at < end]
        if not hit:
            kept.append(body[start:end])
            continue
        said = body[start:end]
        for item in sorted(hit, key=lambda item: -item.start):
            said = said[: item.start - at - start] + "…" + said[max(0, item.end - at - start) :]
        removed.append(said.strip(" \t|-*+"))
    rest = "".join(kept).rstrip()
    return "" if _MARKER.fullmatch(rest) else rest + line[len(body) :]


def _tidy(lines: list[tuple[str, bool]]) -> str:
    """Drops headings and introductions whose rows are all gone."""
    kept: list[str] = []
    for number, (line, gone) in enumerate(lines):
        if gone:
            continue
        introduces = line.rstrip().endswith(":") or line.lstrip().startswith("#")
        after = [(text, lost) for text, lost in lines[number + 1 :] if text.strip() or lost]
        if introduces and after and after[0][1]:
            left = next((text for text, lost in after if not lost), "")
            if not _ROW.match(left):
                continue
        kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip()
