"""A history of generated images for discriminators (Shrivastava et al., CVPR 2017; CycleGAN section 4)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class ImageHistory:
    """Keeps up to `size` generated images, so that a discriminator does not forget earlier ones.

    It draws from torch's global random state, and its images are part of the training state: a resumed training is
    identical. In a distributed training each process has its own history, and the state holds that of the main process.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._images: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._images)

    @torch.no_grad()
    def exchange(self, images: Tensor) -> Tensor:
        """Images (n, 3, h, w) for the discriminator in place of the newly generated ones, detached.

        Until the history is full, the new images; then each is replaced by a random older one with probability 1/2,
        whose place it takes.
        """
        if self.size == 0:
            return images.detach()
        exchanged = []
        for image in images.detach():
            if len(self._images) < self.size:
                self._images.append(image.clone())
            elif torch.rand(()) < 0.5:
                index = int(torch.randint(self.size, ()))
                image, self._images[index] = self._images[index], image.clone()
            exchanged.append(image)
        return torch.stack(exchanged)

    def state_dict(self) -> dict[str, Any]:
        """The images, oldest first: a tensor (k, 3, h, w), or nothing if there are none."""
        return {"images": torch.stack(self._images)} if self._images else {}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a `state_dict`."""
        self._images = list(saved["images"].unbind()) if "images" in saved else []
