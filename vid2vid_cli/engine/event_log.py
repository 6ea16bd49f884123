"""The event log of a run: `events.jsonl`, one JSON object per line, append-only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vid2vid_cli.core.json_values import to_json_value
from vid2vid_cli.engine.events import Event, EventHandler, ProgressEvent, event_name
from vid2vid_cli.media.os_errors import write_error

EVENT_LOG_NAME = "events.jsonl"


def log_events(folder: Path, emit: EventHandler) -> EventHandler:
    """An event handler that appends events to the log in `folder` and forwards them to `emit`.

    Progress events are forwarded but not logged. Raises DiskFullError, PermissionDeniedError.
    """
    path = folder / EVENT_LOG_NAME

    def log_event(event: Event) -> None:
        if not isinstance(event, ProgressEvent):
            record = {"event": event_name(event), **asdict(event)}
            try:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(to_json_value(record)) + "\n")
            except OSError as error:
                raise write_error(path, error) from error
        emit(event)

    return log_event


def read_event_log(folder: Path) -> Iterator[dict[str, Any]]:
    """The logged events of a run, oldest first; an incomplete last line is skipped. NaN and infinity are None."""
    path = folder / EVENT_LOG_NAME
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue
