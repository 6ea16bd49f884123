"""`report.html` of a run: pictures over time, losses, settings. One file beside the run's pictures, no network."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from vid2vid_cli.engine.event_log import read_journal
from vid2vid_cli.engine.events import Tell, Wrote
from vid2vid_cli.engine.run_folder import CONFIG, RunFolder
from vid2vid_cli.media.files import write_text

Points = list[tuple[float, float]]
POINTS = 300
"""Points per curve; more cannot be seen."""
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin-top: 2em } img { max-width: 100%; display: block }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 1em }
figure { margin: 0 } figcaption { font-size: 13px } svg { width: 100%; background: #f6f6f6 }
pre { background: #f6f6f6; padding: 1em; overflow: auto; font-size: 13px } input { width: 100% }
"""
SCRIPT = """
const slider = document.getElementById('time'), picture = document.getElementById('sample');
const show = () => { const at = SAMPLES[slider.value]; picture.src = at[0];
  document.getElementById('step').textContent = at[1]; };
slider.addEventListener('input', show); show();
"""


def write_report(run: RunFolder, tell: Tell) -> Path:
    """Write `report.html` into the run. Raises DiskFullError, PermissionDeniedError."""
    events = list(read_journal(run.path))
    steps = [event for event in events if event["event"] == "stepped"]
    saves = [event for event in events if event["event"] == "wrote" and event["what"] == "checkpoint"]
    quality = saves[-1]["details"]["quality"] if saves else None
    done = steps[-1]["step"] if steps else 0
    minutes = steps[-1]["seconds"] / 60 if steps else 0.0
    verdict = f"{done} steps in {minutes:.1f} minutes"
    if quality is not None:
        verdict += f"; {float(quality):.2f} dB PSNR on the sample frames"
    command = run.path / "command.txt"
    parts = [
        f"<h1>{html.escape(run.name)}</h1><p>{verdict}</p>",
        _samples(sorted(run.samples.glob("*.png"))),
        "<h2>Losses</h2>",
        _curves(steps),
        "<h2>Command</h2>",
        _code(command.read_text(encoding="utf-8")),
        "<h2>Settings</h2>",
        _code((run.path / CONFIG).read_text(encoding="utf-8")),
    ]
    page = f"<!doctype html><meta charset=utf-8><title>{html.escape(run.name)}</title><style>{STYLE}</style>"
    path = run.path / "report.html"
    write_text(path, page + "\n".join(parts) + "\n")
    tell(Wrote(str(path), "report"))
    return path


def _samples(pictures: Sequence[Path]) -> str:
    """The newest sample, and a slider to look back."""
    if not pictures:
        return ""
    listed = [[f"samples/{picture.name}", int(picture.stem.partition("_")[2])] for picture in pictures]
    last = len(listed) - 1
    return (
        "<h2>Held-out frames, step <span id=step></span></h2>"
        f'<input type=range id=time min=0 max={last} value={last} aria-label="step">'
        f'<img id=sample src="{listed[-1][0]}" alt="condition, real and generated frames">'
        f"<script>const SAMPLES = {listed};{SCRIPT}</script>"
    )


def _curves(steps: Sequence[dict[str, object]]) -> str:
    """A small plot for each loss, all steps from left to right."""
    series: dict[str, Points] = {}
    for event in steps:
        losses = event["losses"]
        assert isinstance(losses, dict)
        for name, value in losses.items():
            if isinstance(value, int | float):
                series.setdefault(name, []).append((float(str(event["step"])), float(value)))
    figures = [
        f"<figure><figcaption>{html.escape(name)}: {points[-1][1]:.4g}</figcaption>{_plot(_thin(points))}</figure>"
        for name, points in series.items()
    ]
    return f"<div class=curves>{''.join(figures)}</div>"


def _thin(points: Points) -> Points:
    """At most `POINTS` points, each the mean of its neighbours, so that noise does not hide the course."""
    size = max(1, -(-len(points) // POINTS))
    blocks: Iterable[Points] = (points[at : at + size] for at in range(0, len(points), size))
    return [(sum(x for x, _ in block) / len(block), sum(y for _, y in block) / len(block)) for block in blocks]


def _plot(points: Points) -> str:
    """A line in an SVG of 300 x 100."""
    low, high = min(y for _, y in points), max(y for _, y in points)
    first, last = points[0][0], points[-1][0]
    wide, tall = max(last - first, 1e-9), max(high - low, 1e-9)
    line = " ".join(f"{(x - first) / wide * 300:.1f},{95 - (y - low) / tall * 90:.1f}" for x, y in points)
    return (
        '<svg viewBox="0 0 300 100" preserveAspectRatio="none">'
        f'<polyline points="{line}" fill="none" stroke="#2463a8" stroke-width="1.5"/></svg>'
    )


def _code(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"
