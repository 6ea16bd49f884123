"""Faces for the tests of the landmarks plugin: a schematic one as 68 points, and what is read off points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation

Points = NDArray[np.float32]


def arc(count: int, x: float, y: float, rx: float, ry: float, first: float, last: float) -> Any:
    turn = np.radians(np.linspace(first, last, count))
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=1)


def schematic(mouth: float = 0.05, eyes: float = 0.1, wide: float = 1.0) -> Points:
    """68 points with the outer eye corners at (-1/2, 0) and (1/2, 0); `mouth` and `eyes` are the gaps."""

    def eye(x: float) -> Any:
        corner = np.array([[x - 0.15, 0], [x + 0.15, 0]])
        lid = np.array([[x - 0.05, eyes / 2], [x + 0.05, eyes / 2]])
        up, down = lid * [1, -1], lid[::-1]
        return np.vstack([corner[:1], up, corner[1:], down])

    m = 0.8
    inner_up, inner_down = m - mouth / 2, m + mouth / 2
    xs = np.array([-0.15, 0.0, 0.15])
    outer = np.vstack(
        [
            [[-0.3 * wide, m]],
            arc(5, 0, inner_up, 0.2 * wide, 0.1, 205, 335),
            [[0.3 * wide, m]],
            arc(5, 0, inner_down, 0.2 * wide, 0.12, 25, 155),
        ]
    )
    inner = np.vstack(
        [
            [[-0.25 * wide, m]],
            np.stack([xs * wide, np.full(3, inner_up)], 1),
            [[0.25 * wide, m]],
            np.stack([xs[::-1] * wide, np.full(3, inner_down)], 1),
        ]
    )
    parts = [
        arc(17, 0, 0.05, 0.75, 1.2, 180, 0),
        arc(5, -0.38, -0.2, 0.25, 0.08, 190, 350),
        arc(5, 0.38, -0.2, 0.25, 0.08, 190, 350),
        np.stack([np.zeros(4), np.linspace(0, 0.4, 4)], axis=1),
        arc(5, 0, 0.45, 0.18, 0.05, 180, 0),
        eye(-0.35),
        eye(0.35),
        outer,
        inner,
    ]
    points = np.vstack(parts).astype(np.float32)
    assert points.shape == (68, 2)
    return points


def place(points: Points, scale: float, x: float, y: float, angle: float = 0.0) -> Points:
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return (scale * points @ turn.T + [x, y]).astype(np.float32)


def annotation(points: Points | None, height: int = 240, width: int = 320) -> Annotation:
    if points is None:
        return Annotation(height, width, 0.0, {"face": np.full((68, 2), np.nan, np.float32)})
    return Annotation(height, width, 1.0, {"face": points})


def eye_distance(points: Points) -> Any:
    return np.linalg.norm(points[..., 36, :] - points[..., 45, :], axis=-1)


def gap(points: Points, upper: int, lower: int) -> Any:
    """In distances of the eyes."""
    return np.linalg.norm(points[..., upper, :] - points[..., lower, :], axis=-1) / eye_distance(points)


def stacked(annotations: list[Annotation]) -> Points:
    return np.stack([one.points["face"] for one in annotations])
