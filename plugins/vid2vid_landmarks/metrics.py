"""Errors of a detection on a generated image."""

from __future__ import annotations

import numpy as np

from vid2vid_cli.conditioning import Annotation
from vid2vid_landmarks.iris import eye_widths, iris_centres

OUTER_EYE_CORNERS = (36, 45)


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
