"""Compares the metrics of a model with those of the baselines: in a table, and in a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from vid2vid_cli.networks.perceptual import METRIC_NAMES

Direction = Literal["higher", "lower", "one"]
Metrics = Mapping[str, float]

DIRECTIONS: Mapping[str, Direction] = {
    "psnr": "higher",
    "ssim": "higher",
    "cycle_psnr": "higher",
    "cycle_ssim": "higher",
    "sharpness": "one",
    "warping_error": "lower",
    "style_diversity": "higher",
    "perceptual_style_diversity": "higher",
    "sample_diversity": "higher",
}
SCORE_SUFFIXES = ("_iou", "_pck", "_found")
"""Endings of the names of re-detection metrics whose higher values are better."""
ARROWS: Mapping[Direction, str] = {"higher": "↑", "lower": "↓", "one": "→1"}
NOT_COMPARED = ("warping_error", "style_diversity", "perceptual_style_diversity", "sample_diversity")
"""A still picture has a low warping error, so a lower one than that of the real frames is no advantage; only models
with styles or samples have a diversity."""
SHOWN_NAMES = {"psnr": "PSNR", "ssim": "SSIM", **dict.fromkeys(METRIC_NAMES.values(), "perceptual distance")}


def metric_direction(name: str) -> Direction:
    """Which values of a metric are better: higher ones, lower ones, or those closer to 1."""
    return DIRECTIONS.get(name, "higher" if name.endswith(SCORE_SUFFIXES) else "lower")


def is_better(name: str, value: float, other: float) -> bool:
    """Whether `value` of a metric is better than `other`."""
    direction = metric_direction(name)
    if direction == "one":
        return abs(value - 1) < abs(other - 1)
    return value > other if direction == "higher" else value < other


def compare_metrics(model: Metrics, baseline: Metrics) -> dict[str, bool]:
    """Metric name -> whether the model is better, for PSNR, SSIM, sharpness and the errors of the conditioners.

    An error that only one of both has is a failed detection on all frames of the other, which is worse.
    """
    return {
        name: name in model and (name not in baseline or is_better(name, model[name], baseline[name]))
        for name in dict.fromkeys((*model, *baseline))
        if name not in NOT_COMPARED and not name.endswith("_found")
    }


def describe_comparison(model: Metrics, nearest: Metrics, baseline_name: str = "the nearest training frame") -> str:
    """One sentence: in which metrics the model is better than the nearest training frame, or another baseline."""
    comparison = compare_metrics(model, nearest)
    texts = {
        name: f"{SHOWN_NAMES.get(name, name.replace('_', ' '))} "
        f"({_format_compared(model.get(name))} against {_format_compared(nearest.get(name))})"
        for name in comparison
    }
    better = _join(text for name, text in texts.items() if comparison[name])
    others = _join(text for name, text in texts.items() if not comparison[name])
    if not better:
        return f"The model is not better than {baseline_name} in {_join(texts.values(), 'or')}."
    if not others:
        return f"The model is better than {baseline_name} in {better}."
    return f"The model is better than {baseline_name} in {better}, but not in {others}."


def comparison_table(
    rows: Mapping[str, Metrics], deviations: Mapping[str, Metrics] | None = None
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of means, with an arrow to the better values, and "±" the deviation over clips.

    `rows` and `deviations`: name of the row -> metric -> value.
    """
    names = list(dict.fromkeys(name for metrics in rows.values() for name in metrics))
    header = ["", *(f"{name} {ARROWS[metric_direction(name)]}" for name in names)]
    cells = []
    for row, metrics in rows.items():
        row_deviations = (deviations or {}).get(row, {})
        cells.append([row, *(_format_cell(metrics.get(name), row_deviations.get(name)) for name in names)])
    return header, cells


def _format_cell(value: float | None, deviation: float | None) -> str:
    if value is None:
        return "-"
    return _format_value(value) if deviation is None else f"{_format_value(value)} ±{deviation:.2g}"


def _format_compared(value: float | None) -> str:
    return "nothing detected" if value is None else _format_value(value)


def _format_value(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 10 or math.isinf(value) else f"{value:.1f}"


def _join(items: Iterable[str], word: str = "and") -> str:
    texts = list(items)
    return f" {word} ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
