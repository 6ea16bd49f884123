"""Heads that are drawn in three dimensions: shape and colours of a person with an expression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from benchmarks.drawn_surface import AZIMUTH, DIRECTIONS, ELEVATION, GRID_HEIGHT, GRID_WIDTH, Floats, Surface, vector

Colour = tuple[float, float, float]

MOUTH_ELEVATION = 0.57
EYE_AZIMUTH, EYE_ELEVATION = 0.38, 0.0
FACE = np.s_[int(0.34 * GRID_HEIGHT) : int(0.9 * GRID_HEIGHT), int(0.32 * GRID_WIDTH) : int(0.68 * GRID_WIDTH)]
"""The part of the grid that holds eyes and mouth."""


@dataclass(frozen=True)
class Expression:
    """Angles in radians; openness from 0 to 1; gaze from -1 to 1; smile from 0 to 1."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    mouth_openness: float = 0.0
    smile: float = 0.0
    eye_openness: float = 1.0
    gaze: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Head:
    """The appearance of one person. Colours are RGB from 0 to 1."""

    seed: int
    skin: Colour
    hair: Colour
    lips: Colour
    iris: Colour
    clothes: Colour
    hair_volume: float = 0.1
    hair_grain: tuple[float, float] = (3.0, 1.0)
    """Sizes of the hair's texture along azimuth and elevation."""
    hairline: float = -0.72
    """Elevation of the hairline above the nose."""
    width: float = 0.74
    jaw: float = 0.14
    """How much narrower the jaw is than the temples."""
    brow: float = 0.035
    """Half thickness of the brows, in radians."""

    @cached_property
    def base(self) -> Surface:
        """The head without eyes and mouth."""
        generator = np.random.default_rng(self.seed)
        radius = _skull(self)
        freckles = _noise(generator, 2.0, 2.0) * 0.03 + _noise(generator, 14.0, 14.0) * 0.03
        colour = vector(self.skin) * (1 + freckles[..., None])
        for azimuth, elevation, size in ((0.62, 0.36, 0.22), (-0.62, 0.36, 0.22), (0.0, 0.3, 0.12)):
            blush = 0.3 * _bump(azimuth, elevation, size, size)[..., None]
            colour = colour * (1 - blush * vector([0.05, 0.35, 0.3]))
        for side in (-1, 1):
            colour = _mix(colour, (0.2, 0.08, 0.06), 0.85 * _bump(0.085 * side, 0.425, 0.045, 0.022))
        is_hair = self._hair_mask()
        strands = _noise(generator, *self.hair_grain)
        radius = radius + self.hair_volume * is_hair * (1 + 0.22 * strands)
        hair_colour = vector(self.hair) * (1 + 0.35 * strands[..., None])
        colour = _mix(colour, hair_colour, is_hair)
        for side in (-1, 1):
            colour = _mix(colour, vector(self.hair) * 0.8, self._brow_mask(side, strands))
        return Surface(radius, np.asarray(colour, np.float32), np.where(is_hair > 0.5, 0.15, 0.25).astype(np.float32))

    def _hair_mask(self) -> Floats:
        side = np.abs(AZIMUTH)
        line = self.hairline + 0.3 * _step(0.3, 0.95, side) + 0.5 * _step(0.92, 1.12, side)  # forehead, temple
        line += -0.25 * _step(1.22, 1.34, side) + 0.75 * _step(1.6, 1.85, side)  # above the ear, neck
        line += 0.02 * np.sin(23 * AZIMUTH) + 0.012 * np.sin(61 * AZIMUTH)
        return np.asarray(_step(0.02, -0.02, ELEVATION - line), np.float32)

    def _brow_mask(self, side: int, strands: Floats) -> Floats:
        t = (side * AZIMUTH - EYE_AZIMUTH + 0.02) / 0.24
        distance = ELEVATION - (EYE_ELEVATION - 0.225 - 0.05 * (1 - (t - 0.1) ** 2))
        thickness = self.brow * np.clip(1.1 - 0.5 * np.maximum(t, 0) ** 2, 0.2, 1) * (1 + 0.2 * strands)
        return np.asarray(
            0.9 * _step(0.01, -0.01, np.abs(distance) - thickness) * _step(1.03, 0.93, np.abs(t)), np.float32
        )


