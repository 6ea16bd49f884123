"""Retargeting of an annotated source to the subject and the view of a checkpoint."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import tee

import numpy as np

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.combine import merge_statistics
from vid2vid_cli.core.geometry import View
from vid2vid_cli.data.cropping import crop_view
from vid2vid_cli.data.detection_gaps import DetectionGaps
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.rendering.frames import (
    AnnotatedFrame,
    OriginalFrame,
    detection_quality,
    hold_last_annotation,
    is_missing,
)
from vid2vid_cli.rendering.source_scan import SourceScan
from vid2vid_cli.rendering.source_video import SourceVideo


class Retargeter:
    """Fits the annotations of a source to the target, shot by shot, and counts frames without a detection.

    A conditioner that retargets uses the target's view. The others, and all with `retarget=False`, use the source's
    view, which is cropped by the same rule.
    """

    def __init__(self, source: SourceVideo, scan: SourceScan, metadata: CheckpointMetadata, *, retarget: bool) -> None:
        self.source, self.statistics = source, scan.statistics
        self.target_statistics = [dict(conditioner.statistics) for conditioner in metadata.conditioners]
        conditioner_statistics = zip(source.conditioners, scan.statistics, self.target_statistics, strict=True)
        self.retarget_flags = [
            retarget and conditioner.supports_retargeting and bool(source_statistics) and bool(target_statistics)
            for conditioner, source_statistics, target_statistics in conditioner_statistics
        ]
        reader = source.reader
        self.source_view = crop_view(
            reader.height, reader.width, metadata.output_size, metadata.crop, merge_statistics(scan.statistics)
        )
        self.views = tuple(
            metadata.crop_view() if is_retargeted else self.source_view for is_retargeted in self.retarget_flags
        )
        self.gaps = [DetectionGaps(reader.fps, float(reader.start_seconds)) for _ in source.conditioners]
        """Frames without a detection, per conditioner."""
        self.outside = [DetectionGaps(reader.fps, float(reader.start_seconds)) for _ in source.conditioners]
        """Frames in which most points lie outside the picture, per conditioner."""
        self._detected_parts: list[dict[str, None]] = [{} for _ in source.conditioners]
        self._kept_parts: list[dict[str, None]] = [{} for _ in source.conditioners]
        """Names of the point sets with a point on any frame, in order, before and after retargeting."""
        first_frame = AnnotatedFrame(None, False, scan.first_annotations)
        self._last_originals = list(scan.first_annotations)
        """The last annotations with a detection, before they are retargeted."""
        self._last_annotations = [
            next(self._retarget(index, [first_frame])) for index in range(len(scan.first_annotations))
        ]

    def retarget_shot(self, source_frames: Iterable[AnnotatedFrame]) -> Iterator[AnnotatedFrame]:
        """Yield the frames of one shot retargeted and cropped; a missing detection repeats the last annotation.

        The state of `Conditioner.retarget` does not carry over from earlier shots.
        """
        pending_frames: deque[AnnotatedFrame] = deque()

        def queue_frames() -> Iterator[AnnotatedFrame]:
            for source_frame in source_frames:
                frame = source_frame.frame if self.source.has_frames else None
                pending_frames.append(replace(source_frame, frame=frame, crop=self.source_view))
                yield source_frame

        copies = tee(queue_frames(), len(self.views))
        streams = [self._retarget(index, copy) for index, copy in enumerate(copies)]
        for frame_annotations in zip(*streams, strict=True):
            for gaps, annotation, conditioner in zip(
                self.gaps, frame_annotations, self.source.conditioners, strict=True
            ):
                gaps.add(is_missing(annotation, conditioner))
            source_frame = pending_frames.popleft()
            _add_parts(self._detected_parts, source_frame.annotations)
            _add_parts(self._kept_parts, frame_annotations)
            held_annotations = hold_last_annotation(frame_annotations, self._last_annotations, self.source.conditioners)
            for outside, annotation, view in zip(self.outside, held_annotations, self.views, strict=True):
                outside.add(is_mostly_outside(annotation, view))
            quality = detection_quality(frame_annotations, self.source.conditioners)
            original = self._hold_original(source_frame.original)
            yield replace(source_frame, annotations=held_annotations, quality=quality, original=original)

    def omitted_parts(self) -> list[list[str]]:
        """Names of the point sets that were detected and left out on all frames so far, per conditioner."""
        return [
            [name for name in detected if name not in kept]
            for detected, kept in zip(self._detected_parts, self._kept_parts, strict=True)
        ]

    def _hold_original(self, original: OriginalFrame | None) -> OriginalFrame | None:
        """The original frame with its missing detections replaced by the last ones, as those of the result are."""
        if original is None:
            return None
        annotations = hold_last_annotation(original.annotations, self._last_originals, self.source.conditioners)
        return replace(original, annotations=annotations)

    def _retarget(self, index: int, source_frames: Iterable[AnnotatedFrame]) -> Iterator[Annotation]:
        """The annotations of one conditioner, in pixels of the frames that its view crops."""
        annotations = (source_frame.annotations[index] for source_frame in source_frames)
        if not self.retarget_flags[index]:
            return annotations
        return self.source.conditioners[index].retarget(
            annotations, self.statistics[index], self.target_statistics[index]
        )


def _add_parts(seen_parts: Sequence[dict[str, None]], frame_annotations: Sequence[Annotation]) -> None:
    """Add the names of the detected point sets of a frame."""
    for parts, annotation in zip(seen_parts, frame_annotations, strict=True):
        parts.update({name: None for name, points in annotation.points.items() if np.isfinite(points).any()})


def is_mostly_outside(annotation: Annotation, view: View) -> bool:
    """Whether more than half of the detected points lie outside the image of the view; False without points."""
    points = [view.transform_points(group[:, :2]) for group in annotation.points.values() if len(group)]
    positions = np.concatenate(points) if points else np.empty((0, 2), np.float32)
    positions = positions[np.isfinite(positions).all(axis=1)]
    is_inside = ((positions > -0.5) & (positions < (view.width - 0.5, view.height - 0.5))).all(axis=1)
    return bool(2 * is_inside.sum() < len(positions))
