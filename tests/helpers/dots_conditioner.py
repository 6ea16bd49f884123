"""A real but tiny conditioner with every kind of option: it follows the bright disc of `makers.blob_frame`.

Found by name as a third party's is: VID2VID_PLUGINS="dots=helpers.dots_conditioner:SPEC".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    ConditionerSpec,
    Options,
    Person,
    View,
    bounds,
    drawing_option,
    files_option,
)

Bytes = NDArray[np.uint8]
SPEC = ConditionerSpec("dots", "The bright disc.", "points", "helpers.dots_conditioner:Dots")
PLUGINS = "dots=helpers.dots_conditioner:SPEC"


class DotOptions(Options):
    """One option of each role, and one that changes the channels."""

    bright: int = Field(180, description="How red a pixel of the disc is at least.")
    twice: bool = Field(False, description="Two channels.")
    radius: float = drawing_option(3.0, "Of the dot that is drawn, in pixels.", ge=0.5)
    person: Person = Field("largest", description="Looked at by nobody.")
    file: Path | None = files_option("A text file with the x and y of each frame.")


class Dots(Conditioner):
    """The centre of the disc; retargeting carries it from one mean to another, half a frame late."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = DotOptions
    retargets: ClassVar[bool] = True
    reads: ClassVar[str] = "file"
    offers: ClassVar[tuple[str, ...]] = ("disc", "corners")
    options: DotOptions

    @property
    def channels(self) -> int:
        return 1 + self.options.twice

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        rows = np.loadtxt(self.options.file, ndmin=2) if self.options.file is not None else None
        for index, frame in enumerate(frames):
            ys, xs = np.nonzero((frame[:, :, 0] > self.options.bright) & (frame[:, :, 2] < 100))
            point = np.array([[xs.mean(), ys.mean()]]) if len(xs) else np.full((1, 2), np.nan)
            if rows is not None:
                assert self.footage is not None
                point = self.footage.view.points(rows[None, self.footage.number(index)])
            found = float(np.isfinite(point).all())
            yield Annotation(*frame.shape[:2], found, {"dot": point.astype(np.float32)})

    def render(self, annotation: Annotation, view: View) -> NDArray[np.float32]:
        y, x = np.mgrid[: view.height, : view.width]
        centre = view.points(annotation.points["dot"])[0]
        near = np.hypot(x - centre[0], y - centre[1]) <= self.options.radius
        return np.repeat(np.where(near, 1.0, -1.0).astype(np.float32)[None], self.channels, axis=0)

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        drawn = self.render(annotation, view)[0] > 0
        return np.repeat(drawn[:, :, None], 3, axis=2).astype(np.uint8) * 255

    def regions(self, annotation: Annotation, view: View) -> dict[str, NDArray[np.float32]]:
        """The disc, and two corners that no frame has."""
        return {"disc": bounds(annotation.points["dot"], view)[None], "corners": np.full((2, 4), np.nan, np.float32)}

    def statistics(self, annotations: Sequence[Annotation]) -> dict[str, Any]:
        dots = np.array([one.points["dot"][0] for one in annotations if one.quality > 0])
        if not len(dots):
            return {}
        low, high = dots.min(axis=0) - 8, dots.max(axis=0) + 8
        mean = [float(value) for value in dots.mean(axis=0)]
        size = {"height": annotations[0].height, "width": annotations[0].width}
        return {"mean": mean, "focus": [float(value) for value in (*low, *high)], **size}

    def distances(self, found: Annotation, wanted: Annotation) -> dict[str, float]:
        if not (found.quality and wanted.quality):
            return {}
        return {"dot_distance": float(np.linalg.norm(found.points["dot"] - wanted.points["dot"]))}

    def retarget(
        self, annotations: Iterable[Annotation], source: dict[str, Any], target: dict[str, Any]
    ) -> Iterator[Annotation]:
        before: NDArray[np.float32] | None = None
        for one in annotations:
            moved = one.points["dot"] + np.float32(target["mean"]) - np.float32(source["mean"])
            before = moved if before is None else (before + moved) / 2
            yield Annotation(target["height"], target["width"], one.quality, {"dot": before})
