"""Styles of objects as condition channels, in training and in synthesis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vid2vid_cli.core.types import ClipBatch, ShapeError
from vid2vid_cli.engine.distributed import ProcessGroup
from vid2vid_cli.engine.gradient_scaler import GradientScaler
from vid2vid_cli.engine.style_bank import StyleAssigner
from vid2vid_cli.networks.generators import Generator
from vid2vid_cli.networks.style_encoder import InstanceFeatures, StyleEncoder, instance_average_pool


@dataclass(frozen=True)
class StyledConditions:
    """Generator conditions of a training batch, with encoded styles."""

    conditions: Tensor
    """(b, t, c, h, w) conditions and styles."""
    styles: Tensor | None = None
    """(b, t, f, h, w) output of the encoder."""
    detached: Tensor | None = None
    """`styles` detached from the encoder; the gradients of all updates of the generator accumulate here."""

    def update_encoder(
        self, optimizer: torch.optim.Optimizer, process_group: ProcessGroup, *, scaler: GradientScaler
    ) -> None:
        """One step of the encoder with the accumulated gradients. The generator shares the optimiser; it is unchanged.

        The encoder runs once per clip, although the generator is updated several times.
        """
        if self.styles is None or self.detached is None or self.detached.grad is None:
            return
        optimizer.zero_grad(set_to_none=True)
        scaler.backward((self.styles * self.detached.grad).sum())
        process_group.all_reduce_gradients(optimizer)
        scaler.step(optimizer)


def encode_styles(generator: Generator, batch: ClipBatch, scaler: GradientScaler) -> StyledConditions:
    """The conditions of a batch; for a generator with a style encoder, with the styles of the real frames.

    `scaler`: that of the generator's optimiser. Its scale may change between two updates of the generator.
    """
    if generator.style_encoder is None:
        return StyledConditions(batch.conditions)
    styles = pool_styles(generator.style_encoder, batch).to_feature_maps()
    detached = styles.detach().requires_grad_()
    detached.register_hook(scaler.unscale)  # type: ignore[no-untyped-call]
    return StyledConditions(torch.cat([batch.conditions.float(), detached], 2), styles, detached)


def pool_styles(encoder: StyleEncoder, batch: ClipBatch) -> InstanceFeatures:
    """The features of each object of a batch. Raises ShapeError for a batch without instances."""
    instances = _require_instances(batch)
    features = encoder(batch.frames.flatten(0, 1)).unflatten(0, batch.frames.shape[:2])
    return instance_average_pool(features, instances)


def apply_styles(batch: ClipBatch, style_assigner: StyleAssigner | None) -> Tensor:
    """The conditions (b, t, c, h, w) of a batch for synthesis, with the styles of `style_assigner` if there is one."""
    if style_assigner is None:
        return batch.conditions
    maps = [np.stack([style_assigner(ids) for ids in clip]) for clip in _require_instances(batch).cpu().numpy()]
    styles = torch.from_numpy(np.stack(maps)).to(batch.conditions.device)
    return torch.cat([batch.conditions.float(), styles], 2)


def _require_instances(batch: ClipBatch) -> Tensor:
    if batch.instances is None:
        raise ShapeError("a generator with styles needs ClipBatch.instances")
    return batch.instances
