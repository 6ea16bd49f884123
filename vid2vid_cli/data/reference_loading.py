"""Loads selected reference frames as inputs of the generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray

from vid2vid_cli.conditioning import View
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.core.types import ClipReferences, FrameReferences
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_weights import MIN_LOG_WEIGHT

NUM_STATIC_FRAMES = 32
"""Static frames that a loader keeps: the background takes 4 to 9 ms, and bodies change their references often."""
ImageKey = tuple[int, float]
"""Row of the bank, and share of the background in the static image."""


@dataclass(frozen=True)
class SelectedReferences:
    """The references of one frame."""

    indices: NDArray[np.int64]
    """(n,) rows of the bank."""
    positions: FloatArray
    """(n, 2, gh, gw) as in `FrameReferences`."""
    weights: FloatArray
    """(n,) with the sum 1."""
    log_weights: FloatArray
    """(n, 2, gh, gw) as in `FrameReferences`."""
    background_shares: FloatArray
    """(n,) of the static images, see `ReferenceBank.static_frame`."""

    @property
    def image_keys(self) -> list[ImageKey]:
        """Which image and static image each reference has."""
        return list(zip(self.indices.tolist(), self.background_shares.tolist(), strict=True))

    def padded(self, count: int) -> SelectedReferences:
        """With `count` references: the first one is repeated with the weight 0, which removes it."""
        missing = count - len(self.indices)
        return SelectedReferences(
            np.concatenate([self.indices, np.repeat(self.indices[:1], missing)]),
            np.concatenate([self.positions, np.repeat(self.positions[:1], missing, axis=0)]),
            np.concatenate([self.weights, np.zeros(missing, np.float32)]),
            np.concatenate(
                [self.log_weights, np.full((missing, *self.log_weights.shape[1:]), MIN_LOG_WEIGHT, np.float32)]
            ),
            np.concatenate([self.background_shares, np.repeat(self.background_shares[:1], missing)]),
        )


class ReferenceLoader:
    """Loads selected references to a device; loads and stacks them only when they change."""

    def __init__(self, bank: ReferenceBank, device: torch.device) -> None:
        self._bank, self._device = bank, device
        self._static_frame = lru_cache(NUM_STATIC_FRAMES)(partial(bank.static_frames.load, view=bank.output_view))
        self._loaded: dict[ImageKey, tuple[torch.Tensor, torch.Tensor]] = {}
        """Views of the images in the batch: copies would take as much memory again."""
        self._batch: tuple[torch.Tensor, torch.Tensor] | None = None
        """Images and static images of the references in `_loaded`, each (1, n, 3, height, width)."""

    def load(self, selected: SelectedReferences) -> FrameReferences:
        """The selected references of a frame as a batch of one."""
        keys = selected.image_keys
        if self._batch is None or keys != list(self._loaded):
            loaded = [self._loaded[key] if key in self._loaded else self._load_images(*key) for key in keys]
            images, static_images = (torch.stack(layer)[None] for layer in zip(*loaded, strict=True))
            self._batch = images, static_images
            self._loaded = {key: (images[0, slot], static_images[0, slot]) for slot, key in enumerate(keys)}
        return FrameReferences(
            *self._batch,
            torch.from_numpy(selected.positions)[None].to(self._device),
            torch.from_numpy(selected.weights)[None].to(self._device),
            torch.from_numpy(selected.log_weights)[None].to(self._device),
        )

    def _load_images(self, index: int, background_share: float) -> tuple[torch.Tensor, torch.Tensor]:
        image, static_image = self._bank.frames[index], self._static_frame(index, background_share=background_share)
        return frame_to_tensor(image).to(self._device), frame_to_tensor(static_image).to(self._device)


def stack_selections(bank: ReferenceBank, selections: Sequence[SelectedReferences], view: View) -> ClipReferences:
    """The references of a clip with this view as a batch of one."""
    num_slots = max(len(selected.indices) for selected in selections)
    padded = [selected.padded(num_slots) for selected in selections]
    used = sorted({key for selected in padded for key in selected.image_keys})
    frames = np.stack([bank.frames[index] for index, _ in used])
    static_frames = np.stack([bank.static_frames.load(index, view, share) for index, share in used])
    return ClipReferences(
        torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))[None],
        torch.from_numpy(np.ascontiguousarray(static_frames.transpose(0, 3, 1, 2)))[None],
        torch.tensor([[used.index(key) for key in selected.image_keys] for selected in padded])[None],
        torch.from_numpy(np.stack([selected.positions for selected in padded]))[None],
        torch.from_numpy(np.stack([selected.weights for selected in padded]))[None],
        torch.from_numpy(np.stack([selected.log_weights for selected in padded]))[None],
    )
