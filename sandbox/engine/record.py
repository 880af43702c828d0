"""A record as it is submitted, and the refusal of what can't be done with it."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]
"""A JSON object with an ``id``."""


class Refused(Exception):
    """The request can't be done as asked; the message says why."""


def id_problem(record_id: Any) -> str | None:
    """What is wrong with a record's ID."""
    if not isinstance(record_id, str) or not record_id:
        return "a record needs an ID that is a text"
    if ":" in record_id:
        return f"the record ID {record_id!r} holds a colon, which separates the parts of an edge"
    return None
