"""Attributes of the frames of a dataset from a CSV file: `frame,glasses,smile`, one row per frame."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.core.suggest import suggest_names
from vid2vid_cli.data.dataset import Dataset

FRAME_COLUMN = "frame"


def load_frame_attributes(file_name: str | None, names: Sequence[str], dataset: Dataset) -> list[FloatArray]:
    """The attributes of each clip of a dataset, (frames, attributes), scaled from their range to [-1, 1].

    The column `frame` counts the frames of all clips from 0. Raises MissingFileError; ConfigError for None, a column
    that is missing or constant, a value that is not a number, and frames without a row.
    """
    if file_name is None:
        raise ConfigError(
            "model=fader needs the attributes of each frame, and data.attributes_file is null.",
            "Write a CSV file with a row per frame (frame,smile): --set data.attributes_file=attributes.csv",
        )
    path = Path(file_name)
    if not path.is_file():
        raise MissingFileError(f"data.attributes_file: {path} does not exist.", "Set a CSV file: frame,glasses,smile")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        for name in (FRAME_COLUMN, *names):
            if name not in columns:
                hint = suggest_names(name, columns) or f"Columns: {', '.join(columns)}."
                raise ConfigError(f"{path} has no column {name!r}.", hint)
        rows = [_parse_row(path, reader.line_num, row, names) for row in reader]
    num_frames = sum(frame_range.num_frames for frame_range in dataset.frame_ranges())
    table = np.full((num_frames, len(names)), np.nan, np.float32)
    for frame, values in rows:
        if not 0 <= frame < num_frames:
            raise ConfigError(
                f"{path}: frame {frame} is not one of the {num_frames} of {dataset.folder}.", "Remove it."
            )
        table[frame] = values
    missing = np.flatnonzero(np.isnan(table).any(1))
    if len(missing):
        raise ConfigError(
            f"{path} has no row for {len(missing)} of {num_frames} frames of {dataset.folder}, such as {missing[0]}.",
            "Write one row per frame.",
        )
    low, high = table.min(0), table.max(0)
    for name, is_constant in zip(names, low == high, strict=True):
        if is_constant:
            raise ConfigError(
                f"{path}: {name} has the same value on all frames.", "Leave it out of generator.attributes."
            )
    scaled = (2 * (table - low) / (high - low) - 1).astype(np.float32)
    lengths = [frame_range.num_frames for frame_range in dataset.frame_ranges()]
    return np.split(scaled, np.cumsum(lengths)[:-1])


def _parse_row(
    path: Path, line: int, row: dict[str | None, str | None], names: Sequence[str]
) -> tuple[int, list[float]]:
    try:
        frame, values = int(row[FRAME_COLUMN] or ""), [float(row[name] or "") for name in names]
    except ValueError as error:
        raise ConfigError(f"{path}, line {line}: {error}.", "Write numbers, with a point.") from None
    if not np.isfinite(values).all():
        raise ConfigError(f"{path}, line {line}: a value is not finite.", "Write numbers, with a point.")
    return frame, values
