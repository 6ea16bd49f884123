"""Footage that is drawn: a talking head which face detectors take for one. For tests and trials without a camera."""

from __future__ import annotations

import cv2
import numpy as np

from vid2vid_cli.core.geometry import Bytes


def drawn_face(
    height: int = 192,
    width: int = 256,
    *,
    x: float | None = None,
    y: float | None = None,
    size: float | None = None,
    mouth: float = 0.0,
    eyes: float = 1.0,
) -> Bytes:
    """A drawn head (height, width, 3) that real detectors take for a face.

    `x`, `y`: its middle in pixels; `size`: half its height; `mouth`: 0 shut to 1 wide open; `eyes`: 1 open, 0 shut.
    """
    middle_x, middle_y = width / 2 if x is None else x, height / 2 if y is None else y
    unit = 0.27 * min(height, width) if size is None else size
    image = np.full((height, width, 3), (120, 140, 150), dtype=np.uint8)

    def oval(cx: float, cy: float, rx: float, ry: float, colour: tuple[int, int, int], line: int = -1) -> None:
        centre = round((middle_x + cx * unit) * 16), round((middle_y + cy * unit) * 16)
        axes = round(rx * unit * 16), round(ry * unit * 16)
        first, last = (0, 360) if line < 0 or ry < 0.099 else (200, 340)
        cv2.ellipse(image, centre, axes, 0, first, last, colour, line, cv2.LINE_AA, 4)

    skin, shade, hair = (224, 172, 145), (205, 150, 125), (60, 40, 30)
    oval(0, 1.75, 1.3, 0.6, (60, 70, 110))
    oval(0, 1.2, 0.4, 0.5, (190, 140, 115))
    oval(0, -0.25, 0.98, 1.15, hair)
    for side in (-1, 1):
        oval(0.86 * side, 0.1, 0.12, 0.22, shade)
    oval(0, 0.1, 0.82, 1.08, skin)
    oval(0, -0.75, 0.7, 0.3, hair)
    for side in (-1, 1):
        lid = 0.09 * eyes + 0.005
        oval(0.36 * side, -0.05, 0.2, lid, (250, 250, 250))
        oval(0.36 * side, -0.05, 0.085, min(0.085, lid), (70, 50, 40))
        oval(0.36 * side, -0.05, 0.04, min(0.04, lid), (10, 10, 10))
        oval(0.36 * side, -0.05, 0.2, lid, (90, 60, 50), max(1, round(unit / 40)))
        oval(0.36 * side, -0.2, 0.26, 0.1, hair, max(2, round(unit / 14)))
    oval(0, 0.25, 0.07, 0.35, shade)
    oval(0, 0.38, 0.15, 0.09, (205, 145, 120))
    for side in (-1, 1):
        oval(0.08 * side, 0.43, 0.04, 0.025, (120, 70, 60))
    oval(0, 0.72, 0.3, 0.1 + 0.25 * mouth, (180, 80, 80))
    oval(0, 0.72, 0.24, 0.02 + 0.22 * mouth, (70, 20, 25))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(unit / 60, 0.5)), dtype=np.uint8)


def drawn_clip(frames: int = 8, height: int = 192, width: int = 256) -> list[Bytes]:
    """A drawn head that moves to the right while it talks; on a textured ground, so that there are edges too."""
    ground = np.random.default_rng(0).integers(-12, 13, (height, width, 1))
    clip = []
    for index in range(frames):
        mouth = 0.5 - 0.5 * np.cos(index)
        face = drawn_face(height, width, x=0.45 * width + 1.5 * index, mouth=float(mouth))
        clip.append(np.clip(face + ground, 0, 255).astype(np.uint8))
    return clip
