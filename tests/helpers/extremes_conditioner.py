"""A small conditioner with several points, for reference frames: the extremes of the disc of `factories.blob_frame`.

It is found like a third-party plugin: VID2VID_PLUGINS="extremes=helpers.extremes_conditioner:SPEC".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    ConditionerSpec,
    Options,
    VideoFrame,
    View,
    input_path_option,
)
from vid2vid_cli.core.geometry import ImageArray

SPEC = ConditionerSpec("extremes", "Extremes of the red disc.", "points", "helpers.extremes_conditioner:Extremes")
EXTREMES_PLUGIN = "extremes=helpers.extremes_conditioner:SPEC"
DOT_RADIUS = 2.0


class ExtremesOptions(Options):
    """A file of any content adds points, as a file with hands does to a pose."""

    extra_path: Path | None = input_path_option("If it is given, annotations also have the points `extra`.")


class Extremes(Conditioner):
    """The centre and the left, right, top and bottom of the disc."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = ExtremesOptions
    flip_indices: ClassVar[Mapping[str, tuple[int, ...]]] = {"disc": (0, 2, 1, 3, 4)}
    options: ExtremesOptions

    @property
    def num_channels(self) -> int:
        return 1

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        for frame in (video_frame.rgb for video_frame in frames):
            ys, xs = np.nonzero((frame[:, :, 0] > 180) & (frame[:, :, 2] < 100))
            points = {"disc": disc_points(xs, ys)}
            if self.options.extra_path is not None:
                points["extra"] = points["disc"][:3] + 1
            yield Annotation(*frame.shape[:2], float(len(xs) > 0), points)

    def render(self, annotation: Annotation, view: View) -> NDArray[np.float32]:
        y, x = np.mgrid[: view.height, : view.width]
        points = view.transform_points(annotation.points["disc"])
        distances = np.hypot(x[None] - points[:, 0, None, None], y[None] - points[:, 1, None, None])
        is_inside = (distances <= DOT_RADIUS).any(axis=0)
        return np.where(is_inside, 1.0, -1.0).astype(np.float32)[None]

    def visualize(self, annotation: Annotation, view: View) -> ImageArray:
        mask = self.render(annotation, view)[0] > 0
        return np.repeat(mask[:, :, None], 3, axis=2).astype(np.uint8) * 255


def disc_points(xs: NDArray[np.int64], ys: NDArray[np.int64]) -> NDArray[np.float32]:
    """Centre, left, right, top and bottom (5, 2) of the pixels; NaN without pixels."""
    if not len(xs):
        return np.full((5, 2), np.nan, np.float32)
    x, y = xs.mean(), ys.mean()
    return np.array([(x, y), (xs.min(), y), (xs.max(), y), (x, ys.min()), (x, ys.max())], np.float32)
