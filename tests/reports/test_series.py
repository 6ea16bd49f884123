from __future__ import annotations

import math

from vid2vid_cli.reports.series import BlockSeries


def test_block_series_keeps_few_points() -> None:
    series = BlockSeries(max_points=10)
    for x, y in ((1, 4.0), (2, 8.0), (3, math.nan)):
        series.add(x, y)
    assert series.points[:2] == [(1, 4.0), (2, 8.0)]
    assert math.isnan(series.points[2][1])


def test_block_series_averages_many_points() -> None:
    series = BlockSeries(max_points=10)
    for index in range(1000):
        series.add(index, float(index % 2))
    assert len(series.points) <= 11
    assert series.block_size == 128
    assert {round(y, 6) for _, y in series.points} == {0.5}
    assert series.points[0][0] == 63.5


def test_block_series_keeps_the_worst_value_and_ignores_missing_ones() -> None:
    series = BlockSeries(min, max_points=6, starts=True)
    for index, value in enumerate((5, math.nan, 3, 9, math.nan, math.nan)):
        series.add(index, float(value))
    assert series.block_size == 2
    assert series.points[:2] == [(0, 5), (2, 3)]
    assert series.points[2][0] == 4
    assert math.isnan(series.points[2][1])


def test_block_series_drops_repeated_steps() -> None:
    series = BlockSeries(max_points=8)
    for step in range(1, 6):
        series.add(step, 1.0)
    series.drop_from(4)
    series.add(4, 2.0)
    assert series.points == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0)]
