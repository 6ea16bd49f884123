"""Point formats: OpenPose's body, hand and face points, their drawing, and conversion from other models' points.

BODY_25 in OpenPose's order, left and right from the person's view: 0 nose, 1 neck, 2-4 right shoulder, elbow, wrist,
5-7 left, 8 mid-hip, 9-11 right hip, knee, ankle, 12-14 left, 15 and 16 right and left eye, 17 and 18 right and left
ear, 19-21 left big toe, small toe, heel, 22-24 right. A hand has 21 points: the wrist, then four per finger beginning
with the thumb. A face has 70: the 68 of iBUG and the pupils.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray

Colour = tuple[int, int, int]
Edge = tuple[int, int, Colour]
JointTable = tuple[tuple[int, ...], ...]

NUM_BODY_POINTS, NUM_HAND_POINTS, NUM_FACE_POINTS = 25, 21, 70
POINTS_PER_PERSON = {
    "body": NUM_BODY_POINTS,
    "left_hand": NUM_HAND_POINTS,
    "right_hand": NUM_HAND_POINTS,
    "face": NUM_FACE_POINTS,
}
"""Number of points per person, in the order of the annotations."""
NUM_CORE_JOINTS = 15
"""The first joints, without eyes, ears and feet, which all models provide."""
HEAD_JOINTS = (0, 15, 16, 17, 18)

BODY_25_LIMBS: tuple[Edge, ...] = (
    # head
    (17, 15, (153, 0, 153)), (15, 0, (153, 0, 102)), (0, 16, (102, 0, 153)), (16, 18, (51, 0, 153)),
    # torso
    (0, 1, (153, 0, 51)), (1, 8, (153, 0, 0)),
    # right arm, left arm
    (1, 2, (153, 51, 0)), (2, 3, (153, 102, 0)), (3, 4, (153, 153, 0)),
    (1, 5, (102, 153, 0)), (5, 6, (51, 153, 0)), (6, 7, (0, 153, 0)),
    # right leg, left leg
    (8, 9, (0, 153, 51)), (9, 10, (0, 153, 102)),
    (10, 11, (0, 153, 153)), (11, 24, (0, 153, 153)), (11, 22, (0, 153, 153)), (22, 23, (0, 153, 153)),
    (8, 12, (0, 102, 153)), (12, 13, (0, 51, 153)),
    (13, 14, (0, 0, 153)), (14, 21, (0, 0, 153)), (14, 19, (0, 0, 153)), (19, 20, (0, 0, 153)),
)  # fmt: skip
"""The 24 limbs of BODY_25 with the colours of vid2vid's pose input; the first four belong to the head."""

RIGID_PARTS: tuple[tuple[int, int], ...] = (
    *((0, 1), (1, 8), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7)),
    *((8, 9), (9, 10), (10, 11), (11, 22), (8, 12), (12, 13), (13, 14), (14, 19)),
)
"""Pairs of BODY_25 joints whose surroundings move as one rigid part: head, torso, arms, legs and feet."""

PALM = (0, 9)
"""Points of a hand whose surroundings move as one rigid part: the wrist and the base of the middle finger."""
DESCRIBED_POINTS: dict[str, list[int]] = {
    "left_hand": [4, 12, 20],
    "right_hand": [4, 12, 20],
    "face": [8, 30, 48, 51, 54, 57],
}
"""Tips of thumb, middle and little finger; chin, tip of the nose, mouth. More would outweigh the 25 joints."""

COCO_18_LIMBS: tuple[Edge, ...] = (
    (1, 2, (153, 0, 0)), (1, 5, (153, 51, 0)), (2, 3, (153, 102, 0)), (3, 4, (153, 153, 0)), (5, 6, (102, 153, 0)),
    (6, 7, (51, 153, 0)), (1, 9, (0, 153, 0)), (9, 10, (0, 153, 51)), (10, 11, (0, 153, 102)), (1, 12, (0, 153, 153)),
    (12, 13, (0, 102, 153)), (13, 14, (0, 51, 153)), (1, 0, (0, 0, 153)), (0, 15, (51, 0, 153)),
    (15, 17, (102, 0, 153)), (0, 16, (153, 0, 153)), (16, 18, (153, 0, 102)),
)  # fmt: skip
"""The 17 limbs of OpenPose's COCO model, with its colours times 0.6, as BODY_25 joints; the last four: head."""

