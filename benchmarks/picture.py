"""The picture of the README, a transfer between two drawn heads.

    python benchmarks/picture.py FOLDER

draws two clips, trains `fast` with its reference frames for 400 steps and writes FOLDER/results.png: evenly spaced
frames of the source, their conditions and the results below each other. The driving head is smaller, at another place
and another person's. It takes 8 minutes of CPU time.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.drawn_head import Expression, Head
from benchmarks.drawn_scene import draw_frame, draw_room
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.images import resize_image, save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.prepare import prepare
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.pipelines.transfer import transfer
from vid2vid_cli.reports.comparison_video import panels_of
from vid2vid_cli.requests.prepare import PrepareRequest
from vid2vid_cli.requests.render import TransferRequest
from vid2vid_cli.requests.train import TrainRequest

FPS, SIZE = 25, 256
NUM_STEPS = 400
SHOWN_FRAMES = range(5, 75, 15)
TILE_SIZE = 192
WALL = (0.62, 0.66, 0.66)
TARGET = Head(
    seed=1,
    skin=(0.6, 0.38, 0.26),
    hair=(0.07, 0.05, 0.05),
    lips=(0.62, 0.27, 0.26),
    iris=(0.2, 0.1, 0.05),
    clothes=(0.7, 0.45, 0.2),
    hair_volume=0.2,
    hair_grain=(4, 4),
    brow=0.025,
    width=0.7,
)
DRIVER = Head(
    seed=2,
    skin=(0.87, 0.62, 0.5),
    hair=(0.22, 0.12, 0.07),
    lips=(0.72, 0.3, 0.3),
    iris=(0.25, 0.45, 0.5),
    clothes=(0.25, 0.4, 0.6),
)


def write_clip(path: Path, head: Head, *, num_frames: int, x: float, y: float, half_height: float) -> Path:
    """A head around (x, y), in pixels, that moves, turns, talks, smiles, looks around and blinks."""
    phase = np.random.default_rng(head.seed).uniform(0, 2 * np.pi, 8)
    room = draw_room(SIZE, head.seed, WALL)
    with VideoWriter(path, Fraction(FPS)) as writer:
        for index in range(num_frames):
            yaw, pitch, roll, mouth, smile, gaze, place, speech = np.sin(
                np.array([1.1, 1.7, 0.9, 5.5, 0.8, 1.3, 0.7, 2.3]) * index / FPS + phase
            )
            expression = Expression(
                yaw=0.36 * yaw,
                pitch=0.1 * pitch,
                roll=0.07 * roll,
                mouth_openness=np.clip((0.5 + 0.6 * mouth) * (0.75 + 0.35 * speech), 0, 1),
                smile=np.clip(0.5 + smile, 0, 1),
                gaze=0.8 * gaze,
                eye_openness=0.0 if (index + 7 * head.seed) % 45 < 3 else 1.0,
            )
            centre = x + 0.1 * half_height * place, y + 0.05 * half_height * pitch
            writer.write(draw_frame(head, expression, room, x=centre[0], y=centre[1], half_height=half_height))
    return path


def transfer_between_heads(folder: Path) -> Path:
    """Train a model of one head, and transfer the motion of another; returns the comparison video."""
    target = write_clip(folder / "target.mp4", TARGET, num_frames=200, x=128, y=122, half_height=80)
    driver = write_clip(folder / "driver.mp4", DRIVER, num_frames=75, x=146, y=130, half_height=66)
    dataset = prepare(
        PrepareRequest(videos=(target,), conditioners=("landmarks",), out=folder / "face"), ignore_events
    ).path
    config = resolve_config("fast", None, (), {}).config
    trained = train(
        TrainRequest(config=config, preset="fast", data=dataset, out=folder / "face_run", max_steps=NUM_STEPS),
        ignore_events,
    )
    request = TransferRequest(source=driver, target=trained.checkpoint, out=folder / "face.mp4")
    comparison = transfer(request, ignore_events).compare_path
    assert comparison is not None
    return comparison


def stack_frames(comparison: Path) -> NDArray[np.uint8]:
    """SHOWN_FRAMES of a comparison video side by side, each with its panels below each other."""
    frames = list(VideoReader(comparison))
    panel = np.zeros((SIZE, SIZE, 3), np.uint8)
    boxes = panels_of({"source": panel, "condition": panel, "result": panel}, SIZE)
    columns = [
        np.vstack([frames[index][box.y : box.y + box.height, box.x : box.x + box.width] for box in boxes])
        for index in SHOWN_FRAMES
    ]
    return resize_image(np.hstack(columns), len(boxes) * TILE_SIZE, len(columns) * TILE_SIZE)


def main(folder: Path) -> Path:
    """Train the model and write the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "results.png"
    save_png(picture, stack_frames(transfer_between_heads(folder)))
    return picture


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
