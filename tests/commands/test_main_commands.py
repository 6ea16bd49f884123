"""The verbs refuse what they cannot do before anything is touched."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.cli_runner import Vid2Vid

from vid2vid_cli.commands.train import _remember
from vid2vid_cli.engine.events import Wrote
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.terminal import Terminal


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (["prepare", "video.mp4"], "name at least one of"),
        (["prepare", "-c", "edges", "--option", "low=3", "video.mp4"], "NAME.OPTION=VALUE"),
        (["prepare", "-c", "edges", "--device", "gpu", "video.mp4"], "gpu is not a device"),
        (["prepare", "-c", "edges", "--fps", "fast", "video.mp4"], "fast is not a frame rate"),
        (["prepare", "-c", "edges", "--start", "soon", "video.mp4"], "soon is not a moment"),
        (["train", "--time", "soon"], "soon is not a duration"),
        (["train", "runs/ada"], "vid2vid train --resume runs/ada"),
        (["train", "--resume", "--set", "data.size=64"], "leave out --set"),
        (["transfer", "other.mp4"], "Missing option '--target'"),
        (["transfer", "other.mp4", "-t", "a.ckpt", "--option", "person=2"], "NAME.OPTION=VALUE"),
        (["synthesize", "a.ckpt", "data", "--split", "half"], "holdout"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_line_is_a_usage_error(vid2vid: Vid2Vid, tmp_path: Path, words: list[str], say: str) -> None:
    done = vid2vid(*words)
    assert done.code == 2, done.err
    assert say in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", ["generator.widht=3", "data.size=4"])
def test_train_refuses_a_setting(vid2vid: Vid2Vid, tmp_path: Path, setting: str) -> None:
    done = vid2vid("train", "--preset", "tiny", "--set", setting)
    assert done.code == 21
    assert done.err.startswith(f"Error: {setting.split('=')[0]}")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A second of a moving disc."""
    path = tmp_path / "video.mp4"
    y, x = np.mgrid[:48, :64]
    with VideoWriter(path, Fraction(30000, 1001)) as writer:
        for index in range(24):
            disc = (x - 20 - index) ** 2 + (y - 24) ** 2 < 150
            writer.write(np.where(disc[..., None], (220, 180, 40), (30, 60, 90)).astype(np.uint8))
    return path


def files(folder: Path) -> dict[str, int]:
    """Every path below a folder, and when it was changed."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_dry_runs_touch_nothing_and_say_what_would_be_done(vid2vid: Vid2Vid, video: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    done = vid2vid("prepare", "-c", "edges", "-n", "video.mp4")
    assert done.code == 0, done.err
    assert "datasets/video" in done.out
    assert files(tmp_path) == before

    done = vid2vid("prepare", "--conditioner", "edges", "--json", "video.mp4")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert (told[-1]["event"], told[-1]["path"], told[-1]["frames"]) == ("done", "datasets/video", 24)
    assert told[-1]["found"] == {"edges": {"found": 24, "total": 24}}
    assert told[-1]["next"] == "vid2vid train --preset edges"
    assert "Next: vid2vid train --preset edges" in done.err

    before = files(tmp_path)
    done = vid2vid("train", "--set", "data.size=32", "--dry-run", "--json", "--device", "cpu")
    assert done.code == 0, done.err
    plan = json.loads(done.out)["plan"]
    assert plan["run"] == "runs/video"
    assert plan["picture"].startswith("32x32")
    assert files(tmp_path) == before

    done = vid2vid("train", "--preset", "face")
    assert done.code == 31
    assert "landmarks" in done.err
    assert files(tmp_path) == before


def test_ctrl_c_names_the_run_that_was_saved(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal("train", quiet=True)
    for gpus, more in ((None, ""), (2, " --gpus 2")):
        _remember(terminal, gpus)(Wrote("runs/video-2/checkpoints/step_0000016", "checkpoint"))
        with pytest.raises(KeyboardInterrupt), terminal:
            raise KeyboardInterrupt
        assert capsys.readouterr().err == f"Stopped.\nContinue: vid2vid train --resume runs/video-2{more}\n"
