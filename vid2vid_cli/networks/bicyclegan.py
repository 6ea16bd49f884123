"""The networks of BicycleGAN (Zhu et al., NIPS 2017): a U-Net with a latent, and an encoder of frames to latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.core.types import FrameOutput, FrameReferences, check_shape
from vid2vid_cli.networks.blocks import Norm, init_weights, norm_layer
from vid2vid_cli.networks.unet import UNetGenerator

MAX_CHANNEL_MULTIPLIER = 4
"""Largest number of channels of the encoder, as a multiple of `base_channels`."""


class _PoolingBlock(nn.Module):
    """A residual block of two normalised 3x3 convolutions that halves the size by average pooling."""

    def __init__(self, in_channels: int, out_channels: int, norm: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            norm_layer(in_channels, norm),
            nn.LeakyReLU(0.2),
            nn.Conv2d(in_channels, in_channels, 3, 1, 1),
            norm_layer(in_channels, norm),
            nn.LeakyReLU(0.2),
            nn.Conv2d(in_channels, out_channels, 3, 1, 1),
        )
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c', ceil(h / 2), ceil(w / 2))"""
        output: Tensor = F.avg_pool2d(self.body(x), 2, ceil_mode=True)
        return output + self.shortcut(F.avg_pool2d(x, 2, ceil_mode=True))  # type: ignore[no-any-return]


class LatentEncoder(nn.Module):
    """A residual network from a frame of any size to the mean and logarithmic variance of its latent.

    Four blocks are the published encoder for 256 pixels. It pools 8 x 8 cells; here the mean is taken over all cells.
    """

    def __init__(self, *, base_channels: int, num_blocks: int, latent_channels: int, norm: Norm) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, base_channels, 4, 2, 1)]
        in_channels = base_channels
        for block in range(num_blocks):
            out_channels = base_channels * min(block + 2, MAX_CHANNEL_MULTIPLIER)
            layers.append(_PoolingBlock(in_channels, out_channels, norm))
            in_channels = out_channels
        self.features = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.mean = nn.Linear(in_channels, latent_channels)
        self.log_variance = nn.Linear(in_channels, latent_channels)
        init_weights(self)

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """(b, t, 3, h, w) -> mean and log(variance) of the latent of each clip, (b, latent_channels) twice.

        Both are averaged over the frames, so that a clip has one latent.
        """
        features = self.features(clips.flatten(0, 1))
        mean, log_variance = (
            head(features).float().unflatten(0, clips.shape[:2]).mean(1) for head in (self.mean, self.log_variance)
        )
        return mean, log_variance


class BicycleGenerator(nn.Module):
    """U-Net and encoder. A frame-wise generator: a sequence model with a window of one and no past."""

    def __init__(self, unet: UNetGenerator, encoder: LatentEncoder) -> None:
        super().__init__()
        self.unet, self.encoder = unet, encoder
        self.num_scales, self.past_frames, self.window_size = 1, 0, 1
        self.latent_channels = encoder.mean.out_features
        self.style_encoder: None = None

    def forward(
        self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False, latent: Tensor | None = None
    ) -> FrameOutput:
        """Generate a frame from its condition, (b, 1, c, h, w) and a latent (b, latent_channels) -> FrameOutput.

        Without a latent, zeros: the mean of the prior N(0, I).
        """
        if latent is None:
            latent = window.new_zeros(len(window), self.latent_channels)
        output: FrameOutput = self.unet(window, past, is_first_frame, latent)
        return output

    def generate_clips(self, conditions: Tensor, latents: Tensor) -> Tensor:
        """Generate clips with one latent each, (b, t, c, h, w) and (b, latent_channels) -> (b, t, 3, h, w)."""
        sizes = check_shape("conditions", conditions, "b t c h w")
        frame_latents = latents.repeat_interleave(sizes["t"], 0)
        images: Tensor = self(conditions.flatten(0, 1)[:, None], (), latent=frame_latents).image
        return images.view(sizes["b"], sizes["t"], *images.shape[1:])

    def random_latent(self, seed: int) -> Tensor:
        """A latent (latent_channels,) from N(0, I) on the CPU."""
        return torch.randn(self.latent_channels, generator=torch.Generator().manual_seed(seed))

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """No effect: there is one scale and no past."""

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        self.unet.set_gradient_checkpointing(enabled)


class LatentPath:
    """A frame-wise generator whose latent or attributes move in a straight line; constant if `end` is None.

    It is called once per frame, in order.
    """

    def __init__(self, generator: nn.Module, start: Tensor, end: Tensor | None = None, *, num_frames: int = 1) -> None:
        """`start`, `end`: (latent_channels,), those of the first and of the last of `num_frames` frames."""
        self.num_scales, self.past_frames, self.window_size = 1, 0, 1
        self._generator, self._start, self._end = generator, start, start if end is None else end
        self._num_frames, self._num_generated = num_frames, 0

    def pass_frames(self, num_frames: int) -> None:
        """Continue after frames that are not generated."""
        self._num_generated += num_frames

    def __call__(
        self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False, *references: FrameReferences
    ) -> FrameOutput:
        """(b, 1, c, h, w) -> the next frame; there are no references."""
        share = min(1.0, self._num_generated / max(1, self._num_frames - 1))
        self._num_generated += 1
        latent = torch.lerp(self._start, self._end, share).to(window.device)
        output: FrameOutput = self._generator(window, past, is_first_frame, latent.expand(len(window), -1))
        return output
