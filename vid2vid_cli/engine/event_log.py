"""The memory of a run in plain text: every event as a line of JSON, only ever appended."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vid2vid_cli.engine.events import Advanced, Event, Tell
from vid2vid_cli.media.os_errors import writing_failed

FILE_NAME = "events.jsonl"


def journal(folder: Path, tell: Tell) -> Tell:
    """A listener that writes down what it hears in `folder` and passes it on to `tell`.

    Progress within a stage is passed on only. Raises DiskFullError, PermissionDeniedError.
    """
    path = folder / FILE_NAME

    def listen(event: Event) -> None:
        if not isinstance(event, Advanced):
            record = {"event": type(event).__name__.lower(), **asdict(event)}
            try:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(_plain(record)) + "\n")
            except OSError as error:
                raise writing_failed(path, error) from error
        tell(event)

    return listen


def read_journal(folder: Path) -> Iterator[dict[str, Any]]:
    """The events of a run, oldest first; a last line cut off by a kill is passed over."""
    path = folder / FILE_NAME
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
