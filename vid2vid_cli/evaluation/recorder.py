"""The comparison video of an evaluation, and the values per frame below it in the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.evaluation.metric_info import UNITS, WARPING_ERRORS, is_compared, metric_direction, shown_name
from vid2vid_cli.evaluation.output_files import VIDEO_NAME
from vid2vid_cli.evaluation.result import EvaluatedClip
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT, VideoWriter
from vid2vid_cli.reports.comparison_video import MIN_PANEL_HEIGHT, compose_panels, panels_of
from vid2vid_cli.reports.report import Better, Mark, Panel, Strip, VideoView, frame_values

FROM_FRAME_BEFORE = (*WARPING_ERRORS, "flicker")
"""Metrics that the first frame of a clip does not have."""
FIRST_FRAME_NOTE = "Warping error and flicker of the first frame of a clip are shown as those of the second."
PanelImages = Mapping[str, Sequence[ImageArray]]
"""Name of a panel -> its image of each frame of a clip, uint8 (h, w, 3)."""


class ComparisonRecorder:
    """Context manager that writes real frames, conditions and results side by side, one clip after another."""

    def __init__(self, folder: Path, fps: Fraction, units: Mapping[str, str] | None = None) -> None:
        """`units`: of the metrics of conditioners."""
        self._writer, self._units = VideoWriter(folder / VIDEO_NAME, fps, comment=SYNTHETIC_COMMENT), units or {}
        self._panels: list[Panel] = []
        self._strips: dict[tuple[str, str], Strip] = {}
        self._num_values: dict[tuple[str, str], int] = {}
        self._marks: list[Mark] = []
        self.frame_numbers: dict[tuple[str, int], int] = {}
        """Name of a clip and index of a frame in it -> frame of the video."""

    def __enter__(self) -> ComparisonRecorder:
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def add_clip(self, clip: EvaluatedClip, images: PanelImages, models: Sequence[str]) -> None:
        """Append the frames of a clip. Raises DiskFullError, PermissionDeniedError."""
        start, first = clip.frame_range.start, self._writer.num_frames
        self._marks.append(Mark(first, f"clip {clip.name}, frames {start} to {clip.frame_range.stop - 1}"))
        for index, frame_images in enumerate(zip(*images.values(), strict=True)):
            panels = dict(zip(images, frame_images, strict=True))
            if not self._panels:
                self._panels = panels_of(panels, MIN_PANEL_HEIGHT)
            self.frame_numbers[clip.name, start + index] = self._writer.num_frames
            self._writer.write(compose_panels(panels, MIN_PANEL_HEIGHT))
        metrics = dict.fromkeys(metric for model in models for metric in clip.rows[model].frames)
        for metric in metrics:
            if is_compared(metric) or metric in WARPING_ERRORS:
                for model in models:
                    values = clip.rows[model].frames.get(metric, np.full(clip.frame_range.num_frames, np.nan))
                    self._add_values(metric, model if len(models) > 1 else "", values.tolist(), first)

    def view(self) -> VideoView:
        """The video with its strips, those of a metric after each other."""
        metrics = list(dict.fromkeys(metric for metric, _ in self._strips))
        return VideoView(
            VIDEO_NAME,
            float(self._writer.fps),
            self._writer.num_frames,
            self._panels,
            strips=[strip for metric in metrics for (name, _), strip in self._strips.items() if name == metric],
            marks=self._marks,
            note=FIRST_FRAME_NOTE if set(FROM_FRAME_BEFORE).intersection(metrics) else "",
        )

    def _add_values(self, metric: str, model: str, values: Sequence[float], first_frame: int) -> None:
        """Append the values of a clip that begins at `first_frame` of the video."""
        key = metric, model
        if key not in self._strips:
            direction = metric_direction(metric)
            better: Better = "" if direction == "one" else direction
            name = shown_name(metric) + (f": {model}" if model else "")
            unit = {**UNITS, **self._units}.get(metric, "")
            self._strips[key] = Strip(name, frame_values(better), better, unit, group=metric)
        num_missing = first_frame - self._num_values.get(key, 0)  # clips on which the metric was not measured
        if metric in FROM_FRAME_BEFORE:
            values = [*values[1:2], *values[1:]]
        for index, value in enumerate([math.nan] * num_missing + list(values), first_frame - num_missing):
            self._strips[key].values.add(index, value)
        self._num_values[key] = first_frame + len(values)
