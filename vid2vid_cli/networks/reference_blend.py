"""Blends aligned reference frames with the synthesised image, an extension of vid2vid's eq. 4 by further candidates:

    raw_t = sum_k (w_k * sample(reference_k, positions_k + flow_k) + v_k * reference_k) + w_h * h

where w, v and w_h, a softmax at each pixel, have the sum 1. The positions align each reference by geometry; a residual
flow is learned. Both are added before the reference is sampled, once, at its own resolution, because resampling twice
blurs. The reference without alignment gives what does not move.

In synthesis two bands are blended by different weights (Burt and Adelson, ACM Transactions on Graphics 1983): what a
mean over patches keeps by soft weights, which hide seams, and the detail by weights that are nearly one-hot, because
the mean of two textures that do not coincide is blurred.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.core.geometry import GRID_STEP
from vid2vid_cli.core.types import EmbeddedReferences, EmbeddedStaticReferences, FrameReferences
from vid2vid_cli.networks.blocks import PatchEmbed
from vid2vid_cli.ops.resample import average_patches, pad_to_multiple, patch_conv2d, upsample_bilinear, upsample_patches

LOGIT_SCALE = 4.0
"""Factor on the logits of the weights; raises the learning rate of the choice between the candidates."""
DETAIL_LOGIT_SCALE = 6.0
"""For the detail in synthesis. L1 prefers the mean of candidates between which it cannot decide, and the mean is
blurred."""
DETAIL_PRIOR_SCALE = 2.0
"""Factor on the log weights that the alignment gives, for the detail in synthesis."""
DETAIL_SYNTHESIS_PENALTY = 2.0
"""Subtracted from the log weight of the synthesised image, for the detail in synthesis: after minutes of training it
corrects colours, and its detail is a pattern of its patches."""
MIN_SHARE = 1e-13
"""In place of the share 0 of a reference, whose logarithm is not finite."""


class ReferenceBlend(nn.Module):
    """Embeds aligned references for a generator's trunk, and blends them by its features."""

    def __init__(self, channels: int, *, patch_size: int, flow_multiplier: float, size_divisor: int) -> None:
        """`channels`: of the trunk's features, one cell per patch. Frames are padded to multiples of `size_divisor`."""
        super().__init__()
        self.patch_size, self.flow_multiplier, self.size_divisor = patch_size, flow_multiplier, size_divisor
        self.patch_embed = PatchEmbed(6, channels, patch_size)
        self.merge = nn.Sequential(nn.Conv2d(2 * channels, channels, 3, 1, 1), nn.ReLU(inplace=True))
        self.flow_head = nn.Conv2d(channels, 2, 3, 1, 1)
        # One weight per patch: weights per pixel give patterns of pixels where the candidates differ.
        self.weight_head = nn.Conv2d(channels, 2, 3, 1, 1)
        self.raw_weight_head = nn.Conv2d(channels, 1, 3, 1, 1)

    def init_heads(self) -> None:
        """Start from the geometric alignment and equal weights; called after `init_weights`."""
        for head in (self.flow_head, self.weight_head, self.raw_weight_head):
            nn.init.zeros_(head.weight)
            if head.bias is not None:
                nn.init.zeros_(head.bias)

    def embed_static(self, static_images: Tensor) -> EmbeddedStaticReferences:
        """Embed `FrameReferences.static_images`."""
        images = pad_to_multiple(static_images.flatten(0, 1), self.size_divisor)
        embeddings = patch_conv2d(images, self.patch_embed.weight[:, 3:], None)
        return EmbeddedStaticReferences(embeddings, self._average_patches(static_images))

    def embed(
        self, references: FrameReferences, height: int, width: int, static: EmbeddedStaticReferences | None = None
    ) -> EmbeddedReferences:
        """Align and embed the references of a frame of (height, width); `references.embedded` if it exists.

        `static`: result of `embed_static`, if it was computed for a previous frame.
        """
        if references.embedded is not None:
            return references.embedded
        batch, num_references = references.weights.shape
        grid = upsample_positions(references.positions.flatten(0, 1), height, width)
        aligned = pad_to_multiple(_sample(references, grid), self.size_divisor)
        static = self.embed_static(references.static_images) if static is None else static
        # Two convolutions in place of a copy of both images into one tensor.
        embeddings = patch_conv2d(aligned, self.patch_embed.weight[:, :3], self.patch_embed.bias) + static.embeddings
        embeddings = embeddings.view(batch, num_references, *embeddings.shape[1:])
        return EmbeddedReferences(grid, embeddings, _weighted_mean(references.weights, embeddings), static.means)

    def blend(
        self, features: Tensor, embedded: EmbeddedReferences, references: FrameReferences, synthesised: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(b, c, h', w'), result of `embed`, references, synthesised image (b, 3, h, w) -> (b, 3, h, w).

        Also returns the weights of the candidates, see `FrameOutput.reference_weights`.
        """
        batch, num_references = references.weights.shape
        height, width = synthesised.shape[-2:]
        merged = self._merge_features(features, embedded.embeddings).flatten(0, 1)
        sampled = _sample(references, embedded.grid + self._grid_offset(merged, height, width))
        images = sampled.view(batch, num_references, 3, height, width), references.static_images, synthesised
        logits = self.weight_head(merged).float().view(batch, num_references, 2, *merged.shape[2:])
        prior = upsample_log_weights(references.log_weights, self.patch_size, *merged.shape[-2:])
        raw_logit = self.raw_weight_head(features).float()
        soft_weights = _softmax_weights(prior, logits, raw_logit, LOGIT_SCALE)
        if self.training:
            weights = upsample_patches(soft_weights, self.patch_size, height, width)
            return _mix(weights, *images), weights.detach()
        # Without the shares of the references, which would be faded over faster than their means.
        shares = (references.weights / references.weights.amax(1, keepdim=True)).clamp(min=MIN_SHARE).log()
        detail_prior = DETAIL_PRIOR_SCALE * prior - (DETAIL_PRIOR_SCALE - 1) * shares[:, :, None, None, None]
        penalised_logit = raw_logit - DETAIL_SYNTHESIS_PENALTY / DETAIL_LOGIT_SCALE
        detail_weights = _softmax_weights(detail_prior, logits, penalised_logit, DETAIL_LOGIT_SCALE)
        # Replaces the means over patches by those of the soft weights.
        aligned_means, synthesised_means = self._average_patches(images[0]), self._average_patches(synthesised)
        difference = _mix(soft_weights - detail_weights, aligned_means, embedded.static_means, synthesised_means)
        weights = upsample_patches(detail_weights, self.patch_size, height, width)
        corrected = _mix(weights, *images) + upsample_patches(difference, self.patch_size, height, width)
        return corrected.clamp(-1, 1), weights

    def _average_patches(self, images: Tensor) -> Tensor:
        """The means of the patches, (..., 3, h, w) -> (..., 3, h', w')."""
        padded = pad_to_multiple(images.flatten(0, -4), self.size_divisor)
        means = average_patches(padded, self.patch_size)
        return means.view(*images.shape[:-2], *means.shape[-2:])

    def _merge_features(self, features: Tensor, embeddings: Tensor) -> Tensor:
        """`merge` of the trunk's features with each embedding, (b, n, c, h', w').

        The convolution is linear, so the part of the features, which all references share, is computed once.
        """
        convolution, activation = self.merge
        assert isinstance(convolution, nn.Conv2d)
        weight, channels = convolution.weight, features.shape[1]
        shared = F.conv2d(features, weight[:, :channels], convolution.bias, padding=1)
        own = F.conv2d(embeddings.flatten(0, 1), weight[:, channels:], None, padding=1)
        return activation(own.view(embeddings.shape) + shared[:, None])  # type: ignore[no-any-return]

    def _grid_offset(self, merged: Tensor, height: int, width: int) -> Tensor:
        """The residual flow as an offset to the grid, (b n, c, h', w') -> (b n, h, w, 2)."""
        flow = self.flow_head(merged).float()
        if torch.is_grad_enabled():
            # With NaN in the grid, the CPU gradient of grid_sample writes out of bounds; see `ops.warp`.
            flow = flow.nan_to_num(0.0, 0.0, 0.0)
        # Scalars, as in `ops.warp`: an exported graph would contain the values of a new tensor as constants. Scaled
        # before it is upsampled, which is linear.
        offset = torch.stack(
            [
                flow[:, axis] * (2.0 * self.flow_multiplier / max(size - 1, 1))
                for axis, size in enumerate((width, height))
            ],
            1,
        )
        return upsample_patches(offset, self.patch_size, height, width).permute(0, 2, 3, 1)


def _softmax_weights(prior: Tensor, logits: Tensor, raw_logit: Tensor, scale: float) -> Tensor:
    """Prior and logits (b, n, 2, h', w'), logit of the synthesised image (b, 1, h', w') -> (b, 2 n + 1, h', w')."""
    of_references = torch.add(prior, logits, alpha=scale).flatten(1, 2)
    return torch.softmax(torch.cat([of_references, scale * raw_logit], 1), 1)


def _mix(weights: Tensor, aligned: Tensor, static: Tensor, synthesised: Tensor) -> Tensor:
    """The weighted sum, (b, 2 n + 1, h, w), twice (b, n, 3, h, w), (b, 3, h, w) -> (b, 3, h, w)."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        # Sums, not a loop: an exported graph would have a fixed number of references.
        of_aligned = (weights[:, :-1:2, None] * aligned).sum(1)
        of_static = (weights[:, 1::2, None] * static).sum(1)
        return weights[:, -1:] * synthesised + of_aligned + of_static
    mixed = weights[:, -1:] * synthesised
    for index in range(aligned.shape[1]):  # half the time, as the products are not stored
        mixed.addcmul_(weights[:, 2 * index : 2 * index + 1], aligned[:, index])
        mixed.addcmul_(weights[:, 2 * index + 1 : 2 * index + 2], static[:, index])
    return mixed


def _weighted_mean(weights: Tensor, embeddings: Tensor) -> Tensor:
    """(b, n), (b, n, c, h', w') -> (b, c, h', w'), in the same memory format.

    A product of matrices: torch's sum over an outer axis takes three to ten times as long on a CPU.
    """
    is_channels_last = embeddings.stride(2) == 1
    if is_channels_last:
        embeddings = embeddings.movedim(2, -1)
    mean = weights[:, None].to(embeddings.dtype) @ embeddings.flatten(2)
    mean = mean.view(len(weights), *embeddings.shape[2:])
    return mean.movedim(-1, 1) if is_channels_last else mean


def upsample_positions(positions: Tensor, height: int, width: int) -> Tensor:
    """Positions (n, 2, gh, gw) at every GRID_STEP pixels -> a grid (n, height, width, 2) for `grid_sample`."""
    rows, columns = ((size - 1) * GRID_STEP + 1 for size in positions.shape[-2:])
    dense = upsample_bilinear(positions, rows, columns, align_corners=True)
    return dense[..., :height, :width].permute(0, 2, 3, 1)


def upsample_log_weights(log_weights: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    """(b, n, 2, gh, gw) at every GRID_STEP pixels -> (b, n, 2, height, width) at the centres of patches; 0 outside."""
    rows, columns = ((size - 1) * GRID_STEP // patch_size + 1 for size in log_weights.shape[-2:])
    corners = upsample_bilinear(log_weights.flatten(0, 1), rows, columns, align_corners=True)
    edges = corners[..., :-1] + corners[..., 1:]  # a tenth of the time of avg_pool2d
    centres = (edges[..., :-1, :] + edges[..., 1:, :]) / 4
    padded = F.pad(centres, (0, width - columns + 1, 0, height - rows + 1))
    return padded.view(*log_weights.shape[:3], height, width)


def _sample(references: FrameReferences, grid: Tensor) -> Tensor:
    """The references at a grid (b n, h, w, 2), (b n, 3, h, w) in [-1, 1]."""
    images = references.images.flatten(0, 1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)
