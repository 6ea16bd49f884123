"""Alignment of one reference frame by the points that it shares with a frame, without a motion model."""

from __future__ import annotations

from collections.abc import Sequence

from vid2vid_cli.conditioning import Annotation, Conditioner, View
from vid2vid_cli.conditioning.alignment import align_points
from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.data.body_alignment import align_body
from vid2vid_cli.data.reference_points import corresponding_points, without_context_points
from vid2vid_cli.data.reference_weights import AlignedReference
from vid2vid_cli.data.scene_positions import to_sampling

AnnotatedViews = tuple[Sequence[Annotation], Sequence[View]]
"""The annotations of a frame, and the view of each."""


def align_by_bones(
    conditioners: Sequence[Conditioner],
    frame: AnnotatedViews,
    reference: tuple[Sequence[Annotation], View],
    base: View,
    mask: UInt8Array | None,
) -> AlignedReference | None:
    """The alignment of a body; None if frame and reference have no bones in common.

    `base`: the view that places what does not move. `mask`: of the reference's subject.
    """
    points, reference_points, bones = corresponding_points(conditioners, frame, reference)
    if not bones:
        return None
    view = reference[1]
    size = base.height, base.width
    body = align_body(points, reference_points, base.matrix_to(view), size, bones, mask=mask, view=view)
    positions = to_sampling(body.positions, view.height, view.width)
    return AlignedReference(positions, body.mismatch, body.log_visibility, body.proximity)


def align_by_spline(
    conditioners: Sequence[Conditioner], frame: AnnotatedViews, reference: tuple[Sequence[Annotation], View], base: View
) -> FloatArray:
    """Positions as in `AlignedReference`, from the points of the subject."""
    annotations, views = frame
    other_annotations, view = reference
    points, reference_points, _ = corresponding_points(
        conditioners,
        (without_context_points(conditioners, annotations), views),
        (without_context_points(conditioners, other_annotations), view),
    )
    positions = align_points(points, reference_points, base.matrix_to(view), (base.height, base.width))
    return to_sampling(positions, view.height, view.width)
