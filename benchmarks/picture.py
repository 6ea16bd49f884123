"""The README's picture: a drawn presenter, learnt in 100 seconds, moved by a smaller and farther drawn driver.

    python tests/benchmarks/picture.py FOLDER

Drawn, because other people's faces are not ours to publish; everything but the footage is the real thing.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from vid2vid_cli.config.resolve import load_layers
from vid2vid_cli.engine.events import silent
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import drawn_face
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer

FPS = 25
SIZE = 192
SHOWN = ((4, 14), (34, 52))
"""Frames of the comparison, by row."""


def footage(path: Path, seed: int, frames: int, size: float) -> Path:
    """A head, `size` pixels half as high, that wanders, talks and blinks, before a textured wall."""
    grain = np.random.default_rng(0).integers(-12, 13, (SIZE, SIZE, 1))
    phase = np.random.default_rng(seed).uniform(0, 6, 4)
    with VideoWriter(path, Fraction(FPS)) as writer:
        for index in range(frames):
            time = index / FPS
            face = drawn_face(
                SIZE,
                SIZE,
                x=SIZE / 2 + 22 * np.sin(1.3 * time + phase[0]),
                y=90 + 10 * np.sin(1.9 * time + phase[1]),
                size=size,
                mouth=0.5 - 0.5 * np.cos(7 * time + phase[2]),
                eyes=0.08 if (index + 7 * seed) % 45 < 3 else 1.0,
            )
            writer.write(np.clip(face + grain, 0, 255).astype(np.uint8))
    return path


def main(folder: Path) -> Path:
    """Make the footage, learn, transfer, and write `transfer.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    presenter = footage(folder / "presenter.mp4", 1, 150, 58)
    driver = footage(folder / "driver.mp4", 2, 60, 38)
    dataset = prepare(PrepareRequest((presenter,), ("landmarks",), folder / "dataset"), silent).path
    config = load_layers("tiny", None, (), {}).config
    trained = train(TrainRequest(config, "tiny", dataset, folder / "run", seconds=100), silent)
    made = transfer(TransferRequest(driver, trained.checkpoint, folder / "result.mp4", overwrite=True), silent)
    assert made.compare is not None
    frames = list(VideoReader(made.compare))
    picture = folder / "transfer.png"
    save_png(picture, np.vstack([np.hstack([frames[index] for index in row]) for row in SHOWN]))
    return picture


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
