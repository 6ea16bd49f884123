"""Label video as what drives `synthesize`: what each conditioner of a checkpoint reads, and on which timeline.

a video or a folder of label pictures   its own frames are the timeline
a folder of JSON or text files          blank frames of the size of the checkpoint's, one for each file
a dataset of another program            its pictures, or as above where it has none; each sequence is a clip
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.combine import names_of
from vid2vid_cli.conditioning.requirements import check_conditioners
from vid2vid_cli.core.errors import ConfigError, DatasetError, LabelFilesError
from vid2vid_cli.data.dataset import Split
from vid2vid_cli.dataset_builder.foreign_datasets import Given, Layout, understand
from vid2vid_cli.dataset_builder.sidecar_files import Files, bound, chosen_files, typed_files
from vid2vid_cli.engine.checkpoint import CheckpointInfo
from vid2vid_cli.media.blank_reader import BlankReader, Frames
from vid2vid_cli.media.probe import PICTURES
from vid2vid_cli.rendering.source_video import Look, Options, Source, source_conditioners, source_reader
from vid2vid_cli.rendering.time_range import Stretch

OUTSIDE = 0.2
"""Share of the points beyond the frame that tells that they are not of this frame."""


def open_labels(
    source: Path,
    info: CheckpointInfo,
    checkpoint: Path,
    options: Options,
    split: Split = "all",
    stretch: Stretch | None = None,
) -> list[Source]:
    """The clips of a label video, with the checkpoint's conditioners about to read them; `options` may name files.

    Raises: ConfigError (a conditioner that cannot read this, or whose files are not named; a stretch that is none),
    DatasetError (no known layout, or one without the labels that are needed), FilesMismatchError, MissingFileError,
    MissingPackageError, NoFramesError (beyond its end), and what `VideoReader` raises.
    """
    sources = _open(source, info, checkpoint, options, split)
    if stretch is None:
        return sources
    cuts = stretch.cuts([one.reader.expected or 0 for one in sources], sources[0].reader.fps, str(source))
    return [replace(sources[clip], reader=sources[clip].reader.part(first, last)) for clip, first, last in cuts]


def _open(source: Path, info: CheckpointInfo, checkpoint: Path, options: Options, split: Split) -> list[Source]:
    conditioners = source_conditioners(info, options)
    layout = understand(source)
    if layout is None:
        if split != "all":
            raise ConfigError(f"{source} is not a dataset, so it has no {split} frames.", "Leave --split out.")
        return [_of_files(source, info, checkpoint, conditioners)]
    parts = {"all": ("", "train", "holdout"), "train": ("train",), "holdout": ("holdout",)}[split]
    chosen = [one for one in layout.sequences if one.part in parts]
    if not chosen:
        raise DatasetError(f"{source} has no {split} sequences.", "Leave --split out.")
    places = [_place(one) for one in chosen]
    typed = typed_files(conditioners, places)
    return [
        _of_sequence(source, layout, one, chosen_files(conditioners, one.files, own), info, conditioners)
        for one, own in zip(chosen, typed, strict=True)
    ]


def _of_files(source: Path, info: CheckpointInfo, checkpoint: Path, conditioners: Sequence[Conditioner]) -> Source:
    """The whole source is what the one conditioner reads whose files no option names."""
    files = dict(typed_files(conditioners, [source])[0])
    lacking = [one for one in conditioners if one.reads not in files.get(one.spec.name, {})]
    for conditioner in lacking:
        _check_reads(source, checkpoint, conditioner)
    if len(lacking) > 1:
        names = names_of(lacking)
        others = " ".join(f"--option {one.spec.name}.{one.reads}=PATH" for one in lacking[1:])
        raise ConfigError(
            f"{info.name} needs labels of {names}, and {source} can be those of one of them only.",
            f"Name the others: {others}",
        )
    for conditioner in lacking:
        name = conditioner.spec.name
        files[name] = {**files.get(name, {}), conditioner.reads: source}
    named = [path for own in files.values() for path in own.values()]
    place = next((path for path in (source, *named) if path.is_file() or _holds_pictures(path)), source)
    return _source(place, _reader(place, info), conditioners, files, shown=not lacking)


def _check_reads(source: Path, checkpoint: Path, conditioner: Conditioner) -> None:
    """Refuse ordinary video where labels are needed."""
    name = conditioner.spec.name
    instead = "For an ordinary video: " + shlex.join(["vid2vid", "transfer", str(source), "--target", str(checkpoint)])
    if not conditioner.reads:
        raise ConfigError(f"{name} draws its labels from ordinary video, and cannot read any from {source}.", instead)
    if conditioner.spec.output == "points" and (source.is_file() or _holds_pictures(source)):
        raise ConfigError(
            f"{source} holds pictures, and {name} reads points: a folder with one file for each frame.", instead
        )


def _of_sequence(
    source: Path,
    layout: Layout,
    given: Given,
    files: Files,
    info: CheckpointInfo,
    conditioners: Sequence[Conditioner],
) -> Source:
    """What the sequence has no files for is found on its pictures."""
    lacking = [one.spec.name for one in conditioners if one.reads not in files.get(one.spec.name, {})]
    if lacking and given.path is None:
        raise DatasetError(
            f"{source} holds {' and '.join(layout.conditioners)}, and {info.name} also needs {' and '.join(lacking)}.",
            "Add its folder, or the pictures that it can be found on.",
        )
    place = _place(given)
    return _source(place, _reader(place, info), conditioners, files, shown=given.path is not None)


def _source(path: Path, reader: Frames, conditioners: Sequence[Conditioner], files: Files, *, shown: bool) -> Source:
    reading = tuple(bound(conditioner, files) for conditioner in conditioners)
    check_conditioners(reading)
    return Source(path, reader, reading, shown)


def _place(given: Given) -> Path:
    """The folder that is the timeline of a sequence: its pictures, else label pictures, else any label files."""
    if given.path is not None:
        return given.path
    folders = [path for own in given.files.values() for path in own.values()]
    return next((folder for folder in folders if _holds_pictures(folder)), folders[0])


def _reader(path: Path, info: CheckpointInfo) -> Frames:
    """The frames of a source; what has no rate of its own gets the checkpoint's. Raises LabelFilesError."""
    rate = Fraction(info.fps)
    if path.is_dir() and not _holds_pictures(path):
        endings = Counter(entry.suffix for entry in path.iterdir() if entry.is_file() and entry.name[0] != ".")
        if not endings:
            raise LabelFilesError(f"{path} holds no files.", "Name a label video, or a folder of label files.")
        return BlankReader(path, endings.most_common(1)[0][1], rate, (info.height, info.width))
    return source_reader(path, info, fps=rate if path.is_dir() or path.suffix.lower() in PICTURES else None)


def _holds_pictures(folder: Path) -> bool:
    return folder.is_dir() and any(
        entry.suffix.lower() in PICTURES and entry.name[0] != "." for entry in folder.iterdir()
    )


def lies_outside(source: Source, look: Look) -> bool:
    """Whether points were found on larger frames than the blank ones that stand for them."""
    if not isinstance(source.reader, BlankReader):
        return False
    for annotation in look.first:
        for points in annotation.points.values():
            x, y = points[:, 0], points[:, 1]
            known = np.isfinite(x)
            if known.any() and ((x > annotation.width) | (y > annotation.height))[known].mean() > OUTSIDE:
                return True
    return False
