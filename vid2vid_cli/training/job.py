"""A training before it begins: what was asked for, and what was found for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.conditioning.combine import names_of
from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import Resolved
from vid2vid_cli.engine.distributed import Group
from vid2vid_cli.engine.run_folder import RunRecord, dataset_of, find_run, planned_run
from vid2vid_cli.rendering.label_channels import planes_of
from vid2vid_cli.training_data.find_dataset import choose_dataset
from vid2vid_cli.training_data.training_data import Subject, open_subject

BATCH = "schedule.batch"


def one_clip_each(resolved: Resolved, processes: int) -> Config:
    """The settings, with a clip for each process where a smaller batch is only the preset's.

    A batch that somebody has chosen stays as it is.
    """
    config = resolved.config
    chosen = resolved.origins[BATCH].startswith("--")
    if config.schedule.batch >= processes or chosen:
        return config
    schedule = config.schedule.model_copy(update={"batch": processes})
    return config.model_copy(update={"schedule": schedule})


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
    processes: int = 1
    """How many the plan is for; `train` itself is told by torchrun."""
    overwrite: bool = False
    command: str = "vid2vid train"


@dataclass(frozen=True)
class Job:
    """A request with everything found, but nothing begun."""

    config: Config
    subject: Subject
    run: Path
    record: RunRecord | None
    """Of the run to be resumed."""

    def left_out(self, request: TrainRequest) -> str:
        """What of the request this dataset has nothing for, for people; "" for nothing."""
        names = set(request.config.region.names) - set(self.config.region.names)
        if self.record is not None or not names:
            return ""
        having = names_of(self.subject.conditioners)
        return f"no discriminator for {' and '.join(sorted(names))}: {having} cannot say where it is"


def open_job(request: TrainRequest, group: Group) -> Job:
    """Found by the leading process, so that all mean the same, and opened by each."""
    own: list[Job] = []

    def find() -> tuple[Config, Path, Path, RunRecord | None]:
        job = find_job(request, group)
        own.append(job)
        return job.config, job.subject.dataset.folder, job.run, job.record

    config, dataset, run, record = group.decide(find)
    return own[0] if own else Job(config, open_subject(dataset, config), run, record)


def _begun(request: TrainRequest, subject: Subject) -> Config:
    """The settings of a run that begins: less what there is nothing for, and with time left for motion."""
    schedule, region = request.config.schedule, request.config.region
    if request.start is None:
        # There is nothing yet to be fixed: what has not learned must learn with the rest.
        half = (request.steps or schedule.steps) // 2
        fitting = {"fix_global": 0, "stills": min(schedule.stills, half)}
    else:
        fitting = {"stills": 0}  # what it begins with draws already
    found = region.model_copy(update={"names": subject.regions})
    return request.config.model_copy(update={"schedule": schedule.model_copy(update=fitting), "region": found})


def find_job(request: TrainRequest, group: Group) -> Job:
    """What is there to be done; nothing is begun. Raises what `train` raises before it begins."""
    if request.resume is not None:
        run = find_run(request.resume)
        record, config = run.record(), run.config()
        job = Job(config, open_subject(dataset_of(run), config), run.path, record)
    else:
        dataset = choose_dataset(request.data, request.config, request.preset)
        subject = open_subject(dataset, request.config)
        place = planned_run(request.out, dataset, overwrite=request.overwrite)
        job = Job(_begun(request, subject), subject, place, None)
    if job.config.generator.draws == "labels":
        planes_of(job.subject.conditioners)
    group.clips(job.config.schedule.batch)
    return job
