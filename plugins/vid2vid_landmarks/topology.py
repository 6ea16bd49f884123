"""Topology of the 68 points: parts, curves, mirror indices, and the corresponding vertices of MediaPipe's mesh.

Order of iBUG 300-W, left and right as they appear in the image: jaw 0-16, brows 17-21 and 22-26, nose bridge 27-30,
nose base 31-35, eyes 36-41 and 42-47, outer lips 48-59, inner lips 60-67. Points 68-82 are the jaw points 15 to 1,
mirrored to close the outline over the forehead (vid2vid's face data set).
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_POINTS = 68

FACE_PARTS: dict[str, tuple[int, ...]] = {
    "outline": tuple(range(0, 17)),
    "left_brow": tuple(range(17, 22)),
    "right_brow": tuple(range(22, 27)),
    "nose": tuple(range(27, 36)),
    "left_eye": tuple(range(36, 42)),
    "right_eye": tuple(range(42, 48)),
    "mouth": tuple(range(48, 60)),
    "inner_mouth": tuple(range(60, 68)),
}

FACE_CURVES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("outline", (*range(0, 17), *range(68, 83), 0)),
    ("left_brow", tuple(range(17, 22))),
    ("right_brow", tuple(range(22, 27))),
    ("nose", (28, 31)),
    ("nose", tuple(range(31, 36))),
    ("nose", (35, 28)),
    ("left_eye", (36, 37, 38, 39)),
    ("left_eye", (39, 40, 41, 36)),
    ("right_eye", (42, 43, 44, 45)),
    ("right_eye", (45, 46, 47, 42)),
    ("mouth", tuple(range(48, 55))),
    ("mouth", (54, 55, 56, 57, 58, 59, 48)),
    ("inner_mouth", tuple(range(60, 65))),
    ("inner_mouth", (64, 65, 66, 67, 60)),
)
"""The fourteen curves in the order of the distance maps: part and point indices."""

FLIP_INDICES: tuple[int, ...] = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
)  # fmt: skip
"""For each point, the index of its mirror counterpart."""


class EyeCorners(NamedTuple):
    """Indices of the corners of one eye."""

    outer: int
    inner: int


EYES = (EyeCorners(36, 39), EyeCorners(45, 42))
"""The left and the right eye, as they appear in the image."""
NUM_IRIS_POINTS = 5
"""Points of one iris: the centre, and its edge towards the inner corner, up, towards the outer corner, and down."""
FACE_SHAPES = {"face": (NUM_POINTS, 2)}
IRIS_SHAPES = {"iris": (2 * NUM_IRIS_POINTS, 2)}
TORSO_SHAPES = {"torso": (2, 2)}
"""Shapes of the point sets of an annotation."""
IRIS_PARTS = (tuple(range(68, 73)), tuple(range(73, 78)))
"""Rows of the irises below the 68 points."""
SHAPE_PARTS = {
    "eyes": {"face": tuple(range(36, 48)), "iris": tuple(range(2 * NUM_IRIS_POINTS))},
    "mouth": {"face": tuple(range(48, 68))},
}
"""Parts that expressions and looks change by themselves."""
IRIS_FLIP_INDICES = (*range(NUM_IRIS_POINTS, 2 * NUM_IRIS_POINTS), *range(NUM_IRIS_POINTS))
"""Both eyes are exchanged; the order of their points refers to the corners."""

# Upper and lower point of each gap, from left to right.
EYE_GAPS = ((37, 41), (38, 40), (43, 47), (44, 46))
LIP_GAPS = ((61, 67), (62, 66), (63, 65))
# Points of the outer lips above and below LIP_GAPS; they move with the inner lips.
OUTER_LIP_GAPS = ((50, 58), (51, 57), (52, 56))

# Height of the forehead (the mirrored jaw) relative to the height of the jaw.
FOREHEAD_HEIGHT_RATIO = 2 / 3

# Pair of vertices of MediaPipe's face mesh whose mean is each of the 68 points; equal where one vertex is
# enough. Taken from the mesh's contours (face oval, lips, eyes, brows) and compared with dlib on three faces: two
# neighbours are averaged where the vertices of the oval lie between dlib's jaw points.
MESH_VERTICES: tuple[tuple[int, int], ...] = (
    # jaw: the face oval from ear to ear through the chin, 152
    (127, 127), (234, 93), (132, 132), (58, 58), (172, 172), (136, 136), (149, 149), (148, 176), (152, 152),
    (377, 400), (378, 378), (365, 379), (397, 397), (288, 288), (361, 361), (454, 323), (356, 356),
    # brows: their upper edge
    (70, 70), (63, 63), (105, 105), (66, 66), (107, 107),
    (336, 336), (296, 296), (334, 334), (293, 293), (300, 300),
    # nose: bridge, then base from wing to wing
    (168, 168), (197, 197), (5, 5), (4, 4),
    (98, 240), (97, 97), (2, 2), (326, 326), (327, 460),
    # left eye: outer corner, upper lid, inner corner, lower lid; right eye: the same, starting at the inner corner
    (33, 33), (160, 160), (158, 158), (133, 133), (153, 153), (144, 144),
    (362, 362), (385, 385), (387, 387), (263, 263), (373, 373), (380, 380),
    # outer lips
    (61, 61), (39, 39), (37, 37), (0, 0), (267, 267), (269, 269), (291, 291),
    (405, 405), (314, 314), (17, 17), (84, 84), (181, 181),
    # inner lips
    (78, 78), (82, 82), (13, 13), (312, 312), (308, 308), (317, 317), (14, 14), (87, 87),
)  # fmt: skip


def points_from_mesh(mesh: NDArray[Any]) -> NDArray[np.float32]:
    """The 68 points (68, 2) of MediaPipe's face mesh (468 or more vertices, 2 or 3)."""
    vertex_pairs = np.asarray(MESH_VERTICES)
    points: NDArray[np.float32] = (0.5 * (mesh[vertex_pairs[:, 0], :2] + mesh[vertex_pairs[:, 1], :2])).astype(
        np.float32
    )
    return points


