"""The report of `evaluate`: a page beside the comparison video, `metrics.json` and `frames.csv`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from vid2vid_cli.engine.runtime import describe_environment
from vid2vid_cli.evaluation.comparison import best_models
from vid2vid_cli.evaluation.metric_info import column_head, is_compared, metric_direction, shown_name
from vid2vid_cli.evaluation.output_files import FRAMES_FILE_NAME
from vid2vid_cli.evaluation.recorder import ComparisonRecorder
from vid2vid_cli.evaluation.result import EvaluateResult
from vid2vid_cli.reports.report import REPORT_FILE_NAME, Report, Setting, Table, write_report
from vid2vid_cli.requests.measure import EvaluateOptions
from vid2vid_cli.requests.origins import option_rows

NUM_WORST_FRAMES = 8
MIN_FRAME_DISTANCE = 12
"""Frames between two of the worst frames of a clip, because neighbours show the same problem."""
ARROWS_NOTE = "↑ higher is better, ↓ lower is better, →1 closer to 1 is better."
TrainingRecords = Mapping[str, Mapping[str, Any]]
"""Name of a model -> what its checkpoint records of its training."""


def write_evaluation_report(
    result: EvaluateResult,
    request: EvaluateOptions,
    trainings: TrainingRecords,
    recorder: ComparisonRecorder,
    warnings: Sequence[str],
) -> None:
    """Write `report.html` to the folder of the evaluation. Raises DiskFullError, PermissionDeniedError."""
    evaluation = result.evaluation
    names = [model.name for model in result.models]
    num_clips = len(evaluation.clips)
    title = f"{' and '.join(names)} on" if len(names) > 1 else f"{result.models[0].checkpoint.stem} on"
    facts = [("dataset", f"{result.data}, {request.split} frames"), ("metrics", result.path.name)]
    facts += [("metrics of each frame", FRAMES_FILE_NAME)]
    if len(names) == 1:
        facts += [("checkpoint", str(result.models[0].checkpoint))]
        facts += [(f"model: {name}", str(value)) for name, value in trainings[names[0]].items()]
    facts += [(f"not computed: {name}", reason) for name, reason in evaluation.not_computed.items()]
    report = Report(
        command_name="evaluate",
        title=f"{title} {result.data.resolve().name}",
        summary=[
            *([result.comparison] if result.comparison else []),
            f"{evaluation.num_frames} frames of {num_clips} {'clip' if num_clips == 1 else 'clips'}."
            + ("" if request.split == "val" else " They include training frames, on which metrics are better."),
        ],
        facts=facts,
        warnings=warnings,
        results=[_metrics_table(result)],
        video=recorder.view(),
        tables=[
            *([_model_table(result, trainings)] if len(names) > 1 else []),
            *([_clip_table(result, recorder)] if num_clips > 1 else []),
            *(table for name in names if (table := _worst_frames(result, name, recorder)) is not None),
        ],
        settings=[Setting(*row) for row in option_rows(request)],
        environment=describe_environment(),
        command=request.command,
    )
    write_report(result.path.with_name(REPORT_FILE_NAME), report)


def _metrics_table(result: EvaluateResult) -> Table:
    """The table of the terminal; the best of several models is bold."""
    header, rows = result.table()
    metrics = list(dict.fromkeys(name for values in result.rows.values() for name in values))
    names = [model.name for model in result.models]
    best = best_models({name: result.rows[name] for name in names}) if len(names) > 1 else {}
    cells = [
        [
            row[0],
            *(_bold(cell) if best.get(name) == row[0] else cell for name, cell in zip(metrics, row[1:], strict=True)),
        ]
        for row in rows
    ]
    notes = [ARROWS_NOTE]
    if best:
        notes.append("Bold: the best of the models.")
    if result.deviations:
        notes.append("Mean over all frames ± standard deviation over the clips.")
    return Table("Metrics", header, cells, note=" ".join(notes))


def _bold(text: str) -> Markup:
    return Markup(f"<b>{escape(text)}</b>")


def _model_table(result: EvaluateResult, trainings: TrainingRecords) -> Table:
    keys = list(dict.fromkeys(key for training in trainings.values() for key in training))
    rows = [
        [model.name, str(model.checkpoint), *(str(trainings[model.name].get(key, "-")) for key in keys)]
        for model in result.models
    ]
    return Table("Models", ["model", "checkpoint", *(key.replace("_", " ") for key in keys)], rows)


def _clip_table(result: EvaluateResult, recorder: ComparisonRecorder) -> Table:
    """The metrics of each clip and model."""
    names = [model.name for model in result.models]
    clips = result.evaluation.clips
    metrics = list(dict.fromkeys(m for clip in clips for name in names for m in clip.rows[name].means))
    rows, frames = [], []
    for clip in clips:
        for name in names:
            means = clip.rows[name].means
            values = [f"{means[metric][0]:.4g}" if metric in means else "-" for metric in metrics]
            rows.append([clip.name, name, str(clip.frame_range.start), str(clip.frame_range.num_frames), *values])
            frames.append(recorder.frame_numbers[clip.name, clip.frame_range.start])
    heads = [column_head(metric, result.evaluation.units) for metric in metrics]
    return Table("Clips", ["clip", "model", "first frame", "frames", *heads], rows, frames=frames)


def _worst_frames(result: EvaluateResult, model: str, recorder: ComparisonRecorder) -> Table | None:
    """The frames of a model with the worst values of one metric, apart in time; None without values per frame."""
    names = [name for clip in result.evaluation.clips for name in clip.rows[model].frames if is_compared(name)]
    preferred = [name for name in names if name.startswith("perceptual_")] + [n for n in names if n.endswith("ssim")]
    if not names:
        return None
    metric = [*preferred, *names][0]
    sign = -1.0 if metric_direction(metric) == "higher" else 1.0
    entries = []
    for clip in result.evaluation.clips:
        values = clip.rows[model].frames.get(metric, np.empty(0))
        first = clip.frame_range.stop - len(values)
        entries += [(sign * float(v), clip.name, first + i) for i, v in enumerate(values) if math.isfinite(v)]
    worst: list[tuple[float, str, int]] = []
    for entry in sorted(entries, reverse=True):
        is_near = any(clip == entry[1] and abs(index - entry[2]) < MIN_FRAME_DISTANCE for _, clip, index in worst)
        if len(worst) < NUM_WORST_FRAMES and not is_near:
            worst.append(entry)
    numbers = [recorder.frame_numbers[clip, index] for _, clip, index in worst]
    rows = [
        [str(number), clip, str(index), f"{sign * value:.4g}"]
        for number, (value, clip, index) in zip(numbers, worst, strict=True)
    ]
    subject = "" if len(result.models) == 1 else f" of {model}"
    return Table(
        f"Worst frames{subject}: {shown_name(metric)}",
        ["frame", "clip", "frame of the clip", column_head(metric, result.evaluation.units)],
        rows,
        frames=numbers,
    )
