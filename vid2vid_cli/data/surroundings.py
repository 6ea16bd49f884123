"""What does not move with the points of a subject, in the coordinates of `LinearMotion`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.data.scene_positions import Positions, as_complex

STATIC_RADII = (2.0, 3.0)
"""Distances from the centre of the points, in their root mean square radii, between which positions without evidence
change from those that move with the points to those that do not move."""
MOVING_SHARES = (0.4, 0.8)
"""What follows the points by less than the first share belongs to the surroundings, by more than the second to the
subject."""


def static_coefficients(nodes: Positions, place_mean: FloatArray, place_scale: FloatArray) -> FloatArray:
    """(gh, gw, 2, 4) the coefficients of place, size and angle by which far nodes (gh, gw) do not move; near ones: 0.

    With u = f (x - c), where x stays, u' = (f' / f) u - f' (c' - c). The derivatives for the centre c (x and y), the
    logarithm of the radius 1 / |f| and the angle of f, at their means, are -f, -f i, -u and i u.
    """
    factor = np.full_like(nodes, _mean_factor(place_mean))
    derivatives = np.stack([-factor, -1j * factor, -nodes, 1j * nodes], axis=-1) * place_scale
    derivatives *= _smooth_step(np.abs(nodes), STATIC_RADII)[..., None]
    return np.stack([derivatives.real, derivatives.imag], axis=-2).astype(np.float32)


def moving_shares(coefficients: FloatArray, place_mean: FloatArray, place_scale: FloatArray) -> FloatArray:
    """(gh, gw) how far the picture at each node follows the points, 0 to 1, from coefficients (gh, gw, 2, 4 + k).

    A motion of the points by d moves it by d + B d / (f s), where s is `place_scale`: by 0 with `static_coefficients`.
    The lesser of the horizontal and the vertical share is used, as an edge or what has no texture may seem to follow in
    one direction.
    """
    factor = _mean_factor(place_mean)
    by_direction = [
        np.abs(1 + as_complex(coefficients[..., index]) / (factor * direction * float(place_scale[index])))
        for index, direction in enumerate((1, 1j))
    ]
    return np.minimum(*by_direction).astype(np.float32)


def subject_share(shares: FloatArray) -> FloatArray:
    """From 0, surroundings, to 1, subject, by how far a position follows the points."""
    return _smooth_step(shares, MOVING_SHARES).astype(np.float32)


def _mean_factor(place_mean: FloatArray) -> complex:
    return complex(np.exp(complex(-place_mean[2], place_mean[3])))


def _smooth_step(values: NDArray[np.floating], limits: tuple[float, float]) -> NDArray[np.floating]:
    low, high = limits
    share = np.clip((values - low) / (high - low), 0, 1)
    result: NDArray[np.floating] = share**2 * (3 - 2 * share)
    return result
