"""Instance features, the styles of objects (pix2pixHD, Wang et al., CVPR 2018, section 3.4).

An encoder computes a few features per pixel of a real frame, which are averaged over all pixels of an object, such as
its colour. In video they are averaged over all frames of a clip, so that a style is constant over time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vid2vid_cli.core.model_specs import StyleEncoderSpec
from vid2vid_cli.core.types import check_shape
from vid2vid_cli.networks.blocks import Norm, Upsample, build_decoder, build_encoder, init_weights, output_conv
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple

KERNEL_SIZE = 7


class StyleEncoder(nn.Module):
    """Per-pixel features of real frames; an encoder and decoder as in a small generator, as published."""

    def __init__(self, spec: StyleEncoderSpec, *, norm: Norm, upsample: Upsample) -> None:
        super().__init__()
        self.feature_channels = spec.feature_channels
        self.size_divisor = 1 << spec.num_downsamples
        layer_sizes = {
            "base_channels": spec.base_channels,
            "num_downsamples": spec.num_downsamples,
            "num_res_blocks": 0,
        }
        self.encoder = build_encoder(3, **layer_sizes, kernel_size=KERNEL_SIZE, norm=norm)
        self.decoder = build_decoder(**layer_sizes, norm=norm, upsample=upsample)
        self.head = output_conv(spec.base_channels, spec.feature_channels, KERNEL_SIZE)
        init_weights(self)

    def forward(self, frames: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, feature_channels, h, w) in [-1, 1]."""
        height, width = frames.shape[-2:]
        bottleneck = self.encoder(pad_to_multiple(frames, self.size_divisor))
        return crop_to(torch.tanh(self.head(self.decoder(bottleneck))), height, width)


@dataclass(frozen=True, kw_only=True)
class InstanceFeatures:
    """Mean features of the n instances in a batch of clips."""

    means: Tensor
    """(n, f)"""
    clip_indices: Tensor
    """(n,) index of the clip of each instance."""
    instance_ids: Tensor
    """(n,)"""
    num_pixels: Tensor
    """(n,) number of pixels in all frames of the clip."""
    instance_map: Tensor
    """(b, t, h, w) index of the instance of each pixel, 0 to n - 1."""

    def to_feature_maps(self) -> Tensor:
        """The mean features of each pixel's instance, (b, t, f, h, w); zero where the instance id is negative."""
        means = self.means * (self.instance_ids >= 0)[:, None]
        return means[self.instance_map].movedim(-1, 2)


def instance_average_pool(features: Tensor, instances: Tensor) -> InstanceFeatures:
    """Average features (b, t, f, h, w) over all pixels of each instance in a clip; instance ids are (b, t, h, w).

    The same id in another clip of the batch is another instance.
    """
    sizes = check_shape("features", features, "b t f h w")
    check_shape("instances", instances, "b t h w", **{axis: sizes[axis] for axis in "bthw"})
    ids_per_clip: list[Tensor] = []
    clip_indices: list[Tensor] = []
    clip_instance_maps: list[Tensor] = []
    for clip, ids in enumerate(instances):
        unique_ids, inverse = torch.unique(ids, return_inverse=True)
        clip_instance_maps.append(inverse + sum(len(clip_ids) for clip_ids in ids_per_clip))
        ids_per_clip.append(unique_ids)
        clip_indices.append(torch.full_like(unique_ids, clip))
    ids, instance_map = torch.cat(ids_per_clip), torch.stack(clip_instance_maps)
    flat = features.float().movedim(2, -1).flatten(0, -2)
    sums = flat.new_zeros(len(ids), sizes["f"]).index_add(0, instance_map.flatten(), flat)
    pixels = torch.bincount(instance_map.flatten(), minlength=len(ids))
    return InstanceFeatures(
        means=sums / pixels[:, None],
        clip_indices=torch.cat(clip_indices),
        instance_ids=ids,
        num_pixels=pixels,
        instance_map=instance_map,
    )
