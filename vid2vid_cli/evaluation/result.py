"""The result of `evaluate`: the metrics of the model, the baselines and the real frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vid2vid_cli.evaluation.baselines import NEAREST
from vid2vid_cli.evaluation.clip_metrics import deviation_over_clips, mean_metrics
from vid2vid_cli.evaluation.comparison import compare_metrics, comparison_table, describe_comparison
from vid2vid_cli.evaluation.redetection import MetricMeans
from vid2vid_cli.evaluation.style_metrics import STYLE_ROWS
from vid2vid_cli.networks.perceptual import METRIC_NAMES

MODEL, REAL = "model", "real"
SAME_FOR_REAL = ("psnr", "ssim", "sharpness", *METRIC_NAMES.values())
"""Metrics that compare with the real frames; those of the real frames themselves are constants."""


@dataclass(frozen=True)
class EvaluateResult:
    """The metrics and the JSON file that contains them."""

    path: Path
    data: Path
    """The dataset that was used."""
    metrics: Mapping[str, float]
    """Of the generated frames; with the suffix `_real`, of the real frames."""
    rows: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """model, the baselines, real -> metric -> mean over frames."""
    deviations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The same keys -> sample standard deviation over clips; empty for one clip."""
    beats_nearest: Mapping[str, bool] = field(default_factory=dict)
    """Metric -> whether the model is better than the nearest training frame; empty if that was not measured."""
    comparison: str = ""
    """The same in a sentence."""
    not_computed: Mapping[str, str] = field(default_factory=dict)
    """Metric -> why it was not computed, with a command."""
    render_command: str = "synthesize"
    """The command that shows the frames of the split."""

    @property
    def baselines(self) -> dict[str, Mapping[str, float]]:
        """The rows without those of the model."""
        return {name: metrics for name, metrics in self.rows.items() if name not in (MODEL, *STYLE_ROWS)}

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of a table for the terminal."""
        return comparison_table(self.rows, self.deviations)


def combine_clips(
    path: Path,
    data: Path,
    rows_per_clip: Sequence[Mapping[str, MetricMeans]],
    *,
    not_computed: Mapping[str, str],
    baseline: str = NEAREST,
    baseline_name: str = "the nearest training frame",
    render_command: str = "synthesize",
) -> EvaluateResult:
    """The means of each row over all clips, and the comparison of the model with the row `baseline`."""
    clips_by_row = {name: [rows[name] for rows in rows_per_clip] for name in rows_per_clip[0]}
    rows = {name: mean_metrics(clips) for name, clips in clips_by_row.items()}
    deviations = {name: deviation_over_clips(clips) for name, clips in clips_by_row.items()}
    real_metrics = {f"{name}_real": value for name, value in rows.get(REAL, {}).items() if name not in SAME_FOR_REAL}
    compared = rows.get(baseline, {})
    return EvaluateResult(
        path,
        data,
        rows[MODEL] | real_metrics,
        rows,
        {name: values for name, values in deviations.items() if values},
        compare_metrics(rows[MODEL], compared) if baseline == NEAREST else {},
        describe_comparison(rows[MODEL], compared, baseline_name) if compared else "",
        not_computed,
        render_command,
    )
