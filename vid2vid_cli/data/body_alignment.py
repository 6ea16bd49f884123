"""Alignment of a reference frame of a body by its bones and its mask; it may be at another place in the output."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vid2vid_cli.conditioning import View
from vid2vid_cli.conditioning.alignment import AffineMatrix
from vid2vid_cli.conditioning.bone_alignment import BoneAlignment, Bones, align_bones
from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.data.subject_masks import sample_mask

MASKED_STATIC_WEIGHT = 1e-6
"""In place of STATIC_WEIGHT: a background that moves against the body would distort its hair and clothes."""
BODY_DISTANCES, MAX_HIDDEN = (1.0, 1.2), 1 - 1e-6
"""Distances from the bones, in their median length, between which hair and clothes end: beyond, a reference that shows
any is hidden. The logarithm of 0 is not finite."""


def align_body(
    points: FloatArray,
    reference_points: FloatArray,
    base: AffineMatrix,
    size: tuple[int, int],
    bones: Bones,
    *,
    mask: UInt8Array | None,
    view: View,
) -> BoneAlignment:
    """`align_bones` for a reference whose background is known by a mask (a, b) of the body, in pixels of `view`."""
    if mask is None:
        return align_bones(points, reference_points, base, size, bones)
    aligned = align_bones(points, reference_points, base, size, bones, static_weight=MASKED_STATIC_WEIGHT)
    is_far = np.interp(aligned.bone_distance, BODY_DISTANCES, (0, 1))
    hidden = MAX_HIDDEN * is_far * sample_mask(mask, aligned.positions, view)
    return replace(aligned, log_visibility=aligned.log_visibility + np.log1p(-hidden).astype(np.float32))
