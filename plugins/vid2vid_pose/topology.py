"""Whose points they are: OpenPose's 25 and 18 joints, hands and face, how other models' points become theirs.

BODY_25 in OpenPose's order, left and right being the person's: 0 nose, 1 neck, 2-4 right shoulder, elbow, wrist,
5-7 left, 8 middle of the hips, 9-11 right hip, knee, ankle, 12-14 left, 15 and 16 right and left eye, 17 and 18 right
and left ear, 19-21 left big toe, small toe, heel, 22-24 right. Hands have 21 points, the wrist and four for each
finger from the thumb on; faces 70, iBUG's 68 and the pupils.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Floats

Colour = tuple[int, int, int]
Edge = tuple[int, int, Colour]
Table = tuple[tuple[int, ...], ...]

BODY, HAND, FACE = 25, 21, 70
NAMES = {"body": BODY, "left_hand": HAND, "right_hand": HAND, "face": FACE}
"""Points of one person, in the order in which annotations hold them."""
CORE = 15
"""The first joints, without eyes, ears and feet: what every model gives and most pictures show."""
HEAD = (0, 15, 16, 17, 18)

LIMBS: tuple[Edge, ...] = (
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
"""The 24 limbs of BODY_25 and their colours, those of vid2vid's pose input; the first four are the head's."""

LIMBS_18: tuple[Edge, ...] = (
    (1, 2, (153, 0, 0)), (1, 5, (153, 51, 0)), (2, 3, (153, 102, 0)), (3, 4, (153, 153, 0)), (5, 6, (102, 153, 0)),
    (6, 7, (51, 153, 0)), (1, 9, (0, 153, 0)), (9, 10, (0, 153, 51)), (10, 11, (0, 153, 102)), (1, 12, (0, 153, 153)),
    (12, 13, (0, 102, 153)), (13, 14, (0, 51, 153)), (1, 0, (0, 0, 153)), (0, 15, (51, 0, 153)),
    (15, 17, (102, 0, 153)), (0, 16, (153, 0, 153)), (16, 18, (153, 0, 102)),
)  # fmt: skip
"""The 17 limbs of OpenPose's COCO model in its own colours at 0.6, between joints of BODY_25; the last four: head."""

COCO_18 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""Joints of BODY_25 for those of the COCO model, which has no middle of the hips and no feet."""
DOTS_18: tuple[Colour, ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""Colours of the 18 joints, which that drawing shows as dots."""

FINGERS: tuple[tuple[tuple[int, ...], Colour], ...] = (
    ((0, 1, 2, 3, 4), (204, 0, 0)),
    ((0, 5, 6, 7, 8), (163, 204, 0)),
    ((0, 9, 10, 11, 12), (0, 204, 82)),
    ((0, 13, 14, 15, 16), (0, 82, 204)),
    ((0, 17, 18, 19, 20), (163, 0, 204)),
)
"""From the thumb on, each from the wrist to its tip."""

WHITE: Colour = (255, 255, 255)
FACE_CURVES: tuple[tuple[int, ...], ...] = (
    (17, 18, 19, 20, 21), (22, 23, 24, 25, 26), (27, 28, 29, 30), (31, 32, 33, 34, 35),
    (36, 37, 38, 39), (39, 40, 41, 36), (42, 43, 44, 45), (45, 46, 47, 42),
    (48, 49, 50, 51, 52, 53, 54), (54, 55, 56, 57, 58, 59, 48),
)  # fmt: skip
"""Brows, nose, eyes and outer lips; the jaw is not drawn."""

SIDES: dict[str, tuple[int, ...]] = {
    "body": (0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11, 16, 15, 18, 17, 22, 23, 24, 19, 20, 21),
    "face": (
        *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65, 69, 68,
    ),
}  # fmt: skip
"""The point that stands in the place of each in a mirror; hands change places as wholes, by their names."""

