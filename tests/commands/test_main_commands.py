"""The main commands reject invalid arguments before they write anything."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.cli_runner import CliRunner

from vid2vid_cli.commands.train import track_resume_command
from vid2vid_cli.engine.events import ArtifactEvent
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.terminal import Terminal


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["prepare", "-c", "edges", "--conditioner-option", "low=3", "video.mp4"], "NAME.KEY=VALUE"),
        (["transfer", "a.mp4", "-t", "a.ckpt", "--device", "gpu"], "'gpu'"),
        (["prepare", "-c", "edges", "-O", "pose.size=2", "video.mp4"], "pose"),
        (["prepare", "-c", "edges", "--fps", "fast", "video.mp4"], "'fast'"),
        (["prepare", "-c", "edges", "--start", "soon", "video.mp4"], "'soon'"),
        (["train", "--max-time", "soon"], "'soon'"),
        (["train", "runs/ada"], "vid2vid train --resume runs/ada"),
        (["train", "--resume", "--set", "data.height=64"], "--set"),
        (["transfer", "other.mp4"], "Missing option '--target'"),
        (["transfer", "other.mp4", "-t", "a.ckpt", "--conditioner-option", "person=2"], "NAME.KEY=VALUE"),
        (["synthesize", "a.ckpt", "data", "--split", "half"], "val"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_main_commands_reject_bad_arguments(run_cli: CliRunner, tmp_path: Path, args: list[str], message: str) -> None:
    result = run_cli(*args)
    assert result.exit_code == 2, result.stderr
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", ["generator.widht=3", "data.height=4"])
def test_train_rejects_bad_setting(run_cli: CliRunner, tmp_path: Path, setting: str) -> None:
    result = run_cli("train", "--preset", "tiny", "--set", setting)
    assert result.exit_code == 21
    assert result.stderr.startswith(f"Error: {setting.split('=')[0]}")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """24 frames of a moving disc."""
    path = tmp_path / "video.mp4"
    y, x = np.mgrid[:48, :64]
    with VideoWriter(path, Fraction(30000, 1001)) as writer:
        for index in range(24):
            disc = (x - 20 - index) ** 2 + (y - 24) ** 2 < 150
            writer.write(np.where(disc[..., None], (220, 180, 40), (30, 60, 90)).astype(np.uint8))
    return path


def modification_times(folder: Path) -> dict[str, int]:
    """{path: time of modification in ns} of everything below a folder."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_dry_run_writes_nothing_and_prints_plan(run_cli: CliRunner, video: Path, tmp_path: Path) -> None:
    before = modification_times(tmp_path)
    result = run_cli("prepare", "-c", "edges", "-n", "video.mp4")
    assert result.exit_code == 0, result.stderr
    assert "datasets/video" in result.stdout
    assert modification_times(tmp_path) == before

    result = run_cli("prepare", "--conditioner", "edges", "--json", "video.mp4")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert (records[-1]["event"], records[-1]["path"], records[-1]["num_frames"]) == ("result", "datasets/video", 24)
    assert records[-1]["detections"] == {"edges": {"num_detected": 24, "num_frames": 24}}
    assert records[-1]["next_command"] == "vid2vid train --preset fast"
    assert "Next: vid2vid train --preset fast" in result.stderr

    before = modification_times(tmp_path)
    result = run_cli("train", "--set", "data.height=48", "--dry-run", "--json", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    plan = json.loads(result.stdout)["plan"]
    assert plan["run"] == "runs/video"
    assert plan["preset"].startswith("fast (no --preset given: ")
    assert plan["image size"] == "56x42 of 64x48: the whole frame"
    assert plan["time"].startswith("not measured")
    assert "warning" not in plan
    assert modification_times(tmp_path) == before

    result = run_cli("train", "-p", "edges", "--set", "data.height=32", "--dry-run", "--json", "--device", "cpu")
    plan = json.loads(result.stdout)["plan"]
    assert "GPU" in plan["warning"]
    assert plan["warning"].endswith("fast")
    assert "B, estimated" in plan["memory"]

    result = run_cli("train", "--preset", "face")
    assert result.exit_code == 31
    assert "landmarks" in result.stderr
    assert "datasets/video has edges" in result.stderr
    assert "vid2vid train --preset fast --data datasets/video" in result.stderr
    assert modification_times(tmp_path) == before

    # `train` takes the newest dataset: for another one, the next command names it.
    (tmp_path / "-new.mp4").write_bytes((tmp_path / "video.mp4").read_bytes())
    result = run_cli("prepare", "-c", "edges", "--max-frames", "12", "--out", "datasets/-new", "--", "-new.mp4")
    assert "Next: vid2vid train --preset fast\n" in result.stderr
    result = run_cli("prepare", "-c", "edges", "video.mp4")
    assert "Next: vid2vid train --preset fast --data datasets/video\n" in result.stderr
    result = run_cli("prepare", "-c", "edges", "--max-frames", "12", "--out=-there", "video.mp4")
    assert "Next: vid2vid train --preset fast --data ./-there\n" in result.stderr


def test_prepare_does_not_recommend_training_with_too_few_detections(run_cli: CliRunner, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "few.mp4", Fraction(25)) as writer:
        for index in range(40):
            frame = np.full((48, 64, 3), 90, np.uint8)
            frame[10:30, 10 : 30 if index < 2 else 10] = 250
            writer.write(frame)
    result = run_cli("prepare", "-c", "edges", "--no-split-shots", "few.mp4")
    assert result.exit_code == 0, result.stderr
    assert "too few to train on" in result.stderr
    assert "Next: vid2vid plugins show edges\n" in result.stderr


def test_train_interrupt_prints_resume_command(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal("train", quiet=True)
    for gpus, gpus_option in ((None, ""), (2, " --gpus 2")):
        track_resume_command(terminal, gpus)(ArtifactEvent("runs/video-2/checkpoints/step_0000016", "checkpoint"))
        with pytest.raises(KeyboardInterrupt), terminal:
            raise KeyboardInterrupt
        assert capsys.readouterr().err == f"Stopped.\nContinue: vid2vid train --resume runs/video-2{gpus_option}\n"
