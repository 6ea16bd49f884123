"""`vid2vid bench`: measures the stages of a transfer on this machine."""

from __future__ import annotations

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.requests.bench import BenchRequest


@expand_request
def bench(request: BenchRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Measure what a transfer costs on this machine, as Markdown tables that can be pasted.

    Decoding, detection, drawing, references, generation and encoding one at a time; from file to file at two lengths
    with memory and time to the first frame; and the generator at several sizes and in each precision. An exported
    file beside its checkpoint compares the backends. Run nothing else meanwhile. Nothing is written.

    Examples:
      vid2vid bench
      vid2vid bench runs/video/video.ckpt runs/video/video.onnx --source other.mp4 --sizes 256
    """
    from dataclasses import asdict

    from vid2vid_cli.pipelines import bench as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("bench", as_json=json, quiet=quiet) as terminal:
        result = pipeline.bench(request, terminal.emit)
        terminal.print_text(result.to_markdown(), {"event": "result", "command": "bench", **asdict(result)})
