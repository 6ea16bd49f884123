"""A linear model of motion with known coefficients."""

from __future__ import annotations

import numpy as np
from helpers.synthetic_faces import place_face, schematic_face

from vid2vid_cli.data.linear_motion import LinearMotion
from vid2vid_cli.data.pose_model import PoseModel
from vid2vid_cli.data.scene_positions import Positions, as_complex

NUM_VALUES = 5
ROWS = np.arange(68, dtype=np.uint16)


def face(
    scale: float = 0.2, x: float = 0.0, y: float = -0.1, *, angle: float = 0.0, mouth_gap: float = 0.05
) -> Positions:
    """Points in heights of the frame."""
    return as_complex(place_face(schematic_face(mouth_gap), 0.2, x, -0.1, angle))


def motion_model(coefficients: float = 0.0) -> LinearMotion:
    """A model of five values, the last one the opening of the mouth; x of everything follows it by `coefficients`."""
    points = face()
    centred = points - points.mean()
    shape = centred / np.sqrt((np.abs(centred) ** 2).mean())
    opened = face(mouth_gap=0.3) - points
    component = np.concatenate([opened.real, opened.imag])
    grid = np.zeros((6, 6, 2, NUM_VALUES), np.float32)
    grid[:, :, 0, 4] = coefficients
    poses = PoseModel(
        rows=ROWS,
        mean_shape=np.stack([shape.real, shape.imag], axis=1).astype(np.float32),
        components=(component / np.linalg.norm(component))[None].astype(np.float32),
        place_mean=np.zeros(4, np.float32),
        place_scale=np.ones(4, np.float32),
    )
    return LinearMotion(
        poses,
        max_differences=np.full(NUM_VALUES, 10, np.float32),
        origin=np.full(2, -5, np.float32),
        step=2.0,
        coefficients=grid,
    )
