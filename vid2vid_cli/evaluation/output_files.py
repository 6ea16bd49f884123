"""The files of an evaluation: its folder, `metrics.json` and `frames.csv`, and the names of the others."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vid2vid_cli.core.errors import ConfigError, OutputExistsError
from vid2vid_cli.core.json_values import to_json_value
from vid2vid_cli.core.paths import check_output_parent, shorten_name
from vid2vid_cli.evaluation.metric_info import UNITS, metric_direction
from vid2vid_cli.evaluation.result import EvaluatedClip, EvaluateResult
from vid2vid_cli.media.files import unique_path, write_text
from vid2vid_cli.media.os_errors import write_error
from vid2vid_cli.reports.report import REPORT_FILE_NAME

METRICS_FILE_NAME, FRAMES_FILE_NAME, VIDEO_NAME = "metrics.json", "frames.csv", "comparison.mp4"
SCHEMA_VERSION = 1


def choose_evaluation_folder(
    out: Path | None, checkpoints: Sequence[Path], *, overwrite: bool, is_downloaded: bool = False
) -> Path:
    """The folder to write: `out`, or `evaluation` beside a single checkpoint, with -2, ... if it exists.

    For several checkpoints, and for one that `is_downloaded` to a cache, it is evaluation_NAME in the current folder.
    Raises ConfigError (a file), OutputExistsError (with `overwrite`, a folder that is not an evaluation),
    PermissionDeniedError.
    """
    if out is not None:
        path = out
    elif len(checkpoints) == 1 and not is_downloaded:
        path = checkpoints[0].parent / "evaluation"
    else:
        path = Path(shorten_name("_".join(["evaluation", *(checkpoint.stem for checkpoint in checkpoints)])))
    if path.suffix in (".json", ".csv", ".html") or path.is_file():
        raise ConfigError(f"--out {path} names a file; evaluate writes a folder.", f"Use --out {path.with_suffix('')}")
    check_output_parent(path)
    if not overwrite:
        return unique_path(path, is_folder=True)
    if path.is_dir() and any(path.iterdir()) and not (path / METRICS_FILE_NAME).is_file():
        raise OutputExistsError(
            f"{path} exists and is not an evaluation; it was not overwritten.", "Choose another --out."
        )
    return path


def delete_report(folder: Path) -> None:
    """Delete the report and the video of an evaluation that is overwritten. Raises PermissionDeniedError."""
    for path in (folder / REPORT_FILE_NAME, folder / VIDEO_NAME):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(path, error) from error


def write_metrics(result: EvaluateResult, split: str) -> None:
    """Write `metrics.json`, all numbers of the result per row and clip, and `frames.csv`, one row per image.

    Raises DiskFullError, PermissionDeniedError.
    """
    write_text(result.path, json.dumps(to_json_value(_metrics_record(result, split)), indent=1) + "\n")
    write_text(result.path.with_name(FRAMES_FILE_NAME), _format_frames(result))


def _metrics_record(result: EvaluateResult, split: str) -> dict[str, Any]:
    evaluation = result.evaluation
    names = dict.fromkeys(name for metrics in result.rows.values() for name in metrics)
    units = {**UNITS, **evaluation.units}
    return {
        "schema_version": SCHEMA_VERSION,
        "data": str(result.data),
        "split": split,
        "num_frames": evaluation.num_frames,
        "num_clips": len(evaluation.clips),
        "models": {
            model.name: {
                "checkpoint": str(model.checkpoint),
                "beats_nearest": model.beats_nearest,
                "comparison": model.comparison,
            }
            for model in result.models
        },
        "best_model": result.best_model,
        "comparison": result.comparison,
        "metrics": {name: {"better": metric_direction(name), "unit": units.get(name, "")} for name in names},
        "rows": result.rows,
        "deviations": result.deviations,
        "clips": [_clip_record(clip) for clip in evaluation.clips],
        "not_computed": result.not_computed,
    }


def _clip_record(clip: EvaluatedClip) -> dict[str, Any]:
    return {
        "clip": clip.name,
        "start": clip.frame_range.start,
        "stop": clip.frame_range.stop,
        "rows": {row: {name: value for name, (value, _) in m.means.items()} for row, m in clip.rows.items()},
    }


def _format_frames(result: EvaluateResult) -> str:
    """One line per row, clip and frame; an empty cell is a value that was not measured."""
    clips = result.evaluation.clips
    names = list(dict.fromkeys(name for clip in clips for m in clip.rows.values() for name in m.frames))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "clip", "frame", *names])
    for row in result.rows:
        for clip in clips:
            writer.writerows(_iterate_lines(row, clip, names))
    return text.getvalue()


def _iterate_lines(row: str, clip: EvaluatedClip, names: Sequence[str]) -> Iterator[list[object]]:
    frames = clip.rows[row].frames if row in clip.rows else {}
    num_frames = max((len(values) for values in frames.values()), default=0)
    for index in range(num_frames):
        values = [float(frames[name][index]) if name in frames else math.nan for name in names]
        cells = ["" if math.isnan(value) else f"{value:.6g}" for value in values]
        yield [row, clip.name, clip.frame_range.stop - num_frames + index, *cells]
