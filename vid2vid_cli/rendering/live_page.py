"""A local page with the newest generated frame as MJPEG."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import SplitResult

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.local_http.page_server import PageHandler, bind_server
from vid2vid_cli.media.images import encode_jpeg

DEFAULT_PORT = 8600
MAX_VIEWERS = 8
"""Connections that receive the stream; each one has a thread."""
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
        self.status = status
        self._changed = threading.Condition()
        self._jpeg, self._index, self._is_closed = b"", 0, False
        self.viewers = threading.BoundedSemaphore(MAX_VIEWERS)
        handler = functools.partial(_Handler, self)
        self._server = bind_server(handler, host, port, default_port=DEFAULT_PORT, token=token)
        self.url = self._server.url
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


class _Handler(PageHandler):
    def __init__(self, page: LivePage, *args: Any) -> None:
        self.page = page
        super().__init__(*args)  # answers the request

    def answer_get(self, address: SplitResult) -> None:
        if address.path == "/":
            self.send_content(PAGE_FILE.read_bytes(), "text/html; charset=utf-8")
        elif address.path == "/status.json":
            self.send_json(self.page.status())
        elif address.path == "/stream.mjpg":
            self._send_stream(self.page)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send_stream(self, page: LivePage) -> None:
        """Send each newest frame; a slow viewer misses frames."""
        if not page.viewers.acquire(blocking=False):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, f"More than {MAX_VIEWERS} viewers")
            return
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.end_page_headers({})
            index = 0
            while (newest := page.wait_for_jpeg(index)) is not None:
                index, jpeg = newest
                header = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(header.encode() + jpeg + b"\r\n")
        except OSError:
            return  # the viewer has gone
        finally:
            page.viewers.release()
