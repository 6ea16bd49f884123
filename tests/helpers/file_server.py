"""A local HTTP server of one file, which can end connections early and ignore ranges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from helpers.local_server import QuietHandler, serve_requests


@dataclass
class FileServer:
    """What the server sends, and the `Range` headers that it has received ("" for none)."""

    content: bytes
    max_bytes_per_request: int | None = None
    supports_ranges: bool = True
    requests: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve_file(server: FileServer) -> Iterator[FileServer]:
    """Serve `server.content` on 127.0.0.1; `server.url` is its address."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            range_header = self.headers.get("Range", "")
            server.requests.append(range_header)
            start = int(range_header.removeprefix("bytes=").rstrip("-")) if range_header else 0
            if not server.supports_ranges:
                start = 0
            if start >= len(server.content):
                self.send_error(416)
                return
            body = server.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: server.max_bytes_per_request])

    with serve_requests(Handler) as server.url:
        yield server
