"""Reference frames: training frames that are inputs of the generator, their distances and their alignment.

Few-shot vid2vid (Wang et al., NeurIPS 2019) gives the generator example images of a new subject; here they are frames
of the subject that the model is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, View
from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.conditioning.bone_alignment import bone_costs
from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.data.frame_alignment import align_by_bones, align_by_spline
from vid2vid_cli.data.linear_motion import LinearMotion
from vid2vid_cli.data.reference_background import background_share
from vid2vid_cli.data.reference_descriptors import (
    Annotations,
    describe_annotations,
    descriptor_distances,
    with_points_of,
)
from vid2vid_cli.data.reference_parts import PartShapes
from vid2vid_cli.data.reference_points import (
    context_rows,
    corresponding_points,
    flip_rows,
    shape_part_rows,
)
from vid2vid_cli.data.reference_weights import AlignedReference
from vid2vid_cli.data.scene_positions import Positions, to_pixels, to_sampling, to_scene
from vid2vid_cli.data.static_frames import StaticFrames

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
    subject_masks: UInt8Array | None = None
    """(k, a, b) of `find_subject_masks`; None: only the limbs of a body are replaced by the background."""

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
            subject_masks=None if self.subject_masks is None else self.subject_masks[:, :, ::-1],
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

    @property
    def has_bones(self) -> bool:
        """Whether the frames are aligned by bones."""
        return bool(self._bones)

    @cached_property
    def static_frames(self) -> StaticFrames:
        """The frames without alignment."""
        return StaticFrames(
            self.frames,
            self.view,
            self.output_view,
            points=self._reference_points,
            bones=self._bones,
            motion=self.motion,
            subject_masks=self.subject_masks,
        )

    def align(
        self,
        indices: Sequence[int],
        annotations: Sequence[Annotation],
        views: Sequence[View],
        base: View,
        differences: FloatArray | None = None,
    ) -> list[AlignedReference]:
        """Sampling positions in the references `indices` for a frame.

        `annotations` through `views` are in pixels of the output. `base`: the view of the dataset's frames at the
        output, which places what does not move with the subject. `differences`: (k, p) of the frame.
        """
        placed = None if self.motion is None else self._nodes_and_points(annotations, views, base)
        aligned = []
        for index in indices:
            pair = (annotations, views), (self.annotations[index], self.view)
            mask = None if self.subject_masks is None else self.subject_masks[index]
            body = align_by_bones(self.conditioners, *pair, base, mask) if self._bones else None
            if body is not None:
                aligned.append(body)
                continue
            positions = placed and self._align_by_motion(index, *placed)
            if positions is None:
                positions = align_by_spline(self.conditioners, *pair, base)
            zeros = mismatch = np.zeros(positions.shape[1:], np.float32)
            if self._part_shapes and placed and differences is not None and differences.shape[1] > 1:
                mismatch = self._part_shapes.mismatch(differences[index], *placed)
            share = 1.0
            if self.motion is not None and placed is not None:
                offset = self.motion.subject_offset(placed[1], self._to_scene(self._reference_points[index]))
                share = background_share(offset)
            aligned.append(AlignedReference(positions, mismatch, zeros, zeros, share))
        return aligned

    def _align_by_motion(self, index: int, nodes: Positions, points: Positions) -> FloatArray | None:
        """Positions as in `AlignedReference` by `motion`; None if points are missing."""
        assert self.motion is not None
        aligned = self.motion.align(nodes, points, self._to_scene(self._reference_points[index]))
        height, width = self.view.height, self.view.width
        return None if aligned is None else to_sampling(to_pixels(aligned, height, width), height, width)

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
    def context_rows(self) -> NDArray[np.intp]:
        """The rows of the points that do not belong to the subject, see `Conditioner.context_points`."""
        return context_rows(self.conditioners, self.annotations[0])

    @cached_property
    def _bones(self) -> list[tuple[int, int]]:
        return self._points_and_bones(self.annotations[0], self.output_views)[1]
