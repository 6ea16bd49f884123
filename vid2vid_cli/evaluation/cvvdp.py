"""ColorVideoVDP, a perceptual score of videos, by the package cvvdp."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from vid2vid_cli.engine.inference import to_uint8_image

CVVDP_COMMAND = "pip install cvvdp"
DISPLAY = "standard_4k"
"""A 30-inch 4K monitor at the distance of its height."""


def load_cvvdp(device: torch.device, fps: float) -> tuple[str, Callable[[Tensor, Tensor], float]]:
    """The name, and the score in JOD of clips (t, 3, h, w) in [-1, 1] against the real ones: 10 for equal clips.

    Mantiuk et al., SIGGRAPH 2024. The frames are not resized: one pixel is one pixel of the display.
    """
    import pycvvdp

    metric = pycvvdp.cvvdp(display_name=DISPLAY, quiet=True, device=device)

    @torch.inference_mode()
    def measure(images: Tensor, targets: Tensor) -> float:
        clips = [np.stack(list(map(to_uint8_image, frames))) for frames in (images, targets)]
        score, _ = metric.predict(*clips, dim_order="FHWC", frames_per_second=fps)
        return float(score)

    return f"cvvdp_{DISPLAY}", measure
