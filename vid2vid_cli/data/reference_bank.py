"""Reference frames: training frames that are inputs of the generator, their distances and their alignment.

Few-shot vid2vid (Wang et al., NeurIPS 2019) gives the generator example images of a new subject; here they are frames
of the subject that the model is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, View, view_image
from vid2vid_cli.conditioning.alignment import align_points, grid_nodes
from vid2vid_cli.conditioning.bone_alignment import BONE_WIDTH, align_bones, bone_costs, bone_proximity
from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.data.linear_motion import LinearMotion
from vid2vid_cli.data.reference_background import ReferenceBackgrounds, ReferenceFrame, dilate, make_reference_frame
from vid2vid_cli.data.reference_descriptors import (
    Annotations,
    describe_annotations,
    descriptor_distances,
    with_points_of,
)
from vid2vid_cli.data.reference_parts import PartShapes
from vid2vid_cli.data.reference_points import corresponding_points, flip_rows, shape_part_rows
from vid2vid_cli.data.reference_weights import AlignedReference
from vid2vid_cli.data.scene_positions import Positions, to_pixels, to_scene

MISSING_BONE_COST = 0.2
"""Difference between a bone and a missing one, in heights of the output."""


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
    motion: LinearMotion | None = None
    """Aligns frames, in place of a spline."""
    common_motion: LinearMotion | None = None
    """The model of the subjects of all datasets of a training; not used for these frames."""

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def descriptors(self) -> FloatArray:
        """(k, d) descriptors of the reference frames."""
        return np.stack([self.describe(annotations, self.output_views) for annotations in self.annotations])

    @cached_property
    def mirrored(self) -> ReferenceBank:
        """The bank of the horizontally flipped frames."""
        motion = self.motion and self.motion.mirrored(flip_rows(self.conditioners, self.annotations[0]))
        return replace(
            self,
            frames=self.frames.hflip(),
            annotations=tuple(
                tuple(c.hflip(a) for c, a in zip(self.conditioners, annotations, strict=True))
                for annotations in self.annotations
            ),
            view=self.view.hflip(self.annotations[0][0].width),
            output_view=self.output_view.hflip(self.annotations[0][0].width),
            motion=motion,
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

    def static_frame(self, index: int, view: View, background_share: float = 1.0) -> UInt8Array:
        """Reference `index` (view.height, view.width, 3) through a view of the dataset's frames, without alignment.

        `background_share`: opacity of the background in place of the subject; see `reference_background`.
        """
        to_view = replace(view, matrix=_as_rows(self.view.matrix_to(view)), cropped_from=None)
        backgrounds = self._backgrounds if background_share else None
        if backgrounds is None:
            image = self.frames[index]
        else:
            image = backgrounds.fill(self._reference_frame(index), background_share)
        return np.asarray(view_image(image, to_view), np.uint8)

    def align(
        self,
        index: int,
        annotations: Sequence[Annotation],
        views: Sequence[View],
        base: View,
        differences: FloatArray | None = None,
    ) -> AlignedReference:
        """Sampling positions in reference `index` for a frame.

        `annotations` through `views` are in pixels of the output. `base`: the view of the dataset's frames at the
        output, which places what does not move with the subject. `differences`: (p,), a row of those of the frame.
        """
        matrix = base.matrix_to(self.view)
        points, reference_points, bones = corresponding_points(
            self.conditioners, (annotations, views), (self.annotations[index], self.view)
        )
        if bones:
            aligned = align_bones(points, reference_points, matrix, (base.height, base.width), bones)
            fields = aligned.mismatch, aligned.log_visibility, aligned.proximity
            return AlignedReference(self._normalise(aligned.positions), *fields)
        placed = None if self.motion is None else self._nodes_and_points(annotations, views, base)
        positions = placed and self._align_by_motion(index, *placed)
        if positions is None:
            positions = self._normalise(align_points(points, reference_points, matrix, (base.height, base.width)))
        zeros = mismatch = np.zeros(positions.shape[1:], np.float32)
        if self._part_shapes is not None and placed is not None and differences is not None and len(differences) > 1:
            mismatch = self._part_shapes.mismatch(differences, *placed)
        offset = np.inf if placed is None else self._subject_offset(index, placed[1])
        return AlignedReference(positions, mismatch, zeros, zeros, offset)

    def _subject_offset(self, index: int, points: Positions) -> float:
        assert self.motion is not None
        return self.motion.subject_offset(points, self._to_scene(self._reference_points[index]))

    def _align_by_motion(self, index: int, nodes: Positions, points: Positions) -> FloatArray | None:
        """Positions as in `AlignedReference` by `motion`; None if points are missing."""
        assert self.motion is not None
        aligned = self.motion.align(nodes, points, self._to_scene(self._reference_points[index]))
        return None if aligned is None else self._normalise(to_pixels(aligned, self.view.height, self.view.width))

    def _nodes_and_points(
        self, annotations: Sequence[Annotation], views: Sequence[View], base: View
    ) -> tuple[Positions, Positions]:
        """The nodes (gh, gw) of a frame through `base`, and its points (n,), as positions of `LinearMotion`."""
        matrix = base.matrix_to(self.output_view)
        nodes, points = (
            self._to_scene(positions @ matrix[:, :2].T + matrix[:, 2])
            for positions in (grid_nodes(base.height, base.width), self._points_and_bones(annotations, views)[0])
        )
        return nodes, points

    @property
    def scene_points(self) -> Positions | None:
        """(k, n) the points of all frames as positions of `LinearMotion`; None without points or with bones."""
        points = self._reference_points
        return None if self._bones or not points.shape[1] else self._to_scene(points)

    def _to_scene(self, positions: NDArray[np.floating]) -> Positions:
        """Pixels (..., 2) of `output_view` -> positions (...) of `LinearMotion`."""
        return to_scene(positions, self.output_view.height, self.output_view.width)

    def differences(self, annotations: Sequence[Annotation], views: Sequence[View]) -> FloatArray:
        """(k, p) differences of a frame from the reference frames in p parts: the bones, otherwise all and its parts.

        Of bones in heights of the output; a missing bone differs by MISSING_BONE_COST. Otherwise the distance of the
        descriptors, and the differences of `PartShapes`.
        """
        points, bones = self._points_and_bones(annotations, views)
        if not bones:
            distances = self.distances(self.describe(annotations, views))[:, None]
            shapes = self._part_shapes and self._part_shapes.differences(self._to_scene(points))
            return distances if shapes is None else np.concatenate([distances, shapes], axis=1)
        costs = bone_costs(points, self._reference_points, bones) / self.output_view.height
        return np.where(np.isfinite(costs), costs, MISSING_BONE_COST).astype(np.float32)

    @cached_property
    def _part_shapes(self) -> PartShapes | None:
        """The shapes of the parts of all frames; None without `motion`, which gives the coordinates, or parts."""
        rows = shape_part_rows(self.conditioners, self.annotations[0])
        if self.motion is None or not rows:
            return None
        return PartShapes(self.motion, rows, self._to_scene(self._reference_points))

    def _points_and_bones(
        self, annotations: Sequence[Annotation], views: Sequence[View]
    ) -> tuple[FloatArray, list[tuple[int, int]]]:
        """Points (n, 2) of a frame with the rows of the first reference, NaN where it has none, and bones."""
        matched = [with_points_of(*pair) for pair in zip(annotations, self.annotations[0], strict=True)]
        points, _, bones = corresponding_points(self.conditioners, (matched, views), (self.annotations[0], self.view))
        return points, bones

    @cached_property
    def _reference_points(self) -> FloatArray:
        """(k, n, 2) the points of all reference frames in pixels of the output."""
        return np.stack([self._points_and_bones(item, self.output_views)[0] for item in self.annotations])

    @cached_property
    def _bones(self) -> list[tuple[int, int]]:
        return self._points_and_bones(self.annotations[0], self.output_views)[1]

    @cached_property
    def _backgrounds(self) -> ReferenceBackgrounds | None:
        """None without bones and without `motion`."""
        if not self._bones and self.motion is None:
            return None
        return ReferenceBackgrounds(len(self), self._reference_frame, interpolates_hidden=not self._bones)

    def _reference_frame(self, index: int) -> ReferenceFrame:
        size = self.output_view.height, self.output_view.width
        return make_reference_frame(self.frames[index], size, partial(self._subject_proximity, index))

    def _subject_proximity(self, index: int, cells: Positions) -> FloatArray | None:
        """From 0 to 1 at `cells` (a, b), pixels of the output; None if points are missing."""
        points = self._reference_points[index]
        if self._bones:
            return bone_proximity(cells.astype(np.complex64), points, self._bones, BONE_WIDTH)
        positions = self._to_scene(np.stack([cells.real, cells.imag], axis=-1))
        share = None if self.motion is None else self.motion.subject_share(positions, self._to_scene(points))
        return None if share is None else dilate(share)

    def _normalise(self, positions: FloatArray) -> FloatArray:
        """Positions (gh, gw, 2) in pixels of a reference -> (2, gh, gw) in [-1, 1]."""
        frame_sides = np.array([self.view.width, self.view.height], np.float32)
        scaled = positions * (2 / np.maximum(frame_sides - 1, 1)) - 1
        normalised: FloatArray = np.clip(scaled, -2, 2).transpose(2, 0, 1).astype(np.float32)
        return normalised


def _as_rows(matrix: NDArray[np.float64]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    (a, b, x), (c, d, y) = matrix.tolist()
    return (a, b, x), (c, d, y)
