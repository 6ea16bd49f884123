"""`vid2vid pull`: downloads a checkpoint from the Hugging Face Hub."""

from __future__ import annotations

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.share import PullRequest


@expand_request
def pull(request: PullRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Download a checkpoint from the Hugging Face Hub to a file.

    Commands that take a checkpoint also take hf:ORG/NAME[@REVISION]; it is then kept in the cache of huggingface_hub.

    Example: vid2vid pull ada/dancer@v1
    """
    from vid2vid_cli.pipelines import pull as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("pull", as_json=json, quiet=quiet) as terminal:
        result = pipeline.pull(request, terminal.emit)
        height, width = result.metadata.output_size
        summary = f"{result.metadata.name}, {width}x{height}, commit {result.commit[:12]}"
        next_command = shell_command("vid2vid", "transfer", "VIDEO", "--target", result.path)
        terminal.print_result(result.path, summary, next_command, {"commit": result.commit})
