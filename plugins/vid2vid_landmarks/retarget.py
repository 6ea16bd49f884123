"""A source's face as the target would make it: head motion and expression carried from one neutral face to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Floats, Statistics
from vid2vid_landmarks.face_shape import Complex, fit, gaps, pack, unpack
from vid2vid_landmarks.topology import COUNT, EYE_GAPS, LIP_GAPS, LIP_OUTER, PARTS

RATIOS = (0.5, 2.0)  # limits of what proportions may do to an expression
SHUT = 0.005  # gaps below this, in distances of the eyes, count as shut


class Retarget:
    """A map from the points of one face to another's, frame by frame, without memory."""

    def __init__(self, source: Statistics, target: Statistics) -> None:
        self._source, self._target = _neutral(source), _neutral(target)
        self._from, self._to = source["pose"], target["pose"]
        self._size = self._to["scale"] / self._from["scale"]
        self._turn = np.exp(1j * (self._to["angle"] - self._from["angle"]))
        self._ratios = _ratios(source, target, self._source, self._target)

    def __call__(self, points: Floats) -> Floats:
        """Points (68, 2) in the source's frame -> (68, 2) in the target's.

        With a, b the pose of the frame and N the neutral faces, the expression is E = (points - b) / a - N_source.
        The result is a' (N_target + E') + b': a' and b' move about the target's median pose as a and b do about the
        source's, scaled by the ratio of the sizes; E' is E with each part's deformation scaled by the ratio of the
        parts, and its displacement as a whole unchanged. Equal statistics give equal points.
        """
        face = pack(points)
        a, b = fit(self._source, face)
        own = (face - b) / a
        shape = self._target + self._expression(own - self._source)
        self._shut(own, shape)
        place = complex(self._to["x"], self._to["y"])
        place += (b - complex(self._from["x"], self._from["y"])) * self._size
        return unpack(a * self._size * self._turn * shape + place)

    def _expression(self, moved: Complex) -> Complex:
        result = np.empty_like(moved)
        for name, members in PARTS.items():
            index = list(members)
            whole = moved[index].mean()
            inner = moved[index] - whole
            x, y = self._ratios[name]
            result[index] = whole + x * inner.real + 1j * y * inner.imag
        return result

    def _shut(self, own: Complex, shape: Complex) -> None:
        """What is shut on the source is shut on the target, though they may differ at rest; in place.

        Below the gap at rest, a gap is the same share of the target's as of the source's.
        """
        for pairs, along in ((LIP_GAPS, LIP_OUTER), (EYE_GAPS, ())):
            now, rest, aim = gaps(own, pairs), gaps(self._source, pairs), gaps(self._target, pairs)
            share = np.clip(now / np.maximum(rest, SHUT), 0, 1)
            wanted = np.where((now < rest) & (rest > SHUT), share * aim, gaps(shape, pairs))
            change = 0.5j * (np.maximum(wanted, np.minimum(0, now)) - gaps(shape, pairs))
            for (upper, lower), step in zip(pairs, change, strict=True):
                shape[upper] -= step
                shape[lower] += step
            for (upper, lower), step in zip(along, change, strict=False):
                shape[upper] -= step
                shape[lower] += step


def _neutral(statistics: Statistics) -> Complex:
    points: NDArray[np.float64] = np.asarray(statistics["neutral"], dtype=np.float64)
    if points.shape != (COUNT, 2):
        raise ValueError(f"neutral face of shape {points.shape}, not ({COUNT}, 2)")
    return pack(points)


def _ratios(source: Statistics, target: Statistics, mine: Complex, theirs: Complex) -> dict[str, tuple[float, float]]:
    """Per part, how the target's deformations compare with the source's in x and y."""
    ratios: dict[str, tuple[float, float]] = {}
    for name in PARTS:
        one, other = source["parts"][name], target["parts"][name]
        x = _bounded(other["width"], one["width"])
        if name in ("outline", "nose"):
            y = _bounded(other["height"], one["height"])
        elif name in ("left_eye", "right_eye"):
            # Lids travel as far as the eye is open, so that a whole blink stays a whole blink.
            pairs = EYE_GAPS[:2] if name == "left_eye" else EYE_GAPS[2:]
            y = _bounded(float(gaps(theirs, pairs).mean()), float(gaps(mine, pairs).mean()))
        else:
            y = x  # the height of lips and brows at rest says nothing about how far they move
        ratios[name] = (x, y)
    return ratios


def _bounded(target: float, source: float) -> float:
    return float(np.clip(target / max(source, 1e-3), *RATIOS))
