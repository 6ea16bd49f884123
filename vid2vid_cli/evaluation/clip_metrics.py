"""The metrics of images of a clip, generated or not, all by the same functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import DatasetError
from vid2vid_cli.data.dataset import FrameRange, Split, valid_ranges
from vid2vid_cli.evaluation.extra_metrics import ExtraMetrics
from vid2vid_cli.evaluation.identity import ClipIdentities
from vid2vid_cli.evaluation.measured import Measured, MetricMeans, measured_flicker, measured_frames, measured_warping
from vid2vid_cli.evaluation.perceptual import DistanceToClip, PerceptualMetric
from vid2vid_cli.evaluation.redetection import (
    Detections,
    detect_images,
    redetection_errors,
    transform_annotation,
)
from vid2vid_cli.metrics.image import psnr, sharpness, ssim
from vid2vid_cli.metrics.temporal import colour_drift
from vid2vid_cli.networks.flow_estimator import clip_flow
from vid2vid_cli.training_data.training_data import TrainingData

MIN_DRIFT_FRAMES = 25


class ClipMetrics:
    """Compares images with the real frames of a clip. What depends on the real frames alone is computed once."""

    def __init__(
        self,
        training_data: TrainingData,
        frame_range: FrameRange,
        real_frames: Tensor,
        *,
        redetectors: Sequence[Conditioner] = (),
        perceptual_metric: PerceptualMetric | None = None,
        extra_metrics: ExtraMetrics | None = None,
        on_detection: Callable[[], None] = lambda: None,
        on_frame: Callable[[], None] = lambda: None,
    ) -> None:
        """`real_frames` (t, 3, h, w) are those of `frame_range`.

        `on_detection` is called after each detection, `on_frame` for each image before its detection.
        """
        self._training_data, self._frame_range, self._real_frames = training_data, frame_range, real_frames
        self._redetectors, self._on_detection, self._on_frame = redetectors, on_detection, on_frame
        self._perceptual = None if perceptual_metric is None else DistanceToClip(perceptual_metric, real_frames)
        self._extra_metrics = ExtraMetrics() if extra_metrics is None else extra_metrics
        self._identities: ClipIdentities | None = None
        if self._extra_metrics.identity is not None:
            dataset, view, name = training_data.dataset, training_data.view, self._extra_metrics.identity.conditioner
            annotations = [transform_annotation(item, view) for item in dataset.annotations([frame_range], name)]
            self._identities = ClipIdentities(self._extra_metrics.identity, real_frames, annotations)
        self._flow: tuple[Tensor, Tensor] | None = None
        if len(real_frames) > 1:
            self._flow = clip_flow(real_frames)

    def measure(self, images: Tensor, detections: Detections | None = None) -> Measured:
        """The metrics of images of the last frames of the range, (t', 3, h, w) with t' <= t.

        `psnr` (dB) is the mean over the frames that differ from the real frame. `warping_error` needs two frames; it is
        the root mean square over all pixels of the clip. `own_warping_error` is that by the flow of the images, over
        the same pixels: it leaves out motion that differs from the real one. `flicker` needs two frames,
        `colour_drift` MIN_DRIFT_FRAMES, because the slope of fewer is noise. `detections`: those of the images, if
        they are known.
        """
        num_frames = len(images)
        real_frames = self._real_frames[-num_frames:]
        values = {
            "psnr": psnr(images, real_frames),
            "ssim": ssim(images, real_frames),
            "sharpness": sharpness(images, real_frames),
        }
        if self._perceptual is not None:
            values[self._perceptual.name] = self._perceptual(images)
        for name, measure in self._extra_metrics.frames.items():
            values[name] = measure(images, real_frames)
        for _ in images:
            self._on_frame()
        measured = measured_frames({name: tensor.double().numpy() for name, tensor in values.items()})
        if self._flow is not None and num_frames > 1:
            flow, confidence = (tensor[-num_frames:] for tensor in self._flow)
            measured |= measured_warping(images, flow, confidence)
            own_flow, _ = clip_flow(images)
            measured |= measured_warping(images, own_flow, confidence, "own_warping_error")
            measured |= measured_flicker(images, real_frames)
        measured |= Measured(self._measure_clip(images, real_frames))
        if self._identities is not None:
            measured |= self._identities.measure(images)
        if detections is None:
            detections = detect_images(self._redetectors, images, self._on_detection)
        frame_range = self._frame_range._replace(start=self._frame_range.stop - num_frames)
        data = self._training_data
        return measured | redetection_errors(self._redetectors, detections, data.dataset, frame_range, view=data.view)

    def _measure_clip(self, images: Tensor, real_frames: Tensor) -> MetricMeans:
        """The metrics that single frames do not have."""
        functions = dict(self._extra_metrics.clips)
        if len(images) >= MIN_DRIFT_FRAMES:
            functions["colour_drift"] = lambda images, targets: float(colour_drift(images, targets))
        return {name: (measure(images, real_frames), len(images)) for name, measure in functions.items()}


def measured_ranges(training_data: TrainingData, split: Split, num_given_frames: int) -> list[FrameRange]:
    """The ranges of the split whose frames are generated, without the given frames. Raises DatasetError for none."""
    names = [conditioner.spec.name for conditioner in training_data.conditioners]
    min_frames = 2 + num_given_frames
    frame_ranges = [
        frame_range._replace(start=frame_range.start + num_given_frames)
        for frame_range in valid_ranges(training_data.dataset, names, split)
        if frame_range.num_frames >= min_frames
    ]
    if not frame_ranges:
        raise DatasetError(
            f"{training_data.dataset.folder} has no {min_frames} consecutive {split} frames to measure.",
            "Prepare a longer video.",
        )
    return frame_ranges
