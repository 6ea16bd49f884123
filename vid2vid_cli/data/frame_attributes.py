"""Attributes of the frames of a dataset: from a CSV file, a list of frames, or the measurements of its conditioners."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.core.suggest import suggest_names
from vid2vid_cli.data.dataset import Dataset

FRAME_COLUMN = "frame"


@dataclass(frozen=True)
class FrameAttribute:
    """One value per frame of a dataset."""

    name: str
    source: str
    """The file, or the conditioner that measures it."""
    values: FloatArray
    """(frames of all clips,); NaN: not measured."""

    def split_threshold(self) -> float:
        """The value that divides the frames into those without and with the attribute, by Otsu's method (1979).

        It maximises the variance between both parts, and lies midway between their nearest values.
        """
        values = np.sort(self.values[np.isfinite(self.values)].astype(np.float64))
        counts = np.arange(1, len(values))
        sums = np.cumsum(values)[:-1]
        means_below, means_above = sums / counts, (values.sum() - sums) / counts[::-1]
        variance = counts * counts[::-1] * (means_above - means_below) ** 2
        index = int(np.argmax(np.where(np.diff(values) > 0, variance, -1)))
        return float(values[index] + values[index + 1]) / 2


def load_frame_attributes(
    file_name: str | None,
    names: Sequence[str],
    dataset: Dataset,
    load_conditioners: Callable[[], Sequence[Conditioner]],
) -> list[FrameAttribute]:
    """The attributes `names` of all frames: columns of the file or, if it has none of that name, measurements.

    `load_conditioners` returns those of the dataset; it is called if the file does not have all columns. Raises
    MissingFileError; ConfigError for an unknown name, an attribute with one value on all frames, and faults of the
    file.
    """
    num_frames = sum(frame_range.num_frames for frame_range in dataset.frame_ranges())
    columns = {} if file_name is None else _read_file(Path(file_name), names, num_frames, dataset)
    needs_measurements = not set(names) <= set(columns)
    measurements = _measurement_names(dataset, load_conditioners()) if needs_measurements else {}
    attributes = []
    for name in names:
        if name in columns:
            attributes.append(FrameAttribute(name, str(file_name), columns[name]))
        elif name in measurements:
            conditioner = measurements[name]
            values = _measure_frames(name, dataset, conditioner)
            attributes.append(FrameAttribute(name, conditioner.spec.name, values))
        else:
            raise _unknown_attribute(name, file_name, dataset, [*columns, *measurements])
    for attribute in attributes:
        if len(np.unique(attribute.values[np.isfinite(attribute.values)])) < 2:
            raise ConfigError(
                f"generator.attributes: {attribute.name} ({attribute.source}) has the same value on all frames.",
                "Leave it out.",
            )
    return attributes


def scale_attributes(attributes: Sequence[FrameAttribute], dataset: Dataset) -> list[FloatArray]:
    """The attributes of each clip, (frames, attributes), scaled from their range to [-1, 1]; NaN stays."""
    table = np.stack([attribute.values for attribute in attributes], 1)
    low, high = np.nanmin(table, 0), np.nanmax(table, 0)
    scaled = (2 * (table - low) / (high - low) - 1).astype(np.float32)
    lengths = [frame_range.num_frames for frame_range in dataset.frame_ranges()]
    return np.split(scaled, np.cumsum(lengths)[:-1])


def _measurement_names(dataset: Dataset, conditioners: Sequence[Conditioner]) -> dict[str, Conditioner]:
    """The conditioner of each measurement; the first one if several have the same."""
    measurements: dict[str, Conditioner] = {}
    for conditioner in conditioners:
        for name in conditioner.measure(dataset.load_annotation(0, 0, conditioner.spec.name)):
            measurements.setdefault(name, conditioner)
    return measurements


def _measure_frames(name: str, dataset: Dataset, conditioner: Conditioner) -> FloatArray:
    annotations = dataset.annotations(dataset.frame_ranges(), conditioner.spec.name)
    return np.array([conditioner.measure(annotation)[name] for annotation in annotations], np.float32)


def _unknown_attribute(name: str, file_name: str | None, dataset: Dataset, known_names: Sequence[str]) -> ConfigError:
    origin = "data.attributes_file is null" if file_name is None else f"{file_name} has no such column"
    known = f"Known: {', '.join(known_names)}. " if known_names else ""
    return ConfigError(
        f"generator.attributes: {name!r} is not known: {origin}, and the conditioners of {dataset.folder} do not "
        "measure it.",
        suggest_names(name, known_names)
        or f"{known}Write a CSV file with a row per frame (frame,{name}): --set data.attributes_file=attributes.csv",
    )


def _read_file(path: Path, names: Sequence[str], num_frames: int, dataset: Dataset) -> dict[str, FloatArray]:
    """The columns of a file; values are read of `names` only, the others are NaN.

    With the column `frame`, a row has the values of one frame; without it, a column lists the frames with the
    attribute. Frames of all clips are counted from 0.
    """
    if not path.is_file():
        raise MissingFileError(f"data.attributes_file: {path} does not exist.", "Set a CSV file: frame,glasses,smile")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        reader.fieldnames = columns = [name.strip() for name in reader.fieldnames or ()]
        tables = {name: np.full(num_frames, np.nan, np.float32) for name in columns if name != FRAME_COLUMN}
        read_tables = {name: tables[name] for name in names if name in tables}
        has_rows_of_frames = FRAME_COLUMN in columns
        if not has_rows_of_frames:
            for table in read_tables.values():
                table[:] = 0
        for row in reader:
            place = f"{path}, line {reader.line_num}"
            cells = {name: (row[name] or "").strip() for name in columns}
            if has_rows_of_frames:
                _read_row(place, cells, read_tables, dataset)
            else:
                _mark_frames(place, cells, read_tables, dataset)
    is_missing = np.zeros(num_frames, bool)
    for table in read_tables.values():
        is_missing |= np.isnan(table)
    missing = np.flatnonzero(is_missing)
    if len(missing):
        raise ConfigError(
            f"{path} has no row for {len(missing)} of {num_frames} frames of {dataset.folder}, such as {missing[0]}.",
            "Write one row per frame.",
        )
    return tables


def _read_row(place: str, cells: Mapping[str, str], tables: Mapping[str, FloatArray], dataset: Dataset) -> None:
    """Store the values of one frame."""
    try:
        frame, values = int(cells[FRAME_COLUMN]), {name: float(cells[name]) for name in tables}
    except ValueError as error:
        raise ConfigError(f"{place}: {error}.", "Write numbers with a decimal point, such as 0.5.") from None
    if not np.isfinite(list(values.values())).all():
        raise ConfigError(f"{place}: a value is not finite.", "Write numbers with a decimal point, such as 0.5.")
    for name, table in tables.items():
        _check_frame(place, frame, len(table), dataset)
        table[frame] = values[name]


def _mark_frames(place: str, cells: Mapping[str, str], tables: Mapping[str, FloatArray], dataset: Dataset) -> None:
    """Set 1 for the frames that the cells name: `30`, or `30-75` with both ends; an empty cell names none."""
    for name, table in tables.items():
        if not cells[name]:
            continue
        first, _, last = cells[name].partition("-")
        try:
            start, end = int(first), int(last or first)
        except ValueError:
            raise ConfigError(
                f"{place}: {cells[name]!r} is neither a frame nor a range of frames.",
                f"Write 30 or 30-75, or add a column {FRAME_COLUMN} and write a value per frame.",
            ) from None
        for frame in (start, end):
            _check_frame(place, frame, len(table), dataset)
        table[start : end + 1] = 1


def _check_frame(place: str, frame: int, num_frames: int, dataset: Dataset) -> None:
    if not 0 <= frame < num_frames:
        raise ConfigError(f"{place}: frame {frame} is not one of the {num_frames} of {dataset.folder}.", "Remove it.")
