"""The tier in this process's memory: least recently used entries go first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from tilores_x.llm.cache.tier import Counts, Kept

MOST_BYTES = 64 * 1024 * 1024
MOST_ENTRIES = 50_000
LARGEST_SHARE = 0.25
"""An entry larger than this share of all bytes is not kept: it would drive out everything else."""

OVERHEAD_BYTES = 400
"""What an entry takes besides its key and payload, as measured with sys.getsizeof over its parts."""


class MemoryTier:
    """Bounded in bytes and entries. May be used from several threads and event loops."""

    name = "L1 memory"

    def __init__(
        self,
        most_bytes: int = MOST_BYTES,
        most_entries: int = MOST_ENTRIES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.most_bytes = most_bytes
        self.most_entries = most_entries
        self.counts = Counts()
        self.bytes = 0
        self._clock = clock
        self._entries: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def look(self, key: str) -> Kept | None:
        """``get`` without an event loop."""
        with self._lock:
            kept = self._entries.get(key)
            if kept is not None and kept.expires_at <= self._clock():
                self._remove(key)
                kept = None
            if kept is None:
                self.counts.misses += 1
                return None
            self._entries.move_to_end(key)
            self.counts.hits += 1
            return kept

    def put(self, key: str, kept: Kept) -> None:
        """``set`` without an event loop."""
        size = _size(key, kept)
        with self._lock:
            self._remove(key)
            if size > self.most_bytes * LARGEST_SHARE:
                return
            self._entries[key] = kept
            self.bytes += size
            self.counts.writes += 1
            while self.bytes > self.most_bytes or len(self._entries) > self.most_entries:
                self._remove(next(iter(self._entries)))
                self.counts.evictions += 1

    async def get(self, key: str) -> Kept | None:
        return self.look(key)

    async def set(self, key: str, kept: Kept) -> None:
        self.put(key, kept)

    async def delete(self, keys: Sequence[str]) -> int:
        return self.drop(keys)

    async def delete_tagged(self, prefix: str, tag: bytes | None = None) -> int:
        return self.drop_tagged(prefix, tag)

    def drop(self, keys: Sequence[str]) -> int:
        with self._lock:
            return sum(self._remove(key) for key in keys)

    def drop_tagged(self, prefix: str, tag: bytes | None = None) -> int:
        with self._lock:
            found = [
                key
                for key, kept in self._entries.items()
                if key.startswith(prefix) and (tag is None or tag in kept.tags)
            ]
            return sum(self._remove(key) for key in found)

    async def aclose(self) -> None:
        pass

    def _remove(self, key: str) -> bool:
        kept = self._entries.pop(key, None)
        if kept is None:
            return False
        self.bytes -= _size(key, kept)
        return True


def _size(key: str, kept: Kept) -> int:
    return len(key) + len(kept.payload) + OVERHEAD_BYTES + sum(map(len, kept.tags))
