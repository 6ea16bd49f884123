"""Retargeting of synthetic bodies by the pose plugin, and measurements on the results."""

from __future__ import annotations

import json

import numpy as np
from helpers.synthetic_bodies import (
    ADULT,
    CHILD,
    LANKY,
    Array,
    Camera,
    Motion,
    annotations_from_joints,
    dance_motion,
    walk_motion,
)

from vid2vid_cli.conditioning import Statistics
from vid2vid_cli.conditioning.registry import find_conditioners

find_conditioners()  # adds the folder of plugins to sys.path

from vid2vid_pose.body_statistics import BONES, height_at, pose_statistics  # noqa: E402
from vid2vid_pose.retarget import BodyRetargeter  # noqa: E402

SOURCE_CAMERA, TARGET_CAMERA = Camera(), Camera(480, 640, 700, 1.0, 200)
BODY_TYPES = {"adult": ADULT, "lanky": LANKY, "child": CHILD}
BODY_PAIRS = [("adult", "lanky"), ("lanky", "child"), ("child", "adult")]
MAIN_BONES = ("torso", "head", "shoulder", "upper_arm", "forearm", "hip", "thigh", "shin")
ANKLE_JOINTS = (11, 14)
JUMP_STARTS = (100, 160)
MOTIONS: dict[str, Motion] = {
    "sideways": walk_motion(130, (-2, 0), (5.6, 0)),
    "approaching": walk_motion(130, (-0.6, 0.6), (2.1, -1.9), step_length=0.35),
    "dance": dance_motion(240, (0, 0), jump_starts=JUMP_STARTS),
}


def measure_statistics(bodies: Array, camera: Camera, jitter: float = 0.5) -> Statistics:
    data: Statistics = json.loads(json.dumps(pose_statistics(annotations_from_joints(bodies, camera, jitter=jitter))))
    return data


def retarget_joints(bodies: Array, source: Statistics, target: Statistics) -> Array:
    """Retarget all frames with one retargeter: (t, 25, 2)."""
    retarget_frame = BodyRetargeter(source, target)
    annotations = annotations_from_joints(bodies, SOURCE_CAMERA)
    retargeted = [retarget_frame(annotation.points)["body"][:, :2] for annotation in annotations]
    return np.stack(retargeted).astype(np.float64)


def bone_lengths(bodies: Array, name: str) -> Array:
    joint_pairs = np.asarray(BONES[name])
    result: Array = np.linalg.norm(bodies[:, joint_pairs[:, 1]] - bodies[:, joint_pairs[:, 0]], axis=-1)
    return result


def body_heights(bodies: Array, source_statistics: Statistics) -> Array:
    """Body height in pixels on each frame, from the foot line."""
    return height_at(source_statistics["ground"], bodies[:, ANKLE_JOINTS, 1].max(axis=1))


def joint_speeds(bodies: Array, joints: tuple[int, ...], source_statistics: Statistics) -> Array:
    """Speeds (t - 1, joints) in body heights per frame."""
    speed = np.linalg.norm(np.diff(bodies[:, joints], axis=0), axis=-1)
    result: Array = speed / body_heights(bodies, source_statistics)[1:, None]
    return result


def joint_accelerations(bodies: Array, source_statistics: Statistics) -> Array:
    """Second differences (t - 2, 25) in body heights."""
    result: Array = (
        np.linalg.norm(np.diff(bodies, 2, axis=0), axis=-1) / body_heights(bodies, source_statistics)[1:-1, None]
    )
    return result
