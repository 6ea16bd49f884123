"""People for the tests of retargeting: a skeleton of known limbs that walks, dances and jumps before a camera.

Metres, x to the right, y up, z away from the camera; the floor is y = 0. The camera is a pinhole that looks level.
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
class Limbs:
    """Lengths in metres."""

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

    def scaled(self, factor: float) -> Limbs:
        return Limbs(**{name: factor * value for name, value in vars(self).items()})


ADULT = Limbs()
LANKY = replace(ADULT.scaled(1.08), thigh=0.53, shin=0.50, torso=0.50, forearm=0.31, upper_arm=0.34, shoulder=0.18)
CHILD = replace(ADULT.scaled(0.68), neck=0.19, thigh=0.26, shin=0.24, shoulder=0.12, upper_arm=0.19, forearm=0.15)


@dataclass(frozen=True)
class Camera:
    """A picture of `height` x `width` pixels, the horizon at `horizon`."""

    height: int = 720
    width: int = 720
    focal: float = 900.0
    above: float = 1.2
    horizon: float = 330.0

    def see(self, points: Array) -> Array:
        """(..., 3) metres -> (..., 2) pixels."""
        scale = self.focal / points[..., 2]
        x = self.width / 2 + points[..., 0] * scale
        return np.stack([x, self.horizon + (self.above - points[..., 1]) * scale], axis=-1)


@dataclass(frozen=True)
class Motion:
    """Per frame: ankles (t, 2, 3) right and left, hip's middle (t, 3), heading, lean, arms (t, 2, 2); in metres.

    Written for legs of the length 1: places and heights are multiplied by the leg of whoever performs it.
    """

    hip: Array
    ankles: Array
    yaw: Array
    lean: Array
    arms: Array
    """Angles of upper arm (from hanging, outwards) and elbow, right and left."""
    jump: Array
    """How high both feet are above the floor, in heights of the body."""

    def __len__(self) -> int:
        return len(self.hip)


def smooth(x: Any) -> Any:
    """0 to 1 without a jerk."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _arms(time: Array, swing: float) -> Array:
    angles = np.zeros((len(time), 2, 2))
    for side, sign in enumerate((1, -1)):
        angles[:, side, 0] = 0.5 + swing * np.sin(2.1 * time + sign)
        angles[:, side, 1] = 0.6 + 0.5 * swing * np.sin(3.3 * time + 2 * sign)
    return angles


def walk(frames: int, start: tuple[float, float], way: tuple[float, float], *, step: float = 0.7) -> Motion:
    """Walk from `start` (x, z) by `way`, one step of 16 frames after the other; feet stand while they stand."""
    beat = 16
    time = np.arange(frames) / beat
    length = float(np.hypot(*way))
    ahead = np.array([way[0], 0, way[1]]) / max(length, 1e-9)
    aside = np.array([ahead[2], 0, -ahead[0]])  # to the walker's right
    swings = round(length / (2 * step))
    ankles = np.zeros((frames, 2, 3))
    for side in (0, 1):
        # Each foot moves in every other beat, over two steps, and stands in between.
        cycle = np.minimum((time + side) / 2, swings)
        whole, part = np.floor(cycle), cycle % 1
        gone = 2 * step * (whole + smooth(part * 2)) - side * step
        lift = 0.16 * np.sin(np.pi * np.clip(part * 2, 0, 1)) ** 2
        ankles[:, side] = np.outer(gone, ahead) + 0.1 * (1 - 2 * side) * aside
        ankles[:, side, 1] = lift
    hip = ankles.mean(axis=1)
    hip[:, 1] = 0.9 + 0.01 * np.sin(2 * np.pi * time)
    origin = np.array([start[0], 0, start[1]])
    yaw = np.full(frames, np.arctan2(ahead[0], -ahead[2]))
    return Motion(hip + origin, ankles + origin, yaw, np.zeros(frames), _arms(time * 3, 0.3), np.zeros(frames))


def dance(frames: int, place: tuple[float, float], *, turn: float = 0.7, jumps: Sequence[int] = ()) -> Motion:
    """On the spot: the hips sway over standing feet, now and then a foot steps aside; `jumps`: first frames."""
    time = np.arange(frames) / FPS
    ankles = np.zeros((frames, 2, 3))
    for side in (0, 1):
        part = (np.arange(frames) + 30 * side) % 60 / 12
        whole = (np.arange(frames) + 30 * side) // 60
        here, there = 0.12 * np.sin(whole * 2.4), 0.12 * np.sin((whole - 1) * 2.4)
        moved = there + (here - there) * smooth(part)
        ankles[:, side, 0] = (2 * side - 1) * 0.16 + moved
        ankles[:, side, 2] = 0.6 * moved
        ankles[:, side, 1] = 0.18 * np.sin(np.pi * np.clip(part, 0, 1)) ** 2
    hip = ankles.mean(axis=1)
    hip[:, 0] += 0.05 * np.sin(2.6 * time)
    hip[:, 1] = 0.88 + 0.05 * np.sin(5.1 * time)
    jump = np.zeros(frames)
    for first in jumps:
        part = (np.arange(frames) - first) / 16
        jump += np.where((part > 0) & (part < 1), 0.2 * 4 * part * (1 - part), 0)
    origin = np.array([place[0], 0, place[1]])
    yaw = turn * np.sin(0.9 * time)
    return Motion(hip + origin, ankles + origin, yaw, 0.15 * np.sin(1.7 * time), _arms(time, 0.8), jump)


