"""The event log of a run: `events.jsonl`, one JSON object per line, append-only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vid2vid_cli.core.json_values import to_json_value
from vid2vid_cli.core.parsing import parse_json
from vid2vid_cli.engine.events import Event, EventHandler, ProgressEvent, event_name
from vid2vid_cli.media.os_errors import write_error

EVENT_LOG_NAME = "events.jsonl"
_TAIL_BYTES = 65536
_FIELD_TYPES: dict[str, dict[str, type]] = {
    "step": {"step": int, "losses": dict},
    "artifact": {"kind": str, "details": dict},
}


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
    """The logged events of a run, oldest first; damaged and incomplete lines are skipped. NaN and infinity are None."""
    path = folder / EVENT_LOG_NAME
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            if (event := _parse_line(line)) is not None:
                yield event


def read_last_step(folder: Path) -> dict[str, Any]:
    """The last step event in the event log of a run; {} if there is none in its last 64 kB."""
    path = folder / EVENT_LOG_NAME
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        lines = file.read().splitlines()
    events = (_parse_line(line) for line in reversed(lines))
    return next((event for event in events if event is not None and event["event"] == "step"), {})


def _parse_line(line: bytes) -> dict[str, Any] | None:
    """The event in a line; None unless it has the fields that readers use, in their types."""
    try:
        event = parse_json(line.decode("utf-8"))
    except ValueError:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    field_types = _FIELD_TYPES.get(event["event"], {})
    is_valid = all(isinstance(event.get(name), types) for name, types in field_types.items())
    return event if is_valid else None
