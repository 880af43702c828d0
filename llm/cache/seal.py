"""Entries as bytes that travel: bound to their key, so that nothing damaged, foreign or moved is ever taken for one.

::

    b"TX" | version | mode | header length | header | body

The header (times, tags) stands in front, so that an erasure can read it without the body. Mode 0 ends with a
BLAKE2b digest over key, header and body: it finds damage, not malice. With an encryption key it is mode 1, AES-256-GCM
(NIST SP 800-38D) with key and header as associated data: whoever can write to Redis can neither read nor forge an
entry, nor put one in another's place. The Redis key holds the tenant, so the tenant is bound too. The body is JSON,
never a pickle.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import struct
from hashlib import blake2b

from tilores_x.errors import ConfigError
from tilores_x.llm.cache.tier import Kept

MAGIC = b"TX"
VERSION = 1
PLAIN, AES_GCM = 0, 1
TAG_BYTES = 12
MOST_TAGS = 300

_HEAD = struct.Struct(">2sBBH")
_TIMES = struct.Struct(">dddH")
_NONCE = 12
_DIGEST = 16
LONGEST_HEAD = _HEAD.size + _TIMES.size + MOST_TAGS * TAG_BYTES


class Unverified(Exception):
    """These bytes are no entry of ours under this key."""


class Seal:
    """``key``: 32 bytes for AES-256-GCM, or None."""

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key
        self._cipher = None
        if key is not None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(key)

    @classmethod
    def from_setting(cls, text: str | None) -> Seal:
        """``text`` is 32 bytes in base64.

        Raises:
            ConfigError: it is something else.
        """
        if text is None:
            return cls()
        try:
            key = base64.b64decode(text, altchars=b"-_" if set(text) & set("-_") else None, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != 32:
            raise ConfigError(
                "TILORES_CACHE_KEY must be 32 bytes in base64. Make one: "
                "python -c 'import os, base64; print(base64.b64encode(os.urandom(32)).decode())'"
            )
        return cls(key)

    def pack(self, name: str, kept: Kept) -> bytes:
        """The entry as bytes to be stored under ``name``."""
        header = _header(kept)
        head = _HEAD.pack(MAGIC, VERSION, PLAIN if self._cipher is None else AES_GCM, len(header)) + header
        if self._cipher is None:
            return head + kept.payload + _digest(name, head, kept.payload)
        nonce = os.urandom(_NONCE)
        return head + nonce + self._cipher.encrypt(nonce, kept.payload, name.encode() + b"\0" + head)

    def unpack(self, name: str, data: bytes) -> Kept:
        """The entry that was stored under ``name``.

        Raises:
            Unverified: it is none, or not whole, or not of this key.
        """
        try:
            mode, end, written_at, expires_at, ttl_s, tags = _read_head(data)
            head, body = data[:end], data[end:]
            if mode != (PLAIN if self._cipher is None else AES_GCM):
                raise Unverified
            if self._cipher is None:
                payload, digest = body[:-_DIGEST], body[-_DIGEST:]
                if not hmac.compare_digest(digest, _digest(name, head, payload)):
                    raise Unverified
            else:
                payload = self._cipher.decrypt(body[:_NONCE], body[_NONCE:], name.encode() + b"\0" + head)
        except Unverified:
            raise
        except Exception as error:  # whatever is wrong with bytes from outside: they are not ours
            raise Unverified from error
        return Kept(payload, written_at, expires_at, ttl_s, tags)


def tags_of(data: bytes) -> frozenset[bytes]:
    """The tags in the first ``LONGEST_HEAD`` bytes of an entry; none where they can't be read."""
    try:
        return _read_head(data)[5]
    except (Unverified, struct.error):
        return frozenset()


def _header(kept: Kept) -> bytes:
    tags = sorted(kept.tags)
    if len(tags) > MOST_TAGS:
        raise ValueError("too many tags")
    return _TIMES.pack(kept.written_at, kept.expires_at, kept.ttl_s, len(tags)) + b"".join(tags)


def _read_head(data: bytes) -> tuple[int, int, float, float, float, frozenset[bytes]]:
    magic, version, mode, length = _HEAD.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise Unverified
    end = _HEAD.size + length
    written_at, expires_at, ttl_s, count = _TIMES.unpack_from(data, _HEAD.size)
    first = _HEAD.size + _TIMES.size
    if first + count * TAG_BYTES != end or len(data) < end:
        raise Unverified
    tags = frozenset(data[at : at + TAG_BYTES] for at in range(first, end, TAG_BYTES))
    return mode, end, written_at, expires_at, ttl_s, tags


def _digest(name: str, head: bytes, payload: bytes) -> bytes:
    state = blake2b(name.encode(), digest_size=_DIGEST, person=b"tilores-x seal")
    state.update(b"\0" + head)
    state.update(payload)
    return state.digest()
