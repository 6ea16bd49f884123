"""The conditioner `segmentation`: a label map for each frame, one condition channel for each class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    Annotation,
    ConditionArray,
    Conditioner,
    ConditionerSpec,
    FloatArray,
    LabelClass,
    Options,
    Statistics,
    UInt8Array,
    VideoFrame,
    View,
    palette,
    subsample,
    view_image,
    weight_file_sha256,
)
from vid2vid_segmentation import SPEC
from vid2vid_segmentation.backend import Segmenter, TiledScores
from vid2vid_segmentation.backends import (
    BackendName,
    SegmentationOptions,
    backend_version,
    label_classes,
    open_segmenter,
    resolve_backend,
)
from vid2vid_segmentation.classes import PERSON_ID, find_class_ids
from vid2vid_segmentation.label_fusion import fuse_tiles, label_quality, mean_iou, to_label_map
from vid2vid_segmentation.temporal_filter import TemporalLabelFilter
from vid2vid_segmentation.weights import find_weights

PALETTE = palette()


class Segmentation(Conditioner):
    """Label maps with Pascal VOC class ids, for all backends."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = SegmentationOptions
    uses_torch: ClassVar[bool] = True
    error_units: ClassVar[Mapping[str, str]] = {"segmentation_iou": "%"}
    options: SegmentationOptions

    @property
    def num_channels(self) -> int:
        """One per class: 21; 2 with backend=selfie; with `classes_used`, the listed classes and the background."""
        return len(self._channel_class_ids())

    def classes(self) -> tuple[LabelClass, ...]:
        """Return all classes of the label maps, including those without a channel."""
        return label_classes(self.options)

    def class_channels(self) -> dict[str, int]:
        """Return the channels of the background and of `classes_used` (or of all classes)."""
        names = {label_class.id: label_class.name for label_class in self.classes()}
        return {names[class_id]: channel for channel, class_id in enumerate(self._channel_class_ids())}

    def _channel_class_ids(self) -> tuple[int, ...]:
        """Return the class id of each channel; channel 0 also takes all classes without a channel."""
        classes = self.classes()
        if self.options.classes_used:
            return (0, *find_class_ids(classes, self.options.classes_used))
        return tuple(label_class.id for label_class in classes)

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield the image `labels` (h, w) uint8; quality is the mean probability of the foreground.

        The quality is 0 if nearly all pixels are background. Reads up to two batches of frames ahead.

        Raises: MissingPackageError, MissingWeightsError.
        """
        temporal_filter, frame_iterator = TemporalLabelFilter(self.options.smoothing), iter(frames)
        with open_segmenter(self.options) as segmenter:
            for frame, tiled_scores in _predict_ahead(segmenter, frame_iterator):
                height, width = frame.rgb.shape[:2]
                probabilities = temporal_filter(
                    fuse_tiles(tiled_scores, segmenter.class_ids, temporal_filter.observe(frame)), frame.rgb
                )
                label_map = to_label_map(probabilities, height, width)
                yield Annotation(height, width, label_quality(probabilities, label_map), images={"labels": label_map})

    def render(self, annotation: Annotation, view: View) -> ConditionArray:
        """Return (channels, height, width): 1 in the channel of a pixel's class, -1 in all others."""
        channel_map = self._id_to_channel()[self._view_labels(annotation, view)].ravel()
        channels = np.full((self.num_channels, channel_map.size), -1, dtype=np.int8)
        channels[channel_map, np.arange(channel_map.size)] = 1
        return channels.reshape(-1, view.height, view.width)

    def _id_to_channel(self) -> NDArray[np.intp]:
        """Return the channel of each class id, (256,)."""
        class_ids = self._channel_class_ids()
        id_to_channel = np.zeros(256, dtype=np.intp)
        id_to_channel[list(class_ids)] = range(len(class_ids))
        return id_to_channel

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """Return the classes that have a channel in Pascal VOC colours, on black."""
        colours, ids = np.zeros((256, 3), dtype=np.uint8), list(self._channel_class_ids())
        colours[ids] = PALETTE[ids]
        return colours.take(self._view_labels(annotation, view), axis=0)

    def _view_labels(self, annotation: Annotation, view: View) -> UInt8Array:
        label_map = annotation.images.get("labels")
        if label_map is None:
            return np.zeros((view.height, view.width), dtype=np.uint8)
        return view_image(label_map, view, nearest=True)

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Return the frame size and mean class shares; with backend=selfie also `subject_box`, the person's box."""
        classes, boxes, frame_shares = self.classes(), [], []
        height = width = 0
        for annotation in subsample(annotations):
            label_map = annotation.images.get("labels")
            if label_map is None:
                continue
            height, width = label_map.shape
            frame_shares.append(np.bincount(label_map.ravel(), minlength=256) / label_map.size)
            if self._backend_name() == "selfie":
                boxes.append(_mask_box(label_map == PERSON_ID))
        if not frame_shares:
            return {}
        mean_shares = np.mean(frame_shares, axis=0)
        class_shares = {c.name: round(float(mean_shares[c.id]), 6) for c in classes if mean_shares[c.id] > 0}
        result: Statistics = {"height": height, "width": width, "class_shares": class_shares}
        return {**result, "subject_box": _subject_box(np.array(boxes), height, width)} if boxes else result

    def errors(self, detected: Annotation, reference: Annotation) -> dict[str, float]:
        """Return `segmentation_iou`: mean intersection over union, in %, over the channels that occur."""
        if not ("labels" in detected.images and "labels" in reference.images):
            return {}
        id_to_channel = self._id_to_channel()
        detected_channels, reference_channels = (
            id_to_channel[annotation.images["labels"]] for annotation in (detected, reference)
        )
        return {"segmentation_iou": mean_iou(detected_channels, reference_channels, self.num_channels)}

    def _backend_name(self) -> BackendName:
        return resolve_backend(self.options)

    def fingerprint(self) -> dict[str, Any]:
        """Return the options, the backend and its version, and the sha256 of the weights instead of their path."""
        data = super().fingerprint()
        options = {name: value for name, value in data["options"].items() if name not in ("weights", "batch_size")}
        path: Path | None = self.options.weights
        weights_file = find_weights(path) if path is not None else None
        backend = self._backend_name()
        return {
            **data,
            "options": options,
            "backend": backend,
            "version": backend_version(backend),
            "weights": weight_file_sha256(weights_file) if weights_file is not None else "",
        }


