"""`train`: from a dataset to a checkpoint, in a run folder that survives being killed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import DiskFullError, DivergedError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.build import build_state, parameter_count
from vid2vid_cli.engine.checkpoint import load_state
from vid2vid_cli.engine.curriculum import clip_length, clips_in_place, idle_rates
from vid2vid_cli.engine.distributed import EndedElsewhereError, Group
from vid2vid_cli.engine.dry_run import Plan
from vid2vid_cli.engine.event_log import journal
from vid2vid_cli.engine.events import Noticed, Tell, silent
from vid2vid_cli.engine.loop import Until, train_loop
from vid2vid_cli.engine.run_folder import (
    RunFolder,
    RunRecord,
    create_run,
    find_run,
    held,
    last_state,
    licence_of,
    start_of,
)
from vid2vid_cli.engine.runtime import Machine, choose_device, choose_machine
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import Trainer
from vid2vid_cli.engine.torchrun import join
from vid2vid_cli.engine.warm_start import grow
from vid2vid_cli.networks.flow_estimator import DisTeacher
from vid2vid_cli.networks.perceptual import find_perceptual
from vid2vid_cli.training.checkpointing import Keeper
from vid2vid_cli.training.interrupt import Interrupt
from vid2vid_cli.training.job import Job, TrainRequest, find_job, open_job
from vid2vid_cli.training.report import write_report


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    path: Path
    checkpoint: Path
    steps: int
    seconds: float
    metrics: Mapping[str, float]


def plan_train(request: TrainRequest) -> Plan:
    """What `train` would do; writes nothing. Raises as `train`."""
    job = find_job(request, Group(world=request.processes))
    config, subject = job.config, job.subject
    until = _until(request, config, 0.0)
    machine = choose_machine(request.device, config.engine.precision, config.engine.channels_last)
    state = build_state(config, subject.layout(config), machine)
    begun = grow(state, start_of(request.start)).describe() if request.start is not None else ""
    judges = sum(parameter_count(judge) for judge in (state.discriminator, state.temporal, state.region))
    usable = sum(run.frames for run in subject.sampler(config).runs)
    return Plan(
        (
            ("dataset", f"{subject.dataset.folder} ({usable} frames to learn from)"),
            ("conditioners", ", ".join(c.spec.name for c in subject.conditioners)),
            ("picture", f"{subject.picture[1]}x{subject.picture[0]}, {config.data.crop}"),
            ("generator", f"{config.generator.kind}, {parameter_count(state.generator) / 1e6:.2f} million parameters"),
            ("discriminators", f"{judges / 1e6:.2f} million parameters"),
            *((("begins with", f"{request.start}: {begun}"),) if begun else ()),
            ("machine", machine.describe()),
            ("clips", _clips(Group(world=request.processes), config)),
            ("until", f"step {until.steps}" if until.steps else f"{until.seconds:.0f} seconds are over"),
            ("run", f"{job.run} (resumed)" if job.record else str(job.run)),
        )
    )


def train(request: TrainRequest, tell: Tell) -> Trained:
    """Train, or train on, and leave a `.ckpt` behind; together with others where torchrun has started several.

    Ctrl-C finishes the step, saves, and raises KeyboardInterrupt. Raises: MissingFileError (no dataset),
    DatasetMismatchError, TooShortError, RunError, ExistsError, DeviceError, DivergedError (the last good checkpoint
    is kept), DiskFullError, PermissionDeniedError. Of several processes only the leading one writes, tells and raises
    these; LostProcessError where another is gone, and in the others EndedElsewhereError where one has raised.
    """
    with join() as group, ExitStack() as holding:
        return _train(request, tell if group.leads else silent, group, holding)


def _train(request: TrainRequest, tell: Tell, group: Group, holding: ExitStack) -> Trained:
    job = open_job(request, group)
    config, subject = job.config, job.subject
    sampler = subject.sampler(config)
    machine = _machine(request, job, group)
    state = build_state(config, subject.layout(config), machine)
    run, kept, words = group.decide(lambda: _begin(request, job, machine, state, holding))
    group.share(state, machine.device)
    tell = journal(run.path, tell) if group.leads else silent
    shared = f", clips: {_clips(group, config)}" if group.world > 1 else ""
    tell(Noticed(f"{subject.dataset.folder} -> {run.path} on {machine.describe()}{shared}"))
    perceptual, notice = find_perceptual(config.losses.perceptual, machine.device)
    if not group.go_on(lambda: not notice) and not notice:
        perceptual, notice = None, "the perceptual loss is off: VGG19's weights are not at hand on every machine"
    until, before = _until(request, config, float(kept["seconds"])), float(kept["seconds"])
    own, length = group.clips(config.schedule.batch), partial(clip_length, config, longest=sampler.longest)
    idle = _idle(config, length((until.steps or sys.maxsize) - 1))
    for said in filter(None, (words, notice, job.left_out(request), idle)):
        tell(Noticed(said))
    trainer = Trainer(config, machine, DisTeacher(), perceptual, group)
    each = partial(clips_in_place, config)
    stream = sampler.stream(state.step, length, own, each=each, threads=config.engine.readers)
    with Interrupt() as interrupt, closing(stream) as batches:
        if not group.leads:
            return _follow(trainer, state, batches, until, before, interrupt, run)
        keeper = Keeper(run, config, subject, sampler, machine, state, kept, tell, interrupt)
        try:
            seconds = train_loop(trainer, state, batches, until, before=before, tell=tell, after_step=keeper.after_step)
            quality = group.decide(lambda: keeper.finish(seconds))
        except DivergedError as error:
            raise keeper.diverged(error) from None
        except DiskFullError as error:
            raise keeper.full(error) from error
        interrupt.asked = not group.go_on(lambda: not interrupt.asked)
        interrupt.raise_if_asked()
    write_report(run, tell)
    return Trained(run.path, run.result, state.step, seconds, quality)


def _follow(
    trainer: Trainer,
    state: TrainState,
    batches: Iterable[ClipBatch],
    until: Until,
    before: float,
    interrupt: Interrupt,
    run: RunFolder,
) -> Trained:
    """What a process does that does not lead: everything but telling and keeping."""
    try:
        seconds = train_loop(
            trainer, state, batches, until, before=before, tell=silent, after_step=lambda _: not interrupt.asked
        )
    except DivergedError:
        raise EndedElsewhereError from None  # so did the leading one, at the same step
    quality: Mapping[str, float] = trainer.group.decide(dict)
    if not trainer.group.go_on(lambda: not interrupt.asked):
        raise EndedElsewhereError
    return Trained(run.path, run.result, state.step, seconds, quality)


def _machine(request: TrainRequest, job: Job, group: Group) -> Machine:
    """The precision that the leading process chooses, each on a device of its own."""
    wanted = group.device(request.device)
    same_device = job.record is not None and request.device in ("auto", job.record.device)
    precision = job.record.precision if job.record and same_device else job.config.engine.precision
    machine = group.decide(lambda: choose_machine(wanted, precision, job.config.engine.channels_last))
    return replace(machine, device=choose_device(wanted))


def _begin(
    request: TrainRequest, job: Job, machine: Machine, state: TrainState, holding: ExitStack
) -> tuple[RunFolder, dict[str, Any], str]:
    """The run, new or resumed and from now on held, what its last state kept beside the weights, and what to say."""
    if job.record:
        run = find_run(job.run)
        holding.enter_context(held(run))
        kept = load_state(last_state(run), state, machine)
        return run, kept, f"resumed at step {state.step}"
    dataset = str(job.subject.dataset.folder.absolute())
    licence = licence_of(request.start)
    record = RunRecord(dataset, request.preset, machine.precision, machine.device.type, licence)
    words = ""
    if request.start is not None:
        words = f"begun with {request.start}: {grow(state, start_of(request.start)).describe()}"
    run = create_run(job.run, job.config, record, request.command, overwrite=request.overwrite)
    holding.enter_context(held(run))
    return run, {"seconds": 0.0}, words


def _clips(group: Group, config: Config) -> str:
    """For people: `8 a step, 4 in each of 2 processes`."""
    batch = config.schedule.batch
    each = f", {len(group.clips(batch))} in each of {group.world} processes" if group.world > 1 else ""
    return f"{batch} a step{each}"


def _idle(config: Config, longest: int) -> str:
    """Of temporal discriminators that no clip of this training is long enough for; else nothing."""
    idle = idle_rates(config.temporal, longest) if config.losses.judge_motion else []
    if not idle:
        return ""
    rates, needed = ", ".join(map(str, idle)), max(idle) * (config.temporal.frames - 1) + 1
    return (
        f"temporal.rates {rates}: nothing is judged at that spacing, because its groups span up to {needed} frames and "
        f"clips grow to {longest} here (schedule.clip, clip_max and grow_every, the steps, the shots of the video)"
    )


def _until(request: TrainRequest, config: Config, before: float) -> Until:
    """Steps as asked for, or the time asked for, or the steps of the settings."""
    if request.seconds is not None:
        return Until(request.steps, before + request.seconds)
    return Until(request.steps or config.schedule.steps, None)
