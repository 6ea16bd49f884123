"""A small conditioner with options of every role: it detects the red disc of `factories.blob_frame`.

It is found like a third-party plugin: VID2VID_PLUGINS="dots=helpers.dots_conditioner:SPEC".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    ConditionerSpec,
    FloatArray,
    Identifier,
    Options,
    PersonOption,
    UInt8Array,
    VideoFrame,
    View,
    bounding_box,
    input_path_option,
    render_option,
)
from vid2vid_cli.core.geometry import ImageArray

SPEC = ConditionerSpec(
    "dots",
    "The red disc.",
    "points",
    "helpers.dots_conditioner:Dots",
    identifier="helpers.dots_conditioner:load_identifier",
)
DOTS_PLUGIN = "dots=helpers.dots_conditioner:SPEC"


class DotsOptions(Options):
    """Options of each role; two_channels changes the number of channels."""

    min_red: int = Field(180, description="Minimum red value of the disc.")
    two_channels: bool = Field(False, description="Repeat the channel.")
    radius: float = render_option(3.0, "Radius of the rendered dot in pixels.", ge=0.5)
    person: PersonOption = Field("largest", description="Not used.")
    input_path: Path | None = input_path_option("A text file with the x and y of each frame.")


class Dots(Conditioner):
    """The centre of the disc. Retargeting shifts it to the target's mean, with a delay from smoothing."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = DotsOptions
    supports_retargeting: ClassVar[bool] = True
    input_option: ClassVar[str] = "input_path"
    region_names: ClassVar[tuple[str, ...]] = ("disc", "corners")
    error_units: ClassVar[Mapping[str, str]] = {"dot_distance": "px"}
    options: DotsOptions

    @property
    def num_channels(self) -> int:
        return 1 + self.options.two_channels

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        rows = np.loadtxt(self.options.input_path, ndmin=2) if self.options.input_path is not None else None
        for index, frame in enumerate(video_frame.rgb for video_frame in frames):
            ys, xs = np.nonzero((frame[:, :, 0] > self.options.min_red) & (frame[:, :, 2] < 100))
            point = np.array([[xs.mean(), ys.mean()]]) if len(xs) else np.full((1, 2), np.nan)
            if rows is not None:
                assert self.video_context is not None
                point = self.video_context.view.transform_points(
                    rows[None, self.video_context.source_frame_index(index)]
                )
            quality = float(np.isfinite(point).all())
            yield Annotation(*frame.shape[:2], quality, {"dot": point.astype(np.float32)})

    def render(self, annotation: Annotation, view: View) -> NDArray[np.float32]:
        y, x = np.mgrid[: view.height, : view.width]
        centre = view.transform_points(annotation.points["dot"])[0]
        is_inside = np.hypot(x - centre[0], y - centre[1]) <= self.options.radius
        return np.repeat(np.where(is_inside, 1.0, -1.0).astype(np.float32)[None], self.num_channels, axis=0)

    def visualize(self, annotation: Annotation, view: View) -> ImageArray:
        mask = self.render(annotation, view)[0] > 0
        return np.repeat(mask[:, :, None], 3, axis=2).astype(np.uint8) * 255

    def region_boxes(self, annotation: Annotation, view: View) -> dict[str, NDArray[np.float32]]:
        """The disc, and two corners that are never detected."""
        return {
            "disc": bounding_box(annotation.points["dot"], view)[None],
            "corners": np.full((2, 4), np.nan, np.float32),
        }

    def statistics(self, annotations: Sequence[Annotation]) -> dict[str, Any]:
        points = np.array([annotation.points["dot"][0] for annotation in annotations if annotation.quality > 0])
        if not len(points):
            return {}
        low, high = points.min(axis=0) - 8, points.max(axis=0) + 8
        mean = [float(value) for value in points.mean(axis=0)]
        size = {"height": annotations[0].height, "width": annotations[0].width}
        return {"mean": mean, "subject_box": [float(value) for value in (*low, *high)], **size}

    def errors(self, detected: Annotation, reference: Annotation) -> dict[str, float]:
        if not (detected.quality and reference.quality):
            return {}
        return {"dot_distance": float(np.linalg.norm(detected.points["dot"] - reference.points["dot"]))}

    def measure(self, annotation: Annotation) -> dict[str, float]:
        """The place of the disc in pixels; NaN in the right quarter of the frame, as if it were not detected there."""
        x = float(annotation.points["dot"][0, 0]) if annotation.quality else math.nan
        return {"dot_x": x if x < 0.75 * annotation.width else math.nan}

    def retarget(
        self, annotations: Iterable[Annotation], source: dict[str, Any], target: dict[str, Any]
    ) -> Iterator[Annotation]:
        previous: NDArray[np.float32] | None = None
        for annotation in annotations:
            point = annotation.points["dot"] + np.float32(target["mean"]) - np.float32(source["mean"])
            previous = point if previous is None else (previous + point) / 2
            yield Annotation(target["height"], target["width"], annotation.quality, {"dot": previous})


def load_identifier() -> Identifier:
    """Discs are told apart by the colour of their centre."""
    return Identifier("dot_colour", _centre_colour)


def _centre_colour(image: UInt8Array, annotation: Annotation) -> FloatArray:
    x, y = annotation.points["dot"][0].round().astype(int)
    colour: FloatArray = image[y, x].astype(np.float32)
    return colour