def _predict_ahead(segmenter: Segmenter, frames: Iterator[VideoFrame]) -> Iterator[tuple[VideoFrame, TiledScores]]:
    """Yield each frame with its scores; the next batch is computed in a thread while this one is consumed."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        previous_batch: tuple[list[VideoFrame], Future[list[TiledScores]]] | None = None
        while True:
            batch = list(islice(frames, segmenter.batch_size))
            next_batch = (batch, pool.submit(segmenter.predict, [frame.rgb for frame in batch])) if batch else None
            if previous_batch is not None:
                yield from zip(previous_batch[0], previous_batch[1].result(), strict=True)
            if next_batch is None:
                return
            previous_batch = next_batch


def _mask_box(mask: UInt8Array) -> tuple[float, float, float, float]:
    """Return the box (x0, y0, x1, y1), in edge coordinates, of the mask without 0.5 % of its pixels on each side."""
    extents = []
    for axis in (0, 1):
        cumulative_counts = np.cumsum(mask.view(np.uint8).sum(axis=axis, dtype=np.uint32))
        first, last = np.searchsorted(cumulative_counts, (0.005 * cumulative_counts[-1], 0.995 * cumulative_counts[-1]))
        extents.append((float(first), float(last + 1)))
    (x0, x1), (y0, y1) = extents
    return x0, y0, x1, y1


def _subject_box(boxes: FloatArray, height: int, width: int) -> list[float]:
    """Return the box of the 5th to 95th percentiles of the boxes, enlarged by 5 % on each side, within the frame."""
    x0, y0 = np.percentile(boxes[:, :2], 5, axis=0)
    x1, y1 = np.percentile(boxes[:, 2:], 95, axis=0)
    margin_x, margin_y = 0.05 * (x1 - x0), 0.05 * (y1 - y0)
    return [
        float(max(x0 - margin_x, 0)),
        float(max(y0 - margin_y, 0)),
        float(min(x1 + margin_x, width)),
        float(min(y1 + margin_y, height)),
    ]
