"""Errors of a detection on a generated image, and measurements of a face."""

from __future__ import annotations

import numpy as np

from vid2vid_cli.conditioning import Annotation
from vid2vid_landmarks.face_shape import gap_openings, to_canonical, to_complex
from vid2vid_landmarks.iris import eye_widths, iris_centres
from vid2vid_landmarks.topology import EYE_GAPS, LIP_GAPS

OUTER_EYE_CORNERS = (36, 45)
BROWS, EYES, NOSE_TIP = slice(17, 27), slice(36, 48), 30
MEASUREMENTS = ("mouth_open", "mouth_width", "eyes_open", "brows_raised", "head_yaw", "head_roll")


def face_errors(detected: Annotation, reference: Annotation) -> dict[str, float]:
    """`landmark_error` and `gaze_error` in %, without those that cannot be measured; {} without both faces."""
    if min(detected.quality, reference.quality) <= 0:
        return {}
    errors = {"landmark_error": landmark_error(detected, reference), "gaze_error": gaze_error(detected, reference)}
    return {name: error for name, error in errors.items() if np.isfinite(error)}


def landmark_error(detected: Annotation, reference: Annotation) -> float:
    """Mean distance of the 68 points, in % of the reference's outer eye corner distance; NaN if a point is missing."""
    detected_points, reference_points = detected.points["face"][:, :2], reference.points["face"][:, :2]
    left, right = reference_points[list(OUTER_EYE_CORNERS)]
    mean_distance = float(np.linalg.norm(detected_points - reference_points, axis=1).mean())
    return 100 * mean_distance / max(float(np.linalg.norm(left - right)), 1e-6)


def gaze_error(detected: Annotation, reference: Annotation) -> float:
    """Mean distance of the centres of the irises, in % of the reference's eye widths, over the eyes open in both.

    NaN without irises. The distance is measured on the image, so that displaced eyes count too.
    """
    if "iris" not in detected.points or "iris" not in reference.points:
        return float("nan")
    offsets = iris_centres(detected.points["iris"]) - iris_centres(reference.points["iris"])
    distances = np.linalg.norm(offsets, axis=1) / np.maximum(eye_widths(reference.points["face"]), 1e-6)
    distances = distances[np.isfinite(distances)]
    return float(100 * distances.mean()) if len(distances) else float("nan")


def measure_face(annotation: Annotation) -> dict[str, float]:
    """Openings, lengths and angles of a face, which do not change with its size and its roll; NaN without a face.

    In distances of the outer eye corners: `mouth_open` (gap of the inner lips), `mouth_width`, `eyes_open` (gap of the
    lids), `brows_raised` (height over the eyes) and `head_yaw` (tip of the nose to the right of the middle of the eyes
    in the image). `head_roll`: clockwise angle in the image, in degrees.
    """
    if annotation.quality <= 0:
        return dict.fromkeys(MEASUREMENTS, float("nan"))
    points = to_complex(annotation.points["face"])
    eye_line = points[OUTER_EYE_CORNERS[1]] - points[OUTER_EYE_CORNERS[0]]
    if not abs(eye_line) > 0:  # also NaN
        return dict.fromkeys(MEASUREMENTS, float("nan"))
    face = to_canonical(points)
    values = (
        gap_openings(face, LIP_GAPS).mean(),
        abs(face[54] - face[48]),
        gap_openings(face, EYE_GAPS).mean(),
        (face[EYES].mean() - face[BROWS].mean()).imag,
        face[NOSE_TIP].real,
        np.degrees(np.angle(eye_line)),
    )
    return dict(zip(MEASUREMENTS, map(float, values), strict=True))
