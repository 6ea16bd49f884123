"""Alignment of a reference frame of a body that may be at another place in the generated frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vid2vid_cli.conditioning import View
from vid2vid_cli.conditioning.alignment import AffineMatrix
from vid2vid_cli.conditioning.bone_alignment import STATIC_WEIGHT, BoneAlignment, Bones, align_bones, bone_offset
from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.data.reference_background import BODY_OFFSETS, background_share
from vid2vid_cli.data.subject_masks import sample_mask

DISPLACED_STATIC_WEIGHT = 1e-6
"""In place of STATIC_WEIGHT: a background that moves against the body would distort its hair and clothes."""
BODY_DISTANCES, MAX_HIDDEN = (1.0, 1.2), 1 - 1e-6
"""Distances from the bones, in their median length, between which the hair and clothes of a displaced body end: beyond,
a reference that shows any is hidden. The logarithm of 0 is not finite."""


def align_body(
    points: FloatArray,
    reference_points: FloatArray,
    base: AffineMatrix,
    size: tuple[int, int],
    bones: Bones,
    *,
    mask: UInt8Array | None,
    view: View,
) -> tuple[BoneAlignment, float]:
    """`align_bones`, and the opacity of the background in place of the body where the reference has it.

    `mask`: (a, b) of the body in the reference, whose pixels are those of `view`. Without a mask, a displaced body
    remains where it is in the reference.
    """
    if mask is None:
        return align_bones(points, reference_points, base, size, bones), 0.0
    share = background_share(bone_offset(points, reference_points, base, bones), BODY_OFFSETS)
    static_weight = STATIC_WEIGHT ** (1 - share) * DISPLACED_STATIC_WEIGHT**share
    aligned = align_bones(points, reference_points, base, size, bones, static_weight=static_weight)
    if not share:
        return aligned, share
    is_far = np.interp(aligned.bone_distance, BODY_DISTANCES, (0, 1))
    hidden = MAX_HIDDEN * share * is_far * sample_mask(mask, aligned.positions, view)
    return replace(aligned, log_visibility=aligned.log_visibility + np.log1p(-hidden).astype(np.float32)), share
