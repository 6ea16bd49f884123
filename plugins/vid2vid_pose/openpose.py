"""OpenPose's JSON, a file for each frame, as the official binary writes it with --write_json.

Format: github.com/CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md. Coordinates are pixels of the video
(--keypoint_scale 0, its default); a point (0, 0, 0) was not found.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import (
    Bytes,
    FilesMismatchError,
    Floats,
    Footage,
    LabelFilesError,
    label_files,
)
from vid2vid_pose.backend import Backend, Box, Person
from vid2vid_pose.topology import FACE, HAND, NAMES, empty, from_coco_18

VERSIONS = (0.1, 1.0, 1.1, 1.2, 1.3)
BODIES = {75: "BODY_25", 54: "COCO"}
"""Numbers of a body that are understood: x, y and a confidence for each joint."""
PARTS = {"left_hand": ("hand_left_keypoints", HAND), "right_hand": ("hand_right_keypoints", HAND),
         "face": ("face_keypoints", FACE)}  # fmt: skip
WANTED = 'Wanted is what OpenPose writes with --write_json: {"version": 1.3, "people": [{"pose_keypoints_2d": [...]}]}.'
ONE_EACH = "There must be one file for each frame of the video, as OpenPose's --write_json makes them."


class OpenPoseFiles(Backend):
    """Reads people instead of finding them."""

    smooth = 0.0

    def __init__(self, folder: Path, footage: Footage | None) -> None:
        """Raises: MissingFileError, LabelFilesError, FilesMismatchError."""
        self._folder, self._footage = folder, footage
        self._files = label_files(folder, (".json",))
        frames = None if footage is None else footage.frames
        if footage is not None and frames is not None and frames != len(self._files):
            message = f"{folder} holds {len(self._files)} JSON files and {footage.path} has {frames} frames."
            raise FilesMismatchError(message, ONE_EACH)
        self.names = self._names()

    def people(self, frame: Bytes, index: int, near: Sequence[Box]) -> list[Person]:
        """Everybody in the file of the frame, in its pixels."""
        number = index if self._footage is None else self._footage.number(index)
        if number >= len(self._files):
            message = f"{self._folder} holds {len(self._files)} JSON files, and the video goes on with frame {number}."
            raise FilesMismatchError(message, ONE_EACH)
        return [Person({name: self._placed(rows) for name, rows in one.items()}) for one in read(self._files[number])]

    def _placed(self, rows: Floats) -> Floats:
        if self._footage is None:
            return rows
        return np.column_stack([self._footage.view.points(rows[:, :2]), rows[:, 2]]).astype(np.float32)

    def _names(self) -> tuple[str, ...]:
        """The points that the first file with anybody in it gives."""
        for path in self._files:
            people = read(path)
            if people:
                return tuple(name for name in NAMES if name == "body" or any(name in one for one in people))
        return ("body",)


def read(path: Path) -> list[dict[str, Floats]]:
    """The people of one file, each their points (n, 3) by name, NaN where not found.

    Raises: LabelFilesError (broken, another format or version, another number of points).
    """
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise LabelFilesError(f"{path} is not readable JSON: {error}.", "Make this file again.") from error
    if not isinstance(data, dict) or not isinstance(data.get("people"), list):
        found = f"the keys {', '.join(map(repr, list(data)[:4]))}" if isinstance(data, dict) else type(data).__name__
        raise LabelFilesError(f"{path} is not OpenPose's JSON: it holds {found}.", WANTED)
    version = data.get("version", VERSIONS[-1])
    if not isinstance(version, (int, float)) or round(float(version), 3) not in VERSIONS:
        known = ", ".join(map(str, VERSIONS))
        raise LabelFilesError(f"{path} is OpenPose's JSON of version {version}; known are {known}.", WANTED)
    return [_person(path, one) for one in data["people"]]


def _person(path: Path, one: Any) -> dict[str, Floats]:
    if not isinstance(one, dict):
        raise LabelFilesError(f"{path} holds somebody who is {type(one).__name__} and not an object.", WANTED)
    body = _numbers(path, one, "pose_keypoints")
    if len(body) not in BODIES:
        known = " or ".join(f"{count} ({name})" for count, name in BODIES.items())
        raise LabelFilesError(f"{path} gives a body with {len(body)} numbers and not {known}.", WANTED)
    rows = _rows(body)
    _check_pixels(path, rows)
    person = {"body": rows if len(rows) == NAMES["body"] else from_coco_18(rows)}
    for name, (key, count) in PARTS.items():
        part = _numbers(path, one, key, optional=True)
        if len(part) == 3 * count:
            person[name] = _rows(part)
        elif part:
            raise LabelFilesError(f"{path} gives {key} with {len(part)} numbers and not {3 * count}.", WANTED)
    return person


def _numbers(path: Path, one: dict[str, Any], key: str, *, optional: bool = False) -> list[float]:
    """The list under `key`_2d, or under `key` as files of version 0.1 and 1.0 have it; [] where it is left out."""
    name = f"{key}_2d" if f"{key}_2d" in one else key
    values = one.get(name)
    if values is None and optional:
        return []
    if values is None:
        found = ", ".join(map(repr, list(one)[:4])) or "nothing"
        raise LabelFilesError(f"{path} gives somebody without {key}_2d: there is {found}.", WANTED)
    sound = isinstance(values, list) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if not sound:
        raise LabelFilesError(f"{path} gives {name} that is not a list of numbers.", WANTED)
    return [float(value) for value in values]


def _rows(values: list[float]) -> Floats:
    """(n, 3), NaN where a point was not found."""
    rows = np.array(values, dtype=np.float32).reshape(-1, 3)
    missing = ~np.isfinite(rows).all(axis=1) | (rows[:, 2] <= 0)
    rows[missing] = empty(1)
    rows[:, 2] = np.minimum(rows[:, 2], 1)
    return rows


def _check_pixels(path: Path, rows: Floats) -> None:
    """Refuse coordinates that were scaled to 0..1 or -1..1: a real person is larger than two pixels."""
    places = rows[np.isfinite(rows).all(axis=1), :2]
    if len(places) >= 3 and float(np.abs(places).max()) <= 1.0:
        message = f"{path} gives points between -1 and 1, and not in pixels."
        raise LabelFilesError(message, "Run OpenPose with --keypoint_scale 0, its default.")
