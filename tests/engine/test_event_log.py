"""The journal: every event a line, readable after a kill."""

from __future__ import annotations

from pathlib import Path

from vid2vid_cli.engine.event_log import FILE_NAME, journal, read_journal
from vid2vid_cli.engine.events import Advanced, Event, Noticed, Stepped, Wrote


def test_events_are_written_down_and_passed_on(tmp_path: Path) -> None:
    heard: list[Event] = []
    tell = journal(tmp_path, heard.append)
    said = [
        Noticed("Größe"),
        Advanced("x", 1, 2),
        Stepped(1, 9, {"pixel": 0.5, "flow": float("nan")}, 0.25),
        Wrote("a", "checkpoint", {"best": float("inf"), "quality": 3.0}),
    ]
    for event in said:
        tell(event)
    assert heard == said
    read = list(read_journal(tmp_path))
    assert [event["event"] for event in read] == ["noticed", "stepped", "wrote"]
    assert read[0]["message"] == "Größe"
    assert read[1]["losses"] == {"pixel": 0.5, "flow": "nan"}
    assert read[2]["details"] == {"best": "inf", "quality": 3.0}


def test_a_line_cut_off_by_a_kill_is_passed_over_and_written_after(tmp_path: Path) -> None:
    tell = journal(tmp_path, lambda event: None)
    tell(Noticed("one"))
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write('{"event": "step')
    assert [event["message"] for event in read_journal(tmp_path)] == ["one"]
    journal(tmp_path, lambda event: None)(Noticed("two"))
    journal(tmp_path, lambda event: None)(Noticed("three"))
    assert "three" in [event["message"] for event in read_journal(tmp_path)]
    assert list(read_journal(tmp_path / "none")) == []
