"""`vid2vid adapt`: continues the training of a model on a video of another subject."""

from __future__ import annotations

from dataclasses import replace

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.requests.adapt import AdaptRequest


@expand_request
def adapt(
    request: AdaptRequest,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Prepare a video, and train a model on it that starts from a trained one.

    Writes datasets/VIDEO, with the conditioners and options of the base, and runs/VIDEO. After an interruption:
    the same command while frames are prepared, `vid2vid train --resume` during the training.

    Examples:
      vid2vid adapt runs/base video.mp4
      vid2vid adapt base.ckpt video.mp4 --frames 10 --max-time 60s
    """
    from vid2vid_cli.commands.train import print_train_result, track_resume_command
    from vid2vid_cli.pipelines import adapt as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("adapt", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.print_plan(pipeline.plan_adapt(request))
            return
        terminal.resume_command = options.command_line(without="--overwrite")
        request = replace(request, command=options.command_line())
        result = pipeline.adapt(request, track_resume_command(terminal, None))
        print_train_result(terminal, result)
