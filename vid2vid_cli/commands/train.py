"""`vid2vid train`: trains a checkpoint on a dataset."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vid2vid_cli.commands import completion, options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.log_names import LOG_NAMES
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.shared import HARDWARE_PANEL, OUTPUT_PANEL
from vid2vid_cli.requests.train import DURATION_PANEL, TrainRequest

if TYPE_CHECKING:
    from vid2vid_cli.engine.events import EventHandler
    from vid2vid_cli.pipelines.train import TrainResult
    from vid2vid_cli.terminal import Terminal


@expand_request
def train(
    request: TrainRequest,
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN",
            help="With --resume: the run to continue, such as runs/video.",
            autocompletion=completion.complete_runs,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file with settings that override the preset.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="KEY=VALUE",
            help="Override one setting: --set generator.base_channels=32. May be repeated.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue RUN, or the newest run if none is given.", rich_help_panel=DURATION_PANEL
        ),
    ] = False,
    gpus: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Divide each batch (schedule.batch_size clips, at least N) among N processes, one GPU each; "
            "with --device cpu: on the CPU.",
            rich_help_panel=HARDWARE_PANEL,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Random seed. Default: 0.", rich_help_panel=HARDWARE_PANEL),
    ] = None,
    compile_: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the networks with torch.compile (runtime.compile): minutes at the start.",
            rich_help_panel=HARDWARE_PANEL,
        ),
    ] = False,
    log_to: Annotated[
        list[str] | None,
        typer.Option(
            "--log",
            metavar="|".join(LOG_NAMES),
            help="Also write losses, learning rates, speed and samples there (checkpoint.log_to). May be repeated.",
            autocompletion=completion.complete_logs,
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a model on a dataset.

    Writes runs/NAME with configuration, samples, checkpoints, report and, at the end, NAME.ckpt.

    Ctrl-C saves the state; `vid2vid train --resume` continues.

    Examples:
      vid2vid train --preset face
      vid2vid train --preset street --gpus 8 --set schedule.batch_size=16
      vid2vid train -p tiny --data datasets/video --max-time 5m --set losses.l1=20 --log tensorboard
      vid2vid train --data datasets/ann --data datasets/bob --out runs/base
      vid2vid train --resume runs/video --steps 40000
      torchrun --nnodes 2 --nproc-per-node 4 ... -m vid2vid_cli train ...   (on each machine)
    """
    _check_resume_options(
        run,
        resume,
        {
            "--preset": request.preset or None,
            "--config": config,
            "--set": settings,
            "--data": request.data,
            "--data-b": request.data_b,
            "--from": request.init_from,
            "--out": request.out,
            "--seed": seed,
            "--log": log_to,
            "--compile": compile_ or None,
        },
    )
    from vid2vid_cli.config.resolve import check_overrides, resolve_config
    from vid2vid_cli.engine.distributed import ProcessGroup
    from vid2vid_cli.engine.torchrun import launch_processes, resolve_num_processes
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.training.job import scale_batch_to_processes

    check_overrides(settings or ())
    num_processes = resolve_num_processes(gpus, request.device)
    if not (request.preset or config or resume):
        request = _with_default_preset(request)
    flag_values: dict[str, tuple[str, object]] = {
        "--steps": ("schedule.max_steps", request.max_steps),
        "--seed": ("runtime.seed", seed),
        "--log": ("checkpoint.log_to", log_to),
        "--compile": ("runtime.compile", compile_ or None),
    }
    resolved = resolve_config(request.preset or None, config, settings or (), flag_values)
    if num_processes > ProcessGroup.from_env().world_size and not dry_run:
        launch_processes(num_processes, sys.argv[1:])
        return
    request = replace(
        request,
        config=scale_batch_to_processes(resolved, num_processes),
        chosen_settings=resolved.chosen_settings,
        setting_origins=resolved.origins,
        resume=(run or "newest") if resume else None,
        num_processes=num_processes,
        command=options.command_line(),
    )
    _run(request, Terminal("train", as_json=json, quiet=quiet), gpus, dry_run=dry_run)


