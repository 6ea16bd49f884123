"""The training state: everything that changes during training."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from vid2vid_cli.engine.gradient_scaler import GradientScaler
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.networks.generators import Generator


class TrainState:
    """Generator, its exponential moving average (EMA), optimisers and step count; the base of each family's state.

    A family adds its other networks and whatever else changes during training as attributes; those with a `state_dict`
    are saved and restored.
    """

    def __init__(
        self,
        generator: Generator,
        generator_optimizer: torch.optim.Optimizer,
        discriminator_optimizer: torch.optim.Optimizer,
    ) -> None:
        self.generator = generator
        """All networks of synthesis."""
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        """One optimiser for all discriminators."""
        self.scale_gradients(Runtime(torch.device("cpu"), "fp32", False))
        self.generator_ema = copy.deepcopy(generator).requires_grad_(False).eval()
        self.step = 0

    def scale_gradients(self, runtime: Runtime) -> None:
        """Give each optimiser the gradient scaler for a device and a precision."""
        is_enabled = runtime.precision == "fp16"
        self.generator_scaler = GradientScaler(runtime.device, enabled=is_enabled)
        self.discriminator_scaler = GradientScaler(runtime.device, enabled=is_enabled)

    @property
    def num_skipped_updates(self) -> int:
        """Updates that were left out since the first step, because a gradient overflowed in fp16."""
        return self.generator_scaler.num_skipped + self.discriminator_scaler.num_skipped

    def _stateful_members(self) -> dict[str, Any]:
        return {name: member for name, member in vars(self).items() if hasattr(member, "state_dict")}

    def state_dict(self) -> dict[str, Any]:
        """The state of every member that has one, and the step; tensors and primitives only."""
        return {"step": self.step, **{name: member.state_dict() for name, member in self._stateful_members().items()}}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a `state_dict`. Raises KeyError or RuntimeError if it is of another architecture."""
        for name, member in self._stateful_members().items():
            member.load_state_dict(saved.get(name, {}) if isinstance(member, GradientScaler) else saved[name])
        self.step = int(saved["step"])

    def trainable_networks(self) -> dict[str, nn.Module]:
        """The networks by name, without the EMA."""
        return {
            name: member
            for name, member in self._stateful_members().items()
            if isinstance(member, nn.Module) and member is not self.generator_ema
        }

    def discriminator_weights(self) -> dict[str, torch.Tensor]:
        """The weights of all networks that only training uses, by `network.weight`."""
        return {
            f"{network_name}.{name}": value
            for network_name, network in self.trainable_networks().items()
            if network_name != "generator"
            for name, value in network.state_dict().items()
        }

    def reset_optimizers(self) -> None:
        """Clear the moment estimates of both optimisers; weights and EMA are unchanged."""
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            optimizer.state.clear()

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether all weights of all networks are finite."""
        networks = (member for member in self._stateful_members().values() if isinstance(member, nn.Module))
        return all(bool(weight.isfinite().all()) for network in networks for weight in network.parameters())

    @torch.no_grad()
    def check_restored(self) -> None:
        """Raise ValueError for weights and moment estimates that are not finite or have another shape."""
        if not self.is_finite():
            raise ValueError("the weights are not finite")
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for weight, moments in optimizer.state.items():
                for name, value in moments.items():
                    if isinstance(value, torch.Tensor) and not value.isfinite().all():
                        raise ValueError(f"the optimiser's {name} is not finite")
                    if name.startswith("exp_avg") and value.shape != weight.shape:
                        raise ValueError(f"the optimiser's {name} has the shape {tuple(value.shape)}")

    @torch.no_grad()
    def update_ema(self, decay: float) -> None:
        """ema = decay * ema + (1 - decay) * weights. Buffers (running statistics) are copied."""
        for ema_weight, weight in zip(self.generator_ema.parameters(), self.generator.parameters(), strict=True):
            ema_weight.lerp_(weight, 1.0 - decay)
        for ema_buffer, buffer in zip(self.generator_ema.buffers(), self.generator.buffers(), strict=True):
            ema_buffer.copy_(buffer)
