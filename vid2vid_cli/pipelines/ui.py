"""`ui`: a page of this machine that shows a project folder and starts commands in it."""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
import webbrowser
from contextlib import suppress
from dataclasses import dataclass

from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.local_http.page_server import bind_server
from vid2vid_cli.requests.ui import UiRequest
from vid2vid_cli.ui.page_handler import OPEN_PATH, UiHandler
from vid2vid_cli.ui.state import UiState

__all__ = ["UiRequest", "UiResult", "ui"]

HOST, DEFAULT_PORT = "127.0.0.1", 8610


@dataclass(frozen=True)
class UiResult:
    """What the page was."""

    url: str
    num_commands: int
    """Commands that were started on the page."""


def ui(request: UiRequest, on_event: EventHandler) -> UiResult:
    """Serve the page until KeyboardInterrupt, which is a normal end and stops the commands that run.

    Raises MissingFileError, ConfigError.
    """
    state = UiState(request.folder)
    handler = functools.partial(UiHandler, state)
    server = bind_server(handler, HOST, request.port, default_port=DEFAULT_PORT, token=None, needs_token=True)
    threading.Thread(target=server.serve_forever, daemon=True, name="page").start()
    try:
        on_event(InfoEvent(f"Open {server.url} in a browser; Ctrl-C ends the page and its commands"))
        if request.open_browser and _has_display():
            webbrowser.open(f"http://{HOST}:{server.server_port}{OPEN_PATH}?code={state.create_open_code()}")
        while True:
            time.sleep(1.0)  # Event.wait cannot be interrupted on Windows
    except KeyboardInterrupt:
        if num_active := state.jobs.num_active:
            on_event(InfoEvent(f"Stopping what runs or waits ({num_active}); Ctrl-C again ends it at once"))
    finally:
        with suppress(KeyboardInterrupt):
            state.close()
        server.shutdown()
        server.server_close()
    return UiResult(server.url, state.jobs.num_started)


def _has_display() -> bool:
    """Whether a browser with windows may exist; webbrowser would start one in the terminal."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
