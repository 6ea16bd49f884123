"""Plots as SVG with axes: curves over steps, and scatter plots. Colours are those of the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from vid2vid_cli.reports.series import Point

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 14, 30
NUM_TICKS = 4


@dataclass(frozen=True)
class Curve:
    """A curve of one value over the steps."""

    name: str
    points: Sequence[Point]
    x_label: str = "step"
    unit: str = ""


@dataclass(frozen=True)
class Phase:
    """A part of the training that begins at `start`."""

    start: float
    text: str


@dataclass(frozen=True)
class PointGroup:
    """Points of a scatter plot with one colour."""

    name: str
    style: str
    """Class of the style sheet: group-a, group-b or group-c."""
    points: Sequence[Point]


@dataclass(frozen=True)
class _Axis:
    """The range of one axis, and its ticks."""

    low: float
    high: float

    @property
    def ticks(self) -> list[float]:
        """Round values in the range, at most about NUM_TICKS + 1 of them."""
        raw_step = (self.high - self.low) / NUM_TICKS
        magnitude = 10.0 ** math.floor(math.log10(raw_step))
        step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw_step * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]

    def position(self, value: float) -> float:
        """The position in [0, 1]."""
        return (value - self.low) / (self.high - self.low)


def _axis(values: Sequence[float]) -> _Axis:
    """The range of the values, never empty."""
    low, high = min(values), max(values)
    if high - low < 1e-12 * max(1.0, abs(high)):
        margin = 0.5 * abs(high) or 0.5
        return _Axis(low - margin, high + margin)
    return _Axis(low, high)


def draw_curve(curve: Curve, phases: Sequence[Phase] = ()) -> Markup:
    """A curve with axes; the beginning of each phase is a numbered line. Values that are not finite are gaps."""
    finite = [(x, y) for x, y in curve.points if math.isfinite(y)]
    if not finite:
        return Markup("<p>No finite value.</p>")
    x_axis, y_axis = _axis([x for x, _ in curve.points]), _axis([y for _, y in finite])
    lines = [_polyline(part, x_axis, y_axis) for part in _finite_parts(curve.points)]
    visible = [(number, p) for number, p in enumerate(phases, 1) if x_axis.low <= p.start <= x_axis.high]
    marks = [_phase_line(number, _x(x_axis, phase.start)) for number, phase in visible]
    data = f'data-low="{x_axis.low:.6g}" data-high="{x_axis.high:.6g}"'
    data += f' data-bottom="{y_axis.low:.6g}" data-top="{y_axis.high:.6g}" data-x="{escape(curve.x_label)}"'
    return _frame(x_axis, y_axis, [*marks, *lines], x_label=curve.x_label, y_label=curve.unit, data=data)


def draw_scatter(groups: Sequence[PointGroup]) -> Markup:
    """Points of several groups without ticks, because the axes have no unit, and a legend."""
    points = [point for group in groups for point in group.points]
    if not points:
        return Markup("<p>No points.</p>")
    x_axis, y_axis = _axis([x for x, _ in points]), _axis([y for _, y in points])
    circles = [
        f'<circle class="{group.style}" cx="{_x(x_axis, x):.1f}" cy="{_y(y_axis, y):.1f}" r="2.2"/>'
        for group in groups
        for x, y in group.points
    ]
    legend = " ".join(
        f'<span class="key {group.style}">{escape(group.name)} ({len(group.points)})</span>' for group in groups
    )
    box = f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}"/>'
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{box}{"".join(circles)}</svg>'
    return Markup(f'{svg}<p class="legend">{legend}</p>')


def format_number(value: float) -> str:
    """Short text of a tick or value: 0.25, 1500, 20k, 3.2M, 1e-05."""
    for limit, unit, suffix in ((1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.4g}"


def _finite_parts(points: Sequence[Point]) -> list[list[Point]]:
    parts: list[list[Point]] = [[]]
    for x, y in points:
        if math.isfinite(y):
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _polyline(points: Sequence[Point], x_axis: _Axis, y_axis: _Axis) -> str:
    if len(points) == 1:
        (x, y) = points[0]
        return f'<circle class="curve" cx="{_x(x_axis, x):.1f}" cy="{_y(y_axis, y):.1f}" r="2"/>'
    text = " ".join(f"{_x(x_axis, x):.1f},{_y(y_axis, y):.1f}" for x, y in points)
    return f'<polyline class="curve" points="{text}"/>'


def _phase_line(number: int, x: float) -> str:
    return (
        f'<line class="phase" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="phase" x="{x + 2:.1f}" y="{TOP - 3}">{number}</text>'
    )


def _frame(x_axis: _Axis, y_axis: _Axis, content: Sequence[str], *, x_label: str, y_label: str, data: str) -> Markup:
    """The axes with their ticks around the content."""
    parts = [f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {data}>']
    for tick in y_axis.ticks:
        y = _y(y_axis, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick y" x="{LEFT - 4}" y="{y + 3:.1f}">{format_number(tick)}</text>')
    for tick in x_axis.ticks:
        x = _x(x_axis, tick)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 3}"/>'
        )
        parts.append(f'<text class="tick x" x="{x:.1f}" y="{HEIGHT - BOTTOM + 13}">{format_number(tick)}</text>')
    parts.append(f'<path class="frame" d="M{LEFT},{TOP} V{HEIGHT - BOTTOM} H{WIDTH - RIGHT}"/>')
    parts.append(f'<text class="label" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}">{escape(x_label)}</text>')
    if y_label:
        parts.append(f'<text class="label y" x="2" y="{TOP - 4}">{escape(y_label)}</text>')
    return Markup("".join([*parts, *content, "</svg>"]))


def _x(axis: _Axis, value: float) -> float:
    return LEFT + axis.position(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: _Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.position(value) * (HEIGHT - TOP - BOTTOM)
