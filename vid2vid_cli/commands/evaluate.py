"""`vid2vid evaluate`: measures a checkpoint."""

from __future__ import annotations

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.measure import EvaluateRequest


@expand_request
def evaluate(request: EvaluateRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Measure a checkpoint on the validation frames of a dataset.

    Metrics: PSNR, SSIM, warping error (also of the real clip), re-detection rate and error of faces, bodies or classes.

    Example: vid2vid evaluate runs/video/video.ckpt datasets/video
    """
    from vid2vid_cli.pipelines import evaluate as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("evaluate", as_json=json, quiet=quiet) as terminal:
        terminal.resume_command = options.command_line()
        result = pipeline.evaluate(request, terminal.emit)
        metrics = dict(result.metrics)
        summary = "\n".join(f"{name:<24} {value:.4g}" for name, value in metrics.items())
        initial_frame = () if request.initial_frame is None else ("--initial-frame", request.initial_frame)
        next_command = shell_command(
            "vid2vid", "synthesize", request.checkpoint, request.data, "--split", request.split, *initial_frame
        )
        terminal.print_result(result.path, summary, next_command, {"metrics": metrics})
