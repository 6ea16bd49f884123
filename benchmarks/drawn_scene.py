"""A drawn head on shoulders, in front of a shelf of books."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.drawn_head import Colour, Expression, Head, head_surface
from benchmarks.drawn_surface import (
    Floats,
    draw_surface,
    pixel_positions,
    reduce_picture,
    rotation_matrix,
    shade,
    vector,
)

NECK_RADIUS, NECK_DEPTH, NECK_TOP, NECK_BOTTOM = 0.44, -0.22, 0.7, 1.5
SHOULDERS, SHOULDER_RADII = vector([0.0, 2.12, -0.35]), vector([1.55, 0.95, 0.7])
"""Centre and radii of an ellipsoid. All in half heights of the head, from its centre: right, down, to the camera."""


def draw_room(size: int, seed: int, wall: Colour) -> Floats:
    """Shelves of books in front of a wall, (size, size, 3), slightly out of focus."""
    generator = np.random.default_rng(seed)
    room = np.full((size, size, 3), wall, np.float32)
    shelf_height = size // 3
    for bottom in range(shelf_height, size + shelf_height, shelf_height):
        left = int(generator.integers(-10, 10))
        while left < size:
            thickness, share = int(generator.integers(7, 17)), generator.uniform(0.55, 0.82)
            hue, saturation, value = generator.uniform((0, 0.15, 0.3), (1, 0.55, 0.75))
            if generator.random() < 0.82:
                colour = vector(colorsys.hsv_to_rgb(hue, saturation, value))
                top = bottom - int(share * shelf_height)
                book = room[top:bottom, max(left, 0) : left + thickness]
                book[:] = colour
                book[6:9] = 0.6 * colour + 0.3
                book[:, :2] *= 0.7
            left += thickness
        room[bottom - 5 : bottom] = (0.45, 0.33, 0.23)
        room[bottom : bottom + 6] *= 0.75
    room *= np.linspace(1.08, 0.8, size, dtype=np.float32)[None, :, None]
    return np.asarray(cv2.GaussianBlur(room, (0, 0), 1.3), np.float32)


def draw_shoulders(head: Head, size: int, *, x: float, y: float, half_height: float) -> Floats:
    """RGB and coverage (size, size, 4) of a knitted pullover below a head with its centre at (x, y), in pixels."""
    right, down = pixel_positions(size, x, y, half_height)
    distance = ((right - SHOULDERS[0]) / SHOULDER_RADII[0]) ** 2 + ((down - SHOULDERS[1]) / SHOULDER_RADII[1]) ** 2
    shoulder_depth = SHOULDERS[2] + SHOULDER_RADII[2] * np.sqrt(np.clip(1 - distance, 0, None))
    radius = NECK_RADIUS + 0.05 * np.clip((down - 1.2) / 0.3, 0, 2) ** 2
    neck_depth = NECK_DEPTH + np.sqrt(np.clip(radius**2 - right**2, 0, None))
    is_shoulder = distance < 1
    is_neck = (np.abs(right) < radius) & (down > NECK_TOP) & (down < NECK_BOTTOM)
    is_neck &= ~(is_shoulder & (shoulder_depth > neck_depth))
    shoulder_normals = np.stack([right, down - SHOULDERS[1], shoulder_depth - SHOULDERS[2]], -1) / SHOULDER_RADII**2
    neck_normals = np.stack([right, np.zeros_like(right), neck_depth - NECK_DEPTH], -1)
    normals = np.where(is_neck[..., None], neck_normals, shoulder_normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    ribs = 0.1 * np.sin(55 * np.arcsin(np.clip(right / radius, -1, 1))) * np.ones_like(down)
    stitches = 0.09 * np.sin(48 * right + 2.5 * np.sin(48 * down)) * np.sin(24 * down)
    chin_shadow = np.where(is_neck, np.clip(0.45 + 1.3 * (down - 1.0), 0.45, 1), 1)
    brightness = (1 + np.where(is_neck, ribs, stitches)) * chin_shadow
    colour = vector(head.clothes) * brightness[..., None]
    lit = shade(colour, np.zeros_like(right), normals.astype(np.float32))
    picture = np.dstack([lit, np.ones_like(right)]) * (is_neck | is_shoulder)[..., None]
    return reduce_picture(picture.astype(np.float32))


def draw_frame(
    head: Head, expression: Expression, room: Floats, *, x: float, y: float, half_height: float
) -> NDArray[np.uint8]:
    """One frame (size, size, 3) of a square room, with the head's centre at (x, y), in pixels."""
    frame, size = room, len(room)
    rotation = rotation_matrix(expression.yaw, expression.pitch, expression.roll)
    for layer in (
        draw_shoulders(head, size, x=x, y=y, half_height=half_height),
        draw_surface(head_surface(head, expression), rotation, size, x=x, y=y, unit=half_height),
    ):
        frame = layer[..., :3] + frame * (1 - layer[..., 3:])
    return np.asarray(np.clip(frame, 0, 1) ** 0.85 * 255, np.uint8)
