"""Reader of OpenPose's JSON files, one per frame, as written by the official binary with --write_json.

Format: github.com/CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md. Coordinates are pixels of the video
(--keypoint_scale 0, the default); (0, 0, 0) marks a point that was not detected.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import (
    FloatArray,
    LabelFileError,
    UInt8Array,
    VideoContext,
    list_label_files,
    pair_with_frames,
    parse_json,
)
from vid2vid_pose.backend import Box, DetectedPose, PoseBackend
from vid2vid_pose.topology import NUM_FACE_POINTS, NUM_HAND_POINTS, POINTS_PER_PERSON, body_from_coco_18, missing_points

SUPPORTED_VERSIONS = (0.1, 1.0, 1.1, 1.2, 1.3)
BODY_FORMATS = {75: "BODY_25", 54: "COCO"}
"""Supported body formats by the length of their lists: x, y and a confidence per joint."""
PART_KEYS = {
    "left_hand": ("hand_left_keypoints", NUM_HAND_POINTS),
    "right_hand": ("hand_right_keypoints", NUM_HAND_POINTS),
    "face": ("face_keypoints", NUM_FACE_POINTS),
}
FORMAT_HINT = (
    'Expected the output of OpenPose\'s --write_json: {"version": 1.3, "people": [{"pose_keypoints_2d": [...]}]}.'
)
MIN_BODY_EXTENT_PX = 2.0
"""Minimum extent of most joints of a person, and of their distance from the corner of the image."""
FILE_COUNT_HINT = "Provide one file per frame of the video, as written by OpenPose's --write_json."


class OpenPoseReader(PoseBackend):
    """Backend that reads people from OpenPose's files instead of detecting them."""

    default_smoothing = 0.0

    def __init__(self, folder: Path, video_context: VideoContext | None) -> None:
        """Raises: MissingFileError, LabelFileError, InputFileMismatchError."""
        self._video_context = video_context
        self._files = list_label_files(folder, (".json",))
        self._pairing = pair_with_frames(
            folder, self._files, video_context, option_name="pose.input_dir", hint=FILE_COUNT_HINT
        )
        self.point_names = self._find_point_names()

    def detect_people(self, frame: UInt8Array, index: int, tracked_boxes: Sequence[Box]) -> list[DetectedPose]:
        """All people in the file of the frame, in pixels of the frame."""
        return [
            DetectedPose({name: self._to_frame_pixels(rows) for name, rows in points.items()})
            for points in read_people(self._files[self._pairing[index]])
        ]

    def _to_frame_pixels(self, points: FloatArray) -> FloatArray:
        if self._video_context is None:
            return points
        return np.column_stack([self._video_context.view.transform_points(points[:, :2]), points[:, 2]]).astype(
            np.float32
        )

    def _find_point_names(self) -> tuple[str, ...]:
        """Names of the point sets in the first file that contains a person."""
        for path in self._files:
            people = read_people(path)
            if people:
                present_names = {"body"}.union(*people)
                return tuple(name for name in POINTS_PER_PERSON if name in present_names)
        return ("body",)


def read_people(path: Path) -> list[dict[str, FloatArray]]:
    """The people of one file, each as points (n, 3) by name; NaN where a point was not detected.

    Raises: LabelFileError (invalid JSON, another format or version, another number of points).
    """
    try:
        data: Any = parse_json(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise LabelFileError(f"{path} cannot be read as JSON: {error}.", "Write this file again.") from error
    if not isinstance(data, dict) or not isinstance(data.get("people"), list):
        content = f"the keys {', '.join(map(repr, list(data)[:4]))}" if isinstance(data, dict) else type(data).__name__
        raise LabelFileError(f"{path} is not in OpenPose's format: it contains {content}.", FORMAT_HINT)
    version = data.get("version", SUPPORTED_VERSIONS[-1])
    if not isinstance(version, (int, float)) or round(float(version), 3) not in SUPPORTED_VERSIONS:
        supported = ", ".join(map(str, SUPPORTED_VERSIONS))
        raise LabelFileError(f"{path} has the unsupported version {version}; supported: {supported}.", FORMAT_HINT)
    return [_parse_person(path, person_data) for person_data in data["people"]]


def _parse_person(path: Path, person_data: Any) -> dict[str, FloatArray]:
    if not isinstance(person_data, dict):
        raise LabelFileError(
            f"{path} contains a person of type {type(person_data).__name__} instead of an object.", FORMAT_HINT
        )
    body_numbers = _read_numbers(path, person_data, "pose_keypoints")
    if len(body_numbers) not in BODY_FORMATS:
        supported = " or ".join(f"{length} ({name})" for length, name in BODY_FORMATS.items())
        message = f"{path} contains a body of {len(body_numbers)} numbers instead of {supported}."
        raise LabelFileError(message, FORMAT_HINT)
    body_points = _to_points(body_numbers)
    _check_pixels(path, body_points)
    person = {"body": body_points if len(body_points) == POINTS_PER_PERSON["body"] else body_from_coco_18(body_points)}
    for name, (key, num_points) in PART_KEYS.items():
        part_numbers = _read_numbers(path, person_data, key, is_optional=True)
        if len(part_numbers) == 3 * num_points:
            person[name] = _to_points(part_numbers)
        elif part_numbers:
            raise LabelFileError(
                f"{path} contains {key} of {len(part_numbers)} numbers instead of {3 * num_points}.", FORMAT_HINT
            )
    return person


def _read_numbers(path: Path, person_data: dict[str, Any], key: str, *, is_optional: bool = False) -> list[float]:
    """The list under `key`_2d, or under `key` as in versions 0.1 and 1.0; [] if an optional key is missing."""
    actual_key = f"{key}_2d" if f"{key}_2d" in person_data else key
    values = person_data.get(actual_key)
    if values is None and is_optional:
        return []
    if values is None:
        present_keys = ", ".join(map(repr, list(person_data)[:4])) or "nothing"
        raise LabelFileError(f"{path} contains a person without {key}_2d, only {present_keys}.", FORMAT_HINT)
    is_valid = isinstance(values, list) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if not is_valid:
        raise LabelFileError(f"{path} contains {actual_key} that is not a list of numbers.", FORMAT_HINT)
    return [float(value) for value in values]


def _to_points(values: list[float]) -> FloatArray:
    """Points (n, 3); NaN where the confidence is 0, or the position (0, 0), which some programs write for no point."""
    points = np.array(values, dtype=np.float32).reshape(-1, 3)
    is_missing = ~np.isfinite(points).all(axis=1) | (points[:, 2] <= 0) | ~points[:, :2].any(axis=1)
    points[is_missing] = missing_points(1)
    points[:, 2] = np.minimum(points[:, 2], 1)
    return points


def _check_pixels(path: Path, points: FloatArray) -> None:
    """Reject coordinates scaled to 0..1 or -1..1, which single joints may exceed.

    Most joints of a person in pixels are further from the corner of the image, and from each other, than this.
    """
    positions = points[np.isfinite(points).all(axis=1), :2]
    if len(positions) < 3:
        return
    extent = float(np.subtract(*np.quantile(positions, (0.75, 0.25), axis=0)).max())
    if extent < MIN_BODY_EXTENT_PX and float(np.median(np.abs(positions).max(axis=1))) <= MIN_BODY_EXTENT_PX:
        message = f"{path} contains coordinates between -1 and 1 instead of pixels."
        raise LabelFileError(message, "Run OpenPose with --keypoint_scale 0 (the default).")
