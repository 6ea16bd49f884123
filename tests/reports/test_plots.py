from __future__ import annotations

import math
import re

import pytest

from vid2vid_cli.reports.plots import Curve, Phase, PointGroup, draw_curve, draw_scatter, format_number


def polylines(svg: str) -> list[list[tuple[float, float]]]:
    texts = re.findall(r'<polyline class="curve" points="([^"]*)"', svg)
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())] for text in texts]


def test_curve_spans_the_axes() -> None:
    svg = draw_curve(Curve("l1", [(1, 4.0), (2, 2.0), (5, 0.0)]))
    # x: 52 to 332, y: 14 (top) to 160
    assert polylines(svg) == [[(52, 14), (122, 87), (332, 160)]]
    assert re.findall(r'class="tick y"[^>]*>([^<]*)<', svg) == ["0", "1", "2", "3", "4"]
    assert re.findall(r'class="tick x"[^>]*>([^<]*)<', svg) == ["1", "2", "3", "4", "5"]
    assert ">step<" in svg


def test_curve_without_values_of_some_points_has_gaps() -> None:
    assert len(polylines(draw_curve(Curve("x", [(0, 1), (1, 2), (2, math.nan), (3, 1), (4, math.inf), (5, 1)])))) == 1
    assert "circle" in draw_curve(Curve("x", [(0, 1), (1, math.nan), (2, 3)]))
    assert "svg" not in draw_curve(Curve("x", [(0, math.nan)]))


@pytest.mark.parametrize("value", [0.0, 1.0, -3e-9, 1e9])
def test_constant_curve_lies_in_the_middle(value: float) -> None:
    (line,) = polylines(draw_curve(Curve("x", [(0, value), (10, value)])))
    assert line == [(52, 87), (332, 87)]


def test_phases_in_range_are_numbered() -> None:
    svg = draw_curve(Curve("x", [(10, 1), (20, 2)]), [Phase(0, "a"), Phase(15, "b"), Phase(30, "c")])
    assert re.findall(r'<text class="phase"[^>]*>(\d)<', svg) == ["2"]


def test_labels_are_escaped() -> None:
    assert "<b>" not in draw_curve(Curve("x", [(0, 1), (1, 2)], x_label="<b>", unit="<b>"))
    assert "<b>" not in draw_scatter([PointGroup("<b>", "group-a", [(0, 0), (1, 1)])])


def test_scatter_counts_its_groups() -> None:
    svg = draw_scatter([PointGroup("train", "group-a", [(0, 0), (1, 1)]), PointGroup("val", "group-b", [(2, 0)])])
    assert svg.count("<circle") == 3
    assert "train (2)" in svg


@pytest.mark.parametrize(
    ("value", "text"), [(0.25, "0.25"), (1500, "1500"), (20000, "20k"), (3.2e6, "3.2M"), (1e-5, "1e-05")]
)
def test_format_number(value: float, text: str) -> None:
    assert format_number(value) == text
