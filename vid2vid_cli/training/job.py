"""The request of a training, and the job resolved from it: configuration, data and run folder."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning.combine import join_names
from vid2vid_cli.config.config import UNPAIRED_MODELS, Config
from vid2vid_cli.config.origins import record_origins
from vid2vid_cli.config.resolve import ResolvedConfig
from vid2vid_cli.config.savp import MIN_VIDEO_FRAMES
from vid2vid_cli.core.errors import ConfigError, TooFewFramesError
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.compilation import check_compilable, compile_errors, compile_networks
from vid2vid_cli.engine.distributed import ProcessGroup
from vid2vid_cli.engine.loop import StopCondition
from vid2vid_cli.engine.run_folder import (
    RunFolder,
    RunRecord,
    choose_run_folder,
    create_run,
    find_run,
    find_run_dataset_b,
    find_run_datasets,
    lock_run,
)
from vid2vid_cli.engine.runtime import Runtime, choose_device, choose_runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import find_last_state, load_train_state
from vid2vid_cli.engine.warm_start import find_init_licence, find_init_weights, warm_start
from vid2vid_cli.rendering.label_channels import build_label_channels
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training.attribute_directions import split_frames
from vid2vid_cli.training.metric_writers import check_log_packages
from vid2vid_cli.training.samples import choose_sample_range
from vid2vid_cli.training_data.dataset_conditioners import find_dataset
from vid2vid_cli.training_data.several_datasets import (
    build_samplers,
    open_datasets,
)
from vid2vid_cli.training_data.training_data import TrainingData

BATCH_SIZE_KEY = "schedule.batch_size"


def scale_batch_to_processes(resolved: ResolvedConfig, num_processes: int) -> Config:
    """The configuration with at least one clip per process; a batch size set on the command line is not changed."""
    config = resolved.config
    if config.schedule.batch_size >= num_processes or BATCH_SIZE_KEY in resolved.chosen_settings:
        return config
    return config.with_settings({"schedule.batch_size": num_processes})


@dataclass(frozen=True)
class TrainJob:
    """A resolved request; nothing is written yet."""

    config: Config
    datasets: tuple[TrainingData, ...]
    samplers: tuple[ClipSampler, ...]
    """The sampler of each dataset, with its reference frames."""
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

    def find_on_main() -> tuple[Config, tuple[Path, ...], Path | None, Path, RunRecord | None]:
        job = resolve_train_job(request, process_group)
        local_jobs.append(job)
        folders = tuple(data.dataset.folder for data in job.datasets)
        return job.config, folders, job.training_data.folder_b, job.run_path, job.resumed_record

    config, folders, folder_b, run_path, record = process_group.run_on_main(find_on_main)
    if local_jobs:
        return local_jobs[0]
    datasets = open_datasets(folders, config, folder_b)
    return TrainJob(config, datasets, build_samplers(datasets, config), run_path, record)


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
        record, config, run_path = run.load_record(), run.load_config(), run.path
        datasets = open_datasets(find_run_datasets(run), config, find_run_dataset_b(run))
    else:
        _check_domains(request)
        folders = request.datasets or (find_dataset(None, request.config, request.preset),)
        datasets = open_datasets(folders, request.config, request.data_b)
        run_path = choose_run_folder(request.out, *folders, overwrite=request.overwrite)
        config, record = _adjust_schedule(request, datasets[0]), None
    check_log_packages(config.checkpoint.log_to)
    samplers = build_samplers(datasets, config)
    if config.model == "vaegan":
        for data, sampler in zip(datasets, samplers, strict=True):
            for attribute in data.load_attributes(config):
                split_frames(data, sampler, attribute)
    if config.generator.target == "labels":
        build_label_channels(datasets[0].conditioners)
    if config.generator.target == "future_frames":
        for sampler in samplers:
            _check_prediction_length(config, sampler)
    if config.generator.target != "frames":
        for data, sampler in zip(datasets, samplers, strict=True):
            choose_sample_range(data, sampler.ranges, config.num_initial_frames)
    process_group.shard(config.schedule.batch_size)
    return TrainJob(config, datasets, samplers, run_path, record)


def _check_prediction_length(config: Config, sampler: ClipSampler) -> None:
    """Raise TooFewFramesError if the longest clip has too few frames after the first ones."""
    min_predicted = MIN_VIDEO_FRAMES if config.losses.uses_video_discriminators else 1
    required = max(config.num_initial_frames, min_predicted) + 1
    if sampler.max_range_length < required:
        raise TooFewFramesError(
            f"{sampler.dataset.folder} has at most {sampler.max_range_length} consecutive training frames; model=savp "
            f"needs {required}: {config.num_initial_frames} are given, and all but the first one are predicted.",
            "Prepare a longer video.",
        )


def _check_domains(request: TrainRequest) -> None:
    """Raise ConfigError if --data-b is missing or not for the model, or if a domain is not one dataset of its own."""
    model, folders, folder_b = request.config.model, request.datasets, request.data_b
    if folder_b is not None and not request.config.is_unpaired:
        raise ConfigError(
            f"--data-b {folder_b}: model={model} is trained on pairs of one dataset.",
            f"Leave it out, or train an unpaired model: {' or '.join(f'model={name}' for name in UNPAIRED_MODELS)}.",
        )
    if not request.config.is_unpaired:
        return
    if not folders or folder_b is None:
        raise ConfigError(
            f"model={model} translates between two datasets, and {'--data-b' if folders else '--data'} is missing.",
            "vid2vid train --preset cyclegan --data DATASET_A --data-b DATASET_B; a dataset of frames alone: "
            "vid2vid prepare --conditioner none VIDEO",
        )
    if len(folders) > 1:
        raise ConfigError(
            f"model={model}: --data is given {len(folders)} times, and each domain is one dataset.",
            "Prepare the videos of a domain as one dataset: vid2vid prepare --conditioner none VIDEO VIDEO",
        )
    if folders[0].resolve() == folder_b.resolve():
        raise ConfigError(f"--data and --data-b are the same dataset, {folder_b}.", "Give two datasets.")


def resolve_stop_condition(request: TrainRequest, config: Config, previous_seconds: float) -> StopCondition:
    """The limits of the request, otherwise those of the configuration."""
    if request.max_seconds is not None:
        return StopCondition(request.max_steps, previous_seconds + request.max_seconds)
    return StopCondition(request.max_steps or config.schedule.max_steps, None)


def choose_job_runtime(request: TrainRequest, job: TrainJob, process_group: ProcessGroup) -> Runtime:
    """The device of this process, with the precision and memory format that the main process chooses.

    Raises the errors of `choose_training_runtime`.
    """
    requested_device = process_group.local_device(request.device)
    is_same_device = job.resumed_record is not None and request.device in ("auto", job.resumed_record.device)
    precision = job.resumed_record.precision if job.resumed_record and is_same_device else job.config.runtime.precision
    runtime = process_group.run_on_main(lambda: choose_training_runtime(requested_device, precision, job.config))
    return replace(runtime, device=choose_device(requested_device))


def choose_training_runtime(device: str, precision: str, config: Config) -> Runtime:
    """Device, precision and memory format of a training. Raises DeviceError, and the errors of `check_compilable`."""
    runtime = choose_runtime(device, precision, config.runtime.channels_last, is_training=True)
    if config.runtime.compile:
        check_compilable(config.model, runtime.device)
    return replace(runtime, is_compiled=config.runtime.compile)


def start_run(
    request: TrainRequest, job: TrainJob, runtime: Runtime, state: TrainState, exit_stack: ExitStack
) -> tuple[RunFolder, dict[str, Any], str]:
    """Create or resume the run, and lock it; returns the run, the `extra` of its last state, and a message."""
    if job.resumed_record:
        run = find_run(job.run_path)
        exit_stack.enter_context(lock_run(run))
        resume_extra = load_train_state(find_last_state(run.checkpoints), state, runtime)
        return run, resume_extra, f"resumed at step {state.step}"
    folders = [str(data.dataset.folder.absolute()) for data in job.datasets]
    record = RunRecord(
        dataset=folders[0],
        more_datasets=tuple(folders[1:]),
        dataset_b="" if (folder_b := job.training_data.folder_b) is None else str(folder_b.absolute()),
        preset=request.preset,
        precision=runtime.precision,
        device=runtime.device.type,
        setting_origins=record_origins(request.config, job.config, request.setting_origins),
        licence=find_init_licence(request.init_from),
    )
    start_message = ""
    if request.init_from is not None:
        report = warm_start(state, find_init_weights(request.init_from))
        start_message = f"initialised from {request.init_from}: {report.describe()}"
    run = create_run(job.run_path, job.config, record, request.command, overwrite=request.overwrite)
    exit_stack.enter_context(lock_run(run))
    return run, {"elapsed_seconds": 0.0}, start_message


def share_state(state: TrainState, runtime: Runtime, process_group: ProcessGroup, exit_stack: ExitStack) -> None:
    """Copy the state of the main process to all processes, and compile its networks if `runtime` is compiled.

    Errors of the compilation, which is done in the first steps, become DeviceError until `exit_stack` ends.
    """
    process_group.broadcast_state(state, runtime.device)
    if runtime.is_compiled:
        compile_networks(state.trainable_networks().values())
        exit_stack.enter_context(compile_errors())
