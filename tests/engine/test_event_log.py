"""The event log: one JSON object per line, readable after an interruption."""

from __future__ import annotations

from pathlib import Path

from vid2vid_cli.engine.event_log import EVENT_LOG_NAME, log_events, read_event_log
from vid2vid_cli.engine.events import ArtifactEvent, Event, InfoEvent, ProgressEvent, StepEvent, ignore_events


def test_log_events_appends_and_forwards_events(tmp_path: Path) -> None:
    forwarded: list[Event] = []
    emit = log_events(tmp_path, forwarded.append)
    events = [
        InfoEvent("Größe"),
        ProgressEvent("x", 1, 2),
        StepEvent(1, 9, {"l1": 0.5, "flow": float("nan")}, elapsed_seconds=0.25),
        ArtifactEvent("a", "checkpoint", {"best": float("inf"), "quality": 3.0}),
    ]
    for event in events:
        emit(event)
    assert forwarded == events
    logged = list(read_event_log(tmp_path))
    assert [event["event"] for event in logged] == ["info", "step", "artifact"]
    assert logged[0]["message"] == "Größe"
    assert logged[1]["losses"] == {"l1": 0.5, "flow": None}
    assert logged[2]["details"] == {"best": None, "quality": 3.0}


def test_read_event_log_skips_incomplete_line(tmp_path: Path) -> None:
    log_events(tmp_path, ignore_events)(InfoEvent("one"))
    with (tmp_path / EVENT_LOG_NAME).open("a") as file:
        file.write('{"event": "step')
    assert [event["message"] for event in read_event_log(tmp_path)] == ["one"]
    log_events(tmp_path, ignore_events)(InfoEvent("two"))
    log_events(tmp_path, ignore_events)(InfoEvent("three"))
    assert "three" in [event["message"] for event in read_event_log(tmp_path)]
    assert list(read_event_log(tmp_path / "none")) == []
