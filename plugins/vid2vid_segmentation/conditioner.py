"""Segmentation as a conditioner: a label map for every frame, and one condition channel for every class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    Annotation,
    Bytes,
    Channels,
    Conditioner,
    ConditionerSpec,
    Floats,
    LabelClass,
    Options,
    Statistics,
    View,
    palette,
    spread,
    view_image,
)
from vid2vid_segmentation import SPEC
from vid2vid_segmentation.backend import Looks, Segmenter
from vid2vid_segmentation.backends import Kind, SegmentationOptions, classes_of, kind_of, open_segmenter, version
from vid2vid_segmentation.classes import PERSON, chosen
from vid2vid_segmentation.label_fusion import labels, mean_overlap, planes, quality
from vid2vid_segmentation.temporal_filter import Steady
from vid2vid_segmentation.weights import digest, find

PALETTE = palette()


class Segmentation(Conditioner):
    """Label maps with the ids of Pascal VOC, whatever the backend."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = SegmentationOptions
    options: SegmentationOptions

    @property
    def channels(self) -> int:
        """One per class: 21, with backend=person 2, with `keep` one more than the classes it names."""
        return len(self._ids())

    def classes(self) -> tuple[LabelClass, ...]:
        """All classes of the label maps, whatever `keep` says."""
        return classes_of(self.options)

    def class_channels(self) -> dict[str, int]:
        """Those that `keep` names, and the first."""
        names = {one.id: one.name for one in self.classes()}
        return {names[id_]: channel for channel, id_ in enumerate(self._ids())}

    def _ids(self) -> tuple[int, ...]:
        """The class of each channel; the first takes all that has no channel of its own."""
        classes = self.classes()
        if self.options.keep:
            return (0, *chosen(classes, self.options.keep))
        return tuple(one.id for one in classes)

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        """The image `labels` (h, w) uint8; quality is the mean probability of what is not background.

        It is 0 where all is background, but for specks. Two times `batch` frames are drawn ahead.

        Raises: MissingPackageError, MissingWeightsError.
        """
        steady, stream = Steady(self.options.smooth), iter(frames)
        with open_segmenter(self.options) as segmenter:
            for frame, looks in _looked(segmenter, stream):
                height, width = frame.shape[:2]
                found = steady(planes(looks, segmenter.ids, steady.watch(frame)), frame)
                map_ = labels(found, height, width)
                yield Annotation(height, width, quality(found, map_), images={"labels": map_})

    def render(self, annotation: Annotation, view: View) -> Channels:
        """(channels, height, width): 1 in the channel of a pixel's class, -1 in the others; never in between."""
        channel = self._channel_of()[self._seen(annotation, view)].ravel()
        channels = np.full((self.channels, channel.size), -1, dtype=np.int8)
        channels[channel, np.arange(channel.size)] = 1
        return channels.reshape(-1, view.height, view.width)

    def _channel_of(self) -> NDArray[np.intp]:
        """(256,): the channel of each id."""
        ids = self._ids()
        channel_of = np.zeros(256, dtype=np.intp)
        channel_of[list(ids)] = range(len(ids))
        return channel_of

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        """Each class that has a channel in Pascal VOC's colour, on black."""
        colours, ids = np.zeros((256, 3), dtype=np.uint8), list(self._ids())
        colours[ids] = PALETTE[ids]
        return colours.take(self._seen(annotation, view), axis=0)

    def _seen(self, annotation: Annotation, view: View) -> Bytes:
        map_ = annotation.images.get("labels")
        if map_ is None:
            return np.zeros((view.height, view.width), dtype=np.uint8)
        return view_image(map_, view, nearest=True)

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Frame size and the mean share of each class by name; with backend=person also `focus`, about the person."""
        classes, boxes, shares = self.classes(), [], []
        height = width = 0
        for one in spread(annotations):
            map_ = one.images.get("labels")
            if map_ is None:
                continue
            height, width = map_.shape
            shares.append(np.bincount(map_.ravel(), minlength=256) / map_.size)
            if self._kind() == "person":
                boxes.append(_box(map_ == PERSON))
        if not shares:
            return {}
        mean = np.mean(shares, axis=0)
        share = {one.name: round(float(mean[one.id]), 6) for one in classes if mean[one.id] > 0}
        result: Statistics = {"height": height, "width": width, "shares": share}
        return {**result, "focus": _focus(np.array(boxes), height, width)} if boxes else result

    def distances(self, found: Annotation, wanted: Annotation) -> dict[str, float]:
        """`segmentation_iou`: intersection over union in %, the mean over the classes of the channels that occur."""
        if not ("labels" in found.images and "labels" in wanted.images):
            return {}
        place = self._channel_of()
        one, other = (place[annotation.images["labels"]] for annotation in (found, wanted))
        return {"segmentation_iou": mean_overlap(one, other, self.channels)}

    def _kind(self) -> Kind:
        return kind_of(self.options)

    def fingerprint(self) -> dict[str, Any]:
        """How classes are found: options, the backend and its version, the weights by their sha256 and not by path."""
        base = super().fingerprint()
        options = {name: value for name, value in base["options"].items() if name not in ("weights", "batch")}
        path: Path | None = self.options.weights
        file = find(path) if path is not None else None
        kind = self._kind()
        return {
            **base,
            "options": options,
            "backend": kind,
            "version": version(kind),
            "weights": digest(file) if file is not None else "",
        }


def _looked(segmenter: Segmenter, frames: Iterator[Bytes]) -> Iterator[tuple[Bytes, Looks]]:
    """Each frame with what the network saw; it looks at the next group while this one is being worked on."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        before: tuple[list[Bytes], Future[list[Looks]]] | None = None
        while True:
            group = list(islice(frames, segmenter.batch))
            coming = (group, pool.submit(segmenter.look, group)) if group else None
            if before is not None:
                yield from zip(before[0], before[1].result(), strict=True)
            if coming is None:
                return
            before = coming


def _box(mask: Bytes) -> tuple[float, float, float, float]:
    """The box (x0, y0, x1, y1) in edge coordinates that holds a mask but for its outermost specks."""
    sides = []
    for axis in (0, 1):
        filled = np.cumsum(mask.view(np.uint8).sum(axis=axis, dtype=np.uint32))
        first, last = np.searchsorted(filled, (0.005 * filled[-1], 0.995 * filled[-1]))
        sides.append((float(first), float(last + 1)))
    (x0, x1), (y0, y1) = sides
    return x0, y0, x1, y1


def _focus(boxes: Floats, height: int, width: int) -> list[float]:
    """The box that holds nearly all of the clip's boxes, a twentieth wider on each side, within the frame."""
    x0, y0 = np.percentile(boxes[:, :2], 5, axis=0)
    x1, y1 = np.percentile(boxes[:, 2:], 95, axis=0)
    x, y = 0.05 * (x1 - x0), 0.05 * (y1 - y0)
    return [float(max(x0 - x, 0)), float(max(y0 - y, 0)), float(min(x1 + x, width)), float(min(y1 + y, height))]
