"""One person's case: what was asked, and where its figures come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilores_x.llm.planner.desk import Desk, Row

NATIONAL = ("Experian", "Equifax", "TransUnion")


@dataclass(frozen=True)
class Case:
    """``entity`` is what a search showed of the person; ``bureaus`` and ``years`` (four digits) narrow what is told."""

    desk: Desk
    entity: Mapping[str, Any]
    bureaus: tuple[str, ...] = ()
    years: tuple[str, ...] = ()
    topics: frozenset[str] = frozenset()

    @property
    def entity_id(self) -> str:
        return str(self.entity["entity_id"])

    def rows(self, name: str) -> list[Row]:
        return self.desk.rows(self.entity_id, name)

    def newest(self, name: str, concept: str) -> Row | None:
        return next((row for row in self.rows(name) if row[concept]), None)

    def in_years(self, rows: Sequence[Row], *dates: str) -> list[Row]:
        """The rows of the years asked for, by the first of ``dates`` that a row holds."""
        if not self.years:
            return list(rows)
        return [row for row in rows if next((row[date] for date in dates if row[date]), "").startswith(self.years)]

    def knows(self, concept: str) -> bool:
        return concept in self.desk.hints.fields


def bold(value: object) -> str:
    return f"**{value}**"


def listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