def append_forehead(points: NDArray[Any]) -> NDArray[np.float64]:
    """Append the fifteen forehead points to the points (68, 2): (83, 2)."""
    points = points.astype(np.float64)
    start, jaw_vector = points[0], points[16] - points[0]
    length = float(np.hypot(*jaw_vector))
    if not length > 0:
        return np.vstack([points, np.repeat(start[None], 15, axis=0)])
    normal = np.array([-jaw_vector[1], jaw_vector[0]]) / length
    jaw = points[15:0:-1]
    depth = (jaw - start) @ normal
    return np.vstack([points, jaw - (1 + FOREHEAD_HEIGHT_RATIO) * depth[:, None] * normal])


@cache
def spline_weights(samples_per_segment: int) -> tuple[NDArray[np.float64], tuple[slice, ...]]:
    """Weights (samples, 83) that turn the points into sampled curves, and the slice of rows of each curve.

    Catmull-Rom splines through all points with `samples_per_segment` samples per segment; the outline is closed, the
    other curves are open.
    """
    blocks: list[NDArray[np.float64]] = []
    curve_slices: list[slice] = []
    for _, indices in FACE_CURVES:
        curve_weights = _curve_weights(indices, samples_per_segment)
        start = sum(len(block) for block in blocks)
        curve_slices.append(slice(start, start + len(curve_weights)))
        blocks.append(curve_weights)
    return np.vstack(blocks), tuple(curve_slices)


def _curve_weights(indices: tuple[int, ...], samples_per_segment: int) -> NDArray[np.float64]:
    num_points = len(indices)
    if num_points == 2:
        return _one_hot(indices[0])[None].repeat(2, axis=0) * [[1], [0]] + _one_hot(indices[1]) * [[0], [1]]
    is_closed = indices[0] == indices[-1]
    control = np.stack([_one_hot(index) for index in indices])
    # Add one control point at each end: the next point of the loop, or a quadratic extrapolation.
    if is_closed:
        previous_control, next_control = control[-2], control[1]
    else:
        previous_control = 3 * control[0] - 3 * control[1] + control[2]
        next_control = 3 * control[-1] - 3 * control[-2] + control[-3]
    control = np.vstack([previous_control, control, next_control])
    times = np.linspace(0, 1, samples_per_segment, endpoint=False)[:, None]
    segments = [_segment_weights(control[i : i + 4], times) for i in range(num_points - 1)]
    return np.vstack([*segments, control[-2][None]])


def _segment_weights(control: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Catmull-Rom weights between the middle two of four control points."""
    p0, p1, p2, p3 = control
    cubic = -p0 + 3 * p1 - 3 * p2 + p3
    square = 2 * p0 - 5 * p1 + 4 * p2 - p3
    result: NDArray[np.float64] = 0.5 * (2 * p1 + (p2 - p0) * t + square * t**2 + cubic * t**3)
    return result


def _one_hot(index: int) -> NDArray[np.float64]:
    row = np.zeros(NUM_POINTS + 15)
    row[index] = 1.0
    return row
