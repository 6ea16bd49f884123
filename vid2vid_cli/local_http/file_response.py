"""Files as HTTP responses. Byte ranges let a browser show any position of a video without reading all of it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from vid2vid_cli.local_http.page_server import PageHandler

CHUNK_BYTES = 1 << 18
_RANGE_PATTERN = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """(start, stop) in bytes of a Range header; None for all of the file: no range, several, or an invalid one.

    Raises ValueError for a range outside the file.
    """
    match = _RANGE_PATTERN.fullmatch(header.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if first and last and int(last) < int(first):
        return None
    if start >= size:
        raise ValueError(f"bytes {start} to {stop} of {size}")
    return start, stop


def send_file(handler: PageHandler, path: Path, content_type: str, headers: Mapping[str, str]) -> None:
    """Send a file, or the range of it that the request names; 404 for anything that is not a readable file."""
    try:
        file = path.open("rb")
    except OSError:
        handler.send_error(HTTPStatus.NOT_FOUND)
        return
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            handler.send_error(HTTPStatus.NOT_FOUND)
            return
        size = status.st_size
        try:
            byte_range = parse_range(handler.headers.get("Range", ""), size)
        except ValueError:
            handler.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            handler.send_header("Content-Range", f"bytes */{size}")
            handler.send_header("Content-Length", "0")
            handler.end_page_headers(headers)
            return
        start, stop = byte_range or (0, size)
        handler.send_response(HTTPStatus.OK if byte_range is None else HTTPStatus.PARTIAL_CONTENT)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(stop - start))
        handler.send_header("Accept-Ranges", "bytes")
        if byte_range is not None:
            handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        handler.end_page_headers(headers)
        file.seek(start)
        remaining = stop - start
        while remaining > 0 and (chunk := file.read(min(CHUNK_BYTES, remaining))):
            handler.wfile.write(chunk)
            remaining -= len(chunk)