def _with_default_preset(request: TrainRequest) -> TrainRequest:
    """The request with the preset for its dataset, or for the newest one, and for its device."""
    from vid2vid_cli.config.config import Config
    from vid2vid_cli.data.manifest import read_manifest
    from vid2vid_cli.training_data.dataset_conditioners import find_dataset
    from vid2vid_cli.training_data.preset_choice import choose_preset

    datasets = request.datasets or (find_dataset(None, Config(), ""),)
    choice = choose_preset(read_manifest(datasets[0]).conditioner_names, request.device)
    return replace(request, preset=choice.name, preset_reason=choice.reason, data=datasets)


def _run(request: TrainRequest, terminal: Terminal, gpus: int | None, *, dry_run: bool) -> None:
    """Print the plan, or train in this process; only the main process prints."""
    from vid2vid_cli.engine.distributed import ProcessGroup, RankStoppedError
    from vid2vid_cli.pipelines import train as pipeline

    with terminal, suppress(RankStoppedError):
        if dry_run:
            terminal.print_plan(pipeline.plan_train(request))
            return
        result = pipeline.train(request, track_resume_command(terminal, gpus))
        if ProcessGroup.from_env().is_main:
            print_train_result(terminal, result)


def _check_resume_options(run: Path | None, resume: bool, new_run_options: Mapping[str, object]) -> None:
    """Raise BadParameter for options that a resumed run would ignore, and for RUN without --resume."""
    if run is not None and not resume:
        message = f"RUN={run} is for --resume only. To continue a run: vid2vid train --resume {shell_command(run)}."
        raise typer.BadParameter(
            f"{message} To train on a dataset: vid2vid train --data {shell_command(run)}.", param_hint="RUN"
        )
    conflicting_flags = [flag for flag, value in new_run_options.items() if value is not None]
    if resume and conflicting_flags:
        message = f"a resumed run keeps its settings: leave out {' and '.join(conflicting_flags)}."
        raise typer.BadParameter(
            f"{message} --steps, --max-time, --device and --gpus may change.", param_hint="--resume"
        )


def track_resume_command(terminal: Terminal, gpus: int | None) -> EventHandler:
    """The terminal's event handler, which also updates the command to resume at each checkpoint."""
    from vid2vid_cli.engine.events import ArtifactEvent, Event

    gpu_arguments = [] if gpus is None else ["--gpus", str(gpus)]

    def handle_event(event: Event) -> None:
        if isinstance(event, ArtifactEvent) and event.kind == "checkpoint":
            run_folder = Path(event.path).parents[1]  # RUN/checkpoints/step_...
            terminal.resume_command = shell_command("vid2vid", "train", "--resume", run_folder, *gpu_arguments)
        terminal.emit(event)

    return handle_event


def print_train_result(terminal: Terminal, result: TrainResult) -> None:
    """Print the checkpoint and the command that renders the validation frames with it."""
    from vid2vid_cli.data.manifest import read_manifest
    from vid2vid_cli.engine.run_folder import RunFolder, find_run_datasets

    metrics_text = "".join(f"; {name} {value:.4g}" for name, value in result.metrics.items())
    json_fields = {
        "run": str(result.path),
        "num_steps": result.num_steps,
        "elapsed_seconds": result.elapsed_seconds,
        "metrics": dict(result.metrics),
        "comparison": result.comparison,
    }
    run_folder = RunFolder(result.path)
    action = "synthesize" if run_folder.load_config().generator.target == "frames" else "predict"
    dataset = find_run_datasets(run_folder)[0]
    split = "val" if read_manifest(dataset).splits.val else "all"
    next_command = shell_command("vid2vid", action, result.checkpoint, dataset, "--split", split)
    if run_folder.load_config().is_unpaired:
        next_command = shell_command("vid2vid", "transfer", "VIDEO", "--target", result.checkpoint)
    summary = f"{result.num_steps} steps{metrics_text}"
    if result.comparison:
        summary += f"\nSample frames: {result.comparison}"
    terminal.print_result(result.checkpoint, summary, next_command, json_fields)
