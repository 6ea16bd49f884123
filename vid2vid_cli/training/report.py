"""`report.html` of a run: samples over time, loss curves and settings. It refers to the run's sample images only."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vid2vid_cli.engine.event_log import read_event_log
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler
from vid2vid_cli.engine.run_folder import CONFIG_FILE_NAME, RunFolder
from vid2vid_cli.media.files import write_text
from vid2vid_cli.media.os_errors import read_error

CurvePoints = list[tuple[float, float]]
MAX_CURVE_POINTS = 300
"""Points per curve, about one per pixel of the plot."""
_SAMPLE_PATTERN = re.compile(r"step_[0-9]{1,12}")
PAGE_CSS = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin-top: 2em } img { max-width: 100%; display: block }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 1em }
figure { margin: 0 } figcaption { font-size: 13px } svg { width: 100%; background: #f6f6f6 }
pre { background: #f6f6f6; padding: 1em; overflow: auto; font-size: 13px } input { width: 100% }
"""
SLIDER_SCRIPT = """
const slider = document.getElementById('time'), image = document.getElementById('sample');
const update = () => { const [path, step] = SAMPLES[slider.value]; image.src = path;
  document.getElementById('step').textContent = step; };
slider.addEventListener('input', update); update();
"""


def write_report(run: RunFolder, emit: EventHandler) -> Path:
    """Write `report.html` to the run folder. Raises DiskFullError, PermissionDeniedError."""
    events = list(read_event_log(run.path))
    step_events = [event for event in events if event["event"] == "step"]
    quality_events = [event for event in events if event["event"] == "artifact" and event["kind"] == "quality"]
    quality = quality_events[-1]["details"].get("quality") if quality_events else None
    num_steps = step_events[-1]["step"] if step_events else 0
    elapsed_seconds = step_events[-1].get("elapsed_seconds") if step_events else None
    minutes = elapsed_seconds / 60 if isinstance(elapsed_seconds, (int, float)) else 0.0
    summary = f"{num_steps} steps in {minutes:.1f} minutes"
    if isinstance(quality, (int, float)):
        is_label_prediction = run.load_config().generator.target == "labels"
        metric = f"{float(quality):.1f} % mean IoU" if is_label_prediction else f"{float(quality):.2f} dB PSNR"
        summary += f"; {metric} on the sample frames"
    sections = [
        f"<h1>{html.escape(run.name)}</h1><p>{summary}</p>",
        _comparison(events, num_steps),
        _warnings(events),
        _sample_slider(sorted(path for path in run.samples.glob("*.png") if _SAMPLE_PATTERN.fullmatch(path.stem))),
        "<h2>Losses</h2>",
        _loss_curves(step_events),
        "<h2>Command</h2>",
        _code_block(_read_text(run.path / "command.txt")),
        "<h2>Settings</h2>",
        _code_block(_read_text(run.path / CONFIG_FILE_NAME)),
    ]
    page = f"<!doctype html><meta charset=utf-8><title>{html.escape(run.name)}</title><style>{PAGE_CSS}</style>"
    path = run.path / "report.html"
    write_text(path, page + "\n".join(sections) + "\n")
    emit(ArtifactEvent(str(path), "report"))
    return path


def _comparison(events: Sequence[dict[str, Any]], num_steps: int) -> str:
    """The comparison of the final model with the nearest training frames, if it was measured at this step."""
    details = [e["details"] for e in events if e["event"] == "artifact" and e["kind"] == "comparison"]
    if not details or details[-1].get("step") != num_steps:
        return ""
    return f"<p>Sample frames: {html.escape(str(details[-1].get('text', '')))}</p>"


def _warnings(events: Sequence[dict[str, Any]]) -> str:
    """The warnings of the training, each once."""
    messages = dict.fromkeys(str(event.get("message", "")) for event in events if event["event"] == "warning")
    items = "".join(f"<li>{html.escape(message)}</li>" for message in messages)
    return f"<h2>Warnings</h2><ul class=warnings>{items}</ul>" if items else ""


def _read_text(path: Path) -> str:
    """The text of a file of the run; what is not UTF-8 is replaced. Raises MissingFileError, PermissionDeniedError."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise read_error(path, error) from error


def _sample_slider(image_paths: Sequence[Path]) -> str:
    """The newest sample image, with a slider for the earlier ones."""
    if not image_paths:
        return ""
    sample_entries = [[f"samples/{path.name}", int(path.stem.partition("_")[2])] for path in image_paths]
    last_index = len(sample_entries) - 1
    return (
        "<h2>Sample frames, step <span id=step></span></h2>"
        f'<input type=range id=time min=0 max={last_index} value={last_index} aria-label="step">'
        f'<img id=sample src="{sample_entries[-1][0]}" alt="condition, real and generated frames">'
        f"<script>const SAMPLES = {sample_entries};{SLIDER_SCRIPT}</script>"
    )


def _loss_curves(step_events: Sequence[dict[str, object]]) -> str:
    """A plot of each loss term over the steps."""
    series: dict[str, CurvePoints] = {}
    for event in step_events:
        losses = event["losses"]
        assert isinstance(losses, dict)
        for name, value in losses.items():
            if isinstance(value, int | float):
                series.setdefault(name, []).append((float(str(event["step"])), float(value)))
    figures = [
        f"<figure><figcaption>{html.escape(name)}: {points[-1][1]:.4g}</figcaption>"
        f"{_svg_plot(_downsample_points(points))}</figure>"
        for name, points in series.items()
    ]
    return f"<div class=curves>{''.join(figures)}</div>"


def _downsample_points(points: CurvePoints) -> CurvePoints:
    """At most MAX_CURVE_POINTS points, each the mean of a block of points, which reduces noise."""
    block_size = max(1, -(-len(points) // MAX_CURVE_POINTS))
    blocks: Iterable[CurvePoints] = (points[start : start + block_size] for start in range(0, len(points), block_size))
    return [(sum(x for x, _ in block) / len(block), sum(y for _, y in block) / len(block)) for block in blocks]


def _svg_plot(points: CurvePoints) -> str:
    """A polyline in an SVG of 300 x 100."""
    min_y, max_y = min(y for _, y in points), max(y for _, y in points)
    min_x, max_x = points[0][0], points[-1][0]
    x_extent, y_extent = max(max_x - min_x, 1e-9), max(max_y - min_y, 1e-9)
    line = " ".join(f"{(x - min_x) / x_extent * 300:.1f},{95 - (y - min_y) / y_extent * 90:.1f}" for x, y in points)
    return (
        '<svg viewBox="0 0 300 100" preserveAspectRatio="none">'
        f'<polyline points="{line}" fill="none" stroke="#2463a8" stroke-width="1.5"/></svg>'
    )


def _code_block(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"
