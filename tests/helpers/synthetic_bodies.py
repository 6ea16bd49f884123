"""Synthetic bodies for tests of the pose plugin: a skeleton of known limb lengths that walks, dances and jumps.

Metres, x to the right, y up, z away from the camera; the floor is y = 0. The camera is a pinhole with a horizontal
axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation

Array = NDArray[np.float64]
FPS = 30


@dataclass(frozen=True)
class LimbLengths:
    """Limb lengths in metres."""

    torso: float = 0.52
    neck: float = 0.20
    shoulder: float = 0.19
    upper_arm: float = 0.29
    forearm: float = 0.25
    hip: float = 0.09
    thigh: float = 0.43
    shin: float = 0.42
    foot: float = 0.20
    ankle: float = 0.08

    def rescale(self, factor: float) -> LimbLengths:
        return LimbLengths(**{name: factor * value for name, value in vars(self).items()})


ADULT = LimbLengths()
LANKY = replace(ADULT.rescale(1.08), thigh=0.53, shin=0.50, torso=0.50, forearm=0.31, upper_arm=0.34, shoulder=0.18)
CHILD = replace(ADULT.rescale(0.68), neck=0.19, thigh=0.26, shin=0.24, shoulder=0.12, upper_arm=0.19, forearm=0.15)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with images of `height` x `width` pixels and the horizon at `horizon_y`."""

    height: int = 720
    width: int = 720
    focal_length: float = 900.0
    camera_height: float = 1.2
    horizon_y: float = 330.0

    def project(self, points: Array) -> Array:
        """Project points (..., 3) in metres to (..., 2) in pixels."""
        scale = self.focal_length / points[..., 2]
        x = self.width / 2 + points[..., 0] * scale
        return np.stack([x, self.horizon_y + (self.camera_height - points[..., 1]) * scale], axis=-1)


@dataclass(frozen=True)
class Motion:
    """Motion per frame: hips (t, 3), right and left ankle (t, 2, 3), yaw (t,), lean (t,), arm angles, jump heights.

    Lengths are in leg lengths: `project_motion` multiplies positions and heights by the leg of the body.
    """

    hips: Array
    ankles: Array
    yaw: Array
    lean: Array
    arm_angles: Array
    """Angle of the upper arm (from hanging, outwards) and of the elbow, right and left."""
    jump_heights: Array
    """Height of both feet above the floor in body heights."""

    def __len__(self) -> int:
        return len(self.hips)


