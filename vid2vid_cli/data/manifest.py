"""`dataset.json`: what a dataset says about itself, checked when it is read."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vid2vid_cli.core.errors import DatasetError, MissingFileError
from vid2vid_cli.media.files import write_text
from vid2vid_cli.media.os_errors import reading_failed

SCHEMA_VERSION = 1
FILE_NAME = "dataset.json"


class Record(BaseModel):
    """Base of every part of the manifest: frozen; unknown keys are kept out of the way, not refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Source(Record):
    """The video a clip was made from."""

    path: str
    """Absolute."""
    sha256: str
    probe: dict[str, Any] = {}


class Clip(Record):
    """Consecutive frames of one source without a cut between them: a shot."""

    name: str
    """Its folder under `clips/`; the shots of one video share a folder."""
    first: int = Field(0, ge=0)
    """Number of its first frame in that folder."""
    frames: int = Field(ge=1)
    source: int = Field(ge=0)
    """Index into the sources."""
    start: float = 0.0
    """Seconds into the source at which the first frame lies."""


class Quality(Record):
    """How well a conditioner did over all frames."""

    mean: float
    """Over all frames, those where nothing was found included."""
    found: int
    """Frames of quality above 0."""
    total: int


class ClassRecord(Record):
    """One class of a conditioner's label maps."""

    id: int
    name: str
    colour: tuple[int, int, int]


class ConditionerRecord(Record):
    """One conditioner of the dataset; the order of the records is the order of their channels."""

    name: str
    """Also its folder in every clip."""
    options: dict[str, Any] = {}
    fingerprint: dict[str, Any] = {}
    channels: int = Field(ge=1)
    images: tuple[str, ...] = ()
    """Names of its image annotations, each a folder of PNG files."""
    classes: tuple[ClassRecord, ...] = ()
    """Of its label maps."""
    statistics: dict[str, Any] = {}
    """Of the train split alone."""
    quality: Quality


class Splits(Record):
    """Which frames are for what, as (clip, first, last + 1)."""

    train: tuple[tuple[int, int, int], ...]
    holdout: tuple[tuple[int, int, int], ...] = ()


class Manifest(Record):
    """All of `dataset.json`. Sizes are those of the stored frames, in pixels."""

    schema_version: Literal[1] = 1
    name: str
    created_by: str
    source: tuple[Source, ...]
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    fps: str
    """Exact, such as 30000/1001."""
    frames: int = Field(ge=1)
    """Of all clips together."""
    frame_format: Literal["png", "jpg"] = "png"
    clips: tuple[Clip, ...]
    conditioners: tuple[ConditionerRecord, ...]
    splits: Splits
    identity: str = ""
    """sha256 over the sources and everything the content depends on; equal for equal datasets."""

    @field_validator("fps")
    @classmethod
    def _is_rate(cls, value: str) -> str:
        try:
            rate = Fraction(value)
        except (ValueError, ZeroDivisionError) as error:
            raise ValueError(f"{value!r} is not a frame rate") from error
        if rate <= 0:
            raise ValueError(f"{value!r} is not a frame rate")
        return value

    @property
    def rate(self) -> Fraction:
        """Frames per second, exactly."""
        return Fraction(self.fps)

    @property
    def conditioner_names(self) -> tuple[str, ...]:
        """In the order of their channels."""
        return tuple(record.name for record in self.conditioners)

    def conditioner(self, name: str) -> ConditionerRecord:
        """The record of that conditioner. Raises DatasetError where the dataset has none of that name."""
        for record in self.conditioners:
            if record.name == name:
                return record
        have = ", ".join(self.conditioner_names)
        raise DatasetError(
            f"The dataset {self.name} has no annotations of {name}; it has {have}.",
            f"Prepare it again: vid2vid prepare --conditioner {name} {self.source[0].path}",
        )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a dataset folder.

    Raises: MissingFileError (no such folder), DatasetError (not a dataset, damaged, or of a newer version).
    """
    if not folder.exists():
        raise MissingFileError(f"{folder} does not exist.", "Check the name, or run: vid2vid prepare VIDEO")
    path = folder / FILE_NAME
    if not path.is_file():
        raise DatasetError(
            f"{folder} is not a dataset: it holds no {FILE_NAME}.",
            "Name a folder that `vid2vid prepare` made, such as datasets/video.",
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise reading_failed(path, error) from error
    except ValueError as error:
        raise DatasetError(
            f"{path} is damaged: it is not valid JSON ({error}).", "Prepare the dataset again."
        ) from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise DatasetError(
            f"{path} was written by a newer vid2vid (schema version {version}, this one reads {SCHEMA_VERSION}).",
            "Update vid2vid: pip install -U vid2vid-cli",
        )
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise DatasetError(f"{path} is damaged: {where}: {first['msg']}.", "Prepare the dataset again.") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `dataset.json` whole or not at all. Raises DiskFullError, PermissionDeniedError."""
    write_json(folder / FILE_NAME, manifest.model_dump(mode="json"))


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON, whole or not at all, even where power fails. Raises as `write_manifest`."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
