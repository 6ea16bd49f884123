"""Unusual names on the command line: one sentence and the documented exit code, and commands that run as printed."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from helpers.video_files import numbered_frame, write_video

from vid2vid_cli import cli
from vid2vid_cli.media.probe import probe

NOT_UTF8 = os.fsdecode(b"na\xefve.mp4")
LONG = "x" * 300


@pytest.fixture(autouse=True)
def _working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_clip(name: str) -> None:
    write_video(Path("clip.mp4"), [numbered_frame(index) for index in range(8)]).rename(name)


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["prepare", "-c", "edges", LONG], 10),
        (["prepare", "-c", "edges", NOT_UTF8], 21),
        (["prepare", "-c", "edges", "--out", ".", "a.mp4"], 21),
        (["prepare", "-c", "edges", "--out", "", "a.mp4"], 21),
        (["prepare", "-c", "edges", "--out", LONG, "a.mp4"], 21),
        (["prepare", "-c", "edges", "--out", "a.mp4/x", "a.mp4"], 21),
        (["prepare", "-c", "edges", "-O", f"edges.input_dir={LONG}", "a.mp4"], 10),
        (["prepare", "-c", "edges", "loop"], 10),
        (["transfer", LONG, "-t", "a.ckpt"], 10),
        (["transfer", "a.mp4", "-t", NOT_UTF8], 21),
        (["transfer", "a.mp4", "-t", "a.ckpt", "-o", ""], 21),
        (["train", "--preset", LONG], 20),
        (["train", "--preset", "tiny", "--out", "."], 21),
        (["inspect", LONG], 21),
    ],
)
def test_cli_reports_unusual_names(arguments: list[str], exit_code: int, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip("a.mp4")
    Path("loop").symlink_to("loop")
    assert cli.run_command_line(arguments) == exit_code
    error_lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert len(error_lines) == 1
    assert not Path("datasets").exists()


@pytest.mark.parametrize("name", ["-clip.mp4", "~name.mp4", "【公式】" + "歌ってみた" * 15 + ".mp4"])
def test_prepare_and_printed_command_accept_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(name)
    assert cli.run_command_line(["prepare", "-c", "edges", "--out", "-o", "--", name]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Next: ")]
    command = shlex.split(line.removeprefix("Next: "))
    assert command[-2:] == ["--data", "./-o"]
    assert cli.run_command_line([*command[1:], "--steps", "1", "--dry-run"]) == 0
    assert cli.run_command_line(["prepare", "-c", "edges", "--", name]) == 0
    (dataset,) = Path("datasets").iterdir()
    assert len(os.fsencode(dataset.name)) <= 120
    assert probe(dataset / "preview.mp4").num_frames == 8
