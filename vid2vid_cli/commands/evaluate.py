"""`vid2vid evaluate`: measures a checkpoint."""

from __future__ import annotations

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.measure import EvaluateRequest


@expand_request
def evaluate(request: EvaluateRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Measure a checkpoint on the validation frames of a dataset, beside the baselines that it must surpass.

    Metrics: PSNR, SSIM, sharpness relative to the real frames, warping error, a perceptual distance, and the errors of
    faces, bodies or classes that are detected again. Arrows give the direction of better values.

    With several clips: mean over all frames ± standard deviation over the clips.

    Examples:
      vid2vid evaluate runs/video
      vid2vid evaluate runs/video/video.ckpt datasets/other --split all
    """
    from vid2vid_cli.core.text_columns import align_columns
    from vid2vid_cli.pipelines import evaluate as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("evaluate", as_json=json, quiet=quiet) as terminal:
        terminal.resume_command = options.command_line()
        result = pipeline.evaluate(request, terminal.emit)
        header, rows = result.table()
        missing = "".join(f"{name}: not computed, {reason}\n" for name, reason in result.not_computed.items())
        summary = align_columns([header, *rows]) + missing + result.comparison
        initial_frame = () if request.initial_frame is None else ("--initial-frame", request.initial_frame)
        next_command = shell_command(
            "vid2vid", result.render_command, request.checkpoint, result.data, "--split", request.split, *initial_frame
        )
        json_fields = {
            "data": str(result.data),
            "metrics": result.metrics,
            "deviations": result.deviations,
            "baselines": result.baselines if request.baselines else {},
            "beats_nearest": result.beats_nearest,
            "comparison": result.comparison,
            "not_computed": result.not_computed,
        }
        terminal.print_result(result.path, summary.rstrip(), next_command, json_fields)