# For each joint of BODY_25 the points of another model whose middle it is; () where the model has none.
_BLAZE = (
    (0,), (11, 12), (12,), (14,), (16,), (11,), (13,), (15,), (23, 24), (24,), (26,), (28,), (23,), (25,), (27,),
    (5,), (2,), (8,), (7,), (31,), (), (29,), (32,), (), (30,),
)  # fmt: skip
_COCO_17 = (
    (0,), (5, 6), (6,), (8,), (10,), (5,), (7,), (9,), (11, 12), (12,), (14,), (16,), (11,), (13,), (15,),
    (2,), (1,), (4,), (3,), (), (), (), (), (), (),
)  # fmt: skip
_HALPE_26 = (*_COCO_17[:1], (18,), *_COCO_17[2:8], (19,), *_COCO_17[9:19], (20,), (22,), (24,), (21,), (23,), (25,))
_WHOLE_133 = (*_COCO_17[:19], (17,), (18,), (19,), (20,), (21,), (22,))
_COCO_18_SOURCE = (
    *((i,) for i in range(8)), (8, 11), (8,), (9,), (10,), (11,), (12,), (13,), (14,), (15,), (16,), (17,),
    (), (), (), (), (), (),
)  # fmt: skip

# Where the other parts lie among COCO-WholeBody's 133 points: face 68, left hand, right hand.
_WHOLE_FACE, _WHOLE_LEFT, _WHOLE_RIGHT = slice(23, 91), slice(91, 112), slice(112, 133)
POINT_COUNTS = (17, 26, 133)
"""COCO, Halpe and COCO-WholeBody."""

# Vertices of MediaPipe's face mesh for iBUG's 68 points: one, or two whose middle is meant; see the plugin landmarks,
# whose table this is.
_MESH = (
    (127,), (234, 93), (132,), (58,), (172,), (136,), (149,), (148, 176), (152,), (377, 400), (378,), (365, 379),
    (397,), (288,), (361,), (454, 323), (356,), (70,), (63,), (105,), (66,), (107,), (336,), (296,), (334,), (293,),
    (300,), (168,), (197,), (5,), (4,), (98, 240), (97,), (2,), (326,), (327, 460), (33,), (160,), (158,), (133,),
    (153,), (144,), (362,), (385,), (387,), (263,), (373,), (380,), (61,), (39,), (37,), (0,), (267,), (269,), (291,),
    (405,), (314,), (17,), (84,), (181,), (78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,),
)  # fmt: skip


def empty(count: int) -> Floats:
    """`count` points of which none was found, (count, 3)."""
    return np.full((count, 3), np.nan, dtype=np.float32)


def from_blaze(points: NDArray[Any]) -> Floats:
    """BODY_25 (25, 3) of MediaPipe's 33 points (33, 3). Small toes are unknown: the foot has one point in front."""
    return _mapped(points, _BLAZE)


def from_coco_18(points: NDArray[Any]) -> Floats:
    """BODY_25 (25, 3) of OpenPose's COCO model (18, 3)."""
    return _mapped(points, _COCO_18_SOURCE)


def from_top_down(points: NDArray[Any]) -> dict[str, Floats]:
    """One person's points by name, of the 17, 26 or 133 of a top-down model (k, 3); hands and face of 133 alone."""
    table = {17: _COCO_17, 26: _HALPE_26, 133: _WHOLE_133}[len(points)]
    person = {"body": _mapped(points, table)}
    if len(points) == 133:
        person["left_hand"], person["right_hand"] = (
            points[part].astype(np.float32) for part in (_WHOLE_LEFT, _WHOLE_RIGHT)
        )
        person["face"] = with_pupils(points[_WHOLE_FACE])
    return person


def from_mesh(mesh: NDArray[Any]) -> Floats:
    """A face (70, 3) of MediaPipe's mesh (468 or 478, 3)."""
    return with_pupils(_mapped(mesh, _MESH))


def with_pupils(face: NDArray[Any]) -> Floats:
    """OpenPose's 70 points of iBUG's 68 (68, 3): the pupils in the middle of the lids."""
    pupils = np.stack([face[36:42].mean(axis=0), face[42:48].mean(axis=0)])
    return np.vstack([face, pupils]).astype(np.float32)


@cache
def _pairs(table: Table) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Both sources of each row (n, 2), the same twice where there is one, and which rows have any (n,)."""
    pairs = np.array([(row[0], row[-1]) if row else (0, 0) for row in table])
    return pairs, np.array([bool(row) for row in table])


def _mapped(points: NDArray[Any], table: Table) -> Floats:
    """Rows of `points`; where two stand for one, their middle and the lesser confidence; NaN where there is none."""
    pairs, known = _pairs(table)
    one, other = points[pairs[:, 0]], points[pairs[:, 1]]
    result: Floats = ((one + other) / 2).astype(np.float32)
    result[:, 2] = np.minimum(one[:, 2], other[:, 2])
    result[~known] = np.nan
    return result
