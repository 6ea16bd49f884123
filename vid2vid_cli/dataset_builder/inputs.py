"""Finds the input videos of `prepare`: plain videos, and the sequences of datasets of other programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.person import add_person_option
from vid2vid_cli.conditioning.registry import find_conditioners, load_conditioner
from vid2vid_cli.core.errors import ConfigError, DatasetError, InputFileMismatchError, NotAVideoError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.dataset_builder.domain_layout import Domain, parse_domain
from vid2vid_cli.dataset_builder.foreign_datasets import ForeignDataset, InputSequence, parse_layout
from vid2vid_cli.dataset_builder.sidecar_files import SidecarFiles, find_option_files, select_files
from vid2vid_cli.media.input_paths import describe_folder_videos, drop_duplicates, find_folder_videos

FrameSize = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class InputVideos:
    """The input videos and their annotation files."""

    videos: tuple[tuple[Path, InputSequence], ...]
    conditioners: tuple[str, ...]
    """Conditioners with annotation files for all videos; () if there are none."""
    remarks: tuple[str, ...]

    def find_sidecar_files(self, conditioners: Sequence[Conditioner]) -> list[SidecarFiles]:
        """The annotation files of each video: its own, and those of the conditioners' options, which take precedence.

        Raises as `find_option_files`.
        """
        option_files = find_option_files(conditioners, [path for path, _ in self.videos])
        return [
            select_files(conditioners, sequence.sidecar_files, files)
            for (_, sequence), files in zip(self.videos, option_files, strict=True)
        ]


def find_input_videos(paths: Sequence[Path], domain: Domain | None = None) -> InputVideos:
    """The videos in `paths` and in folders of videos, and the sequences with images of foreign datasets, in order.

    A video that is named more than once is used once; the remarks name it. `domain`: which images of a folder in the
    layout of CycleGAN.

    Raises: ConfigError (a domain is missing, or given for another folder), NotAVideoError (a dataset of vid2vid, a
    folder with videos and images), DatasetError (unknown layout, or no images), InputFileMismatchError (files that do
    not belong together).
    """
    videos: list[tuple[Path, InputSequence]] = []
    remarks: list[str] = []
    conditioners_by_path: list[tuple[str, ...]] = []
    for path in paths:
        if (path / MANIFEST_FILE_NAME).is_file():  # contact_sheet.png would be read as a video of one frame
            raise NotAVideoError(
                f"{path} is a dataset, not a video.",
                f"Train on it: vid2vid train --data {shell_command(path)}",
            )
        foreign_dataset = parse_domain(path, domain) or parse_layout(path)
        if foreign_dataset is None:
            folder_videos = find_folder_videos(path)
            if folder_videos:
                remarks.append(describe_folder_videos(path, folder_videos))
            videos += [(video, InputSequence(video, {})) for video in folder_videos or [path]]
            conditioners_by_path.append(())
        else:
            videos += _sequences_with_frames(path, foreign_dataset, remarks)
            conditioners_by_path.append(foreign_dataset.conditioners)
    common_conditioners = (
        tuple(name for name in conditioners_by_path[0] if all(name in names for names in conditioners_by_path))
        if conditioners_by_path
        else ()
    )
    first_paths, duplicate_remarks = drop_duplicates(path for path, _ in videos)
    sequences = dict(reversed(videos))
    unique_videos = tuple((path, sequences[path]) for path in first_paths)
    return InputVideos(unique_videos, common_conditioners, (*remarks, *duplicate_remarks))


def load_requested_conditioners(
    names: Sequence[str], options: Mapping[str, Mapping[str, str]], person: str | None
) -> list[Conditioner]:
    """Load the conditioners of a request with their options.

    Raises: ConfigError (no conditioner, or options of a conditioner that is not among them), PluginError.
    """
    if not names:
        available_names = ", ".join(plugin.name for plugin in find_conditioners())
        raise ConfigError("No conditioner was given.", f"Add at least one with --conditioner: {available_names}.")
    unused_names = sorted(set(options) - set(names))
    if unused_names:
        raise ConfigError(
            f"Options were given for conditioners that are not used: {', '.join(unused_names)}.",
            f"Add --conditioner {unused_names[0]}, or omit the options.",
        )
    options_by_name = add_person_option(options, names, person)
    return [load_conditioner(name, options_by_name.get(name)) for name in names]


def _sequences_with_frames(
    folder: Path, foreign_dataset: ForeignDataset, remarks: list[str]
) -> list[tuple[Path, InputSequence]]:
    """The sequences that have images; all have the same kinds of labels."""
    remarks += foreign_dataset.remarks
    frame_sequences = [(sequence.path, sequence) for sequence in foreign_dataset.sequences if sequence.path is not None]
    if not frame_sequences:
        names = " and ".join(foreign_dataset.conditioners)
        raise DatasetError(
            f"{folder} contains {names}, but no images to train on.",
            f"To render it with a trained model: vid2vid synthesize MODEL.ckpt {shell_command(folder)}",
        )
    num_skipped = len(foreign_dataset.sequences) - len(frame_sequences)
    if num_skipped:
        skipped_text = "1 sequence" if num_skipped == 1 else f"{num_skipped} sequences"
        remarks.append(f"Skipped {skipped_text} of {folder} without images.")
    expected_inputs = _input_names(frame_sequences[0][1])
    for path, sequence in frame_sequences:
        if _input_names(sequence) != expected_inputs:
            mismatched = ", ".join(sorted(_input_names(sequence) ^ expected_inputs))
            raise InputFileMismatchError(
                f"Only some sequences of {folder} have {mismatched}; compare {path} with {frame_sequences[0][0]}.",
                "Add the missing files, or prepare the sequences separately.",
            )
    if len({sequence.split for _, sequence in frame_sequences}) == 1:  # a single split would leave the other one empty
        return [(path, replace(sequence, split="")) for path, sequence in frame_sequences]
    return frame_sequences


def _input_names(sequence: InputSequence) -> set[str]:
    return {f"{name}.{option}" for name, files in sequence.sidecar_files.items() for option in files}


def choose_frame_sizes(sizes: Sequence[FrameSize], max_short_side: int | None) -> tuple[FrameSize, list[FrameSize]]:
    """The frame size of the dataset, and the decoded size of each video, which covers the frame size.

    The aspect ratio is that of the first video. The scale is chosen so that no video is enlarged.
    """
    min_side = min(min(size) for size in sizes)
    scale = min(1.0, min(max_short_side or min_side, min_side) / min(sizes[0]))
    cover_scales = [max(sizes[0][0] * scale / height, sizes[0][1] * scale / width) for height, width in sizes]
    scale /= max(1.0, *cover_scales)
    height, width = (max(1, round(side * scale)) for side in sizes[0])
    decode_sizes = []
    for size in sizes:
        factor = max(height / size[0], width / size[1])
        decode_sizes.append(
            (max(height, math.ceil(size[0] * factor - 0.5)), max(width, math.ceil(size[1] * factor - 0.5)))
        )
    return (height, width), decode_sizes
