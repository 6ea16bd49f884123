"""The pose of the points of a subject: place, size and angle, and the shape that remains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.alignment import fit_complex_similarity
from vid2vid_cli.data.scene_positions import Positions

NUM_PLACE_VALUES = 4
MIN_FACTOR = 1e-9
"""Of points that fit the shape at no size."""


@dataclass(frozen=True)
class PointPose:
    """Place, size, angle and shape of the points of a frame."""

    factor: complex
    shift: complex
    """factor * position + shift: the coordinates in which the points fit the mean shape."""
    values: NDArray[np.float64]
    """(4 + k + c,) q, in standard deviations; NaN for context points that are missing."""

    @property
    def radius(self) -> float:
        """Root mean square radius of the points."""
        return 1 / abs(self.factor)

    def difference(self, other: PointPose) -> NDArray[np.float64]:
        """(4 + k + c,) the values of this pose minus those of another one; 0 where one of them is unknown."""
        return np.nan_to_num(self.values - other.values, nan=0.0)

    def distance(self, other: PointPose) -> float:
        """Root mean square distance between the mean shapes at both poses, in radii of this one."""
        shift = self.shift / self.factor - other.shift / other.factor
        return float(np.hypot(abs(shift), abs(1 / self.factor - 1 / other.factor))) / self.radius

    def normalise(self, positions: Positions) -> Positions:
        """Positions in the frame -> coordinates u."""
        result: Positions = self.factor * positions + self.shift
        return result

    def denormalise(self, coordinates: Positions) -> Positions:
        """Coordinates u -> positions in the frame."""
        result: Positions = (coordinates - self.shift) / self.factor
        return result


def fit_to_shape(points: Positions, shape: Positions) -> tuple[complex, complex]:
    """Factor and shift that map points (n,) to a shape with the centre 0, by least squares."""
    factor, shift = fit_complex_similarity(points, shape)
    return (factor, shift) if abs(factor) > MIN_FACTOR else (complex(MIN_FACTOR), complex(-MIN_FACTOR * points.mean()))


def place_values(factor: complex, shift: complex) -> NDArray[np.float64]:
    """(4,) x and y of the centre, logarithm of the radius, angle."""
    centre = -shift / factor
    return np.array([centre.real, centre.imag, -np.log(abs(factor)), np.angle(factor)])
