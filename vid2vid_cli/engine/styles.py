"""Styles in training: what the generator is told of a batch, and how its encoder learns from that.

The features of the real frames, averaged over each object of a clip, are channels beside the conditions. One pass of
the encoder serves a whole clip: the gradients of all updates on it are gathered, and the encoder makes one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vid2vid_cli.core.types import ClipBatch, ShapeError
from vid2vid_cli.engine.distributed import Group
from vid2vid_cli.engine.style_bank import Styler
from vid2vid_cli.networks.style_encoder import Pooled, StyleEncoder, pool, style_encoder


@dataclass(frozen=True)
class Told:
    """What a generator is shown of a batch."""

    conditions: Tensor
    """(b, t, c, h, w) of the batch, with its styles."""
    styles: Tensor | None = None
    """(b, t, f, h, w) as the encoder made them."""
    shown: Tensor | None = None
    """The same cut off from the encoder: here the gradients of all updates gather."""

    def learn(self, optimizer: torch.optim.Optimizer, group: Group) -> None:
        """One step of the encoder, by the optimiser that it shares with the generator, which stays as it is."""
        if self.styles is None or self.shown is None or self.shown.grad is None:
            return
        optimizer.zero_grad(set_to_none=True)
        self.styles.backward(self.shown.grad)  # type: ignore[no-untyped-call]
        group.average(optimizer)
        optimizer.step()


def tell_styles(generator: nn.Module, batch: ClipBatch) -> Told:
    """The conditions of a batch, for a generator with an encoder with what that sees in the real frames."""
    encoder = style_encoder(generator)
    if encoder is None:
        return Told(batch.conditions)
    styles = seen_styles(encoder, batch).maps()
    shown = styles.detach().requires_grad_()
    return Told(torch.cat([batch.conditions.float(), shown], 2), styles, shown)


def seen_styles(encoder: StyleEncoder, batch: ClipBatch) -> Pooled:
    """The features of each object of a batch of clips with instances."""
    if batch.instances is None:
        raise ShapeError("a generator with styles needs the instances of its clips")
    features = encoder(batch.frames.flatten(0, 1)).unflatten(0, batch.frames.shape[:2])
    return pool(features, batch.instances)


def give_styles(batch: ClipBatch, styler: Styler | None) -> Tensor:
    """The conditions of a batch as synthesis sees them: where there are styles, with those that `styler` gives."""
    if styler is None:
        return batch.conditions
    if batch.instances is None:
        raise ShapeError("a generator with styles needs the instances of its clips")
    maps = [np.stack([styler(ids) for ids in clip]) for clip in batch.instances.cpu().numpy()]
    styles = torch.from_numpy(np.stack(maps)).to(batch.conditions.device)
    return torch.cat([batch.conditions.float(), styles], 2)  # conditions may travel as whole numbers, styles are none
