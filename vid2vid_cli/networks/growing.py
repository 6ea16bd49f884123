"""Training goes on in a larger network: what fits is taken over, by name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


@torch.no_grad()
def take_over(mine: nn.Module, saved: Mapping[str, Tensor]) -> list[str]:
    """Copy what `saved`, another network's state, has of the same name and shape; the names left as they were.

    Those are parameters and buffers of `mine`, in its order; what `saved` has besides is not asked for.
    """
    left = []
    for name, value in mine.state_dict().items():
        found = saved.get(name)
        if found is None or found.shape != value.shape:
            left.append(name)
        else:
            value.copy_(found)
    return left
