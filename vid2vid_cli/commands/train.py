"""`vid2vid train`: a dataset becomes a checkpoint."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vid2vid_cli.commands import options, parsers

if TYPE_CHECKING:
    from vid2vid_cli.engine.events import Tell
    from vid2vid_cli.pipelines.train import Trained
    from vid2vid_cli.terminal import Terminal

MODEL = "Model"
LENGTH = "How long"
DEFAULT_PRESET = "tiny"


def train(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="RUN", help="With --resume: the run to continue, such as runs/video."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            "-p",
            metavar="NAME|FILE",
            help="`vid2vid presets list` shows them. Default: tiny.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings in YAML, over those of the preset.", rich_help_panel=MODEL),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="KEY=VALUE",
            help="One setting, over all files: --set generator.width=32.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DATASET", help="Default: the newest under datasets/ that fits.", rich_help_panel=MODEL),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN|CKPT",
            help="Begin with the weights of another run, as far as they fit: to grow to a larger size.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Steps from the start of the run.", rich_help_panel=LENGTH)
    ] = None,
    time: Annotated[
        float | None,
        typer.Option(
            metavar="TIME", parser=parsers.duration, help="Stop after 90s, 5m or 1h30m.", rich_help_panel=LENGTH
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue RUN, or the newest run where none is named.", rich_help_panel=LENGTH),
    ] = False,
    out: options.Out = None,
    device: options.Device = "auto",
    gpus: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Share each batch between N processes, one GPU each; with --device cpu, on the CPU.",
            rich_help_panel=options.MACHINE,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="The same seed gives the same result; default 0.", rich_help_panel=options.MACHINE
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn to render a dataset's person or place from its labels.

    Writes runs/NAME with settings, samples over time, checkpoints, and at the end NAME.ckpt.

    Stop it whenever you like with Ctrl-C: `vid2vid train --resume` continues as if nothing had happened.

    GPUs share the clips of a step, schedule.batch; where it is not set, one each.
    The result depends on schedule.batch, not on --gpus. On several machines type
      torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d
      --rdzv-endpoint HOST:29500 -m vid2vid_cli train ...     (on each of them)

    Examples:
      vid2vid train --preset face
      vid2vid train --preset street --gpus 8 --set schedule.batch=16
      vid2vid train -p tiny --data datasets/video --time 5m --set losses.pixel=20
      vid2vid train --resume runs/video --steps 40000
    """
    lasting = {"--preset": preset, "--config": config, "--set": sets, "--data": data, "--from": start}
    _refuse_mixed(run, resume, {**lasting, "--out": out, "--seed": seed})
    from vid2vid_cli.config.resolve import load_layers

    name = preset or ("" if config is not None or resume else DEFAULT_PRESET)
    resolved = load_layers(name or None, config, sets or (), {"schedule.steps": steps, "engine.seed": seed})
    from vid2vid_cli.engine.distributed import EndedElsewhereError, Group
    from vid2vid_cli.engine.events import Noticed
    from vid2vid_cli.engine.torchrun import launch, process_count
    from vid2vid_cli.pipelines.train import plan_train
    from vid2vid_cli.pipelines.train import train as work
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.training.job import TrainRequest, one_clip_each

    group = Group.around()
    processes = process_count(gpus, device)
    request = TrainRequest(
        config=one_clip_each(resolved, processes),
        preset=name,
        data=data,
        out=out,
        resume=(run or "newest") if resume else None,
        start=start,
        steps=steps,
        seconds=time,
        device=device,
        processes=processes,
        overwrite=overwrite,
        command=options.as_typed(),
    )
    if processes > group.world and not dry_run:
        launch(processes, sys.argv[1:])
        return
    with Terminal("train", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.plan(plan_train(request))
            return
        if group.leads and name and preset is None:
            terminal.tell(Noticed(f"no --preset given: {name}"))
        with suppress(EndedElsewhereError):
            made = work(request, _remember(terminal, gpus))
            if group.leads:
                _show(terminal, made)


def _refuse_mixed(run: Path | None, resume: bool, typed: Mapping[str, object]) -> None:
    """A resumed run keeps its settings: say so rather than ignore what was typed."""
    if run is not None and not resume:
        message = f"{run}: train takes no file by itself. To continue a run: vid2vid train --resume {run}."
        raise typer.BadParameter(f"{message} To learn from a dataset: vid2vid train --data {run}.", param_hint="RUN")
    given = [flag for flag, value in typed.items() if value is not None]
    if resume and given:
        message = f"a resumed run keeps its settings: leave out {' and '.join(given)}."
        raise typer.BadParameter(f"{message} --steps, --time, --device and --gpus may change.", param_hint="--resume")


def _remember(terminal: Terminal, gpus: int | None) -> Tell:
    """The terminal's listener, which also learns from each checkpoint how to go on after Ctrl-C."""
    from vid2vid_cli.engine.events import Event, Wrote

    shared = [] if gpus is None else ["--gpus", str(gpus)]

    def listen(event: Event) -> None:
        if isinstance(event, Wrote) and event.what == "checkpoint":
            run = Path(event.path).parents[1]  # RUN/checkpoints/step_...
            terminal.resume = shlex.join(["vid2vid", "train", "--resume", str(run), *shared])
        terminal.tell(event)

    return listen


def _show(terminal: Terminal, made: Trained) -> None:
    """The checkpoint, and the line that uses it."""
    from vid2vid_cli.engine.run_folder import RunFolder, dataset_of

    quality = "".join(f"; {name} {value:.4g}" for name, value in made.metrics.items())
    result = {
        "run": str(made.path),
        "steps": made.steps,
        "seconds": made.seconds,
        "metrics": dict(made.metrics),
    }
    data = str(dataset_of(RunFolder(made.path)))
    draws = RunFolder(made.path).config().generator.draws
    verb = "synthesize" if draws == "frames" else "predict"
    words = ["vid2vid", verb, str(made.checkpoint), data, "--split", "holdout"]
    terminal.done(made.checkpoint, f"{made.steps} steps{quality}", shlex.join(words), result)
