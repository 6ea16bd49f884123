"""What all requests of the page share: the project, the commands, and the tokens of URLs."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path

from vid2vid_cli.local_http.page_server import is_same_text
from vid2vid_cli.ui.jobs import Jobs
from vid2vid_cli.ui.listing import Listing
from vid2vid_cli.ui.project import Project

MAX_VIEWERS = 8
"""Pages that receive events; each one has a thread."""
LISTING_SECONDS, MAX_LISTING_SHARE = 2.0, 0.05
"""Time between two listings of the project; longer if they would take more than this share of the time."""


class UiState:
    """A project, its commands and the tokens. Raises the errors of Project."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        self.jobs = Jobs(self.project.root)
        self.file_token = secrets.token_urlsafe(16)
        """Token in the URLs of files: a report knows it, and it is of no other use."""
        self.viewers = threading.BoundedSemaphore(MAX_VIEWERS)
        self.is_closed = threading.Event()
        self._listing = Listing(self.project)
        self._lock = threading.Lock()
        self._listed: dict[str, object] = {}
        self._next_listing = 0.0
        self._open_code = ""

    def create_open_code(self) -> str:
        """A code that opens the page once: other users of the machine may read the browser's command line."""
        self._open_code = secrets.token_urlsafe(16)
        return self._open_code

    def use_open_code(self, code: str) -> bool:
        """Whether a code is valid; it is not any more then."""
        with self._lock:
            is_valid = bool(self._open_code) and is_same_text(code, self._open_code)
            self._open_code = "" if is_valid else self._open_code
            return is_valid

    def to_json(self) -> dict[str, object]:
        """Commands and content of the project. A folder that cannot be read is named in the notes."""
        with self._lock:
            start = time.monotonic()
            if start >= self._next_listing:
                try:
                    self._listed = self._listing.to_json()
                except OSError as error:
                    self._listed = {**self._listed, "notes": [f"The folder cannot be read: {error}."]}
                end = time.monotonic()
                self._next_listing = end + max(LISTING_SECONDS, (end - start) / MAX_LISTING_SHARE)
            return {"jobs": self.jobs.to_json(), **self._listed}

    def close(self) -> None:
        """End the event streams, and stop all commands."""
        self.is_closed.set()
        self.jobs.close()
