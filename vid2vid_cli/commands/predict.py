"""`vid2vid predict`: predicts future frames, or label maps."""

from __future__ import annotations

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.measure import PredictRequest


@expand_request
def predict(request: PredictRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Predict the next frames of a clip (model=savp), or its next label maps (model=predict).

    savp: writes the continued clip of each sample, and a comparison. predict: a second checkpoint renders the labels.

    On a dataset, each prediction is compared with the real continuation.

    Two baselines are measured too: the last frame repeated, and constant motion.

    Examples:
      vid2vid predict runs/clip clip.mp4 --frames 20 --samples 5
      vid2vid train --preset street_256 --set model=predict --out runs/future
      vid2vid predict runs/future datasets/street --frames 10 --renderer runs/street
    """
    from vid2vid_cli.pipelines import predict as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("predict", as_json=json, quiet=quiet) as terminal:
        terminal.resume_command = options.command_line()
        result = pipeline.predict(request, terminal.emit)
        summary = "\n".join(f"{name:<24} {value:.4g}" for name, value in result.metrics.items())
        next_command = shell_command("vid2vid", "inspect", result.path)
        summary = "\n".join([summary, *map(str, result.sample_paths)]).strip()
        json_fields = {
            "samples": [str(path) for path in result.sample_paths],
            "num_frames": result.num_frames,
            "metrics": dict(result.metrics),
        }
        terminal.print_result(result.path, summary, next_command, json_fields)
