"""Tracks two points on the torso below a face by optical flow: shoulders move by themselves, not with the head.

Lucas and Kanade's pyramidal method with a forward-backward check, and the median motion of a patch (median flow, Kalal
et al., ICPR 2010). Errors add up from frame to frame, so that the patch is also compared with stored frames in which
the points had nearly the same place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, FloatArray, Statistics, UInt8Array, View
from vid2vid_landmarks.face_shape import read_points
from vid2vid_landmarks.topology import FACE_PARTS

SIDE, DOWN = 0.75, 1.0
"""Places of the points: to both sides of the middle of the jaw and below the chin, in distances from eyes to chin, the
unit of all lengths here."""
FRAME_MARGIN = 0.06
"""Least distance of a new point from the border of the frame, as a share of its size."""
PATCH_RADIUS, PATCH_MARGIN, GRID_SIZE = 0.5, 0.35, 5
"""A point moves with GRID_SIZE x GRID_SIZE points around it; the patch that is compared extends beyond them."""
UNIT_PX = 32.0
"""Patches are reduced until the unit has this number of pixels."""
MAX_ROUND_TRIP = 0.5
"""Pixels. Greatest distance of a point tracked forwards and backwards from its start."""
MIN_SHARE = 0.2
"""Share of the grid that must be tracked."""
MIN_STORED_SHARE, MAX_CORRECTION, CORRECTION_RATE = 0.3, 0.3, 0.25
"""The same for a stored frame, whose place corrects that of the point by a part of the difference, if it is small."""
MIN_RESTART_SHARE = 0.6
"""The same for continuing after a cut or a gap."""
STORED_DISTANCE, MAX_STORED_FRAMES = 0.25, 16
"""A frame is stored if the points have moved this far from those of all stored ones."""
MAX_DISTANCE, MAX_STRETCH = 2.5, 1.6
"""Points farther from their usual place below the face, or farther from each other, have been lost."""

CHIN = 8
MIN_UNIT_PX = 8.0
"""Of very small faces. The largest unit is the longer side of the frame."""
_FLOW_OPTIONS: dict[str, Any] = {
    "winSize": (11, 11),
    "maxLevel": 2,
    "criteria": (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 0.03),
    "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
}

_STEPS = np.linspace(-PATCH_RADIUS, PATCH_RADIUS, GRID_SIZE)
_GRID = np.stack(np.meshgrid(_STEPS, _STEPS), axis=-1).reshape(-1, 2)

Points = NDArray[np.float64]


@dataclass(frozen=True)
class _Patch:
    """The surroundings of both points in a frame."""

    image: UInt8Array
    """(h, w) grey."""
    view: View
    """From the frame to the image."""
    frame_size: tuple[int, int]
    """(width, height)."""
    points: Points
    """(2, 2) in pixels of the frame."""
    unit: float
    """In pixels of the frame."""


class TorsoTracker:
    """Tracks the torso below one face through a video."""

    def __init__(self) -> None:
        self._previous: _Patch | None = None
        self._stored: list[_Patch] = []

    def reset(self) -> None:
        """The next frame does not follow the last one: after a cut, or after frames without the face."""
        self._previous = None

    def __call__(self, image: UInt8Array, face_points: FloatArray) -> FloatArray:
        """(h, w, 3) RGB, (68, 2) -> (2, 2) points on the torso, left and right in the image; they may be outside it."""
        usual_points, unit = _usual_place(face_points, image.shape[1], image.shape[0])
        patch = None
        if self._previous is not None:
            patch = self._continue(self._previous, image)
            if _is_lost(patch.points, usual_points, unit):
                patch = None
        if patch is None:
            patch = self._find_stored(image) or _cut_patch(image, usual_points, unit)
        distances = [_distance(patch.points, stored.points) for stored in self._stored]
        if len(self._stored) < MAX_STORED_FRAMES and min(distances, default=np.inf) > STORED_DISTANCE * patch.unit:
            self._stored.append(patch)
        self._previous = patch
        return patch.points.astype(np.float32)

    def _continue(self, previous: _Patch, image: UInt8Array) -> _Patch:
        """The frame after `previous`. A point that is not tracked moves with the other one, or stays."""
        patch = _cut_patch(image, previous.points, previous.unit)
        offsets, shares = _match(previous, patch, previous.points)
        is_tracked = shares >= MIN_SHARE
        mean_offset = offsets[is_tracked].mean(axis=0) if is_tracked.any() else np.zeros(2)
        points = previous.points + np.where(is_tracked[:, None], offsets, mean_offset)
        comparable = [stored for stored in self._stored if stored.unit == patch.unit]
        if comparable:
            nearest = min(comparable, key=lambda stored: _distance(points, stored.points))
            offsets, shares = _match(nearest, patch, points)
            errors = nearest.points + offsets - points
            is_used = (shares >= MIN_STORED_SHARE) & (np.abs(errors).max(axis=1) < MAX_CORRECTION * patch.unit)
            points = points + CORRECTION_RATE * np.where(is_used[:, None], errors, 0)
        return replace(patch, points=points)

    def _find_stored(self, image: UInt8Array) -> _Patch | None:
        """The points by a stored frame that shows the same, of the shot before or of an earlier one."""
        best_share, best = MIN_RESTART_SHARE, None
        for stored in self._stored:
            patch = _cut_patch(image, stored.points, stored.unit)
            offsets, shares = _match(stored, patch, stored.points)
            if shares.min() > best_share:
                best_share, best = float(shares.min()), replace(patch, points=stored.points + offsets)
        return best


def median_torso(annotations: Iterable[Annotation]) -> list[list[float]] | None:
    """The median (2, 2) of the points of a clip in pixels; None if no annotation contains them."""
    points = [item.points["torso"][:, :2] for item in annotations if item.quality > 0 and "torso" in item.points]
    known_points = [item for item in points if np.isfinite(item).all()]
    return [[float(x) for x in point] for point in np.median(known_points, axis=0)] if known_points else None


def retarget_torso(
    points: FloatArray | None, source: Statistics, target: Statistics, scale: float
) -> FloatArray | None:
    """The torso of the target with the source's motion, (2, 2); None if the target has none.

    `scale`: size of the target's face relative to the source's. The torso stays in place if the source's is unknown.
    Raises ValueError for statistics of another shape.
    """
    if "torso" not in target:
        return None
    place = read_points(target, "torso", 2)
    if points is not None and "torso" in source and np.isfinite(points).all():
        place = place + scale * (points[:, :2] - read_points(source, "torso", 2))
    return place.astype(np.float32)


def _usual_place(face_points: FloatArray, width: int, height: int) -> tuple[Points, float]:
    """Where the points usually are below a face (68, 2), within the frame, and the unit in pixels."""
    face = face_points.astype(np.float64)
    eyes = face[[*FACE_PARTS["left_eye"], *FACE_PARTS["right_eye"]]].mean(axis=0)
    chin = face[CHIN]
    unit = min(max(float(np.linalg.norm(chin - eyes)), MIN_UNIT_PX), max(MIN_UNIT_PX, width, height))
    middle = np.array([face[list(FACE_PARTS["outline"]), 0].mean(), chin[1] + DOWN * unit])
    size = np.array([width, height])
    points = middle + np.array([[-SIDE * unit, 0], [SIDE * unit, 0]])
    return np.clip(points, FRAME_MARGIN * size, (1 - FRAME_MARGIN) * size), unit


def _is_lost(points: Points, usual_points: Points, unit: float) -> bool:
    width, usual_width = (float(np.linalg.norm(pair[1] - pair[0])) for pair in (points, usual_points))
    stretch = width / max(usual_width, 1e-9)
    return _distance(points, usual_points) > MAX_DISTANCE * unit or not 1 / MAX_STRETCH < stretch < MAX_STRETCH


def _distance(points: Points, others: Points) -> float:
    """The larger distance of both points."""
    return float(np.linalg.norm(points - others, axis=1).max())


def _cut_patch(image: UInt8Array, points: Points, unit: float) -> _Patch:
    """The patch around the points of a frame, of the same size for the same unit; the frame's border is replicated."""
    height, width = image.shape[:2]
    half_height = (PATCH_RADIUS + PATCH_MARGIN) * unit
    sides = np.ceil(2 * np.array([half_height + SIDE * unit, half_height])).astype(int)
    corner = np.floor(points.mean(axis=0) - sides / 2).astype(int)
    (left, top), (right, bottom) = corner.tolist(), (corner + sides).tolist()
    rows = slice(min(max(top, 0), height - 1), max(min(bottom, height), 1))
    columns = slice(min(max(left, 0), width - 1), max(min(right, width), 1))
    grey = cv2.cvtColor(image[rows, columns], cv2.COLOR_RGB2GRAY)
    padded = cv2.copyMakeBorder(
        grey,
        max(rows.start - top, 0),
        max(bottom - rows.stop, 0),
        max(columns.start - left, 0),
        max(right - columns.stop, 0),
        cv2.BORDER_REPLICATE,
    )
    scale = min(1.0, UNIT_PX / unit)
    small_width, small_height = (round(scale * side) for side in sides.tolist())
    patch = cv2.resize(padded, (small_width, small_height), interpolation=cv2.INTER_AREA)
    view = View.from_box((left, top, right, bottom), small_height, small_width)
    return _Patch(np.asarray(patch, np.uint8), view, (width, height), points, unit)


