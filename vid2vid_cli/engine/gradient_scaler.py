"""Loss scaling for training in fp16, whose gradients would otherwise underflow (Micikevicius et al., ICLR 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

MIN_SCALE = 2.0**-10
"""A smaller scale does not make gradients finite: the overflow is in the networks, not in the scaled gradients."""


class GradientScaler:
    """`torch.amp.GradScaler` of one optimiser, with the number of skipped updates. Disabled, it changes nothing."""

    def __init__(self, device: torch.device, *, enabled: bool) -> None:
        self._device = device
        self._scaler = torch.amp.GradScaler(device.type, enabled=enabled)
        self.num_skipped = 0
        """Updates that were left out, because a gradient was infinite or NaN; the scale is halved after each."""

    @property
    def is_exhausted(self) -> bool:
        """Whether the gradients are not finite at any useful scale."""
        return self._scaler.is_enabled() and self._scaler.get_scale() < MIN_SCALE

    def backward(
        self, loss: Tensor | None, *, weights: Sequence[Tensor] | None = None, keeps_graph: bool = False
    ) -> None:
        """Compute the gradients of a loss times the scale; None: of nothing.

        `weights`: only theirs. `keeps_graph`: another loss of the same graph follows.
        """
        scaled_loss = self._scaler.scale(torch.zeros((), device=self._device) if loss is None else loss)
        if loss is not None:
            scaled_loss.backward(inputs=weights, retain_graph=keeps_graph)  # type: ignore[no-untyped-call]

    def unscale(self, gradient: Tensor) -> Tensor:
        """A gradient that `backward` has computed, without the scale."""
        return gradient / self._scaler.get_scale() if self._scaler.is_enabled() else gradient

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """One step with the gradients that `backward` has computed, unless one of them is not finite."""
        weights = (weight for group in optimizer.param_groups for weight in group["params"])
        if self._scaler.is_enabled() and all(weight.grad is None for weight in weights):
            return  # GradScaler raises an error if there is nothing to check
        previous_scale = self._scaler.get_scale()
        self._scaler.step(optimizer)
        self._scaler.update()
        # Until its context ends, autocast would use the weights that it converted before.
        torch.clear_autocast_cache()
        self.num_skipped += self._scaler.get_scale() < previous_scale

    def state_dict(self) -> dict[str, Any]:
        """Scale, growth and number of skipped updates; {} if disabled."""
        return {**self._scaler.state_dict(), "num_skipped": self.num_skipped} if self._scaler.is_enabled() else {}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a `state_dict`. That of a training in another precision is {}: the scale is then the initial one."""
        if saved and self._scaler.is_enabled():
            self._scaler.load_state_dict({name: value for name, value in saved.items() if name != "num_skipped"})
            self.num_skipped = int(saved["num_skipped"])
