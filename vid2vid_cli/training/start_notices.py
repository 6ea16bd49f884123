"""The notices of a training before it begins: choices made for the user, what is not used, and the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import FRAME_CONDITIONER
from vid2vid_cli.config.config import ATTRIBUTE_MODELS, Config
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.curriculum import unreachable_strides
from vid2vid_cli.engine.distributed import ProcessGroup
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training.attribute_directions import describe_split
from vid2vid_cli.training.job import TrainJob
from vid2vid_cli.training_data.reference_collection import MAX_ANNOTATION_BYTES, MAX_FRAMES_BYTES, MAX_RECORD_BYTES
from vid2vid_cli.training_data.several_datasets import describe_datasets, list_folders
from vid2vid_cli.training_data.training_data import TrainingData

STRIDE_SETTINGS = (
    *("discriminators.temporal.frame_strides", "discriminators.temporal.num_frames"),
    *("schedule.clip_length", "schedule.max_clip_length", "schedule.clip_growth_interval"),
)


def describe_domain_b(training_data: TrainingData) -> tuple[str, ...]:
    """Notices on domain B and on what is ignored of both datasets; () for a model of one dataset."""
    domain_b = training_data.domain_b
    if domain_b is None:
        return ()
    notices = [f"domain B: {domain_b.dataset.folder}, image size {domain_b.describe_size()}"]
    for data in (training_data, domain_b):
        ignored = [name for name in data.dataset.manifest.conditioner_names if name != FRAME_CONDITIONER]
        if ignored:
            notices.append(f"{data.dataset.folder}: the annotations of {' and '.join(ignored)} are not used")
    return tuple(notices)


def describe_references(config: Config, sampler: ClipSampler, clip_length: int) -> tuple[str, ...]:
    """Notices on the reference frames of a training with clips of `clip_length` frames; () if it has none."""
    source = sampler.reference_source
    if source is None:
        return ()
    bank, notices = source.bank, []
    num_frames, size = len(bank), f"{bank.view.width}x{bank.view.height}"
    megabytes = sum(bank.frames.file_sizes) / 1e6
    notices.append(
        f"the .ckpt will contain {num_frames} real frames of the dataset ({size}, {megabytes:.1f} MB) as references"
    )
    if bank.num_left_out:
        notices.append(
            f"{bank.num_left_out} further references are left out: a .ckpt contains at most "
            f"{MAX_FRAMES_BYTES / 1e6:.0f} MB of images and {MAX_RECORD_BYTES / 1e6:.0f} MB of annotations "
            f"({MAX_ANNOTATION_BYTES / 1e6:.0f} MB decoded)"
        )
    if num_frames < bank.num_per_frame:
        notices.append(f"generator.num_references={bank.num_per_frame}: each frame has only {num_frames} references")
    num_close, num_clips = source.count_close_clips(sampler.ranges, clip_length)
    if num_close:
        notices.append(
            f"data.reference_gap={config.data.reference_gap:g}: {num_close} of {num_clips} possible clips of the "
            "training have references that are closer in time, because there are too few others"
        )
    return tuple(notices)


def job_references(job: TrainJob, clip_length: int) -> list[str]:
    """Notices on the reference frames of all datasets, with their names if there are several."""
    notices = []
    for data, sampler in zip(job.datasets, job.samplers, strict=True):
        prefix = f"{data.dataset.manifest.name}: " if len(job.samplers) > 1 else ""
        notices += [prefix + notice for notice in describe_references(job.config, sampler, clip_length)]
    return notices


def job_attributes(job: TrainJob) -> list[str]:
    """Notices on the attributes of frames of each dataset: their source, and the frames that have no value."""
    notices = []
    for data, sampler in zip(job.datasets, job.samplers, strict=True):
        prefix = f"{data.dataset.manifest.name}: " if len(job.samplers) > 1 else ""
        notices += [prefix + notice for notice in describe_attributes(job.config, data, sampler)]
    return notices


def describe_attributes(config: Config, data: TrainingData, sampler: ClipSampler) -> list[str]:
    """Notices on the attributes of model=fader and model=vaegan. Raises the errors of `describe_split`."""
    if config.model not in ATTRIBUTE_MODELS:
        return []
    attributes = data.load_attributes(config)
    if config.model == "vaegan":
        return [describe_split(data, sampler, attribute) for attribute in attributes]
    notices = []
    for attribute in attributes:
        values = attribute.values[np.isfinite(attribute.values)]
        num_missing = len(attribute.values) - len(values)
        missing = f"; {num_missing} frames without a value are left out" if num_missing else ""
        notices.append(
            f"attribute {attribute.name} ({attribute.source}): values from {values.min():.4g} to {values.max():.4g} "
            f"are scaled to -1 to 1{missing}"
        )
    if config.augmentation.hflip_prob:
        notices.append(
            f"augmentation.hflip_prob={config.augmentation.hflip_prob:g}: a flipped frame keeps its values, which are "
            "wrong for an attribute that a flip changes, such as head_yaw"
        )
    return notices


def describe_batch(process_group: ProcessGroup, config: Config) -> str:
    """`8`, or `8 (4 in each of 2 processes)`."""
    batch_size = config.schedule.batch_size
    if process_group.world_size == 1:
        return str(batch_size)
    return f"{batch_size} ({len(process_group.shard(batch_size))} in each of {process_group.world_size} processes)"


def describe_preset(request: TrainRequest) -> str:
    """The preset and, if it was not given, why it was chosen."""
    name = request.preset or "none"
    return f"{name} (no --preset given: {request.preset_reason})" if request.preset_reason else name


def start_notices(request: TrainRequest, job: TrainJob, final_length: int) -> list[str]:
    """What was chosen for the user, the part of the frames that is used, what is not used, and the references.

    `final_length`: frames of the longest clips.
    """
    notices = [
        f"preset {describe_preset(request)}" if request.preset_reason else "",
        f"image size: {job.training_data.describe_size()}",
        job.describe_missing_regions(request),
        describe_unreachable_strides(request, job.config, final_length),
        *describe_domain_b(job.training_data),
        *describe_datasets(job.datasets, job.samplers, job.config),
        *job_references(job, final_length),
        *job_attributes(job),
    ]
    return [notice for notice in notices if notice]


def describe_unreachable_strides(request: TrainRequest, config: Config, max_length: int) -> str:
    """A notice on temporal discriminators that are unused because all clips are too short.

    "" if there are none, or if neither they nor the lengths of the clips were set by the user.
    """
    if request.chosen_settings is not None and not request.chosen_settings.intersection(STRIDE_SETTINGS):
        return ""
    temporal = config.discriminators.temporal
    strides = unreachable_strides(temporal, max_length) if config.losses.uses_temporal_discriminators else []
    if not strides:
        return ""
    return (
        f"discriminators.temporal.frame_strides {', '.join(map(str, strides))}: unused, because the sequences need "
        f"clips of {max(strides) * (temporal.num_frames - 1) + 1} frames, and clips have at most {max_length} frames "
        "(limits: schedule.clip_length, max_clip_length and clip_growth_interval, the number of steps, the length of "
        "the shots)"
    )


def describe_job(job: TrainJob, run: Path, runtime: Runtime, process_group: ProcessGroup) -> str:
    """Datasets, run folder, device and precision, with several processes also the batch size."""
    batch = f", batch size {describe_batch(process_group, job.config)}" if process_group.world_size > 1 else ""
    return f"{list_folders(job.datasets)} -> {run} on {runtime.describe()}{batch}"