def smoothstep(x: Any) -> Any:
    """Smooth transition from 0 to 1."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _arm_angles(time: Array, amplitude: float) -> Array:
    angles = np.zeros((len(time), 2, 2))
    for side, sign in enumerate((1, -1)):
        angles[:, side, 0] = 0.5 + amplitude * np.sin(2.1 * time + sign)
        angles[:, side, 1] = 0.6 + 0.5 * amplitude * np.sin(3.3 * time + 2 * sign)
    return angles


def walk_motion(
    num_frames: int, start: tuple[float, float], displacement: tuple[float, float], *, step_length: float = 0.7
) -> Motion:
    """Walk from `start` (x, z) by `displacement`, with steps of 16 frames; a standing foot does not move."""
    frames_per_step = 16
    time = np.arange(num_frames) / frames_per_step
    distance = float(np.hypot(*displacement))
    forward = np.array([displacement[0], 0, displacement[1]]) / max(distance, 1e-9)
    rightward = np.array([forward[2], 0, -forward[0]])  # the walker's right
    num_strides = round(distance / (2 * step_length))
    ankles = np.zeros((num_frames, 2, 3))
    for side in (0, 1):
        # Each foot moves during every second step, by two step lengths, and stands during the others.
        stride_position = np.minimum((time + side) / 2, num_strides)
        stride_index, phase = np.floor(stride_position), stride_position % 1
        travelled = 2 * step_length * (stride_index + smoothstep(phase * 2)) - side * step_length
        foot_height = 0.16 * np.sin(np.pi * np.clip(phase * 2, 0, 1)) ** 2
        ankles[:, side] = np.outer(travelled, forward) + 0.1 * (1 - 2 * side) * rightward
        ankles[:, side, 1] = foot_height
    hip = ankles.mean(axis=1)
    hip[:, 1] = 0.9 + 0.01 * np.sin(2 * np.pi * time)
    origin = np.array([start[0], 0, start[1]])
    yaw = np.full(num_frames, np.arctan2(forward[0], -forward[2]))
    return Motion(
        hip + origin, ankles + origin, yaw, np.zeros(num_frames), _arm_angles(time * 3, 0.3), np.zeros(num_frames)
    )


def dance_motion(
    num_frames: int, start: tuple[float, float], *, max_yaw: float = 0.7, jump_starts: Sequence[int] = ()
) -> Motion:
    """Dance in place: the hips sway over standing feet, which step aside in turn; `jump_starts`: first frames."""
    time = np.arange(num_frames) / FPS
    ankles = np.zeros((num_frames, 2, 3))
    for side in (0, 1):
        phase = (np.arange(num_frames) + 30 * side) % 60 / 12
        step_index = (np.arange(num_frames) + 30 * side) // 60
        end_offset, start_offset = 0.12 * np.sin(step_index * 2.4), 0.12 * np.sin((step_index - 1) * 2.4)
        foot_offset = start_offset + (end_offset - start_offset) * smoothstep(phase)
        ankles[:, side, 0] = (2 * side - 1) * 0.16 + foot_offset
        ankles[:, side, 2] = 0.6 * foot_offset
        ankles[:, side, 1] = 0.18 * np.sin(np.pi * np.clip(phase, 0, 1)) ** 2
    hip = ankles.mean(axis=1)
    hip[:, 0] += 0.05 * np.sin(2.6 * time)
    hip[:, 1] = 0.88 + 0.05 * np.sin(5.1 * time)
    jump_heights = np.zeros(num_frames)
    for jump_start in jump_starts:
        phase = (np.arange(num_frames) - jump_start) / 16
        jump_heights += np.where((phase > 0) & (phase < 1), 0.2 * 4 * phase * (1 - phase), 0)
    origin = np.array([start[0], 0, start[1]])
    yaw = max_yaw * np.sin(0.9 * time)
    return Motion(hip + origin, ankles + origin, yaw, 0.15 * np.sin(1.7 * time), _arm_angles(time, 0.8), jump_heights)


def project_motion(
    motion: Motion, limbs: LimbLengths, camera: Camera, origin: tuple[float, float] = (0.0, 4.0)
) -> Array:
    """Joints (t, 25, 2) in pixels of a body with these limbs that performs the motion at `origin` (x, z)."""
    leg_length = limbs.thigh + limbs.shin
    body_height = limbs.neck + limbs.torso + leg_length
    jump_offsets = np.stack([np.zeros(len(motion)), body_height * motion.jump_heights, np.zeros(len(motion))], axis=1)
    floor_positions = np.array([origin[0], 0.0, origin[1]]) + jump_offsets
    joints = np.full((len(motion), 25, 3), np.nan)
    hip = leg_length * motion.hips + floor_positions + [0, limbs.ankle, 0]
    ankles = leg_length * motion.ankles + floor_positions[:, None] + [0, limbs.ankle, 0]
    # Right and forward direction of the body. At yaw 0 it faces the camera, so its right is the image's left.
    right = np.stack([-np.cos(motion.yaw), 0 * motion.yaw, -np.sin(motion.yaw)], axis=1)
    forward = np.stack([np.sin(motion.yaw), 0 * motion.yaw, -np.cos(motion.yaw)], axis=1)
    up = np.stack([0 * motion.yaw, np.cos(motion.lean), 0 * motion.yaw], axis=1) + np.sin(motion.lean)[:, None] * right
    joints[:, 8], joints[:, 1] = hip, hip + limbs.torso * up
    joints[:, 0] = joints[:, 1] + limbs.neck * (0.92 * up + 0.39 * forward)
    for side, sign, (eye, ear) in ((0, 1, (15, 17)), (1, -1, (16, 18))):
        joints[:, eye] = joints[:, 0] + limbs.neck * (0.2 * up + sign * 0.18 * right)
        joints[:, ear] = joints[:, eye] + limbs.neck * (0.3 * sign * right - 0.35 * forward - 0.1 * up)
        _place_arm(joints, limbs, side, sign * right, up, forward, motion.arm_angles[:, side])
        _place_leg(joints, limbs, side, hip + sign * limbs.hip * right, ankles[:, side], forward, right * sign)
    return camera.project(joints)


def _place_arm(
    joints: Array, limbs: LimbLengths, side: int, outward: Array, up: Array, forward: Array, angles: Array
) -> None:
    shoulder, elbow, wrist = (2, 3, 4) if side == 0 else (5, 6, 7)
    shoulder_angle, elbow_angle = angles[:, :1], angles.sum(axis=1, keepdims=True)
    joints[:, shoulder] = joints[:, 1] + limbs.shoulder * outward
    joints[:, elbow] = joints[:, shoulder] + limbs.upper_arm * (
        np.sin(shoulder_angle) * outward - np.cos(shoulder_angle) * up
    )
    forearm_direction = (
        0.9 * np.sin(elbow_angle) * outward - np.cos(elbow_angle) * up + 0.43 * np.sin(elbow_angle) * forward
    )
    joints[:, wrist] = joints[:, elbow] + limbs.forearm * forearm_direction


def _place_leg(
    joints: Array, limbs: LimbLengths, side: int, hip: Array, ankle: Array, forward: Array, outward: Array
) -> None:
    """Place the leg's joints; the knee is in front, where thigh and shin meet."""
    joint_indices = (9, 10, 11, 22, 23, 24) if side == 0 else (12, 13, 14, 19, 20, 21)
    leg_vector = ankle - hip
    length = np.linalg.norm(leg_vector, axis=1, keepdims=True)
    assert (length < limbs.thigh + limbs.shin).all(), "the motion requires longer legs"
    knee_distance = (length**2 + limbs.thigh**2 - limbs.shin**2) / (2 * length)
    knee_offset = np.sqrt(np.maximum(limbs.thigh**2 - knee_distance**2, 0))
    knee_direction = forward - (forward * leg_vector).sum(1, keepdims=True) * leg_vector / length**2
    knee_direction /= np.linalg.norm(knee_direction, axis=1, keepdims=True)
    ankle_drop = np.array([0, -limbs.ankle, 0])
    joints[:, joint_indices[0]], joints[:, joint_indices[2]] = hip, ankle
    joints[:, joint_indices[1]] = hip + knee_distance * leg_vector / length + knee_offset * knee_direction
    joints[:, joint_indices[3]] = ankle + limbs.foot * 0.8 * forward + 0.8 * ankle_drop
    joints[:, joint_indices[4]] = joints[:, joint_indices[3]] + limbs.foot * (0.25 * outward - 0.1 * forward)
    joints[:, joint_indices[5]] = ankle - limbs.foot * 0.25 * forward + 0.9 * ankle_drop


def annotations_from_joints(bodies: Array, camera: Camera, *, jitter: float = 0.0, seed: int = 0) -> list[Annotation]:
    """Annotations of the joints; `jitter`: standard deviation in pixels. A frame of NaN gives an empty annotation."""
    noise = np.random.default_rng(seed).normal(0, jitter, bodies.shape) if jitter else 0.0
    annotations = []
    for points in bodies + noise:
        is_visible = np.isfinite(points).all(axis=1)
        keypoints = np.concatenate([points, is_visible[:, None]], axis=1).astype(np.float32)
        annotations.append(Annotation(camera.height, camera.width, float(is_visible.any()), {"body": keypoints}))
    return annotations
