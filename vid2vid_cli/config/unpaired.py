"""Training on two domains without pairs: model=cyclegan, dualgan and discogan."""

from __future__ import annotations

from pydantic import Field

from vid2vid_cli.config.base import ConfigSection


class UnpairedConfig(ConfigSection):
    """Settings of the unpaired models; the others do not use them."""

    history_size: int = Field(
        50,
        ge=0,
        le=1000,
        description="Generated images of each domain that are kept for the discriminators: each new one is replaced by "
        "one of them with probability 1/2. 0: none.",
    )
    discriminator_updates: int = Field(
        1, ge=1, le=10, description="Updates of the discriminators per update of the generators."
    )
    weight_clip: float = Field(
        0.0,
        ge=0,
        description="With losses.gan_mode=wgan: limit of the absolute weights of the discriminators. 0: none.",
    )
