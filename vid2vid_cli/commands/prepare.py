"""`vid2vid prepare`: makes a dataset of videos."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import check_exists, expand_home, shell_command
from vid2vid_cli.requests.prepare import PrepareRequest

if TYPE_CHECKING:
    from vid2vid_cli.pipelines.prepare import PrepareResult


@expand_request
def prepare(
    request: PrepareRequest,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Extract frames and annotations from videos and write them as a dataset, datasets/NAME.

    Run the same command again, without --overwrite, to continue after an interruption.

    A folder that contains videos stands for them; one that contains images is a video. Several videos make one dataset.

    Options such as pose.input_dir=FOLDER read existing annotations; FOLDER may contain a folder per video.

    Examples:
      vid2vid prepare --conditioner landmarks video.mp4
      vid2vid prepare --conditioner pose clips/ 'more/*.mov'
      vid2vid prepare -c edges -O edges.sigma=2 --start 0:10 --end 1:00 walk.mp4
      vid2vid prepare -c landmarks -O landmarks.input_dir=keypoints/ frames/
    """
    _check_conditioners(request)
    from vid2vid_cli.conditioning.spec import FRAME_CONDITIONER
    from vid2vid_cli.pipelines import prepare as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("prepare", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.print_plan(pipeline.plan_prepare(request))
            return
        terminal.resume_command = options.command_line(without="--overwrite")
        result = pipeline.prepare(replace(request, command=options.command_line()), terminal.emit)
        summary = ", ".join(
            f"{total} frames" if name == FRAME_CONDITIONER else f"{name} detected on {detected} of {total} frames"
            for name, (detected, total) in result.detection_counts.items()
        )
        detections = {
            name: {"num_detected": detected, "num_frames": total}
            for name, (detected, total) in result.detection_counts.items()
        }
        json_fields = {
            "num_frames": result.num_frames,
            "detections": detections,
            "elapsed_seconds": result.elapsed_seconds,
        }
        next_command = _next_command(result)
        terminal.print_result(result.path, summary, next_command, json_fields)


def _check_conditioners(request: PrepareRequest) -> None:
    """Raise BadParameter if conditioners are missing, or options are for a conditioner that is not used.

    Raises MissingFileError first, if a video does not exist.
    """
    if not request.conditioners:
        for video in request.videos:
            check_exists(expand_home(video))
        if all(video.is_dir() for video in request.videos):
            return  # perhaps a dataset with labels
        from vid2vid_cli.conditioning.registry import find_conditioners

        available_names = ", ".join(plugin.name for plugin in find_conditioners())
        example = shell_command("vid2vid", "prepare", "--conditioner", "landmarks", *request.videos)
        raise typer.BadParameter(
            f"name at least one of {available_names}, for example: {example}", param_hint="--conditioner"
        )
    for name in request.options:
        if name not in request.conditioners:
            message = f"{name} is not among the conditioners of this command ({', '.join(request.conditioners)})."
            raise typer.BadParameter(message, param_hint="--conditioner-option")


def _next_command(result: PrepareResult) -> str:
    """The `train` command for the dataset on this machine; --data is left out if `train` chooses it anyway."""
    from vid2vid_cli.config.resolve import resolve_config
    from vid2vid_cli.data.dataset import DATASETS_FOLDER, find_newest_dataset
    from vid2vid_cli.training_data.preset_choice import UNPAIRED_PRESET, choose_preset, may_have_cuda, train_words

    conditioners = tuple(result.detection_counts)
    if not result.can_train:
        worst = min(conditioners, key=lambda name: result.detection_counts[name][0])
        return shell_command("vid2vid", "plugins", "show", worst)
    preset = choose_preset(conditioners, "auto" if may_have_cuda() else "cpu").name
    config = resolve_config(preset, None).config
    newest = find_newest_dataset(DATASETS_FOLDER, lambda manifest: config.accepts(manifest.conditioner_names))
    data_words = () if result.path == newest and preset != UNPAIRED_PRESET else ("--data", result.path)
    return shell_command("vid2vid", "train", *train_words(preset), *data_words)
