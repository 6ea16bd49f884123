"""`vid2vid live`: renders the frames of a camera as they arrive."""

from __future__ import annotations

from dataclasses import asdict

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.live import LiveRequest


@expand_request
def live(request: LiveRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Render the newest frames of a camera, a network stream or a file that is played, until Ctrl-C.

    Shows the result with rate and latency on a page that only this machine can open. Frames that arrive while others
    are rendered are dropped. The first frames measure the source: be visible, from the front.

    Examples:
      vid2vid live --target runs/video/video.ckpt
      vid2vid live -t runs/video/video.ckpt --source rtsp://10.0.0.5/stream --to result.mp4
    """
    from vid2vid_cli.pipelines import live as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("live", as_json=json, quiet=quiet) as terminal:
        result = pipeline.live(request, terminal.emit)
        summary = result.summary
        text = (
            f"{summary.num_shown} frames, {result.num_dropped} dropped, {summary.frames_per_second:.1f} frames/s, "
            f"median latency {summary.median_latency_ms:.0f} ms, {summary.cpu_ms_per_frame:.0f} ms of CPU time a frame"
        )
        next_command = "" if result.path is None else shell_command("vid2vid", "inspect", result.path)
        json_fields: dict[str, object] = {
            **asdict(summary),
            "num_captured": result.num_captured,
            "num_dropped": result.num_dropped,
        }
        terminal.print_result(result.path or result.url, text, next_command, json_fields)
