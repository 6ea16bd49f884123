"""Reader of 68-point files, one per frame: text with one point per line, as written by scripts for dlib, or JSON.

Points are in pixels of the video from which the files were made. An empty file marks a frame without a face.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
from vid2vid_landmarks.topology import NUM_POINTS

POINT_FILE_SUFFIXES = (".txt", ".json")
EXPECTED_FORMAT = f'{NUM_POINTS} lines "x,y" of text, or a JSON list of {NUM_POINTS} pairs [x, y].'
MISSING_FILE_HINT = (
    "Provide one file per frame. Scripts for dlib often skip frames without a face: add an empty file for each."
)


def read_faces(
    folder: Path, video_context: VideoContext | None, frames: Iterable[UInt8Array]
) -> Iterator[tuple[UInt8Array, FloatArray | None]]:
    """Yield each frame with its points (68, 2) in pixels of that frame, or None if the file is empty.

    Raises: InputFileMismatchError (not one file per frame of the video), LabelFileError (not 68 points),
    MissingFileError.
    """
    files = list_label_files(folder, POINT_FILE_SUFFIXES)
    pairing = pair_with_frames(folder, files, video_context, option_name="landmarks.input_dir", hint=MISSING_FILE_HINT)
    for index, frame in enumerate(frames):
        points = read_points(files[pairing[index]])
        yield frame, points if points is None or video_context is None else video_context.view.transform_points(points)


def read_points(path: Path) -> FloatArray | None:
    """Read one file: (68, 2) float32, or None if it is empty. Raises: LabelFileError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        coordinates = _parse_json(path, text) if path.suffix.lower() == ".json" else _parse_text(path, text)
    except (ValueError, OSError) as error:
        raise LabelFileError(f"{path} cannot be parsed: {error}.", f"Expected format: {EXPECTED_FORMAT}") from error
    if not coordinates:
        return None
    if len(coordinates) != NUM_POINTS:
        raise LabelFileError(
            f"{path} contains {len(coordinates)} points instead of {NUM_POINTS}.", f"Expected format: {EXPECTED_FORMAT}"
        )
    points = np.array(coordinates, dtype=np.float32)
    if not np.isfinite(points).all():
        raise LabelFileError(
            f"{path} contains a coordinate that is not finite.", "Use an empty file for a frame without a face."
        )
    return points


def _parse_text(path: Path, text: str) -> list[tuple[float, float]]:
    points = []
    for line_number, line in enumerate(text.splitlines(), start=1):
        fields = [part for part in re.split(r"[,;\s]+", line.strip()) if part]
        if not fields:
            continue
        if len(fields) != 2:
            raise ValueError(f'line {line_number} is "{line.strip()[:40]}"')
        points.append((float(fields[0]), float(fields[1])))
    return points


def _parse_json(path: Path, text: str) -> list[tuple[float, float]]:
    if not text.strip():
        return []
    data: Any = parse_json(text)
    if isinstance(data, dict):
        if "landmarks" not in data:
            raise ValueError(f"the JSON object has no key 'landmarks', only {', '.join(map(repr, list(data)[:4]))}")
        data = data["landmarks"]
    if not isinstance(data, list):
        raise ValueError("the JSON value is not a list")
    points = []
    for point in data or ():
        if not (isinstance(point, list) and len(point) >= 2):
            raise ValueError(f"{str(point)[:40]} is not a pair [x, y]")
        if not all(isinstance(value, (int, float)) for value in point[:2]):
            raise ValueError(f"{str(point)[:40]} is not a pair of numbers")
        points.append((float(point[0]), float(point[1])))
    return points