COCO_18_JOINTS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""BODY_25 index of each joint of the COCO model, which has no mid-hip and no feet."""
COCO_18_COLOURS: tuple[Colour, ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""Colours of the dots that mark the 18 joints."""

FINGERS: tuple[tuple[tuple[int, ...], Colour], ...] = (
    ((0, 1, 2, 3, 4), (204, 0, 0)),
    ((0, 5, 6, 7, 8), (163, 204, 0)),
    ((0, 9, 10, 11, 12), (0, 204, 82)),
    ((0, 13, 14, 15, 16), (0, 82, 204)),
    ((0, 17, 18, 19, 20), (163, 0, 204)),
)
"""Points of each finger from the wrist to the tip, beginning with the thumb, and its colour."""

FACE_COLOUR: Colour = (255, 255, 255)
FACE_CURVES: tuple[tuple[int, ...], ...] = (
    (17, 18, 19, 20, 21), (22, 23, 24, 25, 26), (27, 28, 29, 30), (31, 32, 33, 34, 35),
    (36, 37, 38, 39), (39, 40, 41, 36), (42, 43, 44, 45), (45, 46, 47, 42),
    (48, 49, 50, 51, 52, 53, 54), (54, 55, 56, 57, 58, 59, 48),
)  # fmt: skip
"""Brows, nose, eyes and outer lips; the jaw is not drawn."""

FLIP_INDICES: dict[str, tuple[int, ...]] = {
    "body": (0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11, 16, 15, 18, 17, 22, 23, 24, 19, 20, 21),
    "face": (
        *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65, 69, 68,
    ),
}  # fmt: skip
"""For each point, the index of its mirror counterpart. Left and right hand are swapped as wholes, by name."""

# For each joint of BODY_25, the one or two points of another model whose mean it is; () if the model has none.
_MEDIAPIPE_33_SOURCES = (
    (0,), (11, 12), (12,), (14,), (16,), (11,), (13,), (15,), (23, 24), (24,), (26,), (28,), (23,), (25,), (27,),
    (5,), (2,), (8,), (7,), (31,), (), (29,), (32,), (), (30,),
)  # fmt: skip
_COCO_17_SOURCES = (
    (0,), (5, 6), (6,), (8,), (10,), (5,), (7,), (9,), (11, 12), (12,), (14,), (16,), (11,), (13,), (15,),
    (2,), (1,), (4,), (3,), (), (), (), (), (), (),
)  # fmt: skip
_HALPE_26_SOURCES = (
    *_COCO_17_SOURCES[:1],
    (18,),
    *_COCO_17_SOURCES[2:8],
    (19,),
    *_COCO_17_SOURCES[9:19],
    (20,),
    (22,),
    (24,),
    (21,),
    (23,),
    (25,),
)
_WHOLEBODY_133_SOURCES = (*_COCO_17_SOURCES[:19], (17,), (18,), (19,), (20,), (21,), (22,))
_COCO_18_SOURCES = (
    *((i,) for i in range(8)), (8, 11), (8,), (9,), (10,), (11,), (12,), (13,), (14,), (15,), (16,), (17,),
    (), (), (), (), (), (),
)  # fmt: skip

# Ranges of the parts in COCO-WholeBody's 133 points: face (68), left hand, right hand.
_WHOLEBODY_FACE, _WHOLEBODY_LEFT_HAND, _WHOLEBODY_RIGHT_HAND = slice(23, 91), slice(91, 112), slice(112, 133)
TOP_DOWN_POINT_COUNTS = (17, 26, 133)
"""Supported numbers of points: COCO, Halpe and COCO-WholeBody."""

# Vertices of MediaPipe's face mesh for iBUG's 68 points: one, or two whose mean is used. Same table as MESH_VERTICES of
# the plugin landmarks (plugins do not import each other); a test compares them.
_MESH_FACE_SOURCES = (
    (127,), (234, 93), (132,), (58,), (172,), (136,), (149,), (148, 176), (152,), (377, 400), (378,), (365, 379),
    (397,), (288,), (361,), (454, 323), (356,), (70,), (63,), (105,), (66,), (107,), (336,), (296,), (334,), (293,),
    (300,), (168,), (197,), (5,), (4,), (98, 240), (97,), (2,), (326,), (327, 460), (33,), (160,), (158,), (133,),
    (153,), (144,), (362,), (385,), (387,), (263,), (373,), (380,), (61,), (39,), (37,), (0,), (267,), (269,), (291,),
    (405,), (314,), (17,), (84,), (181,), (78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,),
)  # fmt: skip