def _match(first: _Patch, second: _Patch, guess: Points) -> tuple[Points, NDArray[np.float64]]:
    """How far the points of `first` are from those in `second`, (2, 2), and the share of their grids that is tracked.

    `guess`: about where they are in `second`. An offset is NaN if nothing is tracked.
    """
    starts, guesses = (positions[:, None] + first.unit * _GRID for positions in (first.points, guess))
    start_pixels = first.view.transform_points(starts).reshape(-1, 1, 2)
    guess_pixels = second.view.transform_points(guesses).reshape(-1, 1, 2)
    images = first.image, second.image
    ends, end_status, _ = cv2.calcOpticalFlowPyrLK(*images, start_pixels, guess_pixels, **_FLOW_OPTIONS)
    returns, return_status, _ = cv2.calcOpticalFlowPyrLK(*images[::-1], ends, start_pixels.copy(), **_FLOW_OPTIONS)
    is_tracked = (end_status > 0) & (return_status > 0)
    is_tracked &= np.linalg.norm(returns - start_pixels, axis=-1) <= MAX_ROUND_TRIP
    inverse = np.linalg.inv(second.view.array[:, :2])
    offsets = (ends.reshape(starts.shape) - second.view.transform_points(starts)) @ inverse.T
    is_inside = ((starts >= 0) & (starts <= np.array(first.frame_size) - 1)).all(axis=-1)
    is_used = is_tracked.reshape(2, -1) & is_inside
    medians = [
        np.median(o[used], axis=0) if used.any() else np.full(2, np.nan)
        for o, used in zip(offsets, is_used, strict=True)
    ]
    return np.stack(medians), is_used.mean(axis=1)
