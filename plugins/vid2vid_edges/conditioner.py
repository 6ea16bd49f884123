"""The conditioner `edges`: one channel, computed by `annotate` and stored as an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from pydantic import Field

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    ConditionerSpec,
    FloatArray,
    Options,
    Statistics,
    UInt8Array,
    VideoFrame,
    View,
    input_path_option,
    subsample,
    view_image,
)
from vid2vid_edges import SPEC
from vid2vid_edges.edge_detection import (
    AutoThreshold,
    EdgeMethod,
    ThresholdSmoother,
    auto_level,
    draw_edges,
    edge_response,
)
from vid2vid_edges.edge_files import read_edge_images

FULL_QUALITY_EDGE_SHARE = 0.02  # the share of edge pixels that gives quality 1


class EdgeOptions(Options):
    """Options of the conditioner `edges`."""

    method: EdgeMethod = Field(
        "canny", description="canny: thin lines; scharr, sobel: soft gradients; log, xdog: sketches of dark lines."
    )
    sigma: float = Field(
        1.0,
        ge=0,
        le=20,
        description="Standard deviation of the Gaussian blur before edge detection, in pixels of the frame.",
    )
    auto_threshold: AutoThreshold = Field("otsu", description="Automatic threshold of canny for each frame.")
    sensitivity: float = Field(1.0, gt=0, description="Divides the threshold: above 1 more edges, below 1 fewer.")
    smoothing: float = Field(
        0.8, ge=0, lt=1, description="Weight of past frames in the threshold of each frame; 0: none."
    )
    input_dir: Path | None = input_path_option(
        "Edge images, one per frame, that replace detection: a folder of images or a video, with light lines on black "
        "or dark lines on white."
    )


class Edges(Conditioner):
    """Edges with adaptive thresholds."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = EdgeOptions
    input_option: ClassVar[str] = "input_dir"
    options: EdgeOptions

    @property
    def num_channels(self) -> int:
        """One: the edge image."""
        return 1

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield the image `edges` (h, w) uint8; quality depends on the share of edge pixels, and is 0 on a blank frame.

        Raises: InputFileMismatchError, LabelFileError for edge images that are read from files.
        """
        if self.options.input_dir is not None:
            images = (frame.rgb for frame in frames)
            for image, edges in read_edge_images(self.options.input_dir, self.video_context, images):
                yield self._make_annotation(image, edges)
            return
        smoother = ThresholdSmoother(self.options.smoothing)
        for frame in frames:
            gray = np.asarray(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            yield self._make_annotation(frame.rgb, self._detect_edges(gray, smoother, frame.is_cut))

    def _make_annotation(self, frame: UInt8Array, edges: UInt8Array) -> Annotation:
        quality = min(1.0, float((edges >= 64).mean()) / FULL_QUALITY_EDGE_SHARE)
        return Annotation(frame.shape[0], frame.shape[1], quality, images={"edges": edges})

    def _detect_edges(self, gray: UInt8Array, smoother: ThresholdSmoother, is_cut: bool) -> UInt8Array:
        response = edge_response(gray, self.options.method, self.options.sigma)
        frame_level = auto_level(response, self.options.method, self.options.auto_threshold)
        return draw_edges(
            response, self.options.method, smoother(frame_level, is_cut=is_cut) / self.options.sensitivity
        )

    def render(self, annotation: Annotation, view: View) -> FloatArray:
        """Return (1, height, width): -1 without an edge, 1 on an edge."""
        edges = self._view_edges(annotation, view)
        return (edges.astype(np.float32) / 127.5 - 1.0)[None]

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """Return white lines on black."""
        return np.repeat(self._view_edges(annotation, view)[:, :, None], 3, axis=2)

    def _view_edges(self, annotation: Annotation, view: View) -> UInt8Array:
        edge_image = annotation.images.get("edges")
        if edge_image is None:
            return np.zeros((view.height, view.width), dtype=np.uint8)
        edges = view_image(edge_image, view)
        # Downscaling by k averages k x k pixels, so that a line of width one keeps 1/k of its brightness: compensate.
        gain = min(max(1.0 / view.scale, 1.0), 8.0)
        return cv2.convertScaleAbs(edges, alpha=gain).reshape(view.height, view.width).astype(np.uint8, copy=False)

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Return the frame size and the mean share of edge pixels; {} for a blank clip."""
        shares = [float((annotation.images["edges"] >= 64).mean()) for annotation in subsample(annotations)]
        if not shares:
            return {}
        height, width = annotations[0].height, annotations[0].width
        return {"height": height, "width": width, "edge_share": float(np.mean(shares))}

    def fingerprint(self) -> dict[str, Any]:
        """Return the detection options, or only `from_files` if edge images are read from files."""
        data = super().fingerprint()
        if self.options.input_dir is None:
            return data
        return {"name": data["name"], "api_version": data["api_version"], "from_files": True}
