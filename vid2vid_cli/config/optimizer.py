"""The optimisers, and the exponential moving average of the weights."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from vid2vid_cli.config.base import ConfigSection, nvidia

Algorithm = Literal["adam", "rmsprop"]


class OptimizerSettings(NamedTuple):
    """Hyper-parameters of one optimiser."""

    lr: float
    betas: tuple[float, float]
    algorithm: Algorithm = "adam"
    weight_decay: float = 0.0


TTUR_BETAS = (0.0, 0.9)
"""Heusel et al., NIPS 2017, as vid2vid sets them."""


class OptimizerConfig(ConfigSection):
    """The optimisers, and the exponential moving average (EMA) of the generator's weights."""

    algorithm: Algorithm = Field("adam", description="rmsprop: without betas, as published for dualgan.")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty on all weights; discogan uses 1e-4.")

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
    def generator(self) -> OptimizerSettings:
        """The generator's optimiser, before learning-rate decay."""
        return self._settings(self.lr / 2 if self.ttur else self.lr)

    @property
    def discriminators(self) -> OptimizerSettings:
        """The optimiser of all discriminators, before learning-rate decay."""
        return self._settings(self.discriminator_lr * 2 if self.ttur else self.discriminator_lr)

    def _settings(self, lr: float) -> OptimizerSettings:
        betas = TTUR_BETAS if self.ttur else (self.beta1, self.beta2)
        return OptimizerSettings(lr, betas, self.algorithm, self.weight_decay)