def _step(start: float, end: float, values: Any) -> Any:
    t = np.clip((values - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def _bump(azimuth: float, elevation: float, width: float, height: float) -> Floats:
    return np.exp(-(((AZIMUTH - azimuth) / width) ** 2) - ((ELEVATION - elevation) / height) ** 2)


def _mix(colour: Any, other: Any, weight: Any) -> Any:
    return colour + (vector(other) - colour) * weight[..., None]


def _noise(generator: np.random.Generator, width: float, height: float) -> Floats:
    """Noise of mean 0 and standard deviation 1, smoothed over `width` x `height` cells of the grid."""
    noise = cv2.GaussianBlur(generator.standard_normal(AZIMUTH.shape).astype(np.float32), (0, 0), width, sigmaY=height)
    return np.asarray(noise / noise.std(), np.float32)


def _skull(head: Head) -> Floats:
    """Radius of the head in each direction; half of its height is about 1."""
    x, y, z = np.moveaxis(DIRECTIONS, -1, 0)
    width = head.width - head.jaw * _step(0.2, 0.9, y)
    power = 2.3
    radius = (np.abs(x / width) ** power + np.abs(y / 1.02) ** power + np.abs(z / 0.84) ** power) ** (-1 / power)
    radius += 0.055 * _bump(0, 0.95, 0.28, 0.16)  # chin
    radius -= 0.03 * _bump(0, 0.74, 0.3, 0.06)
    radius += 0.10 * _bump(0, 0.14, 0.085, 0.16) + 0.13 * _bump(0, 0.335, 0.1, 0.09)  # bridge and tip of the nose
    for side in (-1, 1):
        radius += 0.06 * _bump(0.115 * side, 0.39, 0.05, 0.045)
        radius += 0.03 * _bump(0.36 * side, -0.23, 0.26, 0.09)  # brow ridge
        radius -= 0.055 * _bump(EYE_AZIMUTH * side, 0.02, 0.22, 0.13)
        radius += 0.03 * _bump(0.62 * side, 0.25, 0.25, 0.16)  # cheekbone
        radius += 0.13 * _bump(1.52 * side, 0.1, 0.1, 0.24) - 0.05 * _bump(1.42 * side, 0.1, 0.05, 0.14)  # ear
    return np.asarray(radius, np.float32)


def _open_jaw(values: Floats, openness: float) -> Floats:
    """Move everything below the mouth downwards."""
    shift = 0.27 * openness * np.exp(-((AZIMUTH / 0.95) ** 4)) * _step(MOUTH_ELEVATION - 0.1, 0.95, ELEVATION)
    rows, columns = np.indices(AZIMUTH.shape, dtype=np.float32)
    rows -= shift * (GRID_HEIGHT - 1) / np.pi
    return np.asarray(cv2.remap(values, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _draw_eyes(head: Head, expression: Expression, face: Surface) -> Surface:
    radius, colour, gloss = face
    azimuth, elevation = AZIMUTH[FACE], ELEVATION[FACE]
    for side in (-1, 1):
        t = (azimuth - side * EYE_AZIMUTH) / 0.175
        arch = np.clip(1 - t**2, 0, None)
        lower = EYE_ELEVATION + 0.02 + 0.045 * arch
        upper = lower - (0.012 + 0.145 * expression.eye_openness) * arch**0.8
        inside = _step(-0.012, 0.012, elevation - upper) * _step(0.012, -0.012, elevation - lower) * (arch > 0)
        ball = np.exp(-(t**2) - ((elevation - EYE_ELEVATION) / 0.12) ** 2)
        radius = radius + 0.035 * ball - 0.015 * inside
        from_iris = np.hypot(azimuth - side * EYE_AZIMUTH - 0.075 * expression.gaze, elevation - EYE_ELEVATION + 0.012)
        eye = np.full_like(colour, 0.93) * (0.62 + 0.38 * _step(0.0, 0.06, elevation - upper))[..., None]
        eye = _mix(eye, vector(head.iris) * 0.35, _step(0.088, 0.078, from_iris))
        eye = _mix(eye, head.iris, _step(0.076, 0.066, from_iris))
        eye = _mix(eye, (0.02, 0.02, 0.02), _step(0.04, 0.032, from_iris))
        colour = _mix(colour, eye, inside)
        gloss = gloss + 0.6 * inside
        lash = _step(0.022, 0.006, np.abs(elevation - upper)) * _step(1.12, 0.9, np.abs(t))
        crease = _step(0.02, 0.0, np.abs(elevation - upper + 0.06)) * _step(1.1, 0.8, np.abs(t))
        rim = _step(0.012, 0.0, np.abs(elevation - lower)) * (arch > 0)
        colour = _mix(_mix(colour, (0.06, 0.03, 0.03), 0.9 * lash), vector(head.skin) * 0.5, 0.35 * crease + 0.4 * rim)
    return Surface(radius, colour, gloss)


def _draw_mouth(head: Head, expression: Expression, face: Surface) -> Surface:
    radius, colour, gloss = face
    azimuth, elevation = AZIMUTH[FACE], ELEVATION[FACE]
    openness, smile = expression.mouth_openness, expression.smile
    t = azimuth / (0.27 + 0.05 * smile - 0.03 * openness)
    arch = np.clip(1 - t**2, 0, None)
    corner = MOUTH_ELEVATION + 0.07 * openness - 0.06 * smile * t**2
    upper = corner - (0.004 + 0.075 * openness) * arch**0.7
    lower = corner + (0.004 + 0.24 * openness) * arch**0.5
    top = upper - (0.062 - 0.012 * np.exp(-((t / 0.16) ** 2))) * arch**0.6
    bottom = lower + 0.07 * arch**0.45
    is_lip = _step(-0.01, 0.01, elevation - top) * _step(0.01, -0.01, elevation - bottom) * (arch > 0)
    inside = _step(-0.008, 0.008, elevation - upper) * _step(0.008, -0.008, elevation - lower) * (arch > 0)
    colour = _mix(colour, head.lips, 0.9 * is_lip)
    gloss = gloss + 0.35 * is_lip
    gap = np.maximum(lower - upper, 1e-3)
    cavity = vector([0.2, 0.05, 0.05]) * (1 - 0.5 * _step(0.2, 0.7, (elevation - upper) / gap)[..., None])
    tongue = _step(1.0, 0.6, np.hypot(t / 0.75, (elevation - lower) / (0.45 * gap)))
    cavity = _mix(cavity, (0.62, 0.25, 0.25), tongue)
    teeth = _step(0.012, -0.006, elevation - upper - np.minimum(0.075, 0.6 * gap)) * _step(0.95, 0.8, np.abs(t))
    spacing = 0.8 + 0.2 * _step(0.0, 0.18, np.abs((t * 4.5) % 1 - 0.5))
    cavity = _mix(cavity, vector([0.95, 0.93, 0.88]) * spacing[..., None], teeth)
    colour = _mix(colour, cavity, inside)
    gloss = gloss * (1 - 0.7 * inside)
    relief = cv2.GaussianBlur((0.035 * is_lip - 0.09 * inside).astype(np.float32), (0, 0), 4)
    return Surface(radius + relief, colour, gloss)


def head_surface(head: Head, expression: Expression) -> Surface:
    """The head with an expression."""
    surface = Surface(*(_open_jaw(values, expression.mouth_openness) for values in head.base))
    face = Surface(*(values[FACE] for values in surface))
    for values, drawn in zip(surface, _draw_mouth(head, expression, _draw_eyes(head, expression, face)), strict=True):
        values[FACE] = drawn
    return surface
