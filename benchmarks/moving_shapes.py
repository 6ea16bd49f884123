"""A video of shapes that bounce in random directions: a data set for stochastic prediction, without a download.

    python benchmarks/moving_shapes.py shapes.mp4 [--frames 3000] [--size 64] [--shapes 2] [--seed 0] [--deterministic]
    vid2vid prepare --conditioner none shapes.mp4

The motion between two bounces is constant and predictable; the direction and the speed after a bounce are random,
unless `--deterministic` is given: then shapes are reflected. As in stochastic moving MNIST (Denton and Fergus, 2018).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.media.writer import VideoWriter

FPS = 25
COLOURS = ((235, 90, 70), (80, 170, 240), (245, 210, 80), (120, 220, 120))
BACKGROUND = (40, 42, 54)
SUBPIXEL_BITS = 4


class BouncingShape:
    """A disc or a square within a square picture; lengths in pixels."""

    def __init__(self, index: int, size: int, rng: np.random.Generator, *, is_deterministic: bool) -> None:
        self.index, self.size, self.radius = index, size, 0.13 * size
        self._rng, self._is_deterministic = rng, is_deterministic
        self.position = rng.uniform(self.radius, size - self.radius, 2)
        self.velocity = self._draw_velocity()

    def _draw_velocity(self) -> np.ndarray:
        angle, speed = self._rng.uniform(0, 2 * np.pi), self._rng.uniform(0.02, 0.06) * self.size
        return np.array([np.cos(angle), np.sin(angle)]) * speed

    def move(self) -> None:
        """Advance by one frame; at a border, draw a new velocity that leads away from it."""
        self.position += self.velocity
        low, high = self.radius, self.size - self.radius
        inward = np.where(self.position < low, 1, np.where(self.position > high, -1, 0))
        if not inward.any():
            return
        if not self._is_deterministic:
            self.velocity = self._draw_velocity()
        self.velocity = np.where(inward == 0, self.velocity, inward * abs(self.velocity))
        self.position = self.position.clip(low, high)

    def draw(self, image: UInt8Array) -> None:
        """Draw the shape with antialiasing."""
        scale = 1 << SUBPIXEL_BITS
        colour = COLOURS[self.index % len(COLOURS)]
        centre = np.round(self.position * scale).astype(np.int32)
        if self.index % 2 == 0:
            cv2.circle(image, centre.tolist(), round(self.radius * scale), colour, -1, cv2.LINE_AA, shift=SUBPIXEL_BITS)
            return
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.85 * self.radius * scale
        cv2.fillConvexPoly(image, (centre + corners).astype(np.int32), colour, cv2.LINE_AA, SUBPIXEL_BITS)


def moving_shapes(
    num_frames: int, size: int = 64, *, num_shapes: int = 2, seed: int = 0, is_deterministic: bool = False
) -> Iterator[UInt8Array]:
    """Yield frames (size, size, 3) RGB; later shapes cover earlier ones."""
    rng = np.random.default_rng(seed)
    shapes = [BouncingShape(index, size, rng, is_deterministic=is_deterministic) for index in range(num_shapes)]
    for _ in range(num_frames):
        image = np.full((size, size, 3), BACKGROUND, dtype=np.uint8)
        for shape in shapes:
            shape.draw(image)
            shape.move()
        yield image


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the video; an error is one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--shapes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--deterministic", action="store_true")
    args = parser.parse_args(arguments)
    if args.frames < 1 or args.size < 16 or args.shapes < 1:
        parser.error("--frames and --shapes are at least 1, --size at least 16")
    try:
        with VideoWriter(args.path, Fraction(FPS), crf=10) as writer:
            for frame in moving_shapes(
                args.frames,
                args.size,
                num_shapes=args.shapes,
                seed=args.seed,
                is_deterministic=args.deterministic,
            ):
                writer.write(frame)
    except Vid2VidError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"vid2vid prepare --conditioner none {args.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
