"""The verbs refuse what they cannot do before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands.line import Vid2Vid


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
