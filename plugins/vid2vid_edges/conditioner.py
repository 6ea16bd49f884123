"""Edges as a conditioner: one channel, drawn once by `annotate` and stored as an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from pydantic import Field

from vid2vid_cli.conditioning import (
    Annotation,
    Bytes,
    Conditioner,
    ConditionerSpec,
    CutDetector,
    Floats,
    Options,
    Statistics,
    View,
    files_option,
    spread,
    view_image,
)
from vid2vid_edges import SPEC
from vid2vid_edges.edge_detection import Method, Steady, Threshold, draw, level, respond
from vid2vid_edges.edge_files import read_drawings

# This share of edge pixels and more is a well-filled drawing: quality 1.
FULL = 0.02


class EdgeOptions(Options):
    """What can be set with `--option edges.…`."""

    method: Method = Field(
        "canny", description="canny: thin lines; scharr, sobel: soft gradients; log, xdog: sketches of dark lines."
    )
    sigma: float = Field(1.0, ge=0, le=20, description="Gaussian blur before the edges, in pixels of the frame.")
    threshold: Threshold = Field("otsu", description="How canny finds its thresholds on each frame.")
    strength: float = Field(1.0, gt=0, description="Above 1: more lines; below 1: fewer.")
    steady: float = Field(0.8, ge=0, lt=1, description="Share of the past in each frame's thresholds; 0: none.")
    dir: Path | None = files_option(
        "Drawings of edges, one per frame, read instead of found: a folder of pictures, or a video; light lines on "
        "black or dark ones on white."
    )


class Edges(Conditioner):
    """Edges with thresholds that follow the footage."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = EdgeOptions
    reads: ClassVar[str] = "dir"
    options: EdgeOptions

    @property
    def channels(self) -> int:
        """One: the drawing."""
        return 1

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        """The image `edges` (h, w) uint8; quality is the share of edge pixels, 0 only on a blank frame.

        Raises: FilesMismatchError, LabelFilesError for drawings that are read.
        """
        if self.options.dir is not None:
            for frame, drawn in read_drawings(self.options.dir, self.footage, frames):
                yield self._annotation(frame, drawn)
            return
        steady = Steady(self.options.steady)
        begins_shot = CutDetector()
        for frame in frames:
            gray = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            yield self._annotation(frame, self._draw(gray, steady, begins_shot(frame)))

    def _annotation(self, frame: Bytes, drawn: Bytes) -> Annotation:
        quality = min(1.0, float((drawn >= 64).mean()) / FULL)
        return Annotation(frame.shape[0], frame.shape[1], quality, images={"edges": drawn})

    def _draw(self, gray: Bytes, steady: Steady, cut: bool) -> Bytes:
        response = respond(gray, self.options.method, self.options.sigma)
        own = level(response, self.options.method, self.options.threshold)
        return draw(response, self.options.method, steady(own, cut=cut) / self.options.strength)

    def render(self, annotation: Annotation, view: View) -> Floats:
        """(1, height, width): -1 where there is nothing, 1 on an edge."""
        seen = self._seen(annotation, view)
        return (seen.astype(np.float32) / 127.5 - 1.0)[None]

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        """White lines on black."""
        return np.repeat(self._seen(annotation, view)[:, :, None], 3, axis=2)

    def _seen(self, annotation: Annotation, view: View) -> Bytes:
        drawn = annotation.images.get("edges")
        if drawn is None:
            return np.zeros((view.height, view.width), dtype=np.uint8)
        seen = view_image(drawn, view)
        # Averaged over k x k pixels, a line of width one keeps 1/k of its brightness: give it back.
        gain = min(max(1.0 / view.scale, 1.0), 8.0)
        return cv2.convertScaleAbs(seen, alpha=gain).reshape(view.height, view.width).astype(np.uint8, copy=False)

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Frame size and the mean share of edge pixels; {} for a blank clip."""
        shares = [float((one.images["edges"] >= 64).mean()) for one in spread(annotations)]
        if not shares:
            return {}
        first = annotations[0]
        return {"height": first.height, "width": first.width, "share": float(np.mean(shares))}

    def fingerprint(self) -> dict[str, Any]:
        """The options; of drawings that are read, that they are."""
        found = super().fingerprint()
        return {"name": found["name"], "api": found["api"], "drawn": True} if self.options.dir else found
