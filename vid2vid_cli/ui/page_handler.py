"""The requests of the page: its files, the state of the project as server-sent events, and the start of commands."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote

from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.parsing import parse_json
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.local_http.file_response import CHUNK_BYTES, send_file
from vid2vid_cli.local_http.page_server import PageHandler, is_same_text
from vid2vid_cli.media.files import atomic_write, unique_path
from vid2vid_cli.media.input_paths import VIDEO_SUFFIXES
from vid2vid_cli.ui.forms import FORMS, FieldError
from vid2vid_cli.ui.job import Job
from vid2vid_cli.ui.jobs import TooManyJobsError
from vid2vid_cli.ui.page_files import page_headers, read_page
from vid2vid_cli.ui.project import OutsideProjectError
from vid2vid_cli.ui.setup import describe_setup
from vid2vid_cli.ui.state import MAX_VIEWERS, UiState

MAX_BODY_BYTES, MAX_UPLOAD_BYTES = 1 << 16, 1 << 35
EVENT_SECONDS, HEARTBEAT_SECONDS = 0.4, 10.0
"""Time between checks for new events, and between signs of life."""
CONTENT_TYPES = {
    **{".html": "text/html; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".json": "application/json"},
    **{".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif"},
    **{".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm"},
    **{".mkv": "video/x-matroska", ".avi": "video/x-msvideo"},
}
"""Files of a project that are sent; others are refused."""
FILE_HEADERS = {
    # A report runs its script without the rights of this page: it can neither start commands nor read the token.
    "Content-Security-Policy": "sandbox allow-scripts allow-popups",
    "Cross-Origin-Resource-Policy": "cross-origin",  # the files beside a report; their URL contains a token
}
FILES_PATH, OPEN_PATH = "/files/", "/open"


class UiHandler(PageHandler):
    """Answers one request."""

    def __init__(self, state: UiState, *args: Any) -> None:
        self.state = state
        super().__init__(*args)  # answers the request

    def find_problem(self, address: SplitResult) -> str:
        """Why the request is refused, or ""; the URL of a file contains its own token instead of that of the page."""
        if address.path == OPEN_PATH:
            is_valid = self.state.use_open_code(parse_qs(address.query).get("code", [""])[0])
        elif address.path.startswith(FILES_PATH):
            token = address.path.removeprefix(FILES_PATH).partition("/")[0]
            is_valid = is_same_text(token, self.state.file_token)
        else:
            return super().find_problem(address)
        if not is_valid:
            return "The token of the URL is missing or wrong"
        return self.server.access.find_host_problem(self.headers)

    def answer_get(self, address: SplitResult) -> None:
        """Answer a GET request."""
        if address.path == "/":
            page, nonce = read_page()
            self.send_content(page, "text/html; charset=utf-8", headers=page_headers(nonce))
        elif address.path == OPEN_PATH:
            self.send_content(b"", "text/plain", HTTPStatus.FOUND, {"Location": self.server.url})
        elif address.path == "/setup.json":
            files_url = f"{FILES_PATH}{self.state.file_token}/"
            self.send_json({**describe_setup(), "folder": str(self.state.project.root), "files_url": files_url})
        elif address.path == "/events":
            self._send_events()
        elif address.path.startswith(FILES_PATH):
            self._send_file(unquote(address.path.removeprefix(FILES_PATH).partition("/")[2]))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:  # noqa: D102 - called by the base class
        self.check_and_answer(self._answer_post)

    def _answer_post(self, address: SplitResult) -> None:
        answers = {"/preview": self._preview, "/start": self._start, "/repeat": self._repeat, "/stop": self._stop}
        if address.path == "/upload":
            self._receive_upload(parse_qs(address.query).get("name", [""])[0])
        elif address.path not in answers:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif (body := self._read_json()) is not None:
            try:
                self.send_json(answers[address.path](body))
            except FieldError as error:
                self.send_json({"error": str(error), "field": error.field}, HTTPStatus.BAD_REQUEST)
            except TooManyJobsError as error:
                self.send_json({"error": str(error), "field": ""}, HTTPStatus.TOO_MANY_REQUESTS)

    def _build_arguments(self, body: Mapping[str, Any]) -> tuple[str, list[str]]:
        name, values = body.get("form"), body.get("values")
        if not isinstance(name, str) or name not in FORMS or not isinstance(values, dict):
            raise FieldError("", "The request names no form.")
        return name, FORMS[name].build_arguments(values, self.state.project)

    def _preview(self, body: Mapping[str, Any]) -> dict[str, object]:
        """The command line, or what is missing for it: an incomplete form is no error."""
        try:
            _, arguments = self._build_arguments(body)
        except FieldError as error:
            return {"command": "", "missing": str(error)}
        return {"command": shell_command("vid2vid", *arguments), "missing": ""}

    def _start(self, body: Mapping[str, Any]) -> dict[str, object]:
        name, arguments = self._build_arguments(body)
        return {"number": self.state.jobs.start(name, arguments).number}

    def _repeat(self, body: Mapping[str, Any]) -> dict[str, object]:
        """Start a command again: prepare and transfer continue what was interrupted."""
        job = self._find_job(body)
        return {"number": self.state.jobs.start(job.form, job.arguments).number}

    def _stop(self, body: Mapping[str, Any]) -> dict[str, object]:
        job = self._find_job(body)
        job.stop()
        return {"state": job.state}

    def _find_job(self, body: Mapping[str, Any]) -> Job:
        number = body.get("number")
        job = self.state.jobs.find(number) if isinstance(number, int) else None
        if job is None:
            raise FieldError("", f"There is no command {number!r}.")
        return job

    def _read_json(self) -> Mapping[str, Any] | None:
        """The body of a request; None after a refusal."""
        length = self._content_length(MAX_BODY_BYTES)
        if length is None:
            return None
        if self.headers.get_content_type() != "application/json":
            self.send_error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            return None
        try:
            body = parse_json(self.rfile.read(length).decode("utf-8"))
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self.send_error(HTTPStatus.BAD_REQUEST, "The body is not a JSON object")
            return None
        return body

    def _content_length(self, max_bytes: int) -> int | None:
        """The length of the body; None after a refusal."""
        text = self.headers.get("Content-Length", "")
        if not (text.isascii() and text.isdigit() and len(text) < 18) or "Transfer-Encoding" in self.headers:
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif int(text) > max_bytes:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            return int(text)
        return None

    def _receive_upload(self, name: str) -> None:
        """Write the body to a new video file in the project folder."""
        root = self.state.project.root
        length = self._content_length(min(MAX_UPLOAD_BYTES, shutil.disk_usage(root).free))
        if length is None:
            return
        if "/" in name or "\\" in name or name[:1] in ".-" or Path(name).suffix.lower() not in VIDEO_SUFFIXES:
            self.send_json({"error": f"{name!r} is not the name of a video file.", "field": ""}, HTTPStatus.BAD_REQUEST)
            return
        try:
            path = unique_path(self.state.project.resolve(name))
            atomic_write(path, lambda partial_path: self._copy_body(partial_path, length), sync=False)
        except (Vid2VidError, EOFError, ValueError) as error:
            self.send_json({"error": f"{name} was not stored: {error}", "field": ""}, HTTPStatus.BAD_REQUEST)
            return
        self.send_json({"path": path.name})

    def _copy_body(self, path: Path, length: int) -> None:
        with path.open("wb") as file:
            while length > 0:
                chunk = self.rfile.read(min(CHUNK_BYTES, length))
                if not chunk:
                    raise EOFError("the upload was not complete.")
                file.write(chunk)
                length -= len(chunk)

    def _send_file(self, name: str) -> None:
        try:
            path = self.state.project.resolve(name)
        except OutsideProjectError:
            self.send_error(HTTPStatus.FORBIDDEN, "Outside the project folder, or hidden")
            return
        content_type = CONTENT_TYPES.get(path.suffix.lower())
        if content_type is None:
            self.send_error(HTTPStatus.FORBIDDEN, "Files of this type are not sent")
        else:
            send_file(self, path, content_type, FILE_HEADERS)

    def _send_events(self) -> None:
        """Send the state now and after each change, until the page is closed or the program ends."""
        if not self.state.viewers.acquire(blocking=False):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, f"More than {MAX_VIEWERS} pages")
            return
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/event-stream")
            self.end_page_headers({})
            last_text, sent_time = "", 0.0
            while not self.state.is_closed.wait(EVENT_SECONDS if last_text else 0.0):
                text = json.dumps(self.state.to_json())
                if text != last_text:
                    self.wfile.write(f"data: {text}\n\n".encode())
                    last_text, sent_time = text, time.monotonic()
                elif time.monotonic() - sent_time >= HEARTBEAT_SECONDS:
                    self.wfile.write(b": no change\n\n")
                    sent_time = time.monotonic()
        finally:
            self.state.viewers.release()
