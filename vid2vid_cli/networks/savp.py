"""Stochastic adversarial video prediction (SAVP; Lee et al., 2018): recurrent generator and latent encoder.

From the frame x_t and a latent z_t the cell generates the next frame, as a blend of candidates with a softmax over
masks m_k per pixel: transformed versions of x_t, x_t itself, the first frame of the clip and a synthesised image:

    x_{t+1} = sum_k m_k * candidate_k

The encoder estimates z_t from x_t and x_{t+1}. Inside, frames are in [0, 1], as published; outside in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vid2vid_cli.core.types import check_shape
from vid2vid_cli.networks.latent_encoder import LatentEncoder, MotionEncoder
from vid2vid_cli.networks.video_layers import (
    CDNATransform,
    ConvLSTM,
    FlowTransform,
    LSTMState,
    append_latent,
    init_weights,
    modulate,
    norm_conv,
    norm_conv_relu,
)
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple

Transformation = Literal["cdna", "flow"]
MAX_CHANNEL_MULTIPLIER = 8
"""Largest number of channels, as a multiple of `base_channels`."""
NUM_LSTM_LEVELS = 3
"""Innermost levels with convolutional LSTMs; 64 pixels have three levels."""
NUM_FIXED_CANDIDATES = 3
"""Candidates in addition to the transformed images: previous frame, first frame, synthesised image."""
LatentInjection = Literal["all", "norm"]
MODULATION_STD = 0.1
"""Deviation of the initial weights of latent_injection=norm: latents change features from the start."""


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
        latent_injection: LatentInjection,
    ) -> None:
        """`latent_injection` all: the latent is concatenated with the input of each convolution, as published. norm: it
        scales and shifts the features after each normalisation, which removes inputs that are constant over the frame,
        except for the effect of the zero padding.
        """
        super().__init__()
        self.latent_channels = latent_channels
        appended_channels = latent_channels if latent_injection == "all" else 0
        self._has_appended_latent = bool(appended_channels)
        self.latent_lstm = nn.LSTMCell(latent_channels, latent_channels) if latent_channels else None
        channels = [base_channels * min(1 << level, MAX_CHANNEL_MULTIPLIER) for level in range(num_downsamples)]
        first_lstm_depth = max(1, num_downsamples - NUM_LSTM_LEVELS + 1)
        self.down, self.up, self.lstms = nn.ModuleList(), nn.ModuleList(), nn.ModuleDict()
        modulation_sizes: dict[str, int] = {}
        in_channels = 6
        for depth, out_channels in enumerate(channels, 1):
            kernel_size = 5 if depth == 1 else 3
            self.down.append(norm_conv(in_channels + appended_channels, out_channels, kernel_size, has_pooling=True))
            modulation_sizes[f"down{depth}"] = 2 * out_channels
            if depth >= first_lstm_depth:
                modulation_sizes[f"down{depth}_gates"] = 4 * out_channels
                self.lstms[f"down{depth}"] = ConvLSTM(out_channels + appended_channels, out_channels)
            in_channels = out_channels
        for depth in reversed(range(num_downsamples)):
            out_channels = channels[max(depth - 1, 0)]
            skip_channels = 0 if depth == num_downsamples - 1 else channels[depth]
            self.up.append(norm_conv(in_channels + skip_channels + appended_channels, out_channels, 3))
            modulation_sizes[f"up{depth}"] = 2 * out_channels
            if depth >= first_lstm_depth:
                modulation_sizes[f"up{depth}_gates"] = 4 * out_channels
                self.lstms[f"up{depth}"] = ConvLSTM(out_channels + appended_channels, out_channels)
            in_channels = out_channels
        self.transform: CDNATransform | FlowTransform = (
            CDNATransform(channels[-1], num_transformations)
            if transformation == "cdna"
            else FlowTransform(in_channels, num_transformations)
        )
        self.scratch = nn.Sequential(norm_conv_relu(in_channels), nn.Conv2d(in_channels, 3, 3, padding=1))
        self.mask_features = norm_conv_relu(in_channels)
        num_candidates = num_transformations + NUM_FIXED_CANDIDATES
        self.masks = nn.Conv2d(in_channels + 3 * num_candidates, num_candidates, 3, padding=1)
        if not latent_channels or latent_injection != "norm":
            modulation_sizes.clear()
        self.modulations = nn.ModuleDict(
            {name: nn.Linear(latent_channels, size) for name, size in modulation_sizes.items()}
        )
        init_weights(self)
        for weight in self.modulations.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=MODULATION_STD)

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
        appended = code if self._has_appended_latent else None

        def modulation(name: str) -> Tensor | None:
            return self.modulations[name](code)[:, :, None, None] if name in self.modulations else None

        def run(conv: nn.Module, features: Tensor, name: str) -> Tensor:
            features = F.relu(modulate(conv(append_latent(features, appended)), modulation(name)))
            if name not in self.lstms:
                return features
            features = append_latent(features, appended)
            new_lstms[name] = self.lstms[name](features, old_lstms[name], modulation(f"{name}_gates"))
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
        latent_injection: LatentInjection = "all",
        has_motion_encoder: bool = False,
    ) -> None:
        """`past_frames`: real frames that are continued. `latent_channels` 0: a deterministic model.

        `has_motion_encoder`: the encoder is a MotionEncoder rather than the published LatentEncoder.
        """
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
            latent_injection=latent_injection,
        )
        self.encoder: LatentEncoder | MotionEncoder | None = None
        if latent_channels and has_encoder:
            self.encoder = MotionEncoder(latent_channels) if has_motion_encoder else LatentEncoder(latent_channels)

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