def perform(motion: Motion, limbs: Limbs, camera: Camera, at: tuple[float, float] = (0.0, 4.0)) -> Array:
    """The joints (t, 25, 2) in pixels of who performs the motion with these limbs, `at` (x, z) its origin."""
    leg = limbs.thigh + limbs.shin
    tall = limbs.neck + limbs.torso + leg
    lifted = np.stack([np.zeros(len(motion)), tall * motion.jump, np.zeros(len(motion))], axis=1)
    floor = np.array([at[0], 0.0, at[1]]) + lifted
    body = np.full((len(motion), 25, 3), np.nan)
    hip = leg * motion.hip + floor + [0, limbs.ankle, 0]
    ankles = leg * motion.ankles + floor[:, None] + [0, limbs.ankle, 0]
    # Right of the body, and where it looks; yaw 0 looks into the camera, the person's right is the picture's left.
    right = np.stack([-np.cos(motion.yaw), 0 * motion.yaw, -np.sin(motion.yaw)], axis=1)
    front = np.stack([np.sin(motion.yaw), 0 * motion.yaw, -np.cos(motion.yaw)], axis=1)
    up = np.stack([0 * motion.yaw, np.cos(motion.lean), 0 * motion.yaw], axis=1) + np.sin(motion.lean)[:, None] * right
    body[:, 8], body[:, 1] = hip, hip + limbs.torso * up
    body[:, 0] = body[:, 1] + limbs.neck * (0.92 * up + 0.39 * front)
    for side, sign, (eye, ear) in ((0, 1, (15, 17)), (1, -1, (16, 18))):
        body[:, eye] = body[:, 0] + limbs.neck * (0.2 * up + sign * 0.18 * right)
        body[:, ear] = body[:, eye] + limbs.neck * (0.3 * sign * right - 0.35 * front - 0.1 * up)
        _arm(body, limbs, side, sign * right, up, front, motion.arms[:, side])
        _leg(body, limbs, side, hip + sign * limbs.hip * right, ankles[:, side], front, right * sign)
    return camera.see(body)


def _arm(body: Array, limbs: Limbs, side: int, out: Array, up: Array, front: Array, angles: Array) -> None:
    shoulder, elbow, wrist = (2, 3, 4) if side == 0 else (5, 6, 7)
    first, second = angles[:, :1], angles.sum(axis=1, keepdims=True)
    body[:, shoulder] = body[:, 1] + limbs.shoulder * out
    body[:, elbow] = body[:, shoulder] + limbs.upper_arm * (np.sin(first) * out - np.cos(first) * up)
    bent = 0.9 * np.sin(second) * out - np.cos(second) * up + 0.43 * np.sin(second) * front
    body[:, wrist] = body[:, elbow] + limbs.forearm * bent


def _leg(body: Array, limbs: Limbs, side: int, hip: Array, ankle: Array, front: Array, out: Array) -> None:
    """The knee where thigh and shin meet, in front."""
    joints = (9, 10, 11, 22, 23, 24) if side == 0 else (12, 13, 14, 19, 20, 21)
    way = ankle - hip
    length = np.linalg.norm(way, axis=1, keepdims=True)
    assert (length < limbs.thigh + limbs.shin).all(), "the motion wants longer legs"
    along = (length**2 + limbs.thigh**2 - limbs.shin**2) / (2 * length)
    height = np.sqrt(np.maximum(limbs.thigh**2 - along**2, 0))
    ahead = front - (front * way).sum(1, keepdims=True) * way / length**2
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    down = np.array([0, -limbs.ankle, 0])
    body[:, joints[0]], body[:, joints[2]] = hip, ankle
    body[:, joints[1]] = hip + along * way / length + height * ahead
    body[:, joints[3]] = ankle + limbs.foot * 0.8 * front + 0.8 * down
    body[:, joints[4]] = body[:, joints[3]] + limbs.foot * (0.25 * out - 0.1 * front)
    body[:, joints[5]] = ankle - limbs.foot * 0.25 * front + 0.9 * down


def seen(bodies: Array, camera: Camera, *, jitter: float = 0.0, seed: int = 0) -> list[Annotation]:
    """Annotations of these joints; `jitter`: standard deviation in pixels. A frame all NaN is empty."""
    noise = np.random.default_rng(seed).normal(0, jitter, bodies.shape) if jitter else 0.0
    frames = []
    for points in bodies + noise:
        found = np.isfinite(points).all(axis=1)
        body = np.concatenate([points, found[:, None]], axis=1).astype(np.float32)
        frames.append(Annotation(camera.height, camera.width, float(found.any()), {"body": body}))
    return frames
