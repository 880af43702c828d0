"""What the client wants of a cache of results; who opens the client hands one in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol


class ResultCache(Protocol):
    """Neither call fails or waits because of the cache itself."""

    async def fetch(
        self, document: str, variables: Mapping[str, Any], load: Callable[[], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """The data of a query: kept, or loaded and then kept. Each caller may change what it gets.

        Raises:
            TiloresXError: as ``load`` raises; an error is not kept.
        """
        ...

    async def changed(self) -> None:
        """The instance's data has changed, or may have: what is kept of it counts no more."""
        ...
