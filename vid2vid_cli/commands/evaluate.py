"""`vid2vid evaluate`: measures checkpoints."""

from __future__ import annotations

from dataclasses import replace

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.measure import EvaluateModelsRequest


@expand_request
def evaluate(request: EvaluateModelsRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Measure checkpoints on the validation frames of a dataset, beside the baselines that they must surpass.

    Metrics: PSNR, SSIM, sharpness relative to the real frames, warping error, a perceptual distance, and the errors of
    faces, bodies or classes that are detected again. Arrows give the direction of better values.

    With several clips: mean over all frames ± standard deviation over the clips. Several checkpoints of the same
    conditioners and frame size are compared in one table.

    Examples:
      vid2vid evaluate runs/video
      vid2vid evaluate runs/video runs/video-2 old.ckpt --out comparison
      vid2vid evaluate runs/video --data datasets/other --split all
    """
    from vid2vid_cli.core.text_columns import align_columns, fold_columns
    from vid2vid_cli.pipelines import evaluate as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("evaluate", as_json=json, quiet=quiet) as terminal:
        request = replace(request, command=options.command_line())
        terminal.resume_command = request.command
        result = pipeline.evaluate(request, terminal.emit)
        header, rows = result.table()
        tables = fold_columns([header, *rows], terminal.stderr_console.width)
        missing = "".join(f"{name}: not computed, {reason}\n" for name, reason in result.not_computed.items())
        verdict = f"Verdict: {result.comparison}" if result.comparison else ""
        summary = "\n".join(map(align_columns, tables)) + missing + verdict
        initial_frame = () if request.initial_frame is None else ("--initial-frame", request.initial_frame)
        best = next((model for model in result.models if model.name == result.best_model), result.models[0])
        next_command = shell_command(
            "vid2vid", result.render_command, best.checkpoint, result.data, "--split", request.split, *initial_frame
        )
        json_fields = {
            "data": str(result.data),
            "metrics": result.metrics,
            "models": {model.name: model.metrics for model in result.models},
            "deviations": result.deviations,
            "baselines": result.baselines if request.baselines else {},
            "beats_nearest": result.beats_nearest,
            "best_model": result.best_model,
            "comparison": result.comparison,
            "not_computed": result.not_computed,
        }
        terminal.print_result(result.path, summary.rstrip(), next_command, json_fields)
