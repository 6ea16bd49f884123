"""Adam, and the exponential moving average of the weights."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from vid2vid_cli.config.base import ConfigSection, nvidia


class AdamConfig(NamedTuple):
    """Hyper-parameters of one Adam optimiser."""

    lr: float
    betas: tuple[float, float]


TTUR_BETAS = (0.0, 0.9)
"""Heusel et al., NIPS 2017, as vid2vid sets them."""


class OptimizerConfig(ConfigSection):
    """Adam, and the exponential moving average (EMA) of the generator's weights."""

    lr: float = Field(2e-4, gt=0, description="Learning rate of the generator.", json_schema_extra=nvidia("lr"))
    discriminator_lr: float = Field(
        2e-4, gt=0, description="Learning rate of the discriminators.", json_schema_extra=nvidia("lr")
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's beta1.", json_schema_extra=nvidia("beta1"))
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam's beta2.")
    ttur: bool = Field(
        False,
        description="Two time-scale update rule: half the generator's lr, twice the discriminators', betas 0 and 0.9.",
        json_schema_extra=nvidia("TTUR"),
    )
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="Decay of the exponential moving average of the generator's weights."
    )

    @property
    def generator(self) -> AdamConfig:
        """The generator's optimiser, before learning-rate decay."""
        return AdamConfig(self.lr / 2, TTUR_BETAS) if self.ttur else AdamConfig(self.lr, (self.beta1, self.beta2))

    @property
    def discriminators(self) -> AdamConfig:
        """The optimiser of all discriminators, before learning-rate decay."""
        lr = self.discriminator_lr
        return AdamConfig(lr * 2, TTUR_BETAS) if self.ttur else AdamConfig(lr, (self.beta1, self.beta2))
