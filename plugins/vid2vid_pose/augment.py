"""Augmentation of the points of a clip: joint dropout and head jitter, sampled once per clip to avoid flicker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, FloatArray
from vid2vid_pose.topology import HEAD_JOINTS, NUM_BODY_POINTS, POINTS_PER_PERSON

PointOffsets = dict[str, NDArray[np.float32]]


def augment_points(
    annotations: Sequence[Annotation], rng: np.random.Generator, *, joint_dropout: float, head_jitter: float
) -> Sequence[Annotation]:
    """Drop the same joints, hands and faces, and shift the same head joints, on all annotations of a clip.

    `joint_dropout`: probability with which each joint, each hand and each face is dropped. `head_jitter`: standard
    deviation of the offset of each head joint, and of the face as a whole, as a share of the person's size.
    """
    if not annotations or not (joint_dropout > 0 or head_jitter > 0):
        return annotations
    first_points = annotations[0].points
    dropped_rows = {
        name: _sample_dropout(name, len(rows) // POINTS_PER_PERSON[name], rng, joint_dropout)
        for name, rows in first_points.items()
    }
    offsets = _sample_offsets(annotations, rng, head_jitter) if head_jitter > 0 else {}
    return [
        replace(annotation, points=_apply_augmentation(annotation.points, dropped_rows, offsets))
        for annotation in annotations
    ]


def _sample_dropout(name: str, num_people: int, rng: np.random.Generator, joint_dropout: float) -> NDArray[np.bool_]:
    """Mask of the dropped rows: joints individually, hands and face as a whole."""
    if name == "body":
        dropped_rows = rng.random(num_people * NUM_BODY_POINTS) < joint_dropout
    else:
        dropped_rows = np.repeat(rng.random(num_people) < joint_dropout, POINTS_PER_PERSON[name])
    return np.asarray(dropped_rows, dtype=np.bool_)


def _sample_offsets(annotations: Sequence[Annotation], rng: np.random.Generator, head_jitter: float) -> PointOffsets:
    """Offset in pixels of each row."""
    bodies = np.stack([item.points["body"][:, :2].reshape(-1, NUM_BODY_POINTS, 2) for item in annotations])
    is_present: NDArray[np.bool_] = np.isfinite(bodies[..., 0])
    is_visible = np.asarray(is_present.any(axis=(0, 2)))
    offsets: PointOffsets = {}
    for name in ("body", "face"):
        if name not in annotations[0].points:
            continue
        person_offsets = np.zeros((len(is_visible), POINTS_PER_PERSON[name], 2), dtype=np.float32)
        for person in np.flatnonzero(is_visible):
            person_size = float(np.nanmedian(_person_sizes(bodies[:, person])))
            indices = list(HEAD_JOINTS) if name == "body" else slice(None)
            num_offsets = len(HEAD_JOINTS) if name == "body" else 1
            person_offsets[person, indices] = rng.normal(0, head_jitter * person_size, (num_offsets, 2))
        offsets[name] = person_offsets.reshape(-1, 2)
    return offsets


def _person_sizes(body: NDArray[np.float32]) -> NDArray[np.float32]:
    """Longer side in pixels of one person (t, 25, 2) on each frame with at least one joint."""
    is_present: NDArray[np.bool_] = np.isfinite(body[..., 0])
    visible_bodies = body[is_present.any(axis=1)]
    longer_sides: NDArray[np.float32] = (np.nanmax(visible_bodies, axis=1) - np.nanmin(visible_bodies, axis=1)).max(
        axis=1
    )
    return longer_sides


def _apply_augmentation(
    points: Mapping[str, FloatArray], dropped_rows: Mapping[str, NDArray[np.bool_]], offsets: PointOffsets
) -> dict[str, FloatArray]:
    augmented = {}
    for name, rows in points.items():
        augmented_rows = rows.copy()
        if name in offsets:
            augmented_rows[:, :2] += offsets[name]
        augmented_rows[dropped_rows[name]] = np.nan
        augmented[name] = augmented_rows
    return augmented
