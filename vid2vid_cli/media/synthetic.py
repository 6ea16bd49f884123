"""Synthetic footage for tests and demonstrations: a drawn talking head that face detectors detect."""

from __future__ import annotations

import cv2
import numpy as np

from vid2vid_cli.core.geometry import UInt8Array


def synthetic_face(
    height: int = 192,
    width: int = 256,
    *,
    x: float | None = None,
    y: float | None = None,
    half_height: float | None = None,
    mouth_openness: float = 0.0,
    eye_openness: float = 1.0,
) -> UInt8Array:
    """Draw a head that face detectors detect, (height, width, 3) RGB.

    `x`, `y`: its centre in pixels; `half_height` in pixels; `mouth_openness`, `eye_openness`: 0 closed to 1 open.
    """
    centre_x, centre_y = width / 2 if x is None else x, height / 2 if y is None else y
    unit = 0.27 * min(height, width) if half_height is None else half_height
    image = np.full((height, width, 3), (120, 140, 150), dtype=np.uint8)

    def draw_ellipse(
        cx: float, cy: float, rx: float, ry: float, colour: tuple[int, int, int], thickness: int = -1
    ) -> None:
        centre = round((centre_x + cx * unit) * 16), round((centre_y + cy * unit) * 16)
        axes = round(rx * unit * 16), round(ry * unit * 16)
        start_angle, end_angle = (0, 360) if thickness < 0 or ry < 0.099 else (200, 340)
        cv2.ellipse(image, centre, axes, 0, start_angle, end_angle, colour, thickness, cv2.LINE_AA, 4)

    skin, shadow, hair = (224, 172, 145), (205, 150, 125), (60, 40, 30)
    draw_ellipse(0, 1.75, 1.3, 0.6, (60, 70, 110))
    draw_ellipse(0, 1.2, 0.4, 0.5, (190, 140, 115))
    draw_ellipse(0, -0.25, 0.98, 1.15, hair)
    for side in (-1, 1):
        draw_ellipse(0.86 * side, 0.1, 0.12, 0.22, shadow)
    draw_ellipse(0, 0.1, 0.82, 1.08, skin)
    draw_ellipse(0, -0.75, 0.7, 0.3, hair)
    for side in (-1, 1):
        eye_height = 0.09 * eye_openness + 0.005
        draw_ellipse(0.36 * side, -0.05, 0.2, eye_height, (250, 250, 250))
        draw_ellipse(0.36 * side, -0.05, 0.085, min(0.085, eye_height), (70, 50, 40))
        draw_ellipse(0.36 * side, -0.05, 0.04, min(0.04, eye_height), (10, 10, 10))
        draw_ellipse(0.36 * side, -0.05, 0.2, eye_height, (90, 60, 50), max(1, round(unit / 40)))
        draw_ellipse(0.36 * side, -0.2, 0.26, 0.1, hair, max(2, round(unit / 14)))
    draw_ellipse(0, 0.25, 0.07, 0.35, shadow)
    draw_ellipse(0, 0.38, 0.15, 0.09, (205, 145, 120))
    for side in (-1, 1):
        draw_ellipse(0.08 * side, 0.43, 0.04, 0.025, (120, 70, 60))
    draw_ellipse(0, 0.72, 0.3, 0.1 + 0.25 * mouth_openness, (180, 80, 80))
    draw_ellipse(0, 0.72, 0.24, 0.02 + 0.22 * mouth_openness, (70, 20, 25))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(unit / 60, 0.5)), dtype=np.uint8)


def synthetic_clip(num_frames: int = 8, height: int = 192, width: int = 256) -> list[UInt8Array]:
    """Frames of a drawn head that talks and moves to the right, on a textured background that gives edges."""
    background = np.random.default_rng(0).integers(-12, 13, (height, width, 1))
    clip = []
    for index in range(num_frames):
        mouth_openness = 0.5 - 0.5 * np.cos(index)
        face = synthetic_face(height, width, x=0.45 * width + 1.5 * index, mouth_openness=float(mouth_openness))
        clip.append(np.clip(face + background, 0, 255).astype(np.uint8))
    return clip
