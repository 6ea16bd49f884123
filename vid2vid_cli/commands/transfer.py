"""`vid2vid transfer`: renders the motion of a source video with a target's checkpoint."""

from __future__ import annotations

from dataclasses import replace

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.requests.batch import TransferBatchRequest
from vid2vid_cli.requests.render import TransferRequest


@expand_request
def transfer(
    request: TransferBatchRequest,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Transfer the motion of a video to the person or scene of a checkpoint, with the video's audio.

    Writes SOURCE_as_TARGET.mp4 and a video of source, condition and result side by side.

    Several sources and targets: each model is loaded once, --out names a folder, and a table follows.

    After an interruption, the same command continues; with several videos, add --skip-done.

    Examples:
      vid2vid transfer other.mp4 --target runs/video/video.ckpt
      vid2vid transfer other.mp4 -t dancer.ckpt --background alpha --out dancer.mov
      vid2vid transfer a.mp4 clips/ 'more/*.mov' -t ada.ckpt -t bob.ckpt --out results --keep-going
    """
    from vid2vid_cli.commands.batch import print_batch_plan, run_batch
    from vid2vid_cli.pipelines import transfer as pipeline
    from vid2vid_cli.pipelines.batch_sources import single_request
    from vid2vid_cli.terminal import Terminal

    with Terminal("transfer", as_json=json, quiet=quiet) as terminal:
        request = replace(request, command=options.command_line())
        single = single_request(request)
        if not isinstance(single, TransferRequest):
            (print_batch_plan if dry_run else run_batch)(request, terminal)
            return
        if dry_run:
            from vid2vid_cli.pipelines.transfer_plan import plan_transfer

            terminal.print_plan(plan_transfer(single))
            return
        terminal.resume_command = options.command_line()
        result = pipeline.transfer(single, terminal.emit)
        terminal.print_result(result.path, *options.render_summary(result, ["vid2vid", "inspect", result.path]))
