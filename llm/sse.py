"""Server-sent events, read at the speed of the network: one list of events per piece of bytes.

The format is that of the WHATWG HTML standard, section 9.2.6, of which chat completions use the ``data`` lines.
"""

from __future__ import annotations

LONGEST_EVENT = 4_000_000
"""Bytes that one event may have: beyond it the other side sends something else than events."""


class EventReader:
    """Cuts bytes into events. ``done`` is set at ``[DONE]``, after which there is nothing more to read."""

    def __init__(self) -> None:
        self.done = False
        self._rest = b""
        self._after_cr = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that end in ``piece``.

        Raises:
            ValueError: an event is longer than ``LONGEST_EVENT``.
        """
        if self._after_cr or b"\r" in piece:
            piece = self._only_newlines(piece)
        buffer = self._rest + piece if self._rest else piece
        end = buffer.rfind(b"\n\n")
        if end < 0:
            if len(buffer) > LONGEST_EVENT:
                raise ValueError("an event without an end")
            self._rest = buffer
            return []
        self._rest = buffer[end + 2 :]
        found = []
        for event in buffer[:end].split(b"\n\n"):
            data = event[6:] if event.startswith(b"data: ") and b"\n" not in event else _data(event)
            if data.startswith(b"[DONE]"):
                self.done = True
                break
            if data:
                found.append(data)
        return found

    def _only_newlines(self, piece: bytes) -> bytes:
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(event: bytes) -> bytes:
    """The data of an event that is more than one line ``data: …``: several lines, other fields, comments."""
    lines = (line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(lines)
