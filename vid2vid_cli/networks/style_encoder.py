"""What a frame says about its objects that the labels leave open (pix2pixHD, Wang et al., CVPR 2018, section 3.4).

An encoder gives every pixel a few features, and all pixels of an object their mean: too little to draw a frame from,
enough to tell a red car from a blue one. In video the mean is over all frames of a clip, so that a style lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from vid2vid_cli.core.types import StyleShape, check_shape
from vid2vid_cli.networks.blocks import Norm, Upsample, decoder, encoder, head, initialise
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple

KERNEL = 7


class StyleEncoder(nn.Module):
    """Features of each pixel of real frames; a network like a small generator, as published."""

    def __init__(self, shape: StyleShape, *, norm: Norm, upsample: Upsample) -> None:
        super().__init__()
        self.features = shape.features
        self.multiple = 1 << shape.downsamples
        size = {"width": shape.width, "downsamples": shape.downsamples, "blocks": 0}
        self.inside = encoder(3, **size, kernel=KERNEL, norm=norm)
        self.outside = decoder(**size, norm=norm, upsample=upsample)
        self.head = head(shape.width, shape.features, KERNEL)
        initialise(self)

    def forward(self, frames: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, features, h, w) in [-1, 1]."""
        height, width = frames.shape[-2:]
        deep = self.inside(pad_to_multiple(frames, self.multiple))
        return crop_to(torch.tanh(self.head(self.outside(deep))), height, width)


@dataclass(frozen=True)
class Pooled:
    """The features of each instance of a batch of clips; n instances."""

    means: Tensor
    """(n, f)"""
    clips: Tensor
    """(n,) the clip of each."""
    ids: Tensor
    """(n,)"""
    pixels: Tensor
    """(n,) how many it has in all frames of its clip."""
    rows: Tensor
    """(b, t, h, w) the instance of each pixel."""

    def maps(self) -> Tensor:
        """Each pixel with the features of its instance, (b, t, f, h, w); zero where the id is negative."""
        means = self.means * (self.ids >= 0)[:, None]
        return means[self.rows].movedim(-1, 2)


def pool(features: Tensor, instances: Tensor) -> Pooled:
    """The mean of each instance over all its pixels in a clip, of (b, t, f, h, w) features and (b, t, h, w) ids.

    An id is an instance of one clip: the same id in another clip of the batch is another instance.
    """
    seen = check_shape("features", features, "b t f h w")
    check_shape("instances", instances, "b t h w", **{axis: seen[axis] for axis in "bthw"})
    found: list[Tensor] = []
    clip_of: list[Tensor] = []
    rows: list[Tensor] = []
    for clip, ids in enumerate(instances):
        own, inverse = torch.unique(ids, return_inverse=True)
        rows.append(inverse + sum(len(others) for others in found))
        found.append(own)
        clip_of.append(torch.full_like(own, clip))
    ids, row = torch.cat(found), torch.stack(rows)
    flat = features.float().movedim(2, -1).flatten(0, -2)
    sums = flat.new_zeros(len(ids), seen["f"]).index_add(0, row.flatten(), flat)
    pixels = torch.bincount(row.flatten(), minlength=len(ids))
    return Pooled(sums / pixels[:, None], torch.cat(clip_of), ids, pixels, row)


def style_encoder(generator: object) -> StyleEncoder | None:
    """That of a generator which was built for styles."""
    return cast("StyleEncoder | None", getattr(generator, "style", None))
