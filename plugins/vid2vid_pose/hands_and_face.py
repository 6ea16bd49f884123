"""Hands and a face on top of a body, with MediaPipe models that the user gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, Floats
from vid2vid_pose.backend import SEEN, Box, Person, Piece, piece
from vid2vid_pose.mediapipe_tasks import Landmarker, given_model
from vid2vid_pose.topology import FACE, HAND, HEAD, empty, from_mesh

ARMS = {"left_hand": (6, 7), "right_hand": (3, 4)}
"""Elbow and wrist."""
FOREARM = 0.5
"""Of the torso, where it is foreshortened."""
MIDDLE = 0.35
"""Where a hand's middle lies beyond the wrist, in forearms."""
HAND_SIDE, FACE_SIDE = 1.8, 2.2
"""Sides of the squares that are looked at, in forearms and in distances of nose and neck."""
WRIST = 0.6
"""How far the wrist of a hand may be from the body's, in forearms."""


class Parts:
    """Landmarkers for hands and face, each where its model is given."""

    def __init__(self, hands: Path | None, face: Path | None) -> None:
        """Raises: MissingPackageError, MissingWeightsError."""
        self._hands: Landmarker | None = None
        self._face: Landmarker | None = None
        if hands is not None:
            model = given_model(hands, "hands_model")
            self._hands = Landmarker("Hand", model, video=False, many=2, where=str(hands))
        if face is not None:
            model = given_model(face, "face_model")
            self._face = Landmarker("Face", model, video=False, many=1, where=str(face))
        self.names = (*(ARMS if hands is not None else ()), *(("face",) if face is not None else ()))

    def add(self, frame: Bytes, person: Person) -> Person:
        """The person with hands and face, NaN where they are not found."""
        body = person.points["body"]
        points = dict(person.points)
        if self._hands is not None:
            for name, (elbow, wrist) in ARMS.items():
                points[name] = self._hand(self._hands, frame, body, elbow, wrist)
        if self._face is not None:
            box = face_box(body)
            points["face"] = empty(FACE)
            if box is not None and _touches(box, frame):
                part = piece(frame, box)
                for marks in self._face.see(part.image).face_landmarks[:1]:
                    points["face"] = from_mesh(_rows(marks, part, 1.0))
        return Person(points)

    def _hand(self, hands: Landmarker, frame: Bytes, body: Floats, elbow: int, wrist: int) -> Floats:
        place = hand_box(body, elbow, wrist)
        if place is None or not _touches(place[0], frame):
            return empty(HAND)
        part = piece(frame, place[0])
        result = hands.see(part.image)
        sure = [sides[0].score for sides in result.handedness]
        found = [_rows(marks, part, score) for marks, score in zip(result.hand_landmarks, sure, strict=True)]
        return nearest_hand(found, body[wrist, :2], WRIST * place[1])

    def close(self) -> None:
        """End MediaPipe's threads."""
        for one in (self._hands, self._face):
            if one is not None:
                one.close()


def hand_box(body: Floats, elbow: int, wrist: int) -> tuple[Box, float] | None:
    """The square about a hand, and the length of the forearm; None where the wrist is not seen."""
    if not _seen(body, wrist):
        return None
    forearm = FOREARM * _distance(body, 1, 8)
    towards: NDArray[Any] = np.zeros(2)
    if _seen(body, elbow):
        along = body[wrist, :2] - body[elbow, :2]
        forearm = float(np.nanmax([forearm, np.hypot(*along)]))
        towards = MIDDLE * along
    if not forearm > 0:
        return None
    x, y = body[wrist, :2] + towards
    half = HAND_SIDE * forearm / 2
    return (float(x - half), float(y - half), float(x + half), float(y + half)), forearm


def nearest_hand(found: list[Floats], wrist: NDArray[Any], reach: float) -> Floats:
    """Of the hands found, (21, 3) each, the one at the end of this arm; NaN where there is none."""
    away = [float(np.hypot(*(hand[0, :2] - wrist))) for hand in found]
    near = min(range(len(found)), key=away.__getitem__, default=None)
    return empty(HAND) if near is None or away[near] > reach else found[near]


def face_box(body: Floats) -> Box | None:
    """The square about the head; None where it is not seen."""
    head = body[list(HEAD)]
    seen = head[np.nan_to_num(head[:, 2]) >= SEEN, :2]
    side = float(np.nanmax([_distance(body, 0, 1), 1.2 * _distance(body, 17, 18), 0.0]))
    if len(seen) < 2 or side <= 0:
        return None
    x, y = seen.mean(axis=0)
    half = FACE_SIDE * side / 2
    return float(x - half), float(y - half), float(x + half), float(y + half)


def _rows(marks: Any, part: Piece, confidence: float) -> Floats:
    """MediaPipe's points as (n, 3) in pixels of the frame."""
    places = part.points(np.array([(mark.x, mark.y) for mark in marks], dtype=np.float32))
    return np.column_stack([places, np.full(len(places), confidence)]).astype(np.float32)


def _seen(body: Floats, joint: int) -> bool:
    return bool(np.nan_to_num(body[joint, 2]) >= SEEN)


def _distance(body: Floats, one: int, other: int) -> float:
    return float(np.hypot(*(body[one, :2] - body[other, :2])))


def _touches(box: Box, frame: Bytes) -> bool:
    height, width = frame.shape[:2]
    return box[0] < width and box[1] < height and box[2] > 0 and box[3] > 0
