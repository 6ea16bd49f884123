"""`vid2vid push`: uploads a checkpoint to the Hugging Face Hub."""

from __future__ import annotations

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.share import PushRequest


@expand_request
def push(
    request: PushRequest,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Upload a checkpoint with a model card to the Hugging Face Hub.

    The card names conditioners, footage, quality, licences, consent, and the reference frames that the file contains.
    The token is that of `hf auth login` or of HF_TOKEN. --dry-run prints the card and uploads nothing.

    Example: vid2vid push runs/video ada/dancer --consent --private
    """
    from vid2vid_cli.pipelines import push as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("push", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.print_plan(pipeline.plan_push(request))
            return
        result = pipeline.push(request, terminal.emit)
        summary = f"{result.num_bytes / 1e6:.1f} MB uploaded to {result.repository}"
        next_command = shell_command("vid2vid", "transfer", "VIDEO", "--target", f"hf:{result.repository}")
        fields = {"repository": result.repository, "commit": result.commit, "num_bytes": result.num_bytes}
        terminal.print_result(result.url, summary, next_command, fields)
