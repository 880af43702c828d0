"""A LangSmith endpoint on loopback that keeps what it is sent."""

from __future__ import annotations

import json
import threading
from datetime import datetime
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import zstandard

INFO = {
    "version": "0.10.0",
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "scale_up_qsize_trigger": 1000,
        "scale_up_nthreads_limit": 16,
        "scale_down_nempty_trigger": 4,
        "size_limit": 100,
        "size_limit_bytes": 20_000_000,
    },
    "instance_flags": {"zstd_compression_enabled": True},
}


class Collector:
    """Use it as a context manager. ``runs`` are put together of the parts that came: creation, changes, outputs."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Collector:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: bytes, content_type: str) -> None:
        with self._lock:
            self.bodies.append(body)
            message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body, policy=HTTP)
            for part in message.iter_parts():
                name = part.get_param("name", header="content-disposition")
                _, run_id, *field = str(name).split(".")
                value = json.loads(part.get_payload(decode=True))  # type: ignore[arg-type]
                run = self.runs.setdefault(run_id, {})
                run.update(
                    {field[0]: value} if field else {key: part for key, part in value.items() if part is not None}
                )

    @property
    def text(self) -> str:
        """All that was sent, to look for what must not be in it."""
        return b"\n".join(self.bodies).decode("utf-8", "replace")

    def named(self, name: str) -> list[dict[str, Any]]:
        """The runs called ``name``, by their start."""
        found = [run for run in self.runs.values() if run.get("name") == name]
        return sorted(found, key=lambda run: str(run["start_time"]))


def seconds(run: dict[str, Any]) -> float:
    """How long a run took."""
    return (datetime.fromisoformat(run["end_time"]) - datetime.fromisoformat(run["start_time"])).total_seconds()


def first_token_s(run: dict[str, Any]) -> float:
    """Seconds until a model's first token."""
    first = next(event for event in run["events"] if event["name"] == "new_token")
    return (datetime.fromisoformat(first["time"]) - datetime.fromisoformat(run["start_time"])).total_seconds()


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(json.dumps(INFO).encode())

        def do_POST(self) -> None:
            body = self._body()
            if self.headers.get("Content-Encoding") == "zstd":
                body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
            if self.path.endswith("/runs/multipart"):
                collector.take(body, self.headers["Content-Type"])
            self._reply(b"{}")

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _reply(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
