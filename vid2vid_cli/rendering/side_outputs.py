"""What is written beside a rendered video while it is made: the layers of `--save`, and values for the report."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.frames import RenderedFrame
from vid2vid_cli.rendering.layers import layer_path
from vid2vid_cli.reports.comparison_video import panels_of
from vid2vid_cli.reports.report import Mark, Panel, Strip, frame_values
from vid2vid_cli.requests.render import Layer

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
    _was_missing: bool = False

    def add(self, renderer: FrameRenderer, rendered: RenderedFrame) -> None:
        """Record the next frame."""
        if not self.num_frames:
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
            for index in range(self.num_frames):
                self.strips[SYNTHESISED].values.add(index, 100.0)
        if SYNTHESISED in self.strips:
            self.strips[SYNTHESISED].values.add(self.num_frames, 100.0 if share is None else 100 * share)

    def _mark(self, text: str) -> None:
        if len(self.marks) < MAX_MARKS:
            self.marks.append(Mark(self.num_frames, text))


class SideOutputs:
    """Context manager that writes a video per layer, at the frame rate of the rendered video, and fills a log."""

    def __init__(self, video: Path, fps: Fraction, layers: tuple[Layer, ...], comment: str) -> None:
        self.log = FrameLog()
        self._writers = {layer: VideoWriter(layer_path(video, layer), fps, comment=comment) for layer in layers}
        self._stack = ExitStack()

    @property
    def paths(self) -> dict[Layer, Path]:
        """The video of each layer."""
        return {layer: writer.path for layer, writer in self._writers.items()}

    def __enter__(self) -> SideOutputs:
        for writer in self._writers.values():
            self._stack.enter_context(writer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, renderer: FrameRenderer, rendered: RenderedFrame) -> None:
        """Write the layers of the next frame and record its values. Raises as `VideoWriter.write`."""
        for layer, writer in self._writers.items():
            writer.write(rendered.layers[layer])
        self.log.add(renderer, rendered)
