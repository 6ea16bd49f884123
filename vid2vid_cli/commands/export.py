"""`vid2vid export`: writes a checkpoint for another runtime."""

from __future__ import annotations

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.export import ExportRequest


@expand_request
def export(request: ExportRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Export the generator of a checkpoint as ONNX, for onnxruntime and other runtimes.

    Writes NAME.onnx (one step: conditions, past frames and references in, the next frame out, any frame size) and
    NAME.onnx.meta (conditioners, size and reference frames), which belongs beside it.

    `transfer` and `synthesize` take NAME.onnx in place of a checkpoint.

    Example: vid2vid export runs/video/video.ckpt --check
    """
    from vid2vid_cli.pipelines import export as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("export", as_json=json, quiet=quiet) as terminal:
        terminal.resume_command = options.command_line()
        result = pipeline.export(request, terminal.emit)
        summary = f"{result.num_bytes / 1e6:.1f} MB"
        if result.min_psnr is not None:
            summary += f", at least {result.min_psnr:.1f} dB PSNR from torch over {result.num_checked_frames} frames"
        next_command = shell_command("vid2vid", "transfer", "VIDEO", "--target", result.path)
        json_fields: dict[str, object] = {
            "num_bytes": result.num_bytes,
            "min_psnr": result.min_psnr,
            "num_checked_frames": result.num_checked_frames,
        }
        terminal.print_result(result.path, summary, next_command, json_fields)
