"""Values per frame that are recorded while a video is rendered, for the report."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.frames import RenderedFrame
from vid2vid_cli.reports.comparison_video import panels_of
from vid2vid_cli.reports.report import Mark, Panel, Strip, frame_values

MAX_MARKS = 200
"""Frames that the report lists."""
SYNTHESISED = "synthesised pixels; the others are warped from the last frame"


@dataclass
class FrameLog:
    """Values per frame for the report, in bounded memory."""

    strips: dict[str, Strip] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    num_missing: dict[str, int] = field(default_factory=dict)
    """Conditioner -> frames without a detection."""
    panels: list[Panel] = field(default_factory=list)
    """The images of the comparison video."""
    num_frames: int = 0
    """Recorded frames; at the start those of an interrupted command, which are not recorded."""
    _was_missing: bool = False

    def __post_init__(self) -> None:
        self._first_frame = self.num_frames

    def add(self, renderer: FrameRenderer, rendered: RenderedFrame) -> None:
        """Record the next frame."""
        if not self.panels:
            self.panels = panels_of(renderer.comparison_images(rendered), rendered.image.shape[0])
        names = [conditioner.spec.name for conditioner in renderer.conditioners]
        missing_names = []
        for name, quality in zip(names, rendered.source.quality, strict=False):
            strip = self.strips.setdefault(name, Strip(f"{name}: quality of the detection", frame_values("higher")))
            strip.values.add(self.num_frames, quality if quality > 0 else math.nan)
            if quality <= 0:
                missing_names.append(name)
                self.num_missing[name] = self.num_missing.get(name, 0) + 1
        self._add_synthesised(rendered.synthesised_share)
        if rendered.source.is_cut and self.num_frames:
            self._mark("cut: the recursion starts again")
        if missing_names and not self._was_missing:
            self._mark(f"no detection by {' and '.join(missing_names)}: the last annotation is repeated")
        self._was_missing = bool(missing_names)
        self.num_frames += 1

    def _add_synthesised(self, share: float | None) -> None:
        """Record the share of synthesised pixels, which is all of the first frame of a clip."""
        if share is not None and SYNTHESISED not in self.strips:
            self.strips[SYNTHESISED] = Strip(SYNTHESISED, frame_values("lower"), "lower", "%")
            for index in range(self._first_frame, self.num_frames):
                self.strips[SYNTHESISED].values.add(index, 100.0)
        if SYNTHESISED in self.strips:
            self.strips[SYNTHESISED].values.add(self.num_frames, 100.0 if share is None else 100 * share)

    def _mark(self, text: str) -> None:
        if len(self.marks) < MAX_MARKS:
            self.marks.append(Mark(self.num_frames, text))
