"""Steadiness over time."""

from __future__ import annotations

from torch import Tensor

from vid2vid_cli.ops.warp import warp


def warping_error(frames: Tensor, flow: Tensor, confidence: Tensor) -> Tensor:
    """Root mean square difference of each frame to the last one warped onto it, (t, 3, h, w) -> scalar.

    `flow` (t, 2, h, w) and `confidence` (t, 1, h, w) are those of the real clip; index 0 is not looked at. In units
    of the range [0, 1], over trusted pixels only (after Lai et al., ECCV 2018). Judge it beside the error of the real
    clip itself, which noise and light keep above zero: a lower one is a picture that moves too little.
    """
    carried = warp(frames[:-1], flow[1:])
    squared = ((frames[1:] - carried) / 2).square() * confidence[1:]
    return (squared.sum() / (confidence[1:].sum() * frames.shape[1]).clamp(min=1)).sqrt()
