"""Compares the metrics of models with those of the baselines and of each other: in a table, and in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from vid2vid_cli.evaluation.metric_info import column_head, is_better, is_compared, shown_name

Metrics = Mapping[str, float]


def compare_metrics(model: Metrics, baseline: Metrics) -> dict[str, bool]:
    """Metric name -> whether the model is better, for PSNR, SSIM, sharpness and the errors of the conditioners.

    An error that only one of both has is a failed detection on all frames of the other, which is worse.
    """
    return {
        name: name in model and (name not in baseline or is_better(name, model[name], baseline[name]))
        for name in dict.fromkeys((*model, *baseline))
        if is_compared(name)
    }


def describe_comparison(
    model: Metrics,
    nearest: Metrics,
    baseline_name: str = "the nearest training frame",
    subject: str = "The model",
) -> str:
    """One sentence: in which metrics the model is better than the nearest training frame, or another baseline."""
    comparison = compare_metrics(model, nearest)
    texts = {
        name: f"{shown_name(name)} ({_format_compared(model.get(name))} against {_format_compared(nearest.get(name))})"
        for name in comparison
    }
    better = _join(text for name, text in texts.items() if comparison[name])
    others = _join(text for name, text in texts.items() if not comparison[name])
    if not better:
        return f"{subject} is not better than {baseline_name} in {_join(texts.values(), 'or')}."
    if not others:
        return f"{subject} is better than {baseline_name} in {better}."
    return f"{subject} is better than {baseline_name} in {better}, but not in {others}."


def describe_counts(models: Mapping[str, Metrics], baseline: Metrics, baseline_name: str) -> str:
    """One sentence: in how many metrics, and in which ones, each model is better than a baseline."""
    texts = []
    for model, metrics in models.items():
        comparison = compare_metrics(metrics, baseline)
        better = [shown_name(name) for name, is_model_better in comparison.items() if is_model_better]
        texts.append(f"{model} in {len(better)} of {len(comparison)} metrics" + (f" ({_join(better)})" * bool(better)))
    return f"Better than {baseline_name}: {'; '.join(texts)}."


def best_models(models: Mapping[str, Metrics]) -> dict[str, str]:
    """Metric -> the model with the best value, for the metrics that are compared; equal values have none.

    A model without a value of an error has detected nothing, which is worse.
    """
    best: dict[str, str] = {}
    for metric in dict.fromkeys(name for metrics in models.values() for name in metrics):
        values = {name: metrics[metric] for name, metrics in models.items() if metric in metrics}
        winners = [
            name
            for name, value in values.items()
            if not any(is_better(metric, other, value) for other in values.values())
        ]
        if is_compared(metric) and len(winners) == 1:
            best[metric] = winners[0]
    return best


def choose_best_model(models: Mapping[str, Metrics]) -> str:
    """The model that is the best in the most metrics; "" for a tie."""
    best = list(best_models(models).values())
    counts = {name: best.count(name) for name in models}
    winners = [name for name, count in counts.items() if count == max(counts.values())]
    return winners[0] if len(winners) == 1 else ""


def describe_best_model(models: Mapping[str, Metrics]) -> str:
    """One sentence: which model is the best in which metrics."""
    best, winner = best_models(models), choose_best_model(models)
    names = sorted(models, key=lambda name: name != winner)
    metrics_of = {model: [shown_name(metric) for metric, name in best.items() if name == model] for model in names}
    texts = [f"{model} in {_join(metrics)}" for model, metrics in metrics_of.items() if metrics and model != winner]
    if winner:
        texts.insert(0, f"{winner}, in {len(metrics_of[winner])} of {len(best)} metrics ({_join(metrics_of[winner])})")
    return f"{'Best model' if winner else 'No best model'}: {'; '.join(texts) or 'all are equal'}."


def comparison_table(
    rows: Mapping[str, Metrics],
    deviations: Mapping[str, Metrics] | None = None,
    units: Mapping[str, str] | None = None,
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of means, with unit and an arrow to the better values, and "±" the deviation.

    `rows` and `deviations`: name of the row -> metric -> value. `units`: of the metrics of conditioners.
    """
    names = list(dict.fromkeys(name for metrics in rows.values() for name in metrics))
    header = ["", *(column_head(name, units or {}) for name in names)]
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
