"""Where faces and hands are, for discriminators that look at them alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vid2vid_cli.conditioning import Floats, View, bounds
from vid2vid_pose.hands_and_face import ARMS, MIDDLE
from vid2vid_pose.topology import BODY, FACE, HAND, HEAD

NAMES = ("face", "hands")


def regions_of(points: Mapping[str, Floats], view: View, least: float) -> dict[str, Floats]:
    """A box about the face, and one about each hand, of each person of an annotation's points.

    Of the face's and the hands' own points where there are any; else about eyes, ears and nose, and where a hand's
    middle lies beyond the wrist. Points less certain than `least` do not count.
    """
    sure = {name: np.where(rows[:, 2:] >= least, rows[:, :2], np.nan) for name, rows in points.items()}
    body = sure["body"].reshape(-1, BODY, 2)
    faces, hands = [], []
    for person, joints in enumerate(body):
        face = _own(sure, "face", FACE, person)
        faces.append(bounds(face if face is not None else joints[list(HEAD)], view))
        for name, (elbow, wrist) in ARMS.items():
            hand = _own(sure, name, HAND, person)
            hands.append(bounds(hand if hand is not None else _beyond(joints, elbow, wrist), view))
    return {"face": np.stack(faces), "hands": np.stack(hands)}


def _own(sure: Mapping[str, Floats], name: str, count: int, person: int) -> Floats | None:
    """A person's points of that name; None where they were not looked for or not found."""
    rows = sure[name][person * count : (person + 1) * count] if name in sure else np.empty((0, 2), np.float32)
    return rows if np.isfinite(rows).any() else None


def _beyond(joints: Floats, elbow: int, wrist: int) -> Floats:
    """The middle of a hand (1, 2): the wrist itself where the elbow is not known."""
    along = np.nan_to_num(joints[wrist] - joints[elbow])
    middle: Floats = np.asarray(joints[wrist] + MIDDLE * along, dtype=np.float32)
    return middle[None]
