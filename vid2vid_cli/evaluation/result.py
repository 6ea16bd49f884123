"""The result of `evaluate`: the metrics of models, baselines and real frames, per clip and over all clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.evaluation.baselines import NEAREST
from vid2vid_cli.evaluation.comparison import (
    choose_best_model,
    compare_metrics,
    comparison_table,
    describe_best_model,
    describe_comparison,
    describe_counts,
)
from vid2vid_cli.evaluation.measured import Measured, deviation_over_clips, mean_metrics
from vid2vid_cli.evaluation.metric_info import compares_with_real

MODEL, REAL, CONDITION = "model", "real", "condition"
"""Rows and panels."""
NEAREST_NAME = "the nearest training frame"


@dataclass(frozen=True)
class EvaluatedClip:
    """The measured frames of a clip of the dataset, and the metrics of each row on them."""

    name: str
    frame_range: FrameRange
    rows: Mapping[str, Measured]


@dataclass(frozen=True)
class Evaluation:
    """What was measured, before it is summarised."""

    models: Mapping[str, Path]
    """Name of the row of a model -> checkpoint."""
    clips: Sequence[EvaluatedClip]
    _: KW_ONLY
    style_rows: Sequence[str] = ()
    """Further rows of the models, such as the best of several samples."""
    set_values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Row -> metric of the set of all its images -> value."""
    not_computed: Mapping[str, str] = field(default_factory=dict)
    """Metric -> why it was not computed, with a command."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Metric of a conditioner -> unit."""
    baseline: str = NEAREST
    baseline_name: str = NEAREST_NAME
    render_command: str = "synthesize"
    """The command that shows the frames of the split."""

    @property
    def num_frames(self) -> int:
        """Measured frames of all clips."""
        return sum(clip.frame_range.num_frames for clip in self.clips)


@dataclass(frozen=True)
class ModelResult:
    """The metrics of one model."""

    name: str
    checkpoint: Path
    metrics: Mapping[str, float]
    """Of the generated frames; with the suffix `_real`, of the real frames."""
    beats_nearest: Mapping[str, bool]
    """Metric -> whether the model is better than the nearest training frame; empty if that was not measured."""
    comparison: str
    """The same in a sentence; "" without a baseline."""


@dataclass(frozen=True)
class EvaluateResult:
    """The metrics, and the JSON file that contains them."""

    path: Path
    """metrics.json in the folder of the evaluation."""
    data: Path
    """The dataset that was used."""
    models: Sequence[ModelResult]
    rows: Mapping[str, Mapping[str, float]]
    """Models, baselines, real -> metric -> mean over frames. A single model is called `model`."""
    deviations: Mapping[str, Mapping[str, float]]
    """The same keys -> sample standard deviation over clips; empty for one clip."""
    evaluation: Evaluation
    best_model: str = ""
    """Of several models, the one that is the best in the most metrics; "" for a tie."""
    report_path: Path | None = None

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics of the first model."""
        return self.models[0].metrics

    @property
    def beats_nearest(self) -> Mapping[str, bool]:
        """Those of the first model."""
        return self.models[0].beats_nearest

    @property
    def comparison(self) -> str:
        """The verdict: whether the models are better than the nearest training frame, and which one is the best."""
        if len(self.models) == 1:
            return self.models[0].comparison
        models = {model.name: self.rows[model.name] for model in self.models}
        baseline = self.rows.get(self.evaluation.baseline)
        counts = "" if baseline is None else describe_counts(models, baseline, self.evaluation.baseline_name) + " "
        return counts + describe_best_model(models)

    @property
    def not_computed(self) -> Mapping[str, str]:
        """Metric -> why it was not computed, with a command."""
        return self.evaluation.not_computed

    @property
    def render_command(self) -> str:
        """The command that shows the frames of the split."""
        return self.evaluation.render_command

    @property
    def baselines(self) -> dict[str, Mapping[str, float]]:
        """The rows without those of the models."""
        model_rows = {*self.evaluation.models, *self.evaluation.style_rows}
        return {name: metrics for name, metrics in self.rows.items() if name not in model_rows}

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of a table."""
        return comparison_table(self.rows, self.deviations, self.evaluation.units)


def summarize(path: Path, data: Path, evaluation: Evaluation) -> EvaluateResult:
    """The means of each row over all clips, and the comparison of the models with the baseline and each other."""
    names = dict.fromkeys(name for clip in evaluation.clips for name in clip.rows)
    means_by_row = {name: [clip.rows[name].means for clip in evaluation.clips if name in clip.rows] for name in names}
    rows = {
        name: {**mean_metrics(means), **evaluation.set_values.get(name, {})} for name, means in means_by_row.items()
    }
    deviations = {name: deviation_over_clips(means) for name, means in means_by_row.items()}
    return EvaluateResult(
        path,
        data,
        [_summarize_model(name, checkpoint, rows, evaluation) for name, checkpoint in evaluation.models.items()],
        rows,
        {name: values for name, values in deviations.items() if values},
        evaluation,
        choose_best_model({name: rows[name] for name in evaluation.models}) if len(evaluation.models) > 1 else "",
    )


def _summarize_model(
    name: str, checkpoint: Path, rows: Mapping[str, Mapping[str, float]], evaluation: Evaluation
) -> ModelResult:
    real = {f"{metric}_real": value for metric, value in rows.get(REAL, {}).items() if not compares_with_real(metric)}
    compared, subject = rows.get(evaluation.baseline, {}), "The model" if name == MODEL else name
    return ModelResult(
        name,
        checkpoint,
        {**rows[name], **real},
        compare_metrics(rows[name], compared) if evaluation.baseline == NEAREST and compared else {},
        describe_comparison(rows[name], compared, evaluation.baseline_name, subject) if compared else "",
    )
