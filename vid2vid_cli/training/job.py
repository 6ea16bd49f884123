"""The request of a training, and the job resolved from it: configuration, data and run folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning.combine import join_names
from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import ResolvedConfig
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.curriculum import unreachable_strides
from vid2vid_cli.engine.distributed import ProcessGroup
from vid2vid_cli.engine.loop import StopCondition
from vid2vid_cli.engine.run_folder import (
    RunFolder,
    RunRecord,
    choose_run_folder,
    create_run,
    find_last_state,
    find_run,
    find_run_datasets,
    lock_run,
)
from vid2vid_cli.engine.runtime import Runtime, choose_device, choose_runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import load_train_state
from vid2vid_cli.engine.warm_start import find_init_licence, find_init_weights, warm_start
from vid2vid_cli.rendering.label_channels import build_label_channels
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training.samples import choose_sample_range
from vid2vid_cli.training_data.dataset_conditioners import find_dataset
from vid2vid_cli.training_data.several_datasets import (
    build_samplers,
    describe_datasets,
    open_datasets,
)
from vid2vid_cli.training_data.training_data import TrainingData

BATCH_SIZE_KEY = "schedule.batch_size"


def scale_batch_to_processes(resolved: ResolvedConfig, num_processes: int) -> Config:
    """The configuration with at least one clip per process; a batch size set on the command line is not changed."""
    config = resolved.config
    is_user_chosen = resolved.origins[BATCH_SIZE_KEY].startswith("--")
    if config.schedule.batch_size >= num_processes or is_user_chosen:
        return config
    return config.with_settings({"schedule.batch_size": num_processes})


@dataclass(frozen=True)
class TrainJob:
    """A resolved request; nothing is written yet."""

    config: Config
    datasets: tuple[TrainingData, ...]
    run_path: Path
    resumed_record: RunRecord | None
    """Record of the run to be resumed; None for a new run."""

    @property
    def training_data(self) -> TrainingData:
        """The first dataset, whose conditioners, options and image size all datasets have."""
        return self.datasets[0]

    def describe_missing_regions(self, request: TrainRequest) -> str:
        """A notice on requested regions that no conditioner of the dataset locates; "" if there are none."""
        missing_names = set(request.config.discriminators.region.names) - set(self.config.discriminators.region.names)
        if self.resumed_record is not None or not missing_names:
            return ""
        conditioner_names = join_names(self.training_data.conditioners)
        return (
            f"no region discriminator for {' and '.join(sorted(missing_names))}: {conditioner_names} cannot locate it"
        )


def open_train_job(request: TrainRequest, process_group: ProcessGroup) -> TrainJob:
    """Resolve the request in the main process and open the same dataset in all processes."""
    local_jobs: list[TrainJob] = []

    def find_on_main() -> tuple[Config, tuple[Path, ...], Path, RunRecord | None]:
        job = resolve_train_job(request, process_group)
        local_jobs.append(job)
        return job.config, tuple(data.dataset.folder for data in job.datasets), job.run_path, job.resumed_record

    config, folders, run_path, record = process_group.run_on_main(find_on_main)
    return local_jobs[0] if local_jobs else TrainJob(config, open_datasets(folders, config), run_path, record)


def _adjust_schedule(request: TrainRequest, training_data: TrainingData) -> Config:
    """The configuration of a new run: with the available regions, and an image warm-up of at most half of all steps."""
    schedule = request.config.schedule
    if request.init_from is None:
        # Coarse scales with random weights must not be frozen.
        half_steps = (request.max_steps or schedule.max_steps) // 2
        changes: dict[str, Any] = {
            "schedule.freeze_coarse_steps": 0,
            "schedule.image_warmup_steps": min(schedule.image_warmup_steps, half_steps),
        }
    else:
        changes = {"schedule.image_warmup_steps": 0}  # the initial weights already generate images
    changes["discriminators.region.names"] = training_data.region_names
    return request.config.with_settings(changes)


def resolve_train_job(request: TrainRequest, process_group: ProcessGroup) -> TrainJob:
    """Resolve a request without writing anything. Raises the errors of `train` that occur before training."""
    if request.resume is not None:
        run = find_run(request.resume)
        record, config = run.load_record(), run.load_config()
        job = TrainJob(config, open_datasets(find_run_datasets(run), config), run.path, record)
    else:
        folders = request.datasets or (find_dataset(None, request.config, request.preset),)
        datasets = open_datasets(folders, request.config)
        run_path = choose_run_folder(request.out, *folders, overwrite=request.overwrite)
        job = TrainJob(_adjust_schedule(request, datasets[0]), datasets, run_path, None)
    samplers = build_samplers(job.datasets, job.config)
    if job.config.generator.target == "labels":
        build_label_channels(job.training_data.conditioners)
        for data, sampler in zip(job.datasets, samplers, strict=True):
            choose_sample_range(data, sampler.ranges, job.config.num_initial_frames)
    process_group.shard(job.config.schedule.batch_size)
    return job


def describe_references(config: Config, sampler: ClipSampler, clip_length: int) -> tuple[str, ...]:
    """Notices on the reference frames of a training with clips of `clip_length` frames; () if it has none."""
    source = sampler.reference_source
    if source is None:
        return ()
    bank, notices = source.bank, []
    num_frames, size = len(bank), f"{bank.view.width}x{bank.view.height}"
    megabytes = sum(map(len, bank.frames.files)) / 1e6
    notices.append(
        f"the .ckpt will contain {num_frames} real frames of the dataset ({size}, {megabytes:.1f} MB) as references"
    )
    if num_frames < bank.num_per_frame:
        notices.append(f"generator.num_references={bank.num_per_frame}: each frame has only {num_frames} references")
    num_close, num_clips = source.count_close_clips(sampler.ranges, clip_length)
    if num_close:
        notices.append(
            f"data.reference_gap={config.data.reference_gap:g}: references of {num_close} of {num_clips} possible "
            "clips of the training are closer in time, because there are too few others"
        )
    return tuple(notices)


def job_references(job: TrainJob, samplers: Sequence[ClipSampler], clip_length: int) -> list[str]:
    """Notices on the reference frames of all datasets, with their names if there are several."""
    notices = []
    for data, sampler in zip(job.datasets, samplers, strict=True):
        prefix = f"{data.dataset.manifest.name}: " if len(samplers) > 1 else ""
        notices += [prefix + notice for notice in describe_references(job.config, sampler, clip_length)]
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


def start_notices(
    request: TrainRequest, job: TrainJob, samplers: Sequence[ClipSampler], final_length: int
) -> list[str]:
    """What was chosen for the user, the part of the frames that is used, what is not used, and the references.

    `final_length`: frames of the longest clips.
    """
    notices = [
        f"preset {describe_preset(request)}" if request.preset_reason else "",
        f"image size: {job.training_data.describe_size()}",
        job.describe_missing_regions(request),
        describe_unreachable_strides(job.config, final_length),
        *describe_datasets(job.datasets, samplers, job.config),
        *job_references(job, samplers, final_length),
    ]
    return [notice for notice in notices if notice]


def describe_unreachable_strides(config: Config, max_length: int) -> str:
    """A notice on temporal discriminators that are unused because all clips are too short; "" if there are none."""
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


def resolve_stop_condition(request: TrainRequest, config: Config, previous_seconds: float) -> StopCondition:
    """The limits of the request, otherwise those of the configuration."""
    if request.max_seconds is not None:
        return StopCondition(request.max_steps, previous_seconds + request.max_seconds)
    return StopCondition(request.max_steps or config.schedule.max_steps, None)


def choose_job_runtime(request: TrainRequest, job: TrainJob, process_group: ProcessGroup) -> Runtime:
    """The device of this process, with the precision and memory format that the main process chooses."""
    requested_device = process_group.local_device(request.device)
    is_same_device = job.resumed_record is not None and request.device in ("auto", job.resumed_record.device)
    precision = job.resumed_record.precision if job.resumed_record and is_same_device else job.config.runtime.precision
    runtime = process_group.run_on_main(
        lambda: choose_runtime(requested_device, precision, job.config.runtime.channels_last)
    )
    return replace(runtime, device=choose_device(requested_device))


def start_run(
    request: TrainRequest, job: TrainJob, runtime: Runtime, state: TrainState, exit_stack: ExitStack
) -> tuple[RunFolder, dict[str, Any], str]:
    """Create or resume the run, and lock it; returns the run, the `extra` of its last state, and a message."""
    if job.resumed_record:
        run = find_run(job.run_path)
        exit_stack.enter_context(lock_run(run))
        resume_extra = load_train_state(find_last_state(run), state, runtime)
        return run, resume_extra, f"resumed at step {state.step}"
    folders = [str(data.dataset.folder.absolute()) for data in job.datasets]
    record = RunRecord(
        dataset=folders[0],
        more_datasets=tuple(folders[1:]),
        preset=request.preset,
        precision=runtime.precision,
        device=runtime.device.type,
        licence=find_init_licence(request.init_from),
    )
    start_message = ""
    if request.init_from is not None:
        report = warm_start(state, find_init_weights(request.init_from))
        start_message = f"initialised from {request.init_from}: {report.describe()}"
    run = create_run(job.run_path, job.config, record, request.command, overwrite=request.overwrite)
    exit_stack.enter_context(lock_run(run))
    return run, {"elapsed_seconds": 0.0}, start_message
