"""68 points that others found: a text file with a point a line, as from scripts around dlib, or JSON, for each frame.

Points are pixels of the video the files were made from. An empty file says that there is no face.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import Bytes, FilesMismatchError, Floats, Footage, LabelFilesError, label_files
from vid2vid_landmarks.topology import COUNT

ENDINGS = (".txt", ".json")
WANTED = f'{COUNT} lines "x,y" of text, or a JSON list of {COUNT} pairs [x, y].'
DROPPED = (
    "There must be one for each frame. Scripts around dlib leave out frames without a face: put an empty file there."
)


def read_faces(folder: Path, footage: Footage | None, frames: Iterable[Bytes]) -> Iterator[tuple[Bytes, Floats | None]]:
    """Each frame with its points (68, 2) in pixels of that frame; None where the file is empty.

    Raises: FilesMismatchError (not one file for each frame of the video), LabelFilesError (not 68 points),
    MissingFileError.
    """
    files = label_files(folder, ENDINGS)
    if footage is not None and footage.frames is not None and footage.frames != len(files):
        raise FilesMismatchError(
            f"{folder} holds {len(files)} files of points and {footage.path} {footage.frames} frames"
            f"{_alone(files, footage.path)}.",
            DROPPED,
        )
    for index, frame in enumerate(frames):
        number = index if footage is None else footage.number(index)
        if number >= len(files):
            raise FilesMismatchError(
                f"{folder} holds {len(files)} files of points, and the video goes on with frame {number}.", DROPPED
            )
        points = read_points(files[number])
        yield frame, points if points is None or footage is None else footage.view.points(points)


def read_points(path: Path) -> Floats | None:
    """The points of one file, (68, 2) float32; None for an empty one. Raises LabelFilesError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        numbers = _of_json(path, text) if path.suffix.lower() == ".json" else _of_text(path, text)
    except (ValueError, OSError) as error:
        raise LabelFilesError(f"{path} holds no points: {error}.", f"Wanted are {WANTED}") from error
    if not numbers:
        return None
    if len(numbers) != COUNT:
        raise LabelFilesError(f"{path} holds {len(numbers)} points and not {COUNT}.", f"Wanted are {WANTED}")
    points = np.array(numbers, dtype=np.float32)
    if not np.isfinite(points).all():
        raise LabelFilesError(f"{path} holds a point that is no number.", "Use an empty file where no face is seen.")
    return points


def _of_text(path: Path, text: str) -> list[tuple[float, float]]:
    points = []
    for number, line in enumerate(text.splitlines(), start=1):
        parts = [part for part in re.split(r"[,;\s]+", line.strip()) if part]
        if not parts:
            continue
        if len(parts) != 2:
            raise ValueError(f'line {number} is "{line.strip()[:40]}"')
        points.append((float(parts[0]), float(parts[1])))
    return points


def _of_json(path: Path, text: str) -> list[tuple[float, float]]:
    if not text.strip():
        return []
    data: Any = json.loads(text)
    if isinstance(data, dict):
        if "landmarks" not in data:
            raise ValueError(f"it is JSON with {', '.join(map(repr, list(data)[:4])) or 'nothing'} in it")
        data = data["landmarks"]
    if not isinstance(data, list):
        raise ValueError("it is JSON, but no list")
    points = []
    for point in data or ():
        if not (isinstance(point, list) and len(point) >= 2):
            raise ValueError(f"{str(point)[:40]} is no pair [x, y]")
        points.append((float(point[0]), float(point[1])))
    return points


def _alone(files: list[Path], pictures: Path) -> str:
    """Which picture of a folder has no file of its name, for people."""
    if not pictures.is_dir():
        return ""
    known = {file.stem for file in files}
    alone = sorted(entry.name for entry in pictures.iterdir() if entry.is_file() and entry.stem not in known)
    return f": none for {alone[0]}" if alone else ""
