"""Records as rows of a reply: the asked fields of each, as they may leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tilores_x.tools.access import Access
from tilores_x.tools.fields.paths import Path, selection
from tilores_x.tools.records import Fact

Row = dict[str, Any]


def row_selection(paths: Iterable[Path]) -> str:
    """The selection set that :func:`row` needs."""
    return selection(name for path in paths for name in (path.names, *path.picked_names))


def row(access: Access, paths: Sequence[Path], record: Mapping[str, Any]) -> Row | None:
    """``record_id`` and the fields that hold something; None where none does. Where a path runs through lists, a list,
    with its empty elements kept, so that the lists of one row stand side by side."""
    found = {path.text: value for path in paths if (value := _value(access, path, record)) not in (None, "", [])}
    return {"record_id": record["id"], **found} if found else None


def _value(access: Access, path: Path, record: Mapping[str, Any]) -> Any:
    values = [access.shown(path, value) for value in path.values(record)]
    if not path.many:
        return values[0]
    return values if any(value not in (None, "") for value in values) else []


def row_facts(entity_id: str, rows: Iterable[Row]) -> list[Fact]:
    """What the rows hold, as evidence."""
    return [
        {"entity_id": entity_id, "record_id": row["record_id"], "field": field, "value": value}
        for row in rows
        for field, values in row.items()
        if field != "record_id"
        for value in (values if isinstance(values, list) else [values])
        if value not in (None, "") and not isinstance(value, list | dict)
    ]