def missing_points(num_points: int) -> FloatArray:
    """`num_points` undetected points: (num_points, 3) of NaN."""
    return np.full((num_points, 3), np.nan, dtype=np.float32)


def body_from_mediapipe(points: NDArray[Any]) -> FloatArray:
    """BODY_25 (25, 3) of MediaPipe's 33 points (33, 3). Small toes are unknown: the foot has one point in front."""
    return _map_points(points, _MEDIAPIPE_33_SOURCES)


def body_from_coco_18(points: NDArray[Any]) -> FloatArray:
    """Convert OpenPose's COCO model (18, 3) to BODY_25 (25, 3)."""
    return _map_points(points, _COCO_18_SOURCES)


def points_from_top_down(points: NDArray[Any]) -> dict[str, FloatArray]:
    """Convert the 17, 26 or 133 points (k, 3) of a top-down model; only 133 include hands and face."""
    table = {17: _COCO_17_SOURCES, 26: _HALPE_26_SOURCES, 133: _WHOLEBODY_133_SOURCES}[len(points)]
    person = {"body": _map_points(points, table)}
    if len(points) == 133:
        person["left_hand"], person["right_hand"] = (
            points[part].astype(np.float32) for part in (_WHOLEBODY_LEFT_HAND, _WHOLEBODY_RIGHT_HAND)
        )
        person["face"] = append_pupils(points[_WHOLEBODY_FACE])
    return person


def face_from_mesh(mesh: NDArray[Any]) -> FloatArray:
    """Convert a MediaPipe face mesh (468 or 478, 3) to a face (70, 3)."""
    return append_pupils(_map_points(mesh, _MESH_FACE_SOURCES))


def append_pupils(face: NDArray[Any]) -> FloatArray:
    """Append the pupils, as the means of the eyelid points, to the 68 points (68, 3): (70, 3)."""
    pupils = np.stack([face[36:42].mean(axis=0), face[42:48].mean(axis=0)])
    return np.vstack([face, pupils]).astype(np.float32)


@cache
def _source_pairs(table: JointTable) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Source indices (n, 2) of each row, equal if there is one source, and the mask (n,) of rows with a source."""
    pairs = np.array([(row[0], row[-1]) if row else (0, 0) for row in table])
    return pairs, np.array([bool(row) for row in table])


def _map_points(points: NDArray[Any], table: JointTable) -> FloatArray:
    """Mean position and minimum confidence of the sources of each row; NaN without a source."""
    pairs, has_source = _source_pairs(table)
    first_sources, second_sources = points[pairs[:, 0]], points[pairs[:, 1]]
    result: FloatArray = ((first_sources + second_sources) / 2).astype(np.float32)
    result[:, 2] = np.minimum(first_sources[:, 2], second_sources[:, 2])
    result[~has_source] = np.nan
    return result


def rigid_parts(num_people: int) -> dict[str, tuple[tuple[int, int], ...]]:
    """RIGID_PARTS and PALM of all people, as rows of their concatenated points, by name of the point set."""
    parts = {"body": RIGID_PARTS, "left_hand": (PALM,), "right_hand": (PALM,)}
    return {
        name: tuple(
            (first + person * POINTS_PER_PERSON[name], second + person * POINTS_PER_PERSON[name])
            for person in range(num_people)
            for first, second in pairs
        )
        for name, pairs in parts.items()
    }


def described_points(name: str, rows: FloatArray) -> FloatArray:
    """The rows of a point set that describe a pose: all joints, and the DESCRIBED_POINTS of hands and face."""
    if name not in DESCRIBED_POINTS:
        return rows
    described: FloatArray = rows.reshape(-1, POINTS_PER_PERSON[name], rows.shape[1])[:, DESCRIBED_POINTS[name]]
    return described.reshape(-1, rows.shape[1])
