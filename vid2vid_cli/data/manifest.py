"""The manifest of a dataset, `dataset.json`, which is validated when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vid2vid_cli.core.errors import DatasetError, MissingFileError
from vid2vid_cli.core.geometry import MAX_SIDE
from vid2vid_cli.core.parsing import check_file_name, check_frame_rate, check_statistics, parse_json
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.media.files import write_text
from vid2vid_cli.media.os_errors import read_error

SCHEMA_VERSION: Final = 2
MANIFEST_FILE_NAME = "dataset.json"
PREPARE_AGAIN_HINT = "Run `vid2vid prepare` again with the same arguments and --overwrite."
MAX_FRAMES = 999_999_999
"""Limit of the frames of a dataset, a year of video."""
MAX_CHANNELS, MAX_CLASS_ID = 4096, 65535
FrameFormat = Literal["jpeg", "png"]
FolderName = Annotated[str, AfterValidator(check_file_name)]
"""The name of one folder, never a path that leads out of the dataset."""
FRAME_SUFFIXES: Mapping[FrameFormat, str] = {"jpeg": "jpg", "png": "png"}


def frame_file_name(index: int, frame_format: FrameFormat) -> str:
    """File name of a stored frame, such as 000042.png."""
    return f"{index:06d}.{FRAME_SUFFIXES[frame_format]}"


class ManifestRecord(BaseModel):
    """Base of the records of the manifest: frozen; unknown keys are ignored, NaN and infinity refused."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class SourceRecord(ManifestRecord):
    """The source video of a clip."""

    path: str
    """Absolute path."""
    sha256: str
    probe: dict[str, Any] = {}


class ClipRecord(ManifestRecord):
    """A shot: consecutive frames of one source without a cut."""

    name: FolderName
    """Name of the folder under `clips/`; the shots of one video share a folder."""
    start_index: int = Field(0, ge=0, le=MAX_FRAMES)
    """Index of the first frame of the shot in that folder."""
    num_frames: int = Field(ge=1, le=MAX_FRAMES)
    source_index: int = Field(ge=0)
    """Index into the sources."""
    start_seconds: float = 0.0
    """Time of the first frame in the source, in seconds."""


class QualityRecord(ManifestRecord):
    """Summary of the quality of a conditioner's annotations."""

    mean: float = Field(ge=0)
    """Mean over all frames, including frames without a detection."""
    num_detected: int = Field(ge=0)
    """Number of frames with a quality above 0."""
    num_frames: int = Field(ge=0, le=MAX_FRAMES)

    @model_validator(mode="after")
    def _check_detections(self) -> QualityRecord:
        if self.num_detected > self.num_frames:
            raise ValueError(f"{self.num_detected} of {self.num_frames} frames have a detection")
        return self


ColourValue = Annotated[int, Field(ge=0, le=255)]


class ClassRecord(ManifestRecord):
    """One class of a conditioner's label maps."""

    id: int = Field(ge=0, le=MAX_CLASS_ID)
    name: str
    colour: tuple[ColourValue, ColourValue, ColourValue]


class ConditionerRecord(ManifestRecord):
    """One conditioner of the dataset; the order of the records is the order of their channels."""

    name: FolderName
    """Also the name of its folder in every clip folder."""
    options: dict[str, Any] = {}
    fingerprint: dict[str, Any] = {}
    num_channels: int = Field(ge=1, le=MAX_CHANNELS)
    image_names: tuple[FolderName, ...] = ()
    """Names of its image annotations; each is a folder of PNG files."""
    classes: tuple[ClassRecord, ...] = ()
    """Classes of its label maps."""
    statistics: Annotated[dict[str, Any], AfterValidator(check_statistics)] = {}
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
    sources: tuple[SourceRecord, ...] = Field(min_length=1)
    height: int = Field(ge=1, le=MAX_SIDE)
    width: int = Field(ge=1, le=MAX_SIDE)
    fps: Annotated[str, AfterValidator(check_frame_rate)]
    """Exact frame rate, such as 30000/1001."""
    num_frames: int = Field(ge=1, le=MAX_FRAMES)
    """Total number of frames of all clips."""
    frame_format: FrameFormat = "png"
    clips: tuple[ClipRecord, ...] = Field(min_length=1)
    conditioners: tuple[ConditionerRecord, ...] = Field(min_length=1)
    splits: Splits
    content_hash: str = ""
    """sha256 of the sources and of all settings that determine the content; equal for equal datasets."""

    @model_validator(mode="after")
    def _check_frames(self) -> Manifest:
        for clip in self.clips:
            if clip.source_index >= len(self.sources):
                raise ValueError(f"clips: source {clip.source_index} does not exist")
        if sum(clip.num_frames for clip in self.clips) != self.num_frames:
            raise ValueError(f"num_frames: the clips do not have {self.num_frames} frames")
        for clip_index, start, stop in (*self.splits.train, *self.splits.val):
            if not 0 <= clip_index < len(self.clips):
                raise ValueError(f"splits: clip {clip_index} does not exist")
            if not 0 <= start < stop <= self.clips[clip_index].num_frames:
                raise ValueError(f"splits: clip {clip_index} has no frames {start} to {stop}")
        if len(set(self.conditioner_names)) < len(self.conditioners):
            raise ValueError("conditioners: a name occurs twice")
        return self

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
        data = parse_json(path.read_text(encoding="utf-8"))
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
        message = first_error["msg"].removeprefix("Value error, ")
        raise DatasetError(f"{path} is damaged: {location}: {message}.", PREPARE_AGAIN_HINT) from error


def _check_schema_version(path: Path, data: Any) -> None:
    """Raise DatasetError for the manifest of another schema version, with the command that makes a readable one."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if type(version) is not int or version == SCHEMA_VERSION:
        return
    message = f"{path} has schema version {version}; this version of vid2vid reads version {SCHEMA_VERSION}."
    if version > SCHEMA_VERSION:
        raise DatasetError(message, "Update vid2vid: pip install -U vid2vid-cli")
    raise DatasetError(message, f"Prepare the dataset again: {_prepare_command(path.parent, data)}")


def _prepare_command(folder: Path, data: Mapping[str, Any]) -> str:
    """The `vid2vid prepare` command for the sources and conditioners of a manifest of any schema version."""
    videos = [Path(str(source["path"])) for source in _find_records(data, "sources", "source") if "path" in source]
    names = [str(record["name"]) for record in _find_records(data, "conditioners") if "name" in record]
    options = [word for name in names or ["NAME"] for word in ("--conditioner", name)]
    return shell_command("vid2vid", "prepare", *options, "--out", folder, "--overwrite", *(videos or [Path("VIDEO")]))


def _find_records(data: Mapping[str, Any], *keys: str) -> list[dict[str, Any]]:
    """The mappings in the list under the first of the keys that has one."""
    lists = (data[key] for key in keys if isinstance(data.get(key), list))
    return [entry for entry in next(lists, []) if isinstance(entry, dict)]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `dataset.json` with an atomic write. Raises DiskFullError, PermissionDeniedError."""
    write_json(folder / MANIFEST_FILE_NAME, manifest.model_dump(mode="json"))


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON with an atomic write. Raises as `write_manifest`."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
