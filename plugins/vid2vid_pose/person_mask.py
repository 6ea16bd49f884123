"""Masks of people, for compositing: MediaPipe's segmentation, or the skeleton drawn thick."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from importlib.util import find_spec

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, SubjectImage, UInt8Array, iou
from vid2vid_pose.backend import MIN_VISIBLE_CONFIDENCE, DetectedPose, FrameCrop
from vid2vid_pose.mediapipe_pose import MAX_CANDIDATES, SAME_PERSON_IOU, all_people_from_result
from vid2vid_pose.mediapipe_tasks import Landmarker, load_bundled_model
from vid2vid_pose.topology import NUM_BODY_POINTS

SUBPIXEL_BITS = 4
"""Fractional bits of OpenCV's coordinates."""
ROW_ALIGNMENT = 16
"""Pixels: MediaPipe ends the process when a mask whose rows are padded is read."""
TORSO_JOINTS = (2, 5, 12, 9)
LIMB_BONES = ((2, 3), (3, 4), (5, 6), (6, 7), (9, 10), (10, 11), (12, 13), (13, 14), (11, 22), (14, 19), (1, 0))
"""Bones that are drawn thick."""
LIMB_WIDTH, HEAD_RADIUS, MIN_TORSO = 0.28, 0.32, 0.12
"""In multiples of the distance from the neck to the hips; the minimum of that in multiples of the image's height."""
NECK, MID_HIP, NOSE = 1, 8, 0


def person_masks(images: Iterable[SubjectImage]) -> Iterator[FloatArray]:
    """Yield the mask (h, w) of the people of each image, in [0, 1]; zeros without people.

    Masks are those that MediaPipe detects. Without mediapipe, and where it does not detect a person, the
    skeleton is drawn thick. Raises: MissingWeightsError.
    """
    if find_spec("mediapipe") is None:
        yield from (skeleton_mask(subject) for subject in images)
        return
    landmarker = Landmarker("Pose", load_bundled_model(), is_video=False, max_results=MAX_CANDIDATES, has_masks=True)
    with closing(landmarker):
        for subject in images:
            yield _segment_people(landmarker, subject)


def _segment_people(landmarker: Landmarker, subject: SubjectImage) -> FloatArray:
    bodies = _people(subject)
    height, width = subject.image.shape[:2]
    mask = np.zeros((height, width), dtype=np.float32)
    if not bodies:
        return mask
    padded = np.pad(subject.image, ((0, 0), (0, -width % ROW_ALIGNMENT), (0, 0)), mode="edge")
    result = landmarker.detect(np.ascontiguousarray(padded))
    candidates = all_people_from_result(result, FrameCrop(padded, 0, 0))
    detected_masks = [
        image.numpy_view().reshape(padded.shape[:2])[:, :width] for image in result.segmentation_masks or ()
    ]
    for body in bodies:
        box = DetectedPose({"body": body}).box
        overlaps = [iou(candidate.box, box) for candidate in candidates]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] > SAME_PERSON_IOU:
            np.maximum(mask, detected_masks[best], out=mask)
        else:
            np.maximum(mask, _draw_body(body, height, width), out=mask)
    return mask


def skeleton_mask(subject: SubjectImage) -> FloatArray:
    """The skeletons of the people drawn as wide as bodies, (h, w) in [0, 1]."""
    mask = np.zeros((subject.view.height, subject.view.width), dtype=np.float32)
    for body in _people(subject):
        np.maximum(mask, _draw_body(body, *mask.shape), out=mask)
    return mask


def _people(subject: SubjectImage) -> list[FloatArray]:
    """The visible joints (25, 3) of each person in pixels of the image; the others are NaN."""
    if subject.annotation.quality <= 0:
        return []
    people = subject.annotation.points["body"].reshape(-1, NUM_BODY_POINTS, 3).copy()
    people[~(np.nan_to_num(people[..., 2]) >= MIN_VISIBLE_CONFIDENCE)] = np.nan
    people[..., :2] = subject.view.transform_points(people[..., :2])
    return [person for person in people if np.isfinite(person).any()]


def _draw_body(body: FloatArray, height: int, width: int) -> FloatArray:
    """A body as torso, thick limbs and a round head."""
    mask: UInt8Array = np.zeros((height, width), dtype=np.uint8)
    positions = body[:, :2]
    torso = float(np.linalg.norm(positions[NECK] - positions[MID_HIP]))
    torso = max(torso if np.isfinite(torso) else 0.0, MIN_TORSO * height)
    thickness = max(1, round(LIMB_WIDTH * torso))
    fixed = np.rint(np.clip(np.nan_to_num(positions), -8e3, 8e3) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    is_known: NDArray[np.bool_] = np.asarray(np.isfinite(positions).all(axis=1))
    if is_known[list(TORSO_JOINTS)].all():
        outline = fixed[list(TORSO_JOINTS)]
        cv2.fillConvexPoly(mask, cv2.convexHull(outline), 255, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.polylines(mask, [outline], True, 255, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
    for first, second in LIMB_BONES:
        if is_known[first] and is_known[second]:
            cv2.line(mask, fixed[first].tolist(), fixed[second].tolist(), 255, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
    if is_known[NOSE]:
        radius = round(HEAD_RADIUS * torso * (1 << SUBPIXEL_BITS))
        cv2.circle(mask, fixed[NOSE].tolist(), radius, 255, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    return mask.astype(np.float32) / np.float32(255)
