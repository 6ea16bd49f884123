"""`train`: from a dataset to a checkpoint, in a run folder that survives being killed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vid2vid_cli.config.model import Config
from vid2vid_cli.core.errors import DiskFullError, DivergedError
from vid2vid_cli.core.stream import ahead
from vid2vid_cli.data.clips import ClipSampler
from vid2vid_cli.engine.build import build_state, parameter_count
from vid2vid_cli.engine.checkpoint import load_state
from vid2vid_cli.engine.curriculum import clip_length
from vid2vid_cli.engine.device import choose_machine
from vid2vid_cli.engine.events import Noticed, Tell
from vid2vid_cli.engine.growing import grow
from vid2vid_cli.engine.journal import journal
from vid2vid_cli.engine.loop import Until, train_loop
from vid2vid_cli.engine.step import Trainer
from vid2vid_cli.networks.flow_teacher import DisTeacher
from vid2vid_cli.networks.perceptual import find_perceptual
from vid2vid_cli.pipelines.interrupt import Interrupt
from vid2vid_cli.pipelines.keeping import Keeper
from vid2vid_cli.pipelines.plan import Plan
from vid2vid_cli.pipelines.report import write_report
from vid2vid_cli.pipelines.run_folder import (
    RunRecord,
    create_run,
    dataset_of,
    find_run,
    last_state,
    planned_run,
    start_of,
)
from vid2vid_cli.pipelines.subject import Subject, choose_dataset, open_subject


@dataclass(frozen=True)
class TrainRequest:
    """What `train` is asked to do."""

    config: Config
    preset: str = ""
    data: Path | None = None
    out: Path | None = None
    resume: Path | str | None = None
    """A run folder, or "newest"; its own settings are used, and of these only the steps."""
    start: Path | None = None
    """A `.ckpt` or a run whose weights a new run begins with, as far as they fit."""
    steps: int | None = None
    seconds: float | None = None
    """Stop after so long, whatever the steps."""
    device: str = "auto"
    overwrite: bool = False
    command: str = "vid2vid train"


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    path: Path
    checkpoint: Path
    steps: int
    seconds: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class _Job:
    """A request with everything found, but nothing begun."""

    config: Config
    subject: Subject
    run: Path
    record: RunRecord | None
    """Of the run to be resumed."""


def plan_train(request: TrainRequest) -> Plan:
    """What `train` would do; writes nothing. Raises as `train`."""
    job = _job(request)
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
            ("until", f"step {until.steps}" if until.steps else f"{until.seconds:.0f} seconds are over"),
            ("run", f"{job.run} (resumed)" if job.record else str(job.run)),
        )
    )


def train(request: TrainRequest, tell: Tell) -> Trained:
    """Train, or train on, and leave a `.ckpt` behind.

    Ctrl-C finishes the step, saves, and raises KeyboardInterrupt. Raises: MissingFileError (no dataset),
    DatasetMismatchError, TooShortError, RunError, ExistsError, DeviceError, DivergedError (the last good checkpoint
    is kept), DiskFullError, PermissionDeniedError.
    """
    job = _job(request)
    config, subject = job.config, job.subject
    sampler = subject.sampler(config)
    resumed = job.record
    same_device = resumed is not None and request.device in ("auto", resumed.device)
    precision = resumed.precision if resumed and same_device else config.engine.precision
    machine = choose_machine(request.device, precision, config.engine.channels_last)
    state = build_state(config, subject.layout(config), machine)
    if resumed:
        run = find_run(job.run)
        kept = load_state(last_state(run), state, machine)
    else:
        record = RunRecord(
            str(subject.dataset.folder.absolute()), request.preset, machine.precision, machine.device.type
        )
        grown = grow(state, start_of(request.start)) if request.start is not None else None
        run, kept = create_run(job.run, config, record, request.command), {"seconds": 0.0}
    tell = journal(run.path, tell)
    tell(Noticed(f"{subject.dataset.folder} -> {run.path} on {machine.describe()}"))
    if resumed:
        tell(Noticed(f"resumed at step {state.step}"))
    elif grown is not None:
        tell(Noticed(f"begun with {request.start}: {grown.describe()}"))
    perceptual, notice = find_perceptual(config.losses.perceptual, machine.device)
    if notice:
        tell(Noticed(notice))
    trainer = Trainer(config, machine, DisTeacher(), perceptual)
    before = float(kept["seconds"])
    length = partial(_length, config, sampler)
    with Interrupt() as interrupt, closing(ahead(sampler.stream(state.step, length), depth=2)) as batches:
        keeper = Keeper(run, config, subject, sampler, machine, state, kept, tell, interrupt)
        try:
            seconds = train_loop(
                trainer,
                state,
                batches,
                _until(request, config, before),
                before=before,
                tell=tell,
                after_step=keeper.after_step,
            )
            quality = keeper.finish(seconds)
        except DivergedError as error:
            raise keeper.diverged(error) from None
        except DiskFullError as error:
            raise keeper.full(error) from error
        interrupt.raise_if_asked()
    write_report(run, tell)
    return Trained(run.path, run.result, state.step, seconds, quality)


def _length(config: Config, sampler: ClipSampler, step: int) -> int:
    return clip_length(config.schedule, step, sampler.longest, config.given)


def _job(request: TrainRequest) -> _Job:
    if request.resume is not None:
        run = find_run(request.resume)
        record, config = run.record(), run.config()
        return _Job(config, open_subject(dataset_of(run), config), run.path, record)
    dataset = choose_dataset(request.data, request.config, request.preset)
    subject = open_subject(dataset, request.config)
    return _Job(request.config, subject, planned_run(request.out, dataset, overwrite=request.overwrite), None)


def _until(request: TrainRequest, config: Config, before: float) -> Until:
    """Steps as asked for, or the time asked for, or the steps of the settings."""
    if request.seconds is not None:
        return Until(request.steps, before + request.seconds)
    return Until(request.steps or config.schedule.steps, None)
