"""How large the replies to lookups are: so many go into one request as its reply, its text and its values allow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tilores_x.tools.api.sharing import Shared
from tilores_x.tools.api.together import parts_of

#: Expected bytes of one reply: half of the 6 MiB that Tilores sends, as a reply may be larger than those before.
REPLY_BYTES = 3 * 2**20
#: Bytes of the texts in one document, and of the values beside it.
TEXT_BYTES, VALUE_BYTES = 64 * 2**10, 2**20
#: Weight of the newest reply.
NEWEST = 0.3
#: Texts whose replies are remembered.
MOST_TEXTS = 512


class Weights:
    """Bytes of a reply by the text of its lookup, exponentially smoothed; and texts that took others down."""

    def __init__(self) -> None:
        self._bytes: dict[str, float] = {}
        self._loners: dict[str, None] = {}

    def learn(self, lookups: Iterable[Shared], size: int) -> None:
        """One reply of ``size`` bytes held the answers to all these lookups."""
        asked = list(lookups)
        for shared in asked:
            text = shared.lookup.text
            known = self._bytes.pop(text, None)
            each = size / len(asked)
            self._bytes[text] = each if known is None else known + NEWEST * (each - known)
        _bound(self._bytes)

    def leave_alone(self, text: str) -> None:
        """Lookups with this text travel alone from now on."""
        self._loners[text] = None
        _bound(self._loners)

    def fitting(self, run: list[Shared]) -> list[list[Shared]]:
        """``run`` as it is, or cut where one request would become too large."""
        parts: list[list[Shared]] = []
        reply = text = values = 0.0
        written: set[str] = set()
        for shared in run:
            head, selection, free = parts_of(shared.lookup.text)
            size = len(head) if free and selection in written else len(shared.lookup.text)
            one = self._bytes.get(shared.lookup.text, 0.0), size, len(shared.key[2])
            alone = shared.lookup.text in self._loners
            fits = reply + one[0] <= REPLY_BYTES and text + one[1] <= TEXT_BYTES and values + one[2] <= VALUE_BYTES
            if not parts or not fits or alone:
                parts.append([])
                reply = text = values = 0.0
                written.clear()
            parts[-1].append(shared)
            written.add(selection)
            reply, text, values = reply + one[0], text + one[1], values + one[2]
            if alone:
                reply = float("inf")
        return parts


def _bound(kept: dict[str, Any]) -> None:
    while len(kept) > MOST_TEXTS:
        del kept[next(iter(kept))]
