"""Labels that exist already, on the command line: datasets of other programs, and label video."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from helpers.cli_runner import Vid2Vid
from helpers.factories import COUNT, blob_frame

from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.media.images import save_png


def pictures(folder: str, frames: list[np.ndarray]) -> None:
    Path(folder).mkdir(parents=True)
    for index, frame in enumerate(frames):
        save_png(Path(folder) / f"{index:03d}.png", frame)


def test_a_dataset_of_another_program_tells_its_conditioner(vid2vid: Vid2Vid) -> None:
    frames = [blob_frame(index) for index in range(6)]
    pictures("city/train_B/a", frames)
    pictures("city/train_A/a", [frame[:, :, 0] // 128 for frame in frames])
    done = vid2vid("prepare", "city")
    assert done.code == 18
    assert "--option labels.classes=" in done.err
    done = vid2vid("prepare", "--option", "labels.classes=2", "city", "--json")
    assert json.loads(done.out.splitlines()[-1])["found"] == {"labels": {"found": 6, "total": 6}}
    assert "city was prepared for another program: 1 sequence; labels from train_A." in done.err
    assert read_manifest(Path("datasets/city")).conditioner("labels").options["classes"] == 2
    assert "name at least one of" in vid2vid("prepare", "city/train_B/a/000.png").err
    done = vid2vid("prepare", "city/train_B/a")
    assert (done.code, "No conditioner was named" in done.err) == (21, True)
    done = vid2vid("prepare", "--option", "edges.sigma=2", "city", "--dry-run")
    assert (done.code, "given for edges, which is not among" in done.err) == (21, True)


def test_label_video_is_synthesized(vid2vid: Vid2Vid, run_folder: Path) -> None:
    lines = np.zeros((40, 56), np.uint8)
    lines[10:12] = lines[:, 20:22] = 255
    pictures("sketch", [np.roll(lines, index, axis=1) for index in range(COUNT)])
    done = vid2vid("synthesize", str(run_folder), "sketch", "--device", "cpu", "--json", "--no-retarget")
    last = json.loads(done.out.splitlines()[-1])
    assert (last["path"], last["frames"]) == ("sketch_synthesized.mp4", COUNT)
    assert last["next"] == "vid2vid inspect sketch_synthesized.mp4"
    done = vid2vid("synthesize", str(run_folder), "sketch", "--option", "edges.dir=nowhere")
    assert (done.code, "nowhere does not exist (edges.dir)" in done.err) == (10, True)
    for words in (("synthesize", str(run_folder), "sketch"), ("transfer", "sketch", "-t", str(run_folder))):
        done = vid2vid(*words, "--replace", "car=bus@1s-2s", "--remove", "man")
        assert (done.code, "--remove man: there are no label maps to edit; this is" in done.err) == (21, True)
    done = vid2vid("synthesize", str(run_folder), "sketch", "--dry-run", "--option", "edges.sigma")
    assert (done.code, "write NAME.OPTION=VALUE" in done.err) == (2, True)
