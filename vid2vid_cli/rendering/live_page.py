"""A local page with the newest generated frame as MJPEG, by the HTTP server of the standard library."""

from __future__ import annotations

import errno
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.images import encode_jpeg

DEFAULT_PORT = 8600
LOCAL_HOSTS = ("127.0.0.1", "localhost")
MAX_VIEWERS = 8
"""Connections that receive the stream; each one has a thread."""
VIEWER_SECONDS = 10.0
"""A viewer that accepts no data for this time is disconnected."""
JPEG_QUALITY = 85
BOUNDARY = "frame"
PAGE_FILE = Path(__file__).with_name("live_page.html")
Status = Callable[[], Mapping[str, object]]


class LivePage:
    """Serves the page, the stream and the status. A context manager: the block starts and ends the server.

    A `host` that is not local needs the token, which is part of `url`; without `token` a random one is used. Requests
    to a local page with another name in their Host header are refused, as are those of other websites.

    Raises ConfigError: the address does not exist, or the port is in use.
    """

    def __init__(self, host: str, port: int | None, token: str | None, status: Status) -> None:
        is_local = host in LOCAL_HOSTS
        self.token = token or ("" if is_local else secrets.token_urlsafe(16))
        self.status = status
        self._changed = threading.Condition()
        self._jpeg, self._index, self._is_closed = b"", 0, False
        self.viewers = threading.BoundedSemaphore(MAX_VIEWERS)
        self._server = _bind(host, port, self)
        bound_port = self._server.server_address[1]
        self.allowed_hosts = {f"{name}:{bound_port}" for name in LOCAL_HOSTS}
        if not is_local:
            self.allowed_hosts = set()
        self.url = f"http://{host}:{bound_port}/" + (f"?token={self.token}" if self.token else "")
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="page")

    def __enter__(self) -> LivePage:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def show(self, image: ImageArray, capture_time: float) -> None:
        """Replace the shown frame, (h, w, 3) uint8 RGB."""
        jpeg = encode_jpeg(image, JPEG_QUALITY)
        with self._changed:
            self._jpeg, self._index = jpeg, self._index + 1
            self._changed.notify_all()

    def wait_for_jpeg(self, last_index: int) -> tuple[int, bytes] | None:
        """(index, JPEG) of the newest frame after `last_index`; None when the page is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._index > last_index or self._is_closed)
            return None if self._is_closed else (self._index, self._jpeg)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    page: LivePage


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = VIEWER_SECONDS

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        page = self.server.page
        if problem := self._find_problem(page, address.query):
            self.send_error(HTTPStatus.FORBIDDEN, problem)
        elif address.path == "/":
            self._send(PAGE_FILE.read_bytes(), "text/html; charset=utf-8")
        elif address.path == "/status.json":
            self._send(json.dumps(page.status()).encode(), "application/json")
        elif address.path == "/stream.mjpg":
            self._send_stream(page)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _find_problem(self, page: LivePage, query: str) -> str:
        """Why the request is refused, or ""."""
        token = parse_qs(query).get("token", [""])[0]
        if not hmac.compare_digest(token.encode(), page.token.encode()):
            return "The token of the URL is missing or wrong"
        if page.allowed_hosts and self.headers.get("Host", "") not in page.allowed_hosts:
            return "Unknown host"
        if self.headers.get("Sec-Fetch-Site") == "cross-site" and self.headers.get("Sec-Fetch-Mode") != "navigate":
            return "Requests of other websites are not answered"
        return ""

    def _send(self, content: bytes, content_type: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self._end_headers()
        self.wfile.write(content)

    def _end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()

    def _send_stream(self, page: LivePage) -> None:
        """Send each newest frame; a slow viewer misses frames."""
        if not page.viewers.acquire(blocking=False):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, f"More than {MAX_VIEWERS} viewers")
            return
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self._end_headers()
            index = 0
            while (newest := page.wait_for_jpeg(index)) is not None:
                index, jpeg = newest
                header = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(header.encode() + jpeg + b"\r\n")
        except OSError:
            return  # the viewer has gone
        finally:
            page.viewers.release()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: stderr is the terminal's."""


def _bind(host: str, port: int | None, page: LivePage) -> _Server:
    for candidate in (DEFAULT_PORT, 0) if port is None else (port,):
        try:
            server = _Server((host, candidate), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            reason = error.strerror or str(error)
            raise ConfigError(
                f"The page cannot be served at {host}:{candidate}: {reason}.", "Choose another --host or --port."
            ) from error
        server.page = page
        return server
    raise ConfigError(f"The page cannot be served at {host}: no port is free.", "Choose another --host.")
