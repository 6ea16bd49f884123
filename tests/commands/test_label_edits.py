"""Existing labels on the command line: datasets of other programs, and label videos."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from helpers.cli_runner import CliRunner
from helpers.factories import NUM_FRAMES, blob_frame

from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.media.images import save_png


def write_images(folder: str, frames: list[np.ndarray]) -> None:
    Path(folder).mkdir(parents=True)
    for index, frame in enumerate(frames):
        save_png(Path(folder) / f"{index:03d}.png", frame)


def test_prepare_foreign_dataset_infers_conditioner(run_cli: CliRunner) -> None:
    frames = [blob_frame(index) for index in range(6)]
    write_images("city/train_B/a", frames)
    write_images("city/train_A/a", [frame[:, :, 0] // 128 for frame in frames])
    result = run_cli("prepare", "city")
    assert result.exit_code == 18
    assert "labels.classes=" in result.stderr
    result = run_cli("prepare", "--conditioner-option", "labels.classes=2", "city", "--json")
    assert json.loads(result.stdout.splitlines()[-1])["detections"] == {"labels": {"num_detected": 6, "num_frames": 6}}
    assert "train_A" in result.stderr
    assert read_manifest(Path("datasets/city")).conditioner_record("labels").options["classes"] == 2
    assert "--conditioner" in run_cli("prepare", "city/train_B/a/000.png").stderr
    result = run_cli("prepare", "city/train_B/a")
    assert (result.exit_code, "--conditioner" in result.stderr) == (21, True)
    result = run_cli("prepare", "--conditioner-option", "edges.sigma=2", "city", "--dry-run")
    assert (result.exit_code, "edges" in result.stderr) == (21, True)


def test_synthesize_label_folder(run_cli: CliRunner, run_folder: Path) -> None:
    lines = np.zeros((40, 56), np.uint8)
    lines[10:12] = lines[:, 20:22] = 255
    write_images("sketch", [np.roll(lines, index, axis=1) for index in range(NUM_FRAMES)])
    result = run_cli("synthesize", str(run_folder), "sketch", "--device", "cpu", "--json", "--no-retarget")
    payload = json.loads(result.stdout.splitlines()[-1])
    assert (payload["path"], payload["num_frames"]) == ("sketch_synthesized.mp4", NUM_FRAMES)
    assert payload["next_command"] == "vid2vid inspect sketch_synthesized.mp4"
    result = run_cli("synthesize", str(run_folder), "sketch", "--conditioner-option", "edges.input_dir=nowhere")
    assert (result.exit_code, "edges.input_dir" in result.stderr) == (10, True)
    for args in (("synthesize", str(run_folder), "sketch"), ("transfer", "sketch", "-t", str(run_folder))):
        result = run_cli(*args, "--replace", "car=bus@1s-2s", "--remove", "man")
        assert (result.exit_code, "--remove man" in result.stderr) == (
            21,
            True,
        )
    result = run_cli("synthesize", str(run_folder), "sketch", "--dry-run", "--conditioner-option", "edges.sigma")
    assert (result.exit_code, "NAME.KEY=VALUE" in result.stderr) == (2, True)
