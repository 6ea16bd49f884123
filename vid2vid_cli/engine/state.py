"""All that changes while a model learns, in one object."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from vid2vid_cli.networks.generators import Generator


class TrainState:
    """Networks, optimisers, the moving average and the step count."""

    def __init__(
        self,
        generator: Generator,
        discriminator: nn.Module,
        temporal: nn.ModuleDict,
        region: nn.ModuleDict,
        generator_optimizer: torch.optim.Optimizer,
        discriminator_optimizer: torch.optim.Optimizer,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.temporal = temporal
        """One discriminator per frame rate, by the rate as a string."""
        self.region = region
        """One per name of a region."""
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        """All discriminators, so that their rates decay together."""
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        self.step = 0

    def _parts(self) -> dict[str, Any]:
        return {name: part for name, part in vars(self).items() if hasattr(part, "state_dict")}

    def state_dict(self) -> dict[str, Any]:
        """Tensors and primitives only; every part that has a state is in it, so that none can be forgotten."""
        return {"step": self.step, **{name: part.state_dict() for name, part in self._parts().items()}}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse; raises KeyError or RuntimeError where `saved` is of another shape."""
        for name, part in self._parts().items():
            part.load_state_dict(saved[name])
        self.step = int(saved["step"])

    def networks(self) -> dict[str, nn.Module]:
        """Those that learn, by name; not the average."""
        return {
            name: part
            for name, part in self._parts().items()
            if isinstance(part, nn.Module) and part is not self.average
        }

    def forget_moments(self) -> None:
        """Begin anew with both optimisers, as though no step had been taken; weights and average stay."""
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            optimizer.state.clear()

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether no weight of any network is NaN or infinite."""
        networks = (part for part in self._parts().values() if isinstance(part, nn.Module))
        return all(bool(weight.isfinite().all()) for network in networks for weight in network.parameters())

    @torch.no_grad()
    def move_average(self, decay: float) -> None:
        """average = decay * average + (1 - decay) * weights."""
        for mean, weight in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(weight, 1.0 - decay)
