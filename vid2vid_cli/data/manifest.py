"""The manifest of a dataset, `dataset.json`, which is validated when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vid2vid_cli.core.errors import DatasetError, MissingFileError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.media.files import write_text
from vid2vid_cli.media.os_errors import read_error

SCHEMA_VERSION: Final = 2
MANIFEST_FILE_NAME = "dataset.json"
PREPARE_AGAIN_HINT = "Run `vid2vid prepare` again with the same arguments and --overwrite."
FrameFormat = Literal["jpeg", "png"]
FRAME_SUFFIXES: Mapping[FrameFormat, str] = {"jpeg": "jpg", "png": "png"}


def frame_file_name(index: int, frame_format: FrameFormat) -> str:
    """File name of a stored frame, such as 000042.png."""
    return f"{index:06d}.{FRAME_SUFFIXES[frame_format]}"


class ManifestRecord(BaseModel):
    """Base of the records of the manifest: frozen; unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class SourceRecord(ManifestRecord):
    """The source video of a clip."""

    path: str
    """Absolute path."""
    sha256: str
    probe: dict[str, Any] = {}


class ClipRecord(ManifestRecord):
    """A shot: consecutive frames of one source without a cut."""

    name: str
    """Name of the folder under `clips/`; the shots of one video share a folder."""
    start_index: int = Field(0, ge=0)
    """Index of the first frame of the shot in that folder."""
    num_frames: int = Field(ge=1)
    source_index: int = Field(ge=0)
    """Index into the sources."""
    start_seconds: float = 0.0
    """Time of the first frame in the source, in seconds."""


class QualityRecord(ManifestRecord):
    """Summary of the quality of a conditioner's annotations."""

    mean: float
    """Mean over all frames, including frames without a detection."""
    num_detected: int
    """Number of frames with a quality above 0."""
    num_frames: int


class ClassRecord(ManifestRecord):
    """One class of a conditioner's label maps."""

    id: int
    name: str
    colour: tuple[int, int, int]


class ConditionerRecord(ManifestRecord):
    """One conditioner of the dataset; the order of the records is the order of their channels."""

    name: str
    """Also the name of its folder in every clip folder."""
    options: dict[str, Any] = {}
    fingerprint: dict[str, Any] = {}
    num_channels: int = Field(ge=1)
    image_names: tuple[str, ...] = ()
    """Names of its image annotations; each is a folder of PNG files."""
    classes: tuple[ClassRecord, ...] = ()
    """Classes of its label maps."""
    statistics: dict[str, Any] = {}
    """Statistics of the train split."""
    quality: QualityRecord


class Splits(ManifestRecord):
    """The frames of the splits as (clip index, start, stop)."""

    train: tuple[tuple[int, int, int], ...]
    val: tuple[tuple[int, int, int], ...] = ()


class Manifest(ManifestRecord):
    """The content of `dataset.json`. Sizes are those of the stored frames in pixels."""

    schema_version: Literal[2] = SCHEMA_VERSION
    name: str
    created_by: str
    sources: tuple[SourceRecord, ...]
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    fps: str
    """Exact frame rate, such as 30000/1001."""
    num_frames: int = Field(ge=1)
    """Total number of frames of all clips."""
    frame_format: FrameFormat = "png"
    clips: tuple[ClipRecord, ...]
    conditioners: tuple[ConditionerRecord, ...]
    splits: Splits
    content_hash: str = ""
    """sha256 of the sources and of all settings that determine the content; equal for equal datasets."""

    @field_validator("fps")
    @classmethod
    def _check_frame_rate(cls, value: str) -> str:
        try:
            frame_rate = Fraction(value)
        except (ValueError, ZeroDivisionError) as error:
            raise ValueError(f"{value!r} is not a frame rate") from error
        if frame_rate <= 0:
            raise ValueError(f"{value!r} is not a frame rate")
        return value

    @property
    def frame_rate(self) -> Fraction:
        """Exact frame rate in frames per second."""
        return Fraction(self.fps)

    @property
    def conditioner_names(self) -> tuple[str, ...]:
        """Names of the conditioners in the order of their channels."""
        return tuple(record.name for record in self.conditioners)

    def conditioner_record(self, name: str) -> ConditionerRecord:
        """The record of a conditioner. Raises DatasetError if the dataset has no conditioner of that name."""
        for record in self.conditioners:
            if record.name == name:
                return record
        available_names, video = ", ".join(self.conditioner_names), shell_command(Path(self.sources[0].path))
        raise DatasetError(
            f"The dataset {self.name} has no annotations of {name}; its conditioners are: {available_names}.",
            f"Prepare it with that conditioner: vid2vid prepare --conditioner {name} {video}",
        )


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a dataset folder.

    Raises: MissingFileError (no such folder), DatasetError (not a dataset, damaged, or of another schema version).
    """
    if not folder.exists():
        raise MissingFileError(
            f"{folder} does not exist.", "Check the path, or make a dataset: vid2vid prepare --conditioner NAME VIDEO"
        )
    path = folder / MANIFEST_FILE_NAME
    if not path.is_file():
        raise DatasetError(
            f"{folder} is not a dataset: it does not contain {MANIFEST_FILE_NAME}.",
            "Use a folder that `vid2vid prepare` has written, such as datasets/video.",
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise read_error(path, error) from error
    except ValueError as error:
        raise DatasetError(f"{path} is damaged: it is not valid JSON ({error}).", PREPARE_AGAIN_HINT) from error
    _check_schema_version(path, data)
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first_error = error.errors()[0]
        location = ".".join(str(part) for part in first_error["loc"]) or "the file"
        raise DatasetError(f"{path} is damaged: {location}: {first_error['msg']}.", PREPARE_AGAIN_HINT) from error


def _check_schema_version(path: Path, data: Any) -> None:
    """Raise DatasetError for the manifest of another schema version, with the command that makes a readable one."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or version == SCHEMA_VERSION:
        return
    message = f"{path} has schema version {version}; this version of vid2vid reads version {SCHEMA_VERSION}."
    if version > SCHEMA_VERSION:
        raise DatasetError(message, "Update vid2vid: pip install -U vid2vid-cli")
    raise DatasetError(message, f"Prepare the dataset again: {_prepare_command(path.parent, data)}")


def _prepare_command(folder: Path, data: Mapping[str, Any]) -> str:
    """The `vid2vid prepare` command for the sources and conditioners of a manifest of any schema version."""
    sources = data.get("sources") or data.get("source") or ()
    videos = [Path(source["path"]) for source in sources if isinstance(source, dict) and "path" in source]
    records = data.get("conditioners") or ()
    names = [str(record["name"]) for record in records if isinstance(record, dict) and "name" in record]
    options = [word for name in names or ["NAME"] for word in ("--conditioner", name)]
    return shell_command("vid2vid", "prepare", *options, "--out", folder, "--overwrite", *(videos or [Path("VIDEO")]))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `dataset.json` with an atomic write. Raises DiskFullError, PermissionDeniedError."""
    write_json(folder / MANIFEST_FILE_NAME, manifest.model_dump(mode="json"))


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON with an atomic write. Raises as `write_manifest`."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
