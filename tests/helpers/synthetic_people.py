"""Keypoints of a schematic person for tests of the pose plugin, and OpenPose's JSON files of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

STANDING_POSE = (
    (0, 0.0), (0, 0.15), (-0.12, 0.15), (-0.16, 0.32), (-0.18, 0.47), (0.12, 0.15), (0.16, 0.32), (0.18, 0.47),
    (0, 0.48), (-0.07, 0.48), (-0.08, 0.72), (-0.08, 0.94), (0.07, 0.48), (0.08, 0.72), (0.08, 0.94),
    (-0.02, -0.02), (0.02, -0.02), (-0.05, 0.0), (0.05, 0.0),
    (0.10, 0.98), (0.13, 0.97), (0.07, 0.97), (-0.10, 0.98), (-0.13, 0.97), (-0.07, 0.97),
)  # fmt: skip
"""BODY_25 of a person who stands facing the camera, with height 1; x points to the right of the image."""


def person_keypoints(x: float = 160, y: float = 30, height: float = 180, confidence: float = 0.9) -> Points:
    """BODY_25 (25, 3) with the nose at (x, y)."""
    positions = np.array(STANDING_POSE) * height + [x, y]
    return np.column_stack([positions, np.full(25, confidence)]).astype(np.float32)


def hand_keypoints(x: float, y: float, size: float = 12) -> Points:
    """(21, 3): five fingers pointing down from a wrist at (x, y)."""
    fingers = [(size * (f - 2) * s / 8, size * s / 4) for f in range(5) for s in range(1, 5)]
    return np.array([(x, y, 0.8), *((x + a, y + b, 0.8) for a, b in fingers)], dtype=np.float32)


def face_keypoints(x: float, y: float, size: float = 20) -> Points:
    """(70, 3): approximate positions of iBUG's points and the pupils, centred at (x, y)."""
    jaw_angles = np.linspace(0, np.pi, 17)
    jaw = np.column_stack([-np.cos(jaw_angles), np.sin(jaw_angles)])
    brows = np.vstack([np.column_stack([np.linspace(c - 0.3, c + 0.3, 5), np.full(5, -0.4)]) for c in (-0.45, 0.45)])
    nose = np.vstack(
        [np.column_stack([np.zeros(4), np.linspace(-0.2, 0.2, 4)]), *[[[i / 10, 0.3]] for i in range(-2, 3)]]
    )
    lid_points = np.array([(-0.2, 0), (-0.07, -0.08), (0.07, -0.08), (0.2, 0), (0.07, 0.08), (-0.07, 0.08)])
    eyes = np.vstack([lid_points + np.array([c, -0.2]) for c in (-0.45, 0.45)])
    mouth_angles = np.linspace(np.pi, -np.pi, 20, endpoint=False)
    mouth = np.column_stack([0.35 * np.cos(mouth_angles), 0.6 - 0.15 * np.sin(mouth_angles)])
    pupils = [(-0.45, -0.2), (0.45, -0.2)]
    positions = np.vstack([jaw, brows, nose, eyes, mouth, pupils]) * size + [x, y]
    return np.column_stack([positions, np.full(70, 0.7)]).astype(np.float32)


def flatten_keypoints(points: Points | None) -> list[float]:
    """Flat list as in OpenPose's JSON, with 0, 0, 0 for missing points."""
    return [] if points is None else np.nan_to_num(points).astype(float).ravel().round(3).tolist()


def openpose_json(people: Sequence[dict[str, Points]], version: float | None = 1.3) -> dict[str, Any]:
    """OpenPose's output for one frame."""
    data: dict[str, Any] = {} if version is None else {"version": version}
    data["people"] = [
        {
            "person_id": [-1],
            "pose_keypoints_2d": flatten_keypoints(points["body"]),
            "face_keypoints_2d": flatten_keypoints(points.get("face")),
            "hand_left_keypoints_2d": flatten_keypoints(points.get("left_hand")),
            "hand_right_keypoints_2d": flatten_keypoints(points.get("right_hand")),
            "pose_keypoints_3d": [],
        }
        for points in people
    ]
    return data


def write_openpose_files(folder: Path, frames: Sequence[Sequence[dict[str, Points]]]) -> Path:
    """Write one OpenPose file per frame and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, people in enumerate(frames):
        (folder / f"walk_{index:012d}_keypoints.json").write_text(json.dumps(openpose_json(people)))
    return folder
