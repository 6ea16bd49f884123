"""One face over time: which of several it is, when the scene is a new one, and points without jitter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, CutDetector, Floats, Tracker
from vid2vid_landmarks.backend import Face
from vid2vid_landmarks.topology import PARTS

PATIENCE = 15  # frames for which other faces are ignored when the followed one is gone


class Follower:
    """Takes the wanted face, then stays with it."""

    def __init__(self, who: str = "largest") -> None:
        self._tracker = Tracker(who, patience=PATIENCE)
        self._cuts = CutDetector()
        self._last: Face | None = None

    @property
    def last(self) -> Face | None:
        """The followed face as it was last seen; None while there is none to wait for."""
        return None if self._tracker.box is None else self._last

    def look(self, frame: Bytes) -> bool:
        """Notice a cut: the face that was followed is then forgotten."""
        cut = self._cuts(frame)
        if cut:
            self._tracker.forget()
        return cut

    def choose(self, faces: Sequence[Face], height: int, width: int) -> Face | None:
        """The followed face among those of the next frame, of height x width."""
        scores = [face.score if np.isfinite(face.points).all() and _size(face) > 2 else 0.0 for face in faces]
        index = self._tracker.choose([face.box for face in faces], scores, height, width)
        if index is None:
            return None
        self._last = faces[index]
        return self._last


class Smoother:
    """Adaptive exponential smoothing of 68 points, causal; strong at rest, absent in motion.

    Each part of the face has its own weight r^2 / (r^2 + n^2), r being how far its points are from their smoothed
    places (root mean square) and n the size of jitter: `amount` times the distance of the eyes, more on small faces,
    whose points are less certain. So jitter of size n is halved, a blink of three n passes nine tenths at once, and
    the lag of slow motion never exceeds about n. The weight never falls below `LEAST`, so that no rest stays behind.
    """

    LEAST = 0.25
    JUMP = 0.5  # in distances of the eyes: the face is elsewhere, nothing to smooth
    GRAIN = 25.0  # pixels added to the distance of the eyes for small faces

    def __init__(self, amount: float) -> None:
        self._amount = amount
        self._state: NDArray[np.float64] | None = None

    def forget(self) -> None:
        """The next points have nothing to do with the last: a gap or a cut."""
        self._state = None

    def __call__(self, points: Floats) -> Floats:
        """The smoothed points (68, 2)."""
        new = points.astype(np.float64)
        if self._state is None or self._amount <= 0:
            self._state = new
            return points
        eyes = eye_distance(new)
        away = new - self._state
        if float(np.sqrt((away**2).sum(axis=1).mean())) > self.JUMP * eyes:
            self._state = new
            return points
        noise = self._amount * (eyes + self.GRAIN)
        weight = np.empty((len(new), 1))
        for part in PARTS.values():
            members = list(part)
            square = float((away[members] ** 2).sum(axis=1).mean())
            weight[members] = max(square / (square + noise**2), self.LEAST)
        self._state = self._state + weight * away
        return self._state.astype(np.float32)


def eye_distance(points: NDArray[Any]) -> float:
    """Between the outer corners of the eyes, in pixels."""
    return float(np.hypot(*(points[45] - points[36])))


def quality(face: Face, height: int, width: int) -> float:
    """How far the points can be trusted, in (0, 1]: detector's score, share in the picture, size, and frontality."""
    points = face.points
    x, y = points[:, 0], points[:, 1]
    inside = float(((x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)).mean())
    size = min(1.0, eye_distance(points) / 16.0)
    # Distance of the nose from either side of the face; in profile one of them vanishes.
    left, right = (float(np.hypot(*(points[30] - points[side]))) for side in (2, 14))
    turned = min(1.0, min(left, right) / (0.35 * max(left, right, 1e-6)))
    return float(np.clip(face.score * inside * size * turned, 0.02, 1.0))


def _size(face: Face) -> float:
    x0, y0, x1, y1 = face.box
    return max(x1 - x0, y1 - y0)
