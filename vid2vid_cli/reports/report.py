"""The report of a command: one page, `report.html`, that needs no network and refers to files beside it only.

Every command fills the same record; sections without content are left out. The page contains its style and script, so
that a folder with it can be opened from a disk, moved and shared.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup, escape

from vid2vid_cli.media.files import write_text
from vid2vid_cli.reports.plots import Curve, Phase, draw_curve
from vid2vid_cli.reports.series import BlockSeries

REPORT_FILE_NAME = "report.html"
TEMPLATE_FOLDER = Path(__file__).with_name("templates")
SCRIPT_NAMES = ("player.js", "report.js")
Better = Literal["higher", "lower", ""]
MAX_STRIP_VALUES = 4000
"""Values per strip: more than there are pixels in a row."""


@dataclass(frozen=True)
class Panel:
    """One image of a video of images side by side, in pixels of the video."""

    name: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Strip:
    """A value per frame of the video. Blocks of frames of a long video share one value, the worst."""

    name: str
    values: BlockSeries
    better: Better = "higher"
    unit: str = ""
    group: str = ""
    """Strips of one group have a common scale, so that their heights can be compared; "": a scale of its own."""


@dataclass(frozen=True)
class Mark:
    """A frame that the buttons of the page jump to, and the reason."""

    frame: int
    text: str


@dataclass(frozen=True)
class VideoView:
    """A video whose frames consist of panels, shown on the same frame, with strips of values per frame below."""

    src: str
    """Path relative to the report."""
    fps: float
    num_frames: int
    panels: Sequence[Panel]
    _: KW_ONLY
    strips: Sequence[Strip] = ()
    marks: Sequence[Mark] = ()
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """An image, relative to the report; of a series of them one is shown at a time."""

    src: str
    label: str


@dataclass(frozen=True)
class Table:
    """A titled table; the first column names the row. Numbers are aligned on the right."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    frames: Sequence[int | None] = ()
    """The frame of the video that each row refers to."""


@dataclass(frozen=True)
class Drawing:
    """A plot as SVG, with its title and an explanation."""

    title: str
    svg: Markup
    note: str = ""


@dataclass(frozen=True)
class Setting:
    """One value of the configuration, and where it comes from."""

    key: str
    value: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """The content of a report."""

    command_name: str
    """prepare, train, transfer, ..."""
    title: str
    summary: Sequence[str] = ()
    """Sentences on the result; the first one is the most important."""
    facts: Sequence[tuple[str, str]] = ()
    """(name, text) of inputs and outputs."""
    warnings: Sequence[str] = ()
    results: Sequence[Table] = ()
    """Tables above the video."""
    video: VideoView | None = None
    samples: Sequence[Picture] = ()
    """Images over time, shown one at a time."""
    curves: Sequence[Curve] = ()
    phases: Sequence[Phase] = ()
    """Phases of the training, on the axis of the curves."""
    pictures: Sequence[Picture] = ()
    drawings: Sequence[Drawing] = ()
    tables: Sequence[Table] = ()
    settings: Sequence[Setting] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    refresh_seconds: int | None = None
    """The page reloads after this time while the command runs; None: the command has ended."""


def write_report(path: Path, report: Report) -> None:
    """Write the page. Raises DiskFullError, PermissionDeniedError."""
    # Imported here: its compiler takes a tenth of a second, before the first frame of a video.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    page = environment.get_template("report.html").render(
        report=report,
        warnings=list(dict.fromkeys(report.warnings)),
        plots=[(curve, draw_curve(curve, report.phases)) for curve in report.curves if curve.points],
        style=Markup((TEMPLATE_FOLDER / "report.css").read_text(encoding="utf-8")),
        script=Markup("".join((TEMPLATE_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPT_NAMES)),
        data=Markup(_script_data(report)),
        written=time.strftime("%Y-%m-%d %H:%M:%S"),
    )
    write_text(path, page)


def _breakable(text: str) -> Markup:
    """Text that may be wrapped after underscores."""
    return Markup(escape(text).replace("_", Markup("_<wbr>")))


def _script_data(report: Report) -> str:
    """What the script needs, as JSON that is safe within a <script> element."""
    data: dict[str, Any] = {
        "refresh": report.refresh_seconds,
        "written": round(time.time()),
        "samples": [[picture.src, picture.label] for picture in report.samples],
        "video": None if report.video is None else _video_data(report.video),
    }
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _video_data(video: VideoView) -> dict[str, Any]:
    return {
        "fps": video.fps,
        "frames": video.num_frames,
        "panels": [[panel.name, panel.x, panel.y, panel.width, panel.height] for panel in video.panels],
        "marks": [[mark.frame, mark.text] for mark in video.marks],
        "strips": [
            {
                "name": strip.name,
                "unit": strip.unit,
                "group": strip.group,
                "better": strip.better,
                "block": strip.values.block_size,
                "values": [_round(value) for _, value in strip.values.points],
            }
            for strip in video.strips
        ],
    }


def _round(value: float) -> float | None:
    """Four significant digits; None for NaN and infinity."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def frame_values(better: Better) -> BlockSeries:
    """A series of one value per frame for a strip, that keeps the worst value of each block of frames."""
    return BlockSeries(max if better == "lower" else min, max_points=MAX_STRIP_VALUES, starts=True)
