"""The report of `prepare`: the preview, frames without a detection, and the coverage of poses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import FRAME_CONDITIONER
from vid2vid_cli.core.errors import PluginError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.dataset_builder.job import PrepareJob
from vid2vid_cli.dataset_builder.pose_coverage import PoseCoverage, measure_coverage
from vid2vid_cli.dataset_builder.previews import preview_view
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler, WarningEvent, WarningRecorder
from vid2vid_cli.engine.runtime import describe_environment
from vid2vid_cli.media.contact_sheet import panel_boxes
from vid2vid_cli.reports.plots import PointGroup, draw_scatter
from vid2vid_cli.reports.report import (
    REPORT_FILE_NAME,
    Drawing,
    Mark,
    Panel,
    Picture,
    Report,
    Setting,
    Strip,
    Table,
    VideoView,
    frame_values,
    write_report,
)
from vid2vid_cli.requests.origins import option_rows

MAX_LISTED_GAPS = 50
NUM_THIN_FRAMES = 8
"""Frames that are listed as the farthest from all others."""
THIN_DISTANCE = "distance from the nearest other training frame"


def write_dataset_report(dataset: Dataset, job: PrepareJob, emit: WarningRecorder) -> None:
    """Write `report.html` to the folder of a dataset that is complete but for its name, with the warnings so far.

    A failure other than a full disk is a warning. Raises DiskFullError, PermissionDeniedError.
    """
    try:
        report = _build_report(dataset, job, emit.warnings)
    except (PluginError, ArithmeticError, ValueError) as error:  # a plugin may describe its frames wrongly
        emit(WarningEvent(f"{REPORT_FILE_NAME} was not written: {type(error).__name__}: {error}"))
        return
    write_report(dataset.folder / REPORT_FILE_NAME, report)


def emit_dataset_report(folder: Path, emit: EventHandler) -> None:
    """Name the report of a finished dataset; older datasets have none."""
    if (folder / REPORT_FILE_NAME).is_file():
        emit(ArtifactEvent(str(folder / REPORT_FILE_NAME), "report"))


def _build_report(dataset: Dataset, job: PrepareJob, warnings: Sequence[str]) -> Report:
    manifest, fps = dataset.manifest, float(dataset.fps)
    names = manifest.conditioner_names
    offsets = _clip_offsets(dataset)
    gaps = _find_gaps(dataset)
    coverage = measure_coverage(dataset, job.conditioners, preview_view(*job.frame_size))
    strips = [_quality_strip(dataset, name) for name in names if name != FRAME_CONDITIONER]
    tables = [_gap_table(gaps, fps)] if gaps else []
    drawings: list[Drawing] = []
    if coverage is not None:
        strips.append(_distance_strip(coverage, offsets, manifest.num_frames))
        drawings.append(_draw_coverage(coverage))
        tables.append(_thin_table(coverage, offsets, fps))
    view = preview_view(*job.frame_size)
    boxes = panel_boxes([(view.height, view.width)] * (1 + len(names)), view.height, has_labels=True)
    records = [record for record in manifest.conditioners if record.name != FRAME_CONDITIONER]
    counts = [f"{r.name} detected on {r.quality.num_detected} of {r.quality.num_frames} frames" for r in records]
    num_val = sum(frame_range.num_frames for frame_range in dataset.frame_ranges("val"))
    return Report(
        command_name="prepare",
        title=manifest.name,
        summary=["; ".join([f"{manifest.num_frames} frames, {manifest.num_frames / fps:.1f} s", *counts]) + "."],
        facts=[
            *(("video", str(item.path)) for item in job.inputs),
            ("size", f"{dataset.width}x{dataset.height}"),
            ("frame rate", f"{manifest.fps} per second"),
            ("clips", str(len(manifest.clips))),
            ("validation", f"{num_val} frames"),
        ],
        warnings=warnings,
        video=VideoView(
            "preview.mp4",
            fps,
            manifest.num_frames,
            [Panel(name, *box) for name, box in zip(("video", *names), boxes, strict=True)],
            strips=strips,
            marks=_marks(dataset, offsets, gaps),
        ),
        pictures=[Picture("contact_sheet.png", "Contact sheet")],
        drawings=drawings,
        tables=tables,
        settings=[Setting(*row) for row in option_rows(job.request)],
        environment=describe_environment(),
        command=job.request.command,
    )


def _clip_offsets(dataset: Dataset) -> list[int]:
    """The first frame of each clip in the preview."""
    counts = [clip.num_frames for clip in dataset.manifest.clips]
    return [sum(counts[:index]) for index in range(len(counts))]


def _quality_strip(dataset: Dataset, name: str) -> Strip:
    values = frame_values("higher")
    for index, value in enumerate(_quality(dataset, name).tolist()):
        values.add(index, value if value > 0 else math.nan)
    return Strip(f"{name}: quality of the detection", values, "higher")


def _quality(dataset: Dataset, name: str) -> np.ndarray:
    """The quality on all frames in the order of the preview."""
    return np.concatenate([dataset.quality(index, name) for index in range(len(dataset.manifest.clips))])


def _find_gaps(dataset: Dataset) -> list[tuple[int, int, str]]:
    """First frame, number of frames and conditioner of each gap, in the order of the preview."""
    gaps = []
    for name in dataset.manifest.conditioner_names:
        is_missing = np.concatenate([[0], (_quality(dataset, name) <= 0).astype(np.int8), [0]])
        edges = np.flatnonzero(np.diff(is_missing)).tolist()
        gaps += [(start, stop - start, name) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return sorted(gaps)


def _gap_table(gaps: Sequence[tuple[int, int, str]], fps: float) -> Table:
    longest = sorted(sorted(gaps, key=lambda gap: -gap[1])[:MAX_LISTED_GAPS])
    counts = Counter[str]()
    for _, length, name in gaps:
        counts[name] += length
    note = ", ".join(f"{name}: {count} frames" for name, count in counts.items())
    note += f"; the longest {len(longest)} of {len(gaps)} gaps are listed." if len(longest) < len(gaps) else "."
    rows = [[str(start), f"{start / fps:.2f} s", str(length), name] for start, length, name in longest]
    return Table(
        "Frames without a detection",
        ["from frame", "time", "frames", "conditioner"],
        rows,
        f"{note} Training leaves them out.",
        [start for start, *_ in longest],
    )


def _marks(dataset: Dataset, offsets: Sequence[int], gaps: Sequence[tuple[int, int, str]]) -> list[Mark]:
    marks = [Mark(offset, f"clip {index + 2}") for index, (_, offset) in enumerate(pairwise(offsets))]
    marks += [
        Mark(offsets[clip] + start, "first validation frame") for clip, start, _ in dataset.frame_ranges("val") if start
    ]
    longest = sorted(gaps, key=lambda gap: -gap[1])[:MAX_LISTED_GAPS]
    marks += [Mark(start, f"{name}: no detection on {length} frames") for start, length, name in longest]
    return sorted(marks, key=lambda mark: mark.frame)


def _distance_strip(coverage: PoseCoverage, offsets: Sequence[int], num_frames: int) -> Strip:
    """The distance of the measured frames; a frame between two of them has that of the one before."""
    measured = {
        offsets[clip] + index: float(distance)
        for (clip, index), distance in zip(coverage.frames, coverage.distances, strict=True)
    }
    values, last = frame_values("lower"), next(iter(measured.values()))
    for frame in range(num_frames):
        last = measured.get(frame, last)
        values.add(frame, last)
    return Strip(THIN_DISTANCE, values, "lower")


def _draw_coverage(coverage: PoseCoverage) -> Drawing:
    thin = set(_thinnest(coverage))
    groups = {
        ("training", "group-a"): [i for i in range(len(coverage.frames)) if not coverage.is_val[i] and i not in thin],
        ("validation", "group-b"): [i for i in range(len(coverage.frames)) if coverage.is_val[i] and i not in thin],
        ("thin footage", "group-c"): sorted(thin),
    }
    positions = coverage.positions.tolist()
    points = [
        PointGroup(name, style, [tuple(positions[i]) for i in indices]) for (name, style), indices in groups.items()
    ]
    note = (
        "Each point is a frame; similar annotations are near each other (two main components). Where points are alone "
        "the footage is thin: few frames show such a pose, and results for it are worse."
    )
    return Drawing("Coverage of poses", draw_scatter(points), note)


def _thin_table(coverage: PoseCoverage, offsets: Sequence[int], fps: float) -> Table:
    chosen = _thinnest(coverage)
    frames = [offsets[coverage.frames[i][0]] + coverage.frames[i][1] for i in chosen]
    rows = [
        [
            str(frame),
            f"{frame / fps:.2f} s",
            f"{float(coverage.distances[i]):.3g}",
            "validation" if coverage.is_val[i] else "training",
        ]
        for frame, i in zip(frames, chosen, strict=True)
    ]
    median = float(np.median(coverage.distances))
    return Table(
        "Where the footage is thin",
        ["frame", "time", THIN_DISTANCE, "split"],
        rows,
        f"The frames whose pose is the farthest from all others at another time; the median distance is {median:.3g}.",
        frames,
    )


def _thinnest(coverage: PoseCoverage) -> list[int]:
    """The rows with the largest finite distances, far from each other in time, in the order of the distance."""
    chosen: list[int] = []
    min_rows = max(1, len(coverage.frames) // 40)
    for row in np.argsort(-coverage.distances, kind="stable").tolist():
        if np.isfinite(coverage.distances[row]) and all(abs(row - other) >= min_rows for other in chosen):
            chosen.append(row)
    return chosen[:NUM_THIN_FRAMES]
