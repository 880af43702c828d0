"""``edgeInsights``: what links the records of an entity, by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from tilores_x.sandbox.insights.frequency import FrequencyEntry, most_frequent

DUPLICATE = "duplicate"
"""The link between a record and its duplicate, beside the rules' IDs."""


class MatrixEntry(TypedDict):
    """Two records, ``a`` before ``b`` in the order of their IDs, and whether each link is there between them."""

    a: str
    b: str
    links: dict[str, bool]


class EdgeInsights:
    """An entity's edges and duplicates, and the questions that the API answers about them.

    An edge is ``<recordA>:<recordB>:<ruleID>``. The duplicates are told by their original's ID, which may stand after a
    group and a colon; their link is then named ``<group>:duplicate``.
    """

    def __init__(self, edges: Sequence[str], duplicates: Mapping[str, Sequence[str]]) -> None:
        self.edges = edges
        self.duplicates = duplicates

    def count(self) -> int:
        """How many edges there are; duplicates don't count."""
        return len(self.edges)

    def frequency_distribution(self, *, top: int | None = None, direction: str | None = None) -> list[FrequencyEntry]:
        """How many edges each rule gives, rarest first unless ``direction`` is ``DESC``, at most ``top`` rules."""
        return most_frequent((_ends(edge)[2] for edge in self.edges), True, top, direction)

    def matrix(self, *, links: Sequence[str] | None = None) -> list[MatrixEntry]:
        """Every two records that are linked, in order of their first link.

        ``links`` names the rule IDs (and ``duplicate``) that count and that each entry tells, by default all there are.
        """
        copies = [(_origin(key), copy_ids) for key, copy_ids in self.duplicates.items()]
        found = [_ends(edge) for edge in self.edges]
        found += [(record, copy_id, link) for (record, link), copy_ids in copies for copy_id in copy_ids]
        if links is None:
            links = [link for _, _, link in found] + [link for (_, link), _ in copies]
        wanted = dict.fromkeys(links, False)
        matrix: dict[tuple[str, str], dict[str, bool]] = {}
        for one, other, link in found:
            if link in wanted:
                pair = (one, other) if one < other else (other, one)
                matrix.setdefault(pair, wanted.copy())[link] = True
        return [MatrixEntry(a=a, b=b, links=held) for (a, b), held in matrix.items()]


def _ends(edge: str) -> tuple[str, str, str]:
    one, other, rule = edge.split(":", 2)
    return one, other, rule


def _origin(key: str) -> tuple[str, str]:
    """The original that a key of the duplicates names, and its copies' link to it."""
    group, colon, record = key.partition(":")
    return (record, f"{group}:{DUPLICATE}") if colon else (key, DUPLICATE)
