"""One training on several datasets: they must have the same conditioners; their frames get one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import SubjectImage
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError, TooFewFramesError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.data.batch_sampler import BatchSampler, MixedSampler
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.linear_motion import LinearMotion
from vid2vid_cli.data.subject_displacement import SubjectDisplacer
from vid2vid_cli.data.subject_masks import find_subject_masks, subject_conditioner
from vid2vid_cli.engine.events import EventHandler, ProgressEvent
from vid2vid_cli.training_data.motion_fit import MIN_FRAMES, fit_linear_motion
from vid2vid_cli.training_data.open_data import open_training_data
from vid2vid_cli.training_data.reference_collection import resolution_ratio
from vid2vid_cli.training_data.training_data import TrainingData


def open_datasets(folders: Sequence[Path], config: Config, folder_b: Path | None = None) -> tuple[TrainingData, ...]:
    """Open all datasets of a training; the images of all of them have the size of the first one's.

    `folder_b`: domain B of an unpaired model.

    Raises the errors of `open_training_data`; ConfigError: a dataset that is named twice, or another number of
    `data.weights`; DatasetMismatchError: other conditioners, options, or regions than the first one's.
    """
    resolved = [folder.resolve() for folder in folders]
    for index, folder in enumerate(folders):
        if resolved[index] in resolved[:index]:
            raise ConfigError(f"--data {folder} is named twice.", "To draw more clips from it, use data.weights.")
    weights = config.data.weights
    if weights is not None and len(weights) != len(folders):
        raise ConfigError(
            f"data.weights has {len(weights)} values for {len(folders)} datasets.", "Give one weight per --data."
        )
    first = open_training_data(folders[0], config, folder_b=folder_b)
    others = [open_training_data(folder, config, first.image_size) for folder in folders[1:]]
    for other in others:
        _require_same_conditioners(first, other)
    return (first, *others)


def _require_same_conditioners(first: TrainingData, other: TrainingData) -> None:
    """Raise DatasetMismatchError with both values of the first difference."""
    folders = first.dataset.folder, other.dataset.folder
    names = [" and ".join(data.dataset.manifest.conditioner_names) for data in (first, other)]
    if names[0] != names[1]:
        raise _mismatch(folders, "the conditioners", names[0], names[1])
    for one, two in zip(first.conditioner_configs, other.conditioner_configs, strict=True):
        for key in sorted(one.options.keys() | two.options.keys()):
            values = one.options.get(key), two.options.get(key)
            if key != "person" and values[0] != values[1]:
                raise _mismatch(folders, f"{one.name}.{key}", str(values[0]), str(values[1]))
        if one.channels != two.channels:
            raise _mismatch(folders, f"the channels of {one.name}", str(one.channels), str(two.channels))
    if first.region_names != other.region_names:
        raise _mismatch(folders, "the regions", ", ".join(first.region_names), ", ".join(other.region_names))


def _mismatch(folders: tuple[Path, Path], what: str, first: str, other: str) -> DatasetMismatchError:
    return DatasetMismatchError(
        f"{folders[0]} and {folders[1]} differ in {what}: {first} and {other}.",
        f"Prepare both videos with the same conditioners and options, or train on one of them: "
        f"{shell_command('vid2vid', 'train', '--data', folders[0])}",
    )


def build_samplers(datasets: Sequence[TrainingData], config: Config) -> tuple[ClipSampler, ...]:
    """The sampler of each dataset, whose reference frames are those of the same dataset.

    Raises TooFewFramesError, also if a dataset has fewer reference frames than each generated frame needs.
    """
    max_ratio = min(resolution_ratio(data.view) for data in datasets)  # references of a batch have one size
    samplers = tuple(data.build_sampler(config, max_ratio) for data in datasets)
    for data, sampler in zip(datasets, samplers, strict=True):
        bank = None if sampler.reference_source is None else sampler.reference_source.bank
        if bank is not None and len(samplers) > 1 and len(bank) < bank.num_per_frame:
            raise TooFewFramesError(
                f"{data.dataset.folder} has {len(bank)} different reference frames; with several datasets, each needs "
                f"generator.num_references={bank.num_per_frame}.",
                "Leave the dataset out, or reduce generator.num_references.",
            )
    return samplers


def complete_references(
    samplers: Sequence[ClipSampler], emit: EventHandler, prior: LinearMotion | None = None
) -> list[str]:
    """Find masks and motion of the reference frames, which takes some seconds, and which only a training needs.

    `prior`: of `fit_reference_motion`. Returns notices.
    """
    return find_reference_masks(samplers, emit) + fit_reference_motion(samplers, prior)


def fit_reference_motion(samplers: Sequence[ClipSampler], prior: LinearMotion | None = None) -> list[str]:
    """Fit how each part of the reference frames follows the points.

    `prior`: the model of the subjects of the initial weights, for datasets with few frames. With several datasets, a
    model of all of them is fitted too, for adapting the trained networks to another subject. Returns notices on
    datasets with few frames.
    """
    sources = [source for sampler in samplers if (source := sampler.reference_source) is not None]
    common = fit_linear_motion([(source.bank, source.gap_frames) for source in sources]) if len(sources) > 1 else None
    notices = []
    for sampler in samplers:
        source = sampler.reference_source
        if source is not None:
            motion = fit_linear_motion([(source.bank, source.gap_frames)], prior or common)
            bank = replace(source.bank, motion=motion, common_motion=common)
            sampler.reference_source = replace(source, bank=bank)
            if prior is not None and len(bank) < MIN_FRAMES:
                notices.append(
                    f"how the picture follows the points is taken from the initial model and corrected by {len(bank)} "
                    "frames"
                    if motion is not None
                    else "how the picture follows the points in the initial model does not hold for these frames: the "
                    "references are aligned by a spline"
                )
    return notices


def find_reference_masks(samplers: Sequence[ClipSampler], emit: EventHandler) -> list[str]:
    """Find the bodies in the reference frames, and prepare to move bodies for samplers whose augmentation does.

    A mask takes about 45 ms on a CPU core. Returns notices on what is moved, and on a missing package.
    """
    notices = []
    for sampler in samplers:
        source, augmentation = sampler.reference_source, sampler.augmentation
        index = None if source is None else subject_conditioner(source.bank.conditioners)
        if source is None or index is None or not source.bank.has_bones:  # the points of another conditioner align
            continue
        bank, conditioner = source.bank, source.bank.conditioners[index]
        if conditioner.mask_install_command:
            notices.append(
                f"{conditioner.spec.name} cannot segment bodies: a body at another place than in the footage will be "
                f"generated at both places. To change this: {conditioner.mask_install_command}"
            )
            continue
        images = (
            SubjectImage(image, annotations[index], bank.view)
            for image, annotations in zip(bank.frames, bank.annotations, strict=True)
        )
        masks = []
        for mask in find_subject_masks(conditioner, images, bank.output_view):
            masks.append(mask)
            emit(ProgressEvent("segment", len(masks), len(bank)))
        bank = replace(bank, subject_masks=np.stack(masks))
        sampler.reference_source = replace(source, bank=bank)
        if augmentation.subject_translate_prob and augmentation.crop_size is None:
            sampler.displacer = SubjectDisplacer(bank)
            notices.append(
                f"the body is moved against its background in {augmentation.subject_translate_prob:.0%} of the clips, "
                "for poses at other places than in the footage (augmentation.subject_translate_prob)"
            )
    return list(dict.fromkeys(notices))


def mix_samplers(samplers: Sequence[ClipSampler], config: Config) -> BatchSampler:
    """One sampler of the training batches; the shares of the datasets are `data.weights`."""
    if len(samplers) == 1:
        return samplers[0]
    return MixedSampler(samplers, config.data.weights or count_frames(samplers))


def count_frames(samplers: Sequence[ClipSampler]) -> list[int]:
    """The number of training frames of each dataset."""
    return [sum(frame_range.num_frames for frame_range in sampler.ranges) for sampler in samplers]


def describe_datasets(datasets: Sequence[TrainingData], samplers: Sequence[ClipSampler], config: Config) -> list[str]:
    """Notices of a training on several datasets: shares, size, length of the clips, and frame rates; [] for one."""
    if len(datasets) == 1:
        return []
    sampler = mix_samplers(samplers, config)
    assert isinstance(sampler, MixedSampler)
    names = [data.dataset.manifest.name for data in datasets]
    shares = ", ".join(f"{name} {share:.0%}" for name, share in zip(names, sampler.shares, strict=True))
    origin = "data.weights" if config.data.weights else "by their training frames; data.weights sets others"
    notices = [f"clips are drawn from {shares} ({origin})"]
    notices += [f"{name}: {data.describe_size()}" for name, data in zip(names[1:], datasets[1:], strict=True)]
    rates = [data.dataset.manifest.fps for data in datasets]
    if len(set(rates)) > 1:
        listed = ", ".join(f"{name} {rate}" for name, rate in zip(names, rates, strict=True))
        notices.append(f"the frame rates differ ({listed}): motion between frames differs as well")
    lengths = [each.max_range_length for each in samplers]
    if config.schedule.max_clip_length > min(lengths) < max(lengths):
        shortest = names[lengths.index(min(lengths))]
        notices.append(f"clips have at most {min(lengths)} frames, as many as the longest of {shortest}")
    return notices


def list_folders(datasets: Sequence[TrainingData]) -> str:
    """The folders of all datasets as text."""
    return ", ".join(str(data.dataset.folder) for data in datasets)


def plan_datasets(
    datasets: Sequence[TrainingData], samplers: Sequence[ClipSampler], config: Config
) -> tuple[tuple[str, str], ...]:
    """The rows of a plan on the datasets."""
    rows = [
        ("dataset", f"{data.dataset.folder} ({num_frames} training frames)")
        for data, num_frames in zip(datasets, count_frames(samplers), strict=True)
    ]
    return (*rows, *(("datasets", notice) for notice in describe_datasets(datasets, samplers, config)))
