"""Stochastic adversarial video prediction (SAVP; Lee et al., 2018): recurrent generator and latent encoder.

From the frame x_t and a latent z_t the cell generates the next frame, as a blend of candidates with a softmax over
masks m_k per pixel: transformed versions of x_t, x_t itself, the first frame of the clip and a synthesised image:

    x_{t+1} = sum_k m_k * candidate_k

The encoder estimates z_t from x_t and x_{t+1}. Inside, frames are in [0, 1], as published; outside in [-1, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vid2vid_cli.core.types import check_shape
from vid2vid_cli.networks.video_layers import CDNATransform, ConvLSTM, FlowTransform, LSTMState, instance_norm
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple

Transformation = Literal["cdna", "flow"]
MAX_CHANNEL_MULTIPLIER = 8
"""Largest number of channels, as a multiple of `base_channels`."""
NUM_LSTM_LEVELS = 3
"""Innermost levels with convolutional LSTMs; 64 pixels have three levels."""
NUM_FIXED_CANDIDATES = 3
"""Candidates in addition to the transformed images: previous frame, first frame, synthesised image."""
ENCODER_CHANNELS = 64
LOG_VARIANCE_LIMIT = 10.0


@dataclass(frozen=True)
class ClipState:
    """State of the recurrent cell within a clip."""

    first_image: Tensor
    """(b, 3, h, w) the first frame, padded."""
    lstms: tuple[LSTMState | None, ...]
    latent: LSTMState | None = None


class SavpCell(nn.Module):
    """The recurrent cell: one frame and one latent -> the next frame and the new state."""

    def __init__(
        self,
        *,
        base_channels: int,
        num_downsamples: int,
        latent_channels: int,
        transformation: Transformation,
        num_transformations: int,
    ) -> None:
        super().__init__()
        self.latent_channels = latent_channels
        self.latent_lstm = nn.LSTMCell(latent_channels, latent_channels) if latent_channels else None
        channels = [base_channels * min(1 << level, MAX_CHANNEL_MULTIPLIER) for level in range(num_downsamples)]
        first_lstm_depth = max(1, num_downsamples - NUM_LSTM_LEVELS + 1)
        self.down, self.up, self.lstms = nn.ModuleList(), nn.ModuleList(), nn.ModuleDict()
        in_channels = 6
        for depth, out_channels in enumerate(channels, 1):
            kernel_size = 5 if depth == 1 else 3
            self.down.append(_conv(in_channels + latent_channels, out_channels, kernel_size, has_pooling=True))
            if depth >= first_lstm_depth:
                self.lstms[f"down{depth}"] = ConvLSTM(out_channels + latent_channels, out_channels)
            in_channels = out_channels
        for depth in reversed(range(num_downsamples)):
            out_channels = channels[max(depth - 1, 0)]
            skip_channels = 0 if depth == num_downsamples - 1 else channels[depth]
            self.up.append(_conv(in_channels + skip_channels + latent_channels, out_channels, 3))
            if depth >= first_lstm_depth:
                self.lstms[f"up{depth}"] = ConvLSTM(out_channels + latent_channels, out_channels)
            in_channels = out_channels
        self.transform: CDNATransform | FlowTransform = (
            CDNATransform(channels[-1], num_transformations)
            if transformation == "cdna"
            else FlowTransform(in_channels, num_transformations)
        )
        self.scratch = nn.Sequential(_conv(in_channels, in_channels, 3), nn.Conv2d(in_channels, 3, 3, padding=1))
        self.mask_features = _conv(in_channels, in_channels, 3)
        num_candidates = num_transformations + NUM_FIXED_CANDIDATES
        self.masks = nn.Conv2d(in_channels + 3 * num_candidates, num_candidates, 3, padding=1)

    def new_state(self, first_image: Tensor) -> ClipState:
        """The state before the first frame of a clip."""
        return ClipState(first_image, (None,) * len(self.lstms))

    def forward(self, image: Tensor, latent: Tensor | None, state: ClipState) -> tuple[Tensor, ClipState]:
        """(b, 3, h, w) in [0, 1], (b, z) -> the next frame (b, 3, h, w) in [0, 1], and the new state."""
        new_lstms: dict[str, LSTMState] = {}
        old_lstms = dict(zip(self.lstms, state.lstms, strict=True))
        latent_state = state.latent
        if self.latent_lstm is not None:
            latent_state = self.latent_lstm(latent, latent_state)
        code = None if latent_state is None else latent_state[0]

        def run(conv: nn.Module, features: Tensor, name: str) -> Tensor:
            features = conv(_append_latent(features, code))
            if name not in self.lstms:
                return features
            new_lstms[name] = self.lstms[name](_append_latent(features, code), old_lstms[name])
            return new_lstms[name][0]

        features = torch.cat([image, state.first_image], 1)
        skips: list[Tensor] = []
        for depth, conv in enumerate(self.down, 1):
            features = run(conv, features, f"down{depth}")
            skips.append(features)
        bottleneck = skips.pop()
        for index, conv in enumerate(self.up):
            if index:
                features = torch.cat([features, skips.pop()], 1)
            features = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            features = run(conv, features, f"up{len(self.up) - 1 - index}")
        is_cdna = isinstance(self.transform, CDNATransform)
        transformed = self.transform(image, bottleneck if is_cdna else features)
        scratch = torch.sigmoid(self.scratch(features))[:, None]
        candidates = torch.cat([transformed, image[:, None], state.first_image[:, None], scratch], 1)
        masks = self.compute_masks(features, candidates)
        next_image = (masks[:, :, None] * candidates.float()).sum(1)
        return next_image, replace(state, lstms=tuple(new_lstms[name] for name in self.lstms), latent=latent_state)

    def compute_masks(self, features: Tensor, candidates: Tensor) -> Tensor:
        """(b, c, h, w), (b, k, 3, h, w) -> weights of the candidates (b, k, h, w) with the sum 1."""
        inputs = torch.cat([self.mask_features(features), candidates.flatten(1, 2)], 1)
        return torch.softmax(self.masks(inputs).float(), 1)


class LatentEncoder(nn.Module):
    """q(z_t | x_t, x_{t+1}): mean and logarithm of the variance of a normal distribution."""

    def __init__(self, latent_channels: int, base_channels: int = ENCODER_CHANNELS) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(6, base_channels, 4, 2, 1), nn.LeakyReLU(0.2)]
        for level in (1, 2):
            in_channels, out_channels = base_channels << level - 1, base_channels << level
            layers += [nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=False), instance_norm(out_channels)]
            layers.append(nn.LeakyReLU(0.2))
        self.features = nn.Sequential(*layers)
        self.mean = nn.Linear(base_channels << 2, latent_channels)
        self.log_variance = nn.Linear(base_channels << 2, latent_channels)

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Adjacent frames (b, 6, h, w) in [0, 1] -> two tensors (b, z)."""
        features = self.features(pairs).mean((2, 3))
        log_variance = self.log_variance(features).clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        return self.mean(features), log_variance


