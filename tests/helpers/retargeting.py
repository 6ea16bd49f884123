"""People of `bodies` through the statistics and the retargeting of the plugin pose, and what is measured on them."""

from __future__ import annotations

import json

import numpy as np
from helpers.synthetic_bodies import ADULT, CHILD, LANKY, Array, Camera, Motion, dance, seen, walk

from vid2vid_cli.conditioning import Statistics
from vid2vid_cli.conditioning.registry import find_conditioners

find_conditioners()  # puts the folder of plugins on the path

from vid2vid_pose.body_statistics import BONES, describe, height_at  # noqa: E402
from vid2vid_pose.retarget import BodyRetarget  # noqa: E402

HERE, THERE = Camera(), Camera(480, 640, 700, 1.0, 200)
PEOPLE = {"adult": ADULT, "lanky": LANKY, "child": CHILD}
PAIRS = [("adult", "lanky"), ("lanky", "child"), ("child", "adult")]
MAIN = ("torso", "head", "shoulder", "upper_arm", "forearm", "hip", "thigh", "shin")
ANKLES = (11, 14)
JUMPS = (100, 160)
WALKS: dict[str, Motion] = {
    "aside": walk(130, (-2, 0), (5.6, 0)),
    "to the front": walk(130, (-0.6, 0.6), (2.1, -1.9), step=0.35),
    "dance": dance(240, (0, 0), jumps=JUMPS),
}


def statistics(bodies: Array, camera: Camera, jitter: float = 0.5) -> Statistics:
    data: Statistics = json.loads(json.dumps(describe(seen(bodies, camera, jitter=jitter))))
    return data


def carried(bodies: Array, source: Statistics, target: Statistics) -> Array:
    """All frames through one retargeting, (t, 25, 2)."""
    change = BodyRetarget(source, target)
    moved = [change(one.points)["body"][:, :2] for one in seen(bodies, HERE)]
    return np.stack(moved).astype(np.float64)


def lengths(bodies: Array, name: str) -> Array:
    pairs = np.asarray(BONES[name])
    result: Array = np.linalg.norm(bodies[:, pairs[:, 1]] - bodies[:, pairs[:, 0]], axis=-1)
    return result


def heights(bodies: Array, known: Statistics) -> Array:
    """The body's height in pixels on every frame, by its foot line."""
    return height_at(known["ground"], bodies[:, ANKLES, 1].max(axis=1))


def slides(bodies: Array, joints: tuple[int, ...], known: Statistics) -> Array:
    """Speeds in heights per frame, (t - 1, joints)."""
    speed = np.linalg.norm(np.diff(bodies[:, joints], axis=0), axis=-1)
    result: Array = speed / heights(bodies, known)[1:, None]
    return result


def jerks(bodies: Array, known: Statistics) -> Array:
    """Second differences in heights, (t - 2, 25)."""
    result: Array = np.linalg.norm(np.diff(bodies, 2, axis=0), axis=-1) / heights(bodies, known)[1:-1, None]
    return result
