"""Reference frames: training frames that are inputs of the generator, their distances and their alignment.

Few-shot vid2vid (Wang et al., NeurIPS 2019) gives the generator example images of a new subject; here they are frames
of the subject that the model is trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, View, view_image
from vid2vid_cli.conditioning.alignment import align_points
from vid2vid_cli.conditioning.plugin_calls import plugin_fault
from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.data.encoded_frames import EncodedFrames

FAR_DISTANCE = 1e3
"""Distance between annotations that have no common points."""

Annotations = tuple[Annotation, ...]
"""One per conditioner."""


@dataclass(frozen=True)
class ReferenceBank:
    """The reference frames of a model."""

    frames: EncodedFrames
    """k frames of the size of `view`."""
    annotations: tuple[Annotations, ...]
    """Annotations of each frame, in pixels of the dataset's frames."""
    conditioners: tuple[Conditioner, ...]
    view: View
    """Pixels of the dataset's frames -> pixels of `frames`."""
    output_view: View
    """The same part of the dataset's frames at the size of the generated frames."""
    num_per_frame: int
    """References per generated frame."""
    frame_ids: tuple[tuple[int, int], ...] = ()
    """Clip and index of each frame in the training dataset; () for a loaded checkpoint."""
    num_left_out: int = 0
    """Frames that were selected too, but did not fit into a checkpoint."""

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def descriptors(self) -> FloatArray:
        """(k, d) descriptors of the reference frames."""
        return np.stack([self.describe(annotations, self.output_views) for annotations in self.annotations])

    @cached_property
    def mirrored(self) -> ReferenceBank:
        """The bank of the horizontally flipped frames."""
        return replace(
            self,
            frames=self.frames.hflip(),
            annotations=tuple(
                tuple(c.hflip(a) for c, a in zip(self.conditioners, annotations, strict=True))
                for annotations in self.annotations
            ),
            view=self.view.hflip(self.annotations[0][0].width),
            output_view=self.output_view.hflip(self.annotations[0][0].width),
        )

    @property
    def output_views(self) -> tuple[View, ...]:
        """The output view, once per conditioner."""
        return (self.output_view,) * len(self.conditioners)

    def describe(self, annotations: Sequence[Annotation], views: Sequence[View]) -> FloatArray:
        """Descriptor (d,) of the annotations of a frame, see `describe_annotations`; of the references' points only."""
        matched = [with_points_of(*pair) for pair in zip(annotations, self.annotations[0], strict=True)]
        return describe_annotations(self.conditioners, matched, views)

    def distances(self, descriptor: FloatArray) -> FloatArray:
        """(k,) distances of the reference frames from a descriptor."""
        return descriptor_distances(self.descriptors, descriptor)

    def static_frame(self, index: int, view: View) -> UInt8Array:
        """Reference `index` (view.height, view.width, 3) through a view of the dataset's frames, without alignment."""
        to_view = replace(view, matrix=_as_rows(_compose_inverse(view, self.view)), cropped_from=None)
        frame: UInt8Array = view_image(self.frames[index], to_view)
        return frame

    def positions(self, index: int, annotations: Sequence[Annotation], views: Sequence[View], base: View) -> FloatArray:
        """Sampling positions (2, gh, gw) in [-1, 1] in reference `index`, for the grid of `align_points`.

        `annotations` through `views` are in pixels of the output. `base`: the view of the dataset's frames at the
        output, which places what does not move with the subject.
        """
        matrix = _compose_inverse(self.view, base)
        points, reference_points, bones = np.empty((0, 2), np.float32), np.empty((0, 2), np.float32), []
        for conditioner, annotation, view, reference in zip(
            self.conditioners, annotations, views, self.annotations[index], strict=True
        ):
            names = [
                name
                for name, points in annotation.points.items()
                if name in reference.points and len(points) == len(reference.points[name])
            ]
            if not names:
                continue
            offsets = dict(zip(names, accumulate((len(annotation.points[n]) for n in names), initial=0), strict=False))
            bones = _offset_bones(conditioner, annotation, offsets)
            points = view.transform_points(np.concatenate([annotation.points[name][:, :2] for name in names]))
            reference_points = self.view.transform_points(np.concatenate([reference.points[n][:, :2] for n in names]))
            break
        grid = align_points(points, reference_points, matrix, (base.height, base.width), bones=bones)
        frame_sides = np.array([self.view.width, self.view.height], np.float32)
        scaled = grid * (2 / np.maximum(frame_sides - 1, 1)) - 1
        positions: FloatArray = np.clip(scaled, -2, 2).transpose(2, 0, 1).astype(np.float32)
        return positions


def _offset_bones(
    conditioner: Conditioner, annotation: Annotation, offsets: Mapping[str, int]
) -> list[tuple[int, int]]:
    """The bones as rows of all points, those of `name` from `offsets[name]` on. Raises PluginError."""
    bones = []
    for name, pairs in conditioner.bones().items():
        if name in offsets and (num_points := len(annotation.points[name])) <= max(
            chain.from_iterable(pairs), default=0
        ):
            raise plugin_fault(conditioner.spec.name, "bones", f"the points {name!r} have only {num_points} rows")
        bones += [(first + offsets[name], second + offsets[name]) for first, second in pairs if name in offsets]
    return bones


def _compose_inverse(view: View, base: View) -> NDArray[np.float64]:
    """(2, 3) the map from pixels of `base`'s image to pixels of `view`'s image."""
    inverse = np.linalg.inv(np.vstack([base.array, [0, 0, 1]]))
    matrix: NDArray[np.float64] = view.array @ inverse
    return matrix


def _as_rows(matrix: NDArray[np.float64]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    (a, b, x), (c, d, y) = matrix.tolist()
    return (a, b, x), (c, d, y)


def with_points_of(annotation: Annotation, reference: Annotation) -> Annotation:
    """The annotation with the names and numbers of points of `reference`; NaN where it has none.

    The points of a source can differ from those of the training frames: a file without hands, another detector.
    """
    points = {
        name: annotation.points[name]
        if name in annotation.points and len(annotation.points[name]) == len(reference_points)
        else np.full_like(reference_points, np.nan)
        for name, reference_points in reference.points.items()
    }
    return replace(annotation, points=points)


def describe_annotations(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation], views: Sequence[View]
) -> FloatArray:
    """The descriptors of all conditioners for one frame, concatenated, (d,) float32; see `Conditioner.describe`."""
    return np.concatenate([c.describe(a, view) for c, a, view in zip(conditioners, annotations, views, strict=True)])


def descriptor_distances(descriptors: FloatArray, descriptor: FloatArray) -> FloatArray:
    """Root mean squared differences (k,) of `descriptors` (k, d) from `descriptor` (d,), over values known in both."""
    differences = descriptors - descriptor
    is_known = np.isfinite(differences)
    squares = np.where(is_known, differences, 0) ** 2
    counts = is_known.sum(axis=1)
    means = squares.sum(axis=1) / np.maximum(counts, 1)
    distances: FloatArray = np.where(counts > 0, np.sqrt(means), FAR_DISTANCE).astype(np.float32)
    return distances


def farthest_points(descriptors: FloatArray, count: int) -> list[int]:
    """Up to `count` rows that cover the others: each next one is the farthest from those before (Gonzalez, 1985).

    In the order of selection, so that the first ones cover the others too.
    """
    selected = [0]
    distances = descriptor_distances(descriptors, descriptors[0])
    while len(selected) < min(count, len(descriptors)) and distances.max() > 0:
        selected.append(int(distances.argmax()))
        distances = np.minimum(distances, descriptor_distances(descriptors, descriptors[selected[-1]]))
    return selected
