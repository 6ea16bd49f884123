"""The picture of the README, a transfer between two synthetic heads.

    python benchmarks/picture.py FOLDER

trains `tiny` for 500 steps and writes FOLDER/results.png: twice source, condition and result. A smaller,
more distant head drives a model of a larger one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.images import resize_image, save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import synthetic_face
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.prepare import prepare
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.pipelines.transfer import transfer
from vid2vid_cli.requests.prepare import PrepareRequest
from vid2vid_cli.requests.render import TransferRequest
from vid2vid_cli.requests.train import TrainRequest

FPS = 25
FACE_SIZE = 192
ROW_WIDTH = 1024
NUM_STEPS = 500


def write_face_clip(path: Path, *, seed: int, num_frames: int, half_height: float) -> Path:
    """A synthetic head that moves, talks and blinks in front of a textured wall."""
    grain = np.random.default_rng(0).integers(-12, 13, (FACE_SIZE, FACE_SIZE, 1))
    phase = np.random.default_rng(seed).uniform(0, 6, 4)
    with VideoWriter(path, Fraction(FPS)) as writer:
        for index in range(num_frames):
            time = index / FPS
            face = synthetic_face(
                FACE_SIZE,
                FACE_SIZE,
                x=FACE_SIZE / 2 + 22 * np.sin(1.3 * time + phase[0]),
                y=90 + 10 * np.sin(1.9 * time + phase[1]),
                half_height=half_height,
                mouth_openness=0.5 - 0.5 * np.cos(7 * time + phase[2]),
                eye_openness=0.08 if (index + 7 * seed) % 45 < 3 else 1.0,
            )
            writer.write(np.clip(face + grain, 0, 255).astype(np.uint8))
    return path


def face_rows(folder: Path) -> list[NDArray[np.uint8]]:
    """Source, condition and result of two frames of a transfer."""
    target = write_face_clip(folder / "target.mp4", seed=1, num_frames=150, half_height=58)
    driver = write_face_clip(folder / "driver.mp4", seed=2, num_frames=60, half_height=38)
    dataset = prepare(
        PrepareRequest(videos=(target,), conditioners=("landmarks",), out=folder / "face"), ignore_events
    ).path
    config = resolve_config("tiny", None, (), {}).config
    trained = train(
        TrainRequest(config=config, preset="tiny", data=dataset, out=folder / "face_run", max_steps=NUM_STEPS),
        ignore_events,
    )
    request = TransferRequest(source=driver, target=trained.checkpoint, out=folder / "face.mp4")
    return read_rows(transfer(request, ignore_events).compare_path, (4, 34))


def read_rows(comparison: Path | None, indices: Sequence[int]) -> list[NDArray[np.uint8]]:
    """Frames of a comparison video."""
    assert comparison is not None
    frames = list(VideoReader(comparison))
    return [frames[index] for index in indices]


def main(folder: Path) -> Path:
    """Train the model and write the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    row = np.hstack(face_rows(folder))
    picture = folder / "results.png"
    save_png(picture, resize_image(row, round(row.shape[0] * ROW_WIDTH / row.shape[1]), ROW_WIDTH))
    return picture


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
