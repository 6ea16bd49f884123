"""A face's own shape, apart from where it is: pose by similarity, the neutral face, statistics of a clip.

Canonical coordinates: the middle of the outer eye corners is 0, they lie at (-1/2, 0) and (1/2, 0), y down. So all
lengths are in distances of the eyes. Points are held as complex numbers x + iy, for which a similarity is z -> a z + b.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Floats, Statistics
from vid2vid_landmarks.topology import COUNT, EYE_GAPS, LIP_GAPS, PARTS

Complex = NDArray[np.complex128]

# What an expression moves least holds the pose: eye corners, the nose, the ends of the jaw.
RIGID = np.zeros(COUNT)
RIGID[[36, 39, 42, 45]] = 1.0
RIGID[[27, 28, 29, 30]] = 0.5
RIGID[[31, 33, 35, 0, 16]] = 0.3

LEAST = 0.3  # faces of a lower quality do not count in the statistics, unless there are no others
ROUNDS = 3  # of aligning to the median, which then hardly moves


def pack(points: NDArray[Any]) -> Complex:
    """Points (..., 2) as complex numbers (...)."""
    return points[..., 0].astype(np.float64) + 1j * points[..., 1].astype(np.float64)


def unpack(numbers: Complex) -> Floats:
    """The inverse of `pack`."""
    return np.stack([numbers.real, numbers.imag], axis=-1).astype(np.float32)


def fit(reference: Complex, face: Complex) -> tuple[Any, Any]:
    """The similarity (a, b) with face = a * reference + b, by weighted least squares over the rigid points (.., 68)."""
    weights = RIGID / RIGID.sum()
    middle, centre = (weights * reference).sum(-1, keepdims=True), (weights * face).sum(-1, keepdims=True)
    moved, seen = reference - middle, face - centre
    a = (weights * seen * moved.conj()).sum(-1) / (weights * np.abs(moved) ** 2).sum(-1)
    return a, centre[..., 0] - a * middle[..., 0]


def canonical(face: Complex) -> Complex:
    """A face with its outer eye corners at -1/2 and 1/2."""
    result: Complex = (face - (face[36] + face[45]) / 2) / (face[45] - face[36])
    return result


def gaps(face: Complex, pairs: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """How far each pair is open, downwards, for canonical faces (..., 68): (..., pairs)."""
    table = np.asarray(pairs)
    result: NDArray[np.float64] = (face[..., table[:, 1]] - face[..., table[:, 0]]).imag
    return result


def neutral(faces: Complex) -> Complex:
    """The resting face of a clip (t, 68) in canonical coordinates: median shape, open eyes, mouth as closed as usual.

    Medians are taken over aligned faces; those of the eyes over the more open half, those of the lips over the more
    closed, since a person who talks all the time is not at rest in the median.
    """
    shape = canonical(faces[len(faces) // 2])
    aligned = faces
    for _ in range(ROUNDS):
        a, b = fit(shape, faces)
        aligned = (faces - b[:, None]) / a[:, None]
        shape = canonical(_median(aligned))
    for names, pairs, least in (
        (("left_eye", "right_eye"), EYE_GAPS, True),
        (("mouth", "inner_mouth"), LIP_GAPS, False),
    ):
        opening = gaps(aligned, pairs).mean(axis=1)
        middle = np.median(opening)
        half = aligned[opening >= middle if least else opening <= middle]
        members = [index for name in names for index in PARTS[name]]
        shape[members] = _median(half[:, members])
    return canonical(shape)


def describe(annotations: Sequence[Annotation]) -> Statistics:
    """Statistics of a clip: frame size, `focus`, the neutral face, median pose, parts, and how far things open.

    Empty where no face was found. Lengths under `parts` and `open` are in distances of the eyes; `pose` in pixels and
    radians.
    """
    seen = [one for one in annotations if one.quality > 0 and np.isfinite(one.points["face"]).all()]
    if not seen:
        return {}
    sure = [one for one in seen if one.quality >= LEAST] or seen
    faces = pack(np.stack([one.points["face"] for one in sure]))
    shape = neutral(faces)
    a, b = fit(shape, faces)
    angle = np.median(np.angle(a * np.exp(-1j * np.angle(a.mean())))) + np.angle(a.mean())
    own = (faces - b[:, None]) / a[:, None]
    first = annotations[0]
    return {
        "height": first.height,
        "width": first.width,
        "frames": len(seen),
        "focus": list(focus(unpack(faces), first.height, first.width)),
        "neutral": [[round(float(value), 5) for value in point] for point in unpack(shape)],
        "pose": {
            "x": float(np.median(b.real)),
            "y": float(np.median(b.imag)),
            "scale": float(np.median(np.abs(a))),
            "angle": float(angle),
        },
        "parts": {name: _part(shape[list(members)]) for name, members in PARTS.items()},
        "open": {"eyes": _spread(gaps(own, EYE_GAPS)), "mouth": _spread(gaps(own, LIP_GAPS))},
    }


def focus(points: Floats, height: int, width: int) -> tuple[float, float, float, float]:
    """The square that holds the head, hair and chin included, through the whole clip (t, 68, 2), in edge coordinates.

    Per frame a square of 2.5 landmark widths, its middle at (3 top + bottom) / 4 (vid2vid's face crop); then the
    square around nearly all of these, moved into the frame and no larger than it.
    """
    low, high = points.min(axis=1) + 0.5, points.max(axis=1) + 0.5
    half = 1.25 * (high[:, 0] - low[:, 0])
    x, y = (low[:, 0] + high[:, 0]) / 2, (3 * low[:, 1] + high[:, 1]) / 4
    x0, y0 = np.percentile(x - half, 5), np.percentile(y - half, 5)
    x1, y1 = np.percentile(x + half, 95), np.percentile(y + half, 95)
    # A tall face may reach below its square; the chin belongs to it.
    y1 = max(y1, float(np.percentile(high[:, 1] + 0.05 * half, 98)))
    side = float(min(max(x1 - x0, y1 - y0), min(height, width)))
    left = float(np.clip((x0 + x1 - side) / 2, 0, width - side))
    top = float(np.clip((y0 + y1 - side) / 2, 0, height - side))
    return left, top, left + side, top + side


def _median(faces: Complex) -> Complex:
    result: Complex = np.median(faces.real, axis=0) + 1j * np.median(faces.imag, axis=0)
    return result


def _part(points: Complex) -> dict[str, float]:
    x, y = points.real, points.imag
    return {
        "x": float(x.mean()),
        "y": float(y.mean()),
        "width": float(x.max() - x.min()),
        "height": float(y.max() - y.min()),
    }


def _spread(opening: NDArray[np.float64]) -> dict[str, float]:
    mean = opening.mean(axis=1)
    low, middle, high = np.percentile(mean, [5, 50, 95])
    return {"low": float(low), "mean": float(mean.mean()), "middle": float(middle), "high": float(high)}
