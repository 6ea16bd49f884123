"""An HTTP server on 127.0.0.1 for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietHandler(BaseHTTPRequestHandler):
    """A request handler that writes no log to stderr."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve_requests(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests on a free port with `handler`; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
