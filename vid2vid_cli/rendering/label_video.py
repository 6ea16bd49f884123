"""Label videos as the source of `synthesize`: the files of each conditioner, and the frames that set the timeline.

a video or a folder of label images     its own frames
a folder of JSON or text files          blank frames of the size of the checkpoint's dataset, one per file
a dataset of another program            its images or, without images, as above; each sequence is a clip
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.combine import join_names
from vid2vid_cli.conditioning.requirements import check_conditioners
from vid2vid_cli.core.errors import ConfigError, DatasetError, LabelFileError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.data.dataset import Split
from vid2vid_cli.dataset_builder.foreign_datasets import ForeignDataset, InputSequence, parse_layout
from vid2vid_cli.dataset_builder.sidecar_files import SidecarFiles, bind_files, find_option_files, select_files
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.media.blank_reader import BlankReader, FrameSource
from vid2vid_cli.media.file_pairing import sort_files
from vid2vid_cli.media.image_header import is_animation
from vid2vid_cli.media.probe import IMAGE_SUFFIXES
from vid2vid_cli.rendering.source_conditioners import ConditionerOptions, load_source_conditioners
from vid2vid_cli.rendering.source_reader import open_source_reader
from vid2vid_cli.rendering.source_scan import SourceScan
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.rendering.time_range import TimeRange

MAX_OUTSIDE_SHARE = 0.2
"""Share of points outside the frame above which the points refer to larger frames."""


def open_label_sources(
    source: Path,
    metadata: CheckpointMetadata,
    checkpoint: Path,
    options: ConditionerOptions,
    *,
    split: Split = "all",
    time_range: TimeRange | None = None,
) -> list[SourceVideo]:
    """The clips of a label video with the conditioners that read them; `options` may set further input files.

    Raises ConfigError (a conditioner that cannot read the source, missing files, an empty time range), DatasetError (a
    layout that is unknown or lacks labels), InputFileMismatchError, LabelFileError, MissingFileError,
    MissingPackageError, NoFramesError (time range after the end) and the errors of `VideoReader`.
    """
    sources = _open_sources(source, metadata, checkpoint, options, split)
    if time_range is None:
        return sources
    clip_ranges = time_range.split_by_clip(
        [clip.reader.num_frames or 0 for clip in sources], sources[0].reader.fps, str(source)
    )
    return [
        replace(sources[clip], reader=sources[clip].reader.select_range(first, last))
        for clip, first, last in clip_ranges
    ]


def _open_sources(
    source: Path, metadata: CheckpointMetadata, checkpoint: Path, options: ConditionerOptions, split: Split
) -> list[SourceVideo]:
    conditioners = load_source_conditioners(metadata, options)
    foreign_dataset = parse_layout(source)
    if foreign_dataset is None:
        if split != "all":
            raise ConfigError(f"{source} is not a dataset and has no {split} split.", "Remove --split.")
        return [_source_from_files(source, metadata, checkpoint, conditioners)]
    split_names = {"all": ("", "train", "val"), "train": ("train",), "val": ("val",)}[split]
    sequences = [sequence for sequence in foreign_dataset.sequences if sequence.split in split_names]
    if not sequences:
        raise DatasetError(f"{source} has no {split} sequences.", "Remove --split.")
    option_files = find_option_files(conditioners, [_timeline_folder(sequence) for sequence in sequences])
    sources = []
    for sequence, sequence_options in zip(sequences, option_files, strict=True):
        files = select_files(conditioners, sequence.sidecar_files, sequence_options)
        _require_sequence_files(
            source, foreign_dataset, sequence, files=files, metadata=metadata, conditioners=conditioners
        )
        folder = _timeline_folder(sequence)
        reader = _open_reader(folder, metadata)
        clip = _make_source(folder, reader, conditioners, files, has_frames=sequence.path is not None)
        sources.append(replace(clip, is_single_shot=sequence.is_single_shot))
    return sources


def _source_from_files(
    source: Path, metadata: CheckpointMetadata, checkpoint: Path, conditioners: Sequence[Conditioner]
) -> SourceVideo:
    """The source is the input of the only conditioner whose files no option sets."""
    files = dict(find_option_files(conditioners, [source])[0])
    unset_conditioners = [
        conditioner
        for conditioner in conditioners
        if conditioner.input_option not in files.get(conditioner.spec.name, {})
    ]
    for conditioner in unset_conditioners:
        _require_label_input(source, checkpoint, conditioner)
    if len(unset_conditioners) > 1:
        other_options = " ".join(
            f"--conditioner-option {conditioner.spec.name}.{conditioner.input_option}=PATH"
            for conditioner in unset_conditioners[1:]
        )
        raise ConfigError(
            f"{metadata.name} needs {join_names(unset_conditioners)}; {source} can contain only one of them.",
            f"Set the files of the others: {other_options}",
        )
    for conditioner in unset_conditioners:
        name = conditioner.spec.name
        files[name] = {**files.get(name, {}), conditioner.input_option: source}
    input_paths = [path for conditioner_files in files.values() for path in conditioner_files.values()]
    timeline_path = next((path for path in (source, *input_paths) if path.is_file() or _contains_images(path)), source)
    return _make_source(
        timeline_path, _open_reader(timeline_path, metadata), conditioners, files, has_frames=not unset_conditioners
    )


def _require_label_input(source: Path, checkpoint: Path, conditioner: Conditioner) -> None:
    """Raise ConfigError if the conditioner cannot read labels from the source."""
    name = conditioner.spec.name
    hint = "For an ordinary video: " + shell_command("vid2vid", "transfer", source, "--target", checkpoint)
    if not conditioner.input_option:
        raise ConfigError(f"{name} detects its labels in ordinary video and cannot read labels from {source}.", hint)
    reads_images = conditioner.spec.output != "points" or conditioner.reads_drawings
    if not reads_images and (source.is_file() or _contains_images(source)):
        raise ConfigError(
            f"{source} contains images; {name} reads a folder with one point file per frame, and no drawings.", hint
        )


def _require_sequence_files(
    source: Path,
    foreign_dataset: ForeignDataset,
    sequence: InputSequence,
    *,
    files: SidecarFiles,
    metadata: CheckpointMetadata,
    conditioners: Sequence[Conditioner],
) -> None:
    """Raise DatasetError if a sequence has neither files of a conditioner nor images to detect them in."""
    missing_names = [
        conditioner.spec.name
        for conditioner in conditioners
        if conditioner.input_option not in files.get(conditioner.spec.name, {})
    ]
    if missing_names and sequence.path is None:
        raise DatasetError(
            f"{source} contains {' and '.join(foreign_dataset.conditioners)}; {metadata.name} also needs "
            f"{' and '.join(missing_names)}.",
            "Add a folder with these labels, or the images to detect them in.",
        )


def _make_source(
    path: Path, reader: FrameSource, conditioners: Sequence[Conditioner], files: SidecarFiles, *, has_frames: bool
) -> SourceVideo:
    bound_conditioners = tuple(bind_files(conditioner, files) for conditioner in conditioners)
    check_conditioners(bound_conditioners)
    return SourceVideo(path, reader, bound_conditioners, has_frames)


def _timeline_folder(sequence: InputSequence) -> Path:
    """The folder that sets the timeline of a sequence: its images, else label images, else other label files."""
    if sequence.path is not None:
        return sequence.path
    folders = [path for conditioner_files in sequence.sidecar_files.values() for path in conditioner_files.values()]
    return next((folder for folder in folders if _contains_images(folder)), folders[0])


def _open_reader(path: Path, metadata: CheckpointMetadata) -> FrameSource:
    """The frames of a source; images and label files have the frame rate of the checkpoint. Raises LabelFileError."""
    fps = Fraction(metadata.fps)
    if path.is_dir() and not _contains_images(path):
        files = [entry for entry in path.iterdir() if entry.is_file() and entry.name[0] != "."]
        if not files:
            raise LabelFileError(f"{path} contains no files.", "Use a label video or a folder of label files.")
        suffix = Counter(file.suffix for file in files).most_common(1)[0][0]
        label_files = sort_files(file for file in files if file.suffix == suffix)
        return BlankReader(label_files, fps=fps, size=(metadata.height, metadata.width))
    is_image = path.suffix.lower() in IMAGE_SUFFIXES and not is_animation(path)
    return open_source_reader(path, metadata, fps=fps if path.is_dir() or is_image else None)


def _contains_images(folder: Path) -> bool:
    return folder.is_dir() and any(
        entry.suffix.lower() in IMAGE_SUFFIXES and entry.name[0] != "." for entry in folder.iterdir()
    )


def has_points_outside(source: SourceVideo, scan: SourceScan) -> bool:
    """Whether points of label files without images lie outside the blank frames, as they refer to larger frames."""
    if not isinstance(source.reader, BlankReader):
        return False
    for annotation in scan.first_annotations:
        for points in annotation.points.values():
            x, y = points[:, 0], points[:, 1]
            is_outside = ((x > annotation.width) | (y > annotation.height))[np.isfinite(x)]
            if is_outside.size and is_outside.mean() > MAX_OUTSIDE_SHARE:
                return True
    return False
