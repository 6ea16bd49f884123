"""Error of one skeleton against another, and measurements of a body, relative to the person's size."""

from __future__ import annotations

import numpy as np

from vid2vid_cli.conditioning import FloatArray
from vid2vid_pose.body_statistics import ANKLES, MID_HIP, MIN_CONFIDENCE, NECK
from vid2vid_pose.topology import NUM_BODY_POINTS

PCK_THRESHOLD = 0.1
"""Maximum distance of a correct joint, as a share of the person's size."""
MEASUREMENTS = ("right_arm_raised", "left_arm_raised", "feet_apart", "lean")
SHOULDERS, WRISTS = (2, 5), (4, 7)
"""Right, left."""


def pose_errors(detected: FloatArray, reference: FloatArray) -> dict[str, float]:
    """`pose_error` and `pose_pck` of bodies (25 p, 3) in pixels, both in %; {} if the bodies have no joint in common.

    The person's size is the longer side of the bounding box of the confident reference joints. `pose_error`: mean
    distance of the detected joints in % of that size. `pose_pck`: share of the reference joints that were detected
    within a tenth of it (PCK@0.1 of Yang and Ramanan, PAMI 2013); a missing joint counts as incorrect.
    """
    num_people = len(reference) // NUM_BODY_POINTS
    detected_bodies = detected.reshape(num_people, NUM_BODY_POINTS, 3)
    reference_bodies = reference.reshape(num_people, NUM_BODY_POINTS, 3)
    is_confident = np.isfinite(reference_bodies).all(axis=2) & (reference_bodies[:, :, 2] >= MIN_CONFIDENCE)
    reference_positions = np.where(is_confident[:, :, None], reference_bodies[:, :, :2], np.nan)
    is_measurable = is_confident.sum(axis=1) > 1
    if not is_measurable.any():
        return {}
    person_sizes = (
        np.nanmax(reference_positions[is_measurable], axis=1) - np.nanmin(reference_positions[is_measurable], axis=1)
    ).max(axis=1)
    relative_errors = (
        np.linalg.norm(detected_bodies[is_measurable, :, :2] - reference_positions[is_measurable], axis=2)
        / np.maximum(person_sizes, 1e-6)[:, None]
    )
    is_detected = np.isfinite(relative_errors)
    if not is_detected.any():
        return {}
    pck = float((relative_errors[is_detected] <= PCK_THRESHOLD).sum()) / float(is_confident[is_measurable].sum())
    return {"pose_error": 100 * float(relative_errors[is_detected].mean()), "pose_pck": 100 * pck}


def measure_body(body: FloatArray | None) -> dict[str, float]:
    """Posture of the first person of (25 p, 3) joints; NaN for a value whose joints are missing, and without a body.

    In lengths of the torso (neck to mid-hip): `right_arm_raised` and `left_arm_raised`, the height of the wrist over
    the shoulder, negative below it, and `feet_apart`, the distance of the ankles. `lean`: clockwise angle of the torso
    in the image, in degrees.
    """
    if body is None:
        return dict.fromkeys(MEASUREMENTS, float("nan"))
    is_confident = body[:NUM_BODY_POINTS, 2:] >= MIN_CONFIDENCE
    joints = np.where(is_confident, body[:NUM_BODY_POINTS, :2], np.nan).astype(np.float64)
    torso = joints[NECK] - joints[MID_HIP]
    length = max(float(np.linalg.norm(torso)), 1e-6)
    arms = (joints[list(SHOULDERS), 1] - joints[list(WRISTS), 1]) / length
    feet_apart = np.linalg.norm(joints[ANKLES[0]] - joints[ANKLES[1]]) / length
    values = (*arms, feet_apart, np.degrees(np.arctan2(torso[0], -torso[1])))
    return dict(zip(MEASUREMENTS, map(float, values), strict=True))
