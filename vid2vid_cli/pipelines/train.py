"""`train`: trains a model on a dataset, in a run folder that can be resumed after an interruption."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vid2vid_cli.core.errors import DiskFullError, DivergenceError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.build import count_parameters
from vid2vid_cli.engine.curriculum import batch_repeats, clip_length, training_phases
from vid2vid_cli.engine.distributed import ProcessGroup, RankStoppedError
from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ProgressEvent, WarningEvent, ignore_events
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.loop import StopCondition, train_loop
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.torchrun import join_process_group
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.engine.warm_start import find_init_weights, warm_start
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training.checkpointing import CheckpointCallback
from vid2vid_cli.training.duration import DurationCheck, plan_duration
from vid2vid_cli.training.interrupt import Interrupt
from vid2vid_cli.training.job import (
    choose_job_runtime,
    choose_training_runtime,
    open_train_job,
    resolve_stop_condition,
    resolve_train_job,
    share_state,
    start_run,
)
from vid2vid_cli.training.metric_log import open_listeners
from vid2vid_cli.training.motion_prior import find_motion_prior, save_motion_prior
from vid2vid_cli.training.perceptual import load_chosen_network, plan_perceptual_network
from vid2vid_cli.training.report import RunReport
from vid2vid_cli.training.start_notices import (
    describe_batch,
    describe_domain_b,
    describe_job,
    describe_preset,
    job_attributes,
    job_references,
    start_notices,
)
from vid2vid_cli.training_data.several_datasets import complete_references, mix_samplers, plan_datasets

__all__ = ["TrainRequest", "TrainResult", "plan_train", "train"]

INTERRUPT_NOTICE = "finishing this step, then saving; press Ctrl-C again to stop now"  # not logged: the log may be full


@dataclass(frozen=True)
class TrainResult:
    """A finished training."""

    path: Path
    checkpoint: Path
    num_steps: int
    """Steps of the run, including those before a resume."""
    elapsed_seconds: float
    metrics: Mapping[str, float]
    comparison: str = ""
    """A sentence: whether the sample clip is better than the nearest training frames; "" if it was not measured."""


def plan_train(request: TrainRequest) -> DryRun:
    """The plan of `train`; writes nothing. Raises the errors of `train`."""
    job = resolve_train_job(request, ProcessGroup(world_size=request.num_processes))
    config, training_data = job.config, job.training_data
    stop_condition = resolve_stop_condition(request, config, 0.0)
    runtime = choose_training_runtime(request.device, config.runtime.precision, config)
    state = build_train_state(config, training_data.condition_spec(config), runtime)
    warm_start_summary = (
        warm_start(state, find_init_weights(request.init_from)).describe() if request.init_from is not None else ""
    )
    num_discriminator_parameters = sum(
        count_parameters(network) for name, network in state.trainable_networks().items() if name != "generator"
    )
    reference_notices = job_references(job, config.schedule.clip_length)
    return DryRun(
        (
            *plan_datasets(job.datasets, job.samplers, config),
            ("conditioners", ", ".join(conditioner.spec.name for conditioner in training_data.conditioners)),
            ("image size", training_data.describe_size()),
            *(("domain B", notice) for notice in describe_domain_b(training_data)),
            ("preset", describe_preset(request)),
            ("generator", f"{config.generator.kind}, {count_parameters(state.generator) / 1e6:.2f} million parameters"),
            ("discriminators", f"{num_discriminator_parameters / 1e6:.2f} million parameters"),
            *((("initial weights", f"{request.init_from}: {warm_start_summary}"),) if warm_start_summary else ()),
            *(("reference frames", notice) for notice in reference_notices),
            *(("attributes", notice) for notice in job_attributes(job)),
            *plan_perceptual_network(config.losses, runtime.device),
            ("device", runtime.describe()),
            ("batch size", describe_batch(ProcessGroup(world_size=request.num_processes), config)),
            ("stop at", stop_condition.describe()),
            *plan_duration(request, job, runtime),
            ("run", f"{job.run_path} (resumed)" if job.resumed_record else str(job.run_path)),
        )
    )


def train(request: TrainRequest, on_event: EventHandler) -> TrainResult:
    """Start or resume a training and write a `.ckpt`; in each process that torchrun has started, if any.

    Ctrl-C finishes the step, saves, and raises KeyboardInterrupt. Raises: MissingFileError (no dataset),
    DatasetMismatchError, TooFewFramesError, RunError, OutputExistsError, DeviceError, DivergenceError (the last valid
    checkpoint is kept), DiskFullError, PermissionDeniedError. In a distributed training only the main process writes
    files, emits events and raises these errors; the other processes raise RankStoppedError then. If a process is lost,
    WorkerLostError is raised.
    """
    with join_process_group() as process_group, ExitStack() as exit_stack:
        return _run_training(request, on_event if process_group.is_main else ignore_events, process_group, exit_stack)


def _run_training(
    request: TrainRequest, on_event: EventHandler, process_group: ProcessGroup, exit_stack: ExitStack
) -> TrainResult:
    job = open_train_job(request, process_group)
    runtime = choose_job_runtime(request, job, process_group)
    perceptual, choice = load_chosen_network(job.config.losses, runtime, process_group, on_event)
    if choice.network is not None:  # a resumed run uses the same one
        job = replace(job, config=job.config.with_settings({"losses.perceptual_network": choice.network}))
    motion_prior = process_group.run_on_main(partial(find_motion_prior, job, request.init_from))
    motion_notices = complete_references(job.samplers, on_event, motion_prior)
    config, sampler = job.config, mix_samplers(job.samplers, job.config)
    state = build_train_state(config, job.training_data.condition_spec(config), runtime)
    run, resume_extra, origin = process_group.run_on_main(partial(start_run, request, job, runtime, state, exit_stack))
    process_group.run_on_main(partial(save_motion_prior, run, motion_prior))
    share_state(state, runtime, process_group, exit_stack)
    history, emit = open_listeners(
        run, config, on_event, step=state.step, exit_stack=exit_stack, is_main=process_group.is_main
    )
    emit(InfoEvent(describe_job(job, run.path, runtime, process_group)))
    if choice.warning:
        emit(WarningEvent(choice.warning))
    previous_seconds = float(resume_extra["elapsed_seconds"])
    stop_condition = resolve_stop_condition(request, config, previous_seconds)
    length_schedule = partial(clip_length, config, max_length=sampler.max_range_length)
    notices = start_notices(request, job, length_schedule((stop_condition.max_steps or sys.maxsize) - 1))
    for message in filter(None, (origin, choice.notice, *motion_notices, *notices)):
        emit(InfoEvent(message))
    context = TrainContext(config, runtime, DISFlow(), perceptual_loss=perceptual, process_group=process_group)
    stream = sampler.iter_batches(
        state.step,
        length_schedule,
        process_group.shard(config.schedule.batch_size),
        repeats=partial(batch_repeats, config),
        num_threads=config.data.num_workers,
    )
    with Interrupt(lambda: on_event(InfoEvent(INTERRUPT_NOTICE))) as interrupt, closing(stream) as batches:
        if not process_group.is_main:
            return _train_on_worker_rank(
                context,
                state,
                batches,
                stop_condition=stop_condition,
                previous_seconds=previous_seconds,
                interrupt=interrupt,
                run=run,
            )
        history.phases = training_phases(config, sampler.max_range_length, stop_condition.max_steps)
        callback = CheckpointCallback(
            run,
            config,
            job.datasets,
            samplers=job.samplers,
            runtime=runtime,
            state=state,
            resume_extra=resume_extra,
            emit=DurationCheck(request, job, runtime, length_schedule, emit=emit),
            interrupt=interrupt,
            report=exit_stack.enter_context(RunReport(run, history, emit)),
        )
        seconds, metrics = _train_on_main_rank(
            context, state, batches, stop_condition=stop_condition, previous_seconds=previous_seconds, callback=callback
        )
    return TrainResult(run.path, run.checkpoint_path, state.step, seconds, metrics, callback.comparison)


def _train_on_main_rank(
    context: TrainContext,
    state: TrainState,
    batches: Iterable[ClipBatch],
    *,
    stop_condition: StopCondition,
    previous_seconds: float,
    callback: CheckpointCallback,
) -> tuple[float, Mapping[str, float]]:
    """Train in the main process and return the elapsed seconds and the metrics."""
    process_group, interrupt = context.process_group, callback.interrupt
    callback.emit(ProgressEvent("train", state.step, stop_condition.max_steps, "steps"))
    try:
        seconds = train_loop(
            context,
            state,
            batches,
            stop_condition,
            previous_seconds=previous_seconds,
            emit=callback.emit,
            after_step=callback.after_step,
        )
        metrics = process_group.run_on_main(lambda: callback.finish(seconds))
    except DivergenceError as error:
        raise callback.divergence_error(error) from None
    except DiskFullError as error:
        raise callback.disk_full_error(error) from error
    interrupt.is_requested = not process_group.all_agree(lambda: not interrupt.is_requested)
    interrupt.raise_if_requested()
    return seconds, metrics


def _train_on_worker_rank(
    context: TrainContext,
    state: TrainState,
    batches: Iterable[ClipBatch],
    *,
    stop_condition: StopCondition,
    previous_seconds: float,
    interrupt: Interrupt,
    run: RunFolder,
) -> TrainResult:
    """Train in a process that is not the main process: without events and files."""
    try:
        seconds = train_loop(
            context,
            state,
            batches,
            stop_condition,
            previous_seconds=previous_seconds,
            emit=ignore_events,
            after_step=lambda _: not interrupt.is_requested,
        )
    except DivergenceError:
        raise RankStoppedError from None  # the main process raises the same error
    metrics: Mapping[str, float] = context.process_group.run_on_main(dict)
    if not context.process_group.all_agree(lambda: not interrupt.is_requested):
        raise RankStoppedError
    return TrainResult(run.path, run.checkpoint_path, state.step, seconds, metrics)
