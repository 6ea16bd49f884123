"""Training of stochastic video prediction: model=savp."""

from __future__ import annotations

from pydantic import Field

from vid2vid_cli.config.base import ConfigSection

MIN_VIDEO_FRAMES = 4
"""Fewest frames of a clip of the video discriminators."""


class SavpConfig(ConfigSection):
    """Settings of model=savp; the others do not use them."""

    scheduled_sampling_k: float = Field(
        900.0,
        ge=0,
        description="Scheduled sampling: after the first frames, the input is the real frame with probability "
        "k / (k + exp(step / k)), otherwise the predicted one; 0.5 at step k ln k. 0: always the predicted frame.",
    )
    kl_anneal_start: int = Field(50000, ge=0, description="Step at which the weight losses.kl starts to grow from 0.")
    kl_anneal_steps: int = Field(50000, ge=0, description="Steps of its linear growth to losses.kl.")
    discriminator_frames: int = Field(
        10,
        ge=MIN_VIDEO_FRAMES,
        description="Consecutive predicted frames, at a random position of the clip, that the video discriminators "
        "get; at most all predicted frames.",
    )
    discriminator_channels: int = Field(
        32, ge=4, le=512, description="Channels of the first layer of the video discriminators."
    )
