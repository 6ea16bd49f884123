"""The conditioner `onnx`: the output of an image-to-map network, stored as an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import cv2
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
    sha256_of_files,
    subsample,
    view_image,
)
from vid2vid_onnx import SPEC
from vid2vid_onnx.description import describe_network
from vid2vid_onnx.map_values import MapConverter
from vid2vid_onnx.network import MapNetwork, find_model, locate_model
from vid2vid_onnx.options import NUM_CHANNELS, OnnxOptions

MIN_CONTRAST = 1.0
"""Standard deviation of a frame in grey levels below which it is blank, so that nothing can be detected."""


class OnnxMap(Conditioner):
    """Depth, normals, line art, edges, labels or an image, computed by a network of the user."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = OnnxOptions
    options: OnnxOptions

    def __init__(self, options: OnnxOptions | None = None) -> None:
        super().__init__(options)
        if self._has_labels:  # label maps have classes, which other parts of the program use
            vars(self)["spec"] = replace(SPEC, output="labels")

    @property
    def _has_labels(self) -> bool:
        return self.options.kind == "labels"

    @property
    def _image_name(self) -> str:
        return "labels" if self._has_labels else "map"

    @property
    def num_channels(self) -> int:
        """1 for depth, line art and edges; 3 for normals and images; one per class for labels."""
        return self.options.num_classes if self._has_labels else NUM_CHANNELS[self.options.kind]

    def classes(self) -> tuple[LabelClass, ...]:
        """Numbered classes for kind=labels."""
        if not self._has_labels:
            return ()
        colours = palette()
        return tuple(
            LabelClass(index, f"class {index}", (int(r), int(g), int(b)))
            for index, (r, g, b) in enumerate(colours[: self.options.num_classes])
        )

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield the image `map`, (h, w) or (h, w, 3) uint8, or `labels` (h, w); quality 0 only for blank frames.

        Raises: MissingPackageError, MissingWeightsError (also for a network of an unknown layout), LabelFileError.
        """
        path = find_model(self.options.model)
        description, assumption = describe_network(path, sha256_of_files(path), self.options.kind)
        if self.options.size is not None:
            description = description.model_copy(update={"size": self.options.size})
        network = MapNetwork(path, description, self.options.kind, self.options.num_classes)
        converter = MapConverter(self.options.kind, description, self.options.smoothing)
        for index, frame in enumerate(frames):
            values = converter(network(frame.rgb), frame.rgb, is_cut=frame.is_cut)
            if index == 0:
                notices = [assumption, *network.notices, *converter.notices]
                self.report(f"onnx: {notice}" for notice in notices if notice)
            yield self._make_annotation(frame.rgb, values)

    def _make_annotation(self, frame: UInt8Array, values: NDArray[Any]) -> Annotation:
        height, width = frame.shape[:2]
        quality = 1.0 if float(cv2.meanStdDev(frame)[1].max()) >= MIN_CONTRAST else 0.0
        if self._has_labels and values.dtype.kind in "iu":
            ids = values[:, :, 0].clip(0, self.options.num_classes - 1).astype(np.uint8)
            image = cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST)
        else:
            resized = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, -1)
            image = resized.argmax(axis=2) if self._has_labels else np.rint(255 * resized).clip(0, 255).squeeze()
        image = np.asarray(image, dtype=np.uint8).reshape(height, width, *image.shape[2:])
        return Annotation(height, width, quality, images={self._image_name: image})

    def _view_map(self, annotation: Annotation, view: View) -> UInt8Array:
        image = annotation.images.get(self._image_name)
        if image is None:
            shape = (view.height, view.width, 3) if self.num_channels == 3 and not self._has_labels else None
            return np.zeros(shape or (view.height, view.width), dtype=np.uint8)
        return np.asarray(view_image(image, view, nearest=self._has_labels), dtype=np.uint8)

    def render(self, annotation: Annotation, view: View) -> ConditionArray:
        """Return (num_channels, height, width): the map in [-1, 1], or 1 in the channel of each pixel's class."""
        image = self._view_map(annotation, view)
        if self._has_labels:
            channels = np.full((self.num_channels, image.size), -1, dtype=np.int8)
            channels[image.ravel(), np.arange(image.size)] = 1
            return channels.reshape(-1, view.height, view.width)
        values: FloatArray = image.astype(np.float32) / 127.5 - 1.0
        return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """Return the map in grey or colour, or the colours of the classes."""
        image = self._view_map(annotation, view)
        if self._has_labels:
            return palette()[image]
        return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image

    def hflip(self, annotation: Annotation) -> Annotation:
        """Return the annotation of the flipped frame; x of normals changes its sign."""
        flipped = super().hflip(annotation)
        if self.options.kind != "normal" or "map" not in flipped.images:
            return flipped
        image = flipped.images["map"].copy()
        image[:, :, 0] = 255 - image[:, :, 0]
        return replace(flipped, images={**flipped.images, "map": image})

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Return the frame size and, for labels, the mean share of each class; {} for a blank clip."""
        samples = [annotation.images[self._image_name] for annotation in subsample(annotations)]
        if not samples:
            return {}
        result: Statistics = {"height": annotations[0].height, "width": annotations[0].width}
        if self._has_labels:
            shares = np.mean([np.bincount(ids.ravel(), minlength=256) / ids.size for ids in samples], axis=0)
            result["class_shares"] = {c.name: round(float(shares[c.id]), 6) for c in self.classes() if shares[c.id] > 0}
        return result

    def fingerprint(self) -> dict[str, Any]:
        """Return the options, and the sha256 of the network and its JSON file instead of their path."""
        data = super().fingerprint()
        options = {name: value for name, value in data["options"].items() if name != "model"}
        path = None if self.options.model is None else locate_model(self.options.model)
        files = () if path is None else (path, path.with_suffix(".json"))
        checksums = [sha256_of_files(file) for file in files if file.is_file()]
        return {**data, "options": options, "model": checksums}
