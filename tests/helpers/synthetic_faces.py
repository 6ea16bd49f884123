"""Schematic faces of 68 points for tests of the landmarks plugin, and measurements on points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation

Points = NDArray[np.float32]


def ellipse_arc(
    num_points: int, x: float, y: float, rx: float, ry: float, start_degrees: float, end_degrees: float
) -> Any:
    angles = np.radians(np.linspace(start_degrees, end_degrees, num_points))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def schematic_face(mouth_gap: float = 0.05, eye_gap: float = 0.1, mouth_width: float = 1.0) -> Points:
    """68 points with the outer eye corners at (-1/2, 0) and (1/2, 0); gaps and width in eye distances."""

    def eye_points(x: float) -> Any:
        corners = np.array([[x - 0.15, 0], [x + 0.15, 0]])
        lid_points = np.array([[x - 0.05, eye_gap / 2], [x + 0.05, eye_gap / 2]])
        upper_lid, lower_lid = lid_points * [1, -1], lid_points[::-1]
        return np.vstack([corners[:1], upper_lid, corners[1:], lower_lid])

    mouth_y = 0.8
    upper_lip_y, lower_lip_y = mouth_y - mouth_gap / 2, mouth_y + mouth_gap / 2
    lip_xs = np.array([-0.15, 0.0, 0.15])
    outer_lips = np.vstack(
        [
            [[-0.3 * mouth_width, mouth_y]],
            ellipse_arc(5, 0, upper_lip_y, 0.2 * mouth_width, 0.1, 205, 335),
            [[0.3 * mouth_width, mouth_y]],
            ellipse_arc(5, 0, lower_lip_y, 0.2 * mouth_width, 0.12, 25, 155),
        ]
    )
    inner_lips = np.vstack(
        [
            [[-0.25 * mouth_width, mouth_y]],
            np.stack([lip_xs * mouth_width, np.full(3, upper_lip_y)], 1),
            [[0.25 * mouth_width, mouth_y]],
            np.stack([lip_xs[::-1] * mouth_width, np.full(3, lower_lip_y)], 1),
        ]
    )
    point_groups = [
        ellipse_arc(17, 0, 0.05, 0.75, 1.2, 180, 0),
        ellipse_arc(5, -0.38, -0.2, 0.25, 0.08, 190, 350),
        ellipse_arc(5, 0.38, -0.2, 0.25, 0.08, 190, 350),
        np.stack([np.zeros(4), np.linspace(0, 0.4, 4)], axis=1),
        ellipse_arc(5, 0, 0.45, 0.18, 0.05, 180, 0),
        eye_points(-0.35),
        eye_points(0.35),
        outer_lips,
        inner_lips,
    ]
    points = np.vstack(point_groups).astype(np.float32)
    assert points.shape == (68, 2)
    return points


def place_face(points: Points, scale: float, x: float, y: float, angle: float = 0.0) -> Points:
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    return (scale * points @ rotation.T + [x, y]).astype(np.float32)


def face_annotation(points: Points | None, height: int = 240, width: int = 320) -> Annotation:
    if points is None:
        return Annotation(height, width, 0.0, {"face": np.full((68, 2), np.nan, np.float32)})
    return Annotation(height, width, 1.0, {"face": points})


def eye_distance(points: Points) -> Any:
    return np.linalg.norm(points[..., 36, :] - points[..., 45, :], axis=-1)


def relative_gap(points: Points, upper: int, lower: int) -> Any:
    """Distance of two points in eye distances."""
    return np.linalg.norm(points[..., upper, :] - points[..., lower, :], axis=-1) / eye_distance(points)


def stack_points(annotations: list[Annotation]) -> Points:
    return np.stack([annotation.points["face"] for annotation in annotations])