class SavpGenerator(nn.Module):
    """Continues clips: recurrent cell and, for a model with latents and `has_encoder`, the latent encoder."""

    def __init__(
        self,
        *,
        past_frames: int = 2,
        base_channels: int = 32,
        num_downsamples: int = 3,
        latent_channels: int = 8,
        has_encoder: bool = True,
        transformation: Transformation = "cdna",
        num_transformations: int = 4,
    ) -> None:
        """`past_frames`: real frames that are continued. `latent_channels` 0: a deterministic model."""
        super().__init__()
        self.num_scales = 1
        self.past_frames = past_frames
        self.window_size = 1
        self.latent_channels = latent_channels
        self.gradient_checkpointing = False
        self.style_encoder: None = None
        self._multiple = 1 << num_downsamples
        self.cell = SavpCell(
            base_channels=base_channels,
            num_downsamples=num_downsamples,
            latent_channels=latent_channels,
            transformation=transformation,
            num_transformations=num_transformations,
        )
        self.encoder = LatentEncoder(latent_channels) if latent_channels and has_encoder else None
        _init_weights(self)

    def start(self, first_frame: Tensor) -> ClipState:
        """The state before the first frame (b, 3, h, w) of a clip; nothing of another clip is left in it."""
        return self.cell.new_state(self._to_inner(first_frame))

    def forward(self, frame: Tensor, latent: Tensor | None, state: ClipState) -> tuple[Tensor, ClipState]:
        """A frame (b, 3, h, w) in [-1, 1] and its latent (b, z) -> the next frame and the new state."""
        check_shape("frame", frame, "b 3 h w")
        image = self._to_inner(frame)
        if self.gradient_checkpointing and torch.is_grad_enabled():
            next_image, state = checkpoint(self.cell, image, latent, state, use_reentrant=False)
        else:
            next_image, state = self.cell(image, latent, state)
        return crop_to(next_image, *frame.shape[-2:]) * 2 - 1, state

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents between adjacent frames, (b, t, 3, h, w) -> (b, t - 1, z) twice."""
        assert self.encoder is not None
        batch, length = frames.shape[:2]
        pairs = (torch.cat([frames[:, :-1], frames[:, 1:]], 2).flatten(0, 1) + 1) / 2
        mean, log_variance = self.encoder(pairs)
        return mean.view(batch, length - 1, -1), log_variance.view(batch, length - 1, -1)

    def _to_inner(self, frame: Tensor) -> Tensor:
        return pad_to_multiple((frame + 1) / 2, self._multiple)

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """No effect: there is one scale, and every frame has a past."""

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        self.gradient_checkpointing = enabled


def _conv(in_channels: int, out_channels: int, kernel_size: int, *, has_pooling: bool = False) -> nn.Sequential:
    """Convolution, 2x2 average pooling if requested, instance normalisation, ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    pooling = [nn.AvgPool2d(2)] if has_pooling else []
    return nn.Sequential(conv, *pooling, instance_norm(out_channels), nn.ReLU())


def _append_latent(features: Tensor, code: Tensor | None) -> Tensor:
    """Tile a latent (b, z) and append it to feature maps (b, c, h, w)."""
    if code is None:
        return features
    return torch.cat([features, code[:, :, None, None].expand(-1, -1, *features.shape[-2:]).to(features.dtype)], 1)


@torch.no_grad()
def _init_weights(network: nn.Module) -> None:
    """Normal distribution with deviation 0.02, cut at 0.04; biases zero, as published; the LSTM as in TensorFlow."""
    limit = math.erf(math.sqrt(2))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.uniform_(-limit, limit).erfinv_().mul_(0.02 * math.sqrt(2))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LSTMCell):
            for weight in module.parameters():
                nn.init.zeros_(weight) if weight.ndim == 1 else nn.init.xavier_uniform_(weight)
            module.bias_hh[module.hidden_size : 2 * module.hidden_size] = 1  # the forget gate
