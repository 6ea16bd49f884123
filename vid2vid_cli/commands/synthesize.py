"""`vid2vid synthesize`: renders labels with a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.requests.batch import SynthesizeBatchRequest
from vid2vid_cli.requests.render import SynthesizeRequest


@expand_request
def synthesize(
    request: SynthesizeBatchRequest,
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
      vid2vid synthesize runs/street/street.ckpt a.mkv b.mkv --out results --skip-done
    """
    from vid2vid_cli.commands.batch import print_batch_plan, run_batch
    from vid2vid_cli.pipelines import synthesize as pipeline
    from vid2vid_cli.pipelines.batch_sources import single_request
    from vid2vid_cli.terminal import Terminal

    with Terminal("synthesize", as_json=json, quiet=quiet) as terminal:
        request = replace(request, command=options.command_line())
        single = single_request(request)
        if not isinstance(single, SynthesizeRequest):
            (print_batch_plan if dry_run else run_batch)(request, terminal)
            return
        if dry_run:
            terminal.print_plan(pipeline.plan_synthesize(single))
            return
        terminal.resume_command = options.command_line()
        result = pipeline.synthesize(single, terminal.emit)
        next_command: list[str | Path] = ["vid2vid", "inspect", result.path]
        if (single.source / "dataset.json").is_file():
            next_command = ["vid2vid", "evaluate", single.checkpoint, single.source, "--split", single.split]
            if single.initial_frame is not None:
                next_command += ["--initial-frame", single.initial_frame]
        terminal.print_result(result.path, *options.render_summary(result, next_command))
