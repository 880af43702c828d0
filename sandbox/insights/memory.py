"""What was worked out of records that don't change is kept: the same question again costs nothing."""

from __future__ import annotations


class Memory:
    """Bounds what is kept of one list of records and of all that is filtered, sorted or grouped out of it.

    ``room`` is counted in elements of lists; once it is used up, nothing more is kept.
    """

    __slots__ = ("room",)

    def __init__(self, room: int) -> None:
        self.room = room
