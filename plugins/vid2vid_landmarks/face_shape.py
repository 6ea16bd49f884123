"""Face shape independent of its pose: similarity fits, the neutral face, and statistics of a clip.

Canonical coordinates have their origin midway between the outer eye corners, which are at (-1/2, 0) and (1/2, 0), with
y pointing down; all lengths are in eye distances. Points are complex numbers x + iy, so that a similarity is z -> a z
+ b.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, FloatArray, Statistics
from vid2vid_landmarks.iris import eye_middles, iris_centres
from vid2vid_landmarks.topology import EYE_GAPS, FACE_PARTS, LIP_GAPS, NUM_POINTS

ComplexPoints = NDArray[np.complex128]

# The pose is fitted to the points that expressions move least: eye corners, nose, ends of the jaw.
RIGID_WEIGHTS = np.zeros(NUM_POINTS)
RIGID_WEIGHTS[[36, 39, 42, 45]] = 1.0
RIGID_WEIGHTS[[27, 28, 29, 30]] = 0.5
RIGID_WEIGHTS[[31, 33, 35, 0, 16]] = 0.3

MIN_STATISTICS_QUALITY = 0.3  # faces of lower quality are excluded from the statistics if there are better ones

# Weights in `describe_face`, and the root mean square distance of the rigid points from their centre in image heights.
POSITION_WEIGHT, TYPICAL_SIZE = 1.0, 0.13
SHAPE_WEIGHTS = np.ones(NUM_POINTS, np.float32)
SHAPE_WEIGHTS[17:27] = SHAPE_WEIGHTS[48:68] = 1.4  # brows and mouth
SHAPE_WEIGHTS[36:48] = 2.0  # eyes
GAZE_WEIGHT = 2.0  # of the irises' places in the eyes; a look aside counts less than a blink
NUM_ALIGNMENT_ROUNDS = 3  # iterations of aligning the faces to their median; it has converged by then


def to_complex(points: NDArray[Any]) -> ComplexPoints:
    """Convert points (..., 2) to complex numbers (...)."""
    return points[..., 0].astype(np.float64) + 1j * points[..., 1].astype(np.float64)


def from_complex(numbers: ComplexPoints) -> FloatArray:
    """Inverse of `to_complex`."""
    return np.stack([numbers.real, numbers.imag], axis=-1).astype(np.float32)


def fit_similarity(reference: ComplexPoints, face: ComplexPoints) -> tuple[Any, Any]:
    """Fit the similarity (a, b) of face = a * reference + b by weighted least squares; faces are (..., 68)."""
    weights = RIGID_WEIGHTS / RIGID_WEIGHTS.sum()
    reference_centre = (weights * reference).sum(-1, keepdims=True)
    face_centre = (weights * face).sum(-1, keepdims=True)
    reference_offsets, face_offsets = reference - reference_centre, face - face_centre
    a = (weights * face_offsets * reference_offsets.conj()).sum(-1) / (weights * np.abs(reference_offsets) ** 2).sum(-1)
    return a, face_centre[..., 0] - a * reference_centre[..., 0]


def to_canonical(face: ComplexPoints) -> ComplexPoints:
    """Transform a face so that its outer eye corners are at -1/2 and 1/2."""
    result: ComplexPoints = (face - (face[36] + face[45]) / 2) / (face[45] - face[36])
    return result


def gap_openings(face: ComplexPoints, pairs: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """Vertical opening (..., pairs) of each pair of points on canonical faces (..., 68); positive downwards."""
    pair_array = np.asarray(pairs)
    result: NDArray[np.float64] = (face[..., pair_array[:, 1]] - face[..., pair_array[:, 0]]).imag
    return result


def neutral_face(faces: ComplexPoints) -> ComplexPoints:
    """Estimate the neutral face of a clip (t, 68) in canonical coordinates.

    It is the median of the aligned faces, except that the eyes are the median of the half with the wider open eyes,
    and the lips that of the half with the more closed mouth: the overall median of a person who talks is not at rest.
    """
    shape = to_canonical(faces[len(faces) // 2])
    aligned = faces
    for _ in range(NUM_ALIGNMENT_ROUNDS):
        a, b = fit_similarity(shape, faces)
        aligned = (faces - b[:, None]) / a[:, None]
        shape = to_canonical(_median_face(aligned))
    for part_names, pairs, uses_open_half in (
        (("left_eye", "right_eye"), EYE_GAPS, True),
        (("mouth", "inner_mouth"), LIP_GAPS, False),
    ):
        openings = gap_openings(aligned, pairs).mean(axis=1)
        median_opening = np.median(openings)
        selected_faces = aligned[openings >= median_opening if uses_open_half else openings <= median_opening]
        indices = [index for name in part_names for index in FACE_PARTS[name]]
        shape[indices] = _median_face(selected_faces[:, indices])
    return to_canonical(shape)


def face_statistics(annotations: Sequence[Annotation]) -> Statistics:
    """Statistics of a clip: frame size, `subject_box`, neutral face, median pose, part extents and openings.

    {} if there is no face. `part_extents` and `openings` are in eye distances, `median_pose` in pixels and radians.
    """
    valid_annotations = [item for item in annotations if item.quality > 0 and np.isfinite(item.points["face"]).all()]
    if not valid_annotations:
        return {}
    reliable_annotations = [
        item for item in valid_annotations if item.quality >= MIN_STATISTICS_QUALITY
    ] or valid_annotations
    faces = to_complex(np.stack([item.points["face"] for item in reliable_annotations]))
    shape = neutral_face(faces)
    a, b = fit_similarity(shape, faces)
    angle = np.median(np.angle(a * np.exp(-1j * np.angle(a.mean())))) + np.angle(a.mean())
    aligned_faces = (faces - b[:, None]) / a[:, None]
    first_annotation = annotations[0]
    return {
        "height": first_annotation.height,
        "width": first_annotation.width,
        "num_detected_frames": len(valid_annotations),
        "subject_box": list(subject_box(from_complex(faces), first_annotation.height, first_annotation.width)),
        "neutral_face": [[round(float(value), 5) for value in point] for point in from_complex(shape)],
        "median_pose": {
            "x": float(np.median(b.real)),
            "y": float(np.median(b.imag)),
            "scale": float(np.median(np.abs(a))),
            "angle": float(angle),
        },
        "part_extents": {name: _part_extent(shape[list(members)]) for name, members in FACE_PARTS.items()},
        "openings": {
            "eyes": _opening_statistics(gap_openings(aligned_faces, EYE_GAPS)),
            "mouth": _opening_statistics(gap_openings(aligned_faces, LIP_GAPS)),
        },
    }


def read_points(statistics: Statistics, name: str, num_points: int) -> NDArray[np.float64]:
    """The points (n, 2) of statistics. Raises ValueError for another shape."""
    points: NDArray[np.float64] = np.asarray(statistics[name], dtype=np.float64)
    if points.shape != (num_points, 2):
        raise ValueError(f"{name.replace('_', ' ')} has shape {points.shape} instead of ({num_points}, 2)")
    return points


def subject_box(points: FloatArray, height: int, width: int) -> tuple[float, float, float, float]:
    """Square around the head, with hair and chin, over a whole clip (t, 68, 2), in edge coordinates.

    Each frame contributes a square of 2.5 landmark widths centred at y = (3 top + bottom) / 4 (vid2vid's face crop).
    The result encloses nearly all of these squares; it is shifted into the frame and never larger than it.
    """
    box_min, box_max = points.min(axis=1) + 0.5, points.max(axis=1) + 0.5
    half_side = 1.25 * (box_max[:, 0] - box_min[:, 0])
    x, y = (box_min[:, 0] + box_max[:, 0]) / 2, (3 * box_min[:, 1] + box_max[:, 1]) / 4
    x0, y0 = np.percentile(x - half_side, 5), np.percentile(y - half_side, 5)
    x1, y1 = np.percentile(x + half_side, 95), np.percentile(y + half_side, 95)
    # A long face may extend below its square; include the chin.
    y1 = max(y1, float(np.percentile(box_max[:, 1] + 0.05 * half_side, 98)))
    side = float(min(max(x1 - x0, y1 - y0), min(height, width)))
    left = float(np.clip((x0 + x1 - side) / 2, 0, width - side))
    top = float(np.clip((y0 + y1 - side) / 2, 0, height - side))
    return left, top, left + side, top + side


def _median_face(faces: ComplexPoints) -> ComplexPoints:
    result: ComplexPoints = np.median(faces.real, axis=0) + 1j * np.median(faces.imag, axis=0)
    return result


def _part_extent(points: ComplexPoints) -> dict[str, float]:
    x, y = points.real, points.imag
    return {
        "x": float(x.mean()),
        "y": float(y.mean()),
        "width": float(x.max() - x.min()),
        "height": float(y.max() - y.min()),
    }


def _opening_statistics(openings: NDArray[np.float64]) -> dict[str, float]:
    mean_openings = openings.mean(axis=1)
    low, median, high = np.percentile(mean_openings, [5, 50, 95])
    return {"low": float(low), "mean": float(mean_openings.mean()), "median": float(median), "high": float(high)}


def describe_face(points: FloatArray, irises: FloatArray | None = None) -> FloatArray:
    """(68, 2) points -> (d,): the points, and with higher weights the face in the pose of a common face.

    With irises (10, 2) also their places in the eyes, which are NaN for closed eyes.

    Alignment moves a face, but neither turns it out of the plane nor opens eyes and mouth: a reference frame should
    have the same pose and the same shapes, rather than the same place.
    """
    face = to_complex(points)
    weights = RIGID_WEIGHTS / RIGID_WEIGHTS.sum()
    offsets = face - (weights * face).sum()
    eye_line = face[45] + face[42] - face[36] - face[39]
    size = np.sqrt((weights * np.abs(offsets) ** 2).sum())
    # NaN if no face was found; the direction of the eyes is upright, and the size is the usual one.
    to_common_pose = eye_line.conj() / np.maximum(np.abs(eye_line) * size, 1e-9) * TYPICAL_SIZE
    parts = [POSITION_WEIGHT * points, SHAPE_WEIGHTS[:, None] * from_complex(offsets * to_common_pose)]
    if irises is not None:
        gaze = to_complex(iris_centres(irises) - eye_middles(points))
        parts.append(GAZE_WEIGHT * from_complex(gaze * to_common_pose))
    return np.concatenate(parts).astype(np.float32).ravel()
