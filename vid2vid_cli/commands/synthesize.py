"""`vid2vid synthesize`: renders labels with a checkpoint."""

from __future__ import annotations

from pathlib import Path

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.requests.render import SynthesizeRequest


@expand_request
def synthesize(
    request: SynthesizeRequest,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Render a prepared dataset or a label video with a checkpoint.

    A folder of labels has the frame rate of the model. Datasets of vid2vid, pix2pixHD and imaginaire are accepted.

    Examples:
      vid2vid synthesize runs/video/video.ckpt datasets/video --split val
      vid2vid synthesize runs/street/street.ckpt labels.mkv -O labels.instances=ids/
      vid2vid synthesize runs/street/street.ckpt labels.mkv --remove person --replace car=bus@9s-
      vid2vid synthesize runs/street/street.ckpt labels.mkv --style-seed 7 --style car=3
    """
    from vid2vid_cli.pipelines import synthesize as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("synthesize", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.print_plan(pipeline.plan_synthesize(request))
            return
        terminal.resume_command = options.command_line()
        result = pipeline.synthesize(request, terminal.emit)
        next_command: list[str | Path] = ["vid2vid", "inspect", result.path]
        if (request.source / "dataset.json").is_file():
            next_command = ["vid2vid", "evaluate", request.checkpoint, request.source, "--split", request.split]
            if request.initial_frame is not None:
                next_command += ["--initial-frame", request.initial_frame]
        terminal.print_result(result.path, *options.render_summary(result, next_command))
