"""The way of a lookup: shared with who asks the same, gathered with others, sent in as many requests as are soonest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tilores_x.tools.api.gathering import Gathering
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.api.reading import Reader
from tilores_x.tools.api.sharing import Sharing
from tilores_x.tools.api.trips import Trips, closed

#: Lookups at once for which the report says how they would travel.
EXAMPLE = 10


class Lookups:
    """``most_together`` pins how many lookups travel in one request."""

    def __init__(self, reader: Reader, most_together: int | None = None) -> None:
        self._reader = reader
        self._pinned = most_together
        self._trips = Trips(reader, most_together)
        self._gathering = Gathering(self._trips.send)
        self._sharing = Sharing(self._gathering.add)

    def coming(self) -> AbstractContextManager[Callable[[], None]]:
        """A lookup may soon be asked for; see ``Gathering.coming``."""
        return self._gathering.coming()

    async def ask(self, lookup: Lookup, timeout_s: float | None) -> Any:
        """What the lookup's field returned; see ``Sharing.ask``."""
        return await self._sharing.ask(lookup, timeout_s)

    def forget(self) -> None:
        """Data has changed, or may have: what is asked for from now on is asked anew."""
        self._sharing.forget()

    async def aclose(self) -> None:
        """Stop everything; whoever waits is told."""
        for shared in self._gathering.take():
            shared.fail(closed())
        await self._trips.aclose()

    def report(self) -> dict[str, Any]:
        """Plain values: how lookups travel and why, and what became of those so far."""
        line = self._reader.endpoint.pace.line
        requests = self._trips.requests_for(EXAMPLE)
        if self._pinned is not None:
            why = f"set: at most {self._pinned} in one request"
        elif line is None:
            why = "nothing measured yet"
        else:
            why = f"a request takes {line.base_s * 1000:.0f} ms and {line.lookup_s * 1000:.1f} ms for each lookup in it"
        return {
            "batching": requests < EXAMPLE,
            "batching_why": f"{why}; {EXAMPLE} lookups travel in {requests}",
            "batched": self._trips.batched,
            "coalesced": self._sharing.coalesced,
            "hedged": self._reader.hedged,
            "retried": self._reader.retried,
        }
