"""How many weights the published networks have, as counted from their architecture (the project's reference, 1.6)."""

from __future__ import annotations

from vid2vid_cli.config.discriminators import PatchConfig
from vid2vid_cli.engine.checkpoint import Weights
from vid2vid_cli.nvidia_import.architecture import Architecture

STREET, FACE, POSE, OPENPOSE = 36, 15, 6, 3

VIDEO: dict[tuple[int, int, int, bool, bool], tuple[float, ...]] = {
    (STREET, 128, 3, True, True): (411.3, 2.88, 0.86),
    (STREET, 128, 3, False, True): (365.4,),
    (STREET, 128, 2, True, True): (137.8, 3.83, 1.14),
    (FACE, 128, 3, False, True): (365.0,),
    (FACE, 64, 3, False, True): (91.4, 0.61),
    (POSE, 128, 3, False, True): (364.8, 2.16, 0.57),
    (POSE, 64, 3, False, True): (91.3, 0.57, 0.15),
    (OPENPOSE, 128, 3, False, False): (283.0,),
}
"""(channels, width, downsamples, foreground, flow) -> millions of G0, G1, G2."""
IMAGE: dict[tuple[int, int, int], float] = {(1, 64, 4): 182.5, (2, 64, 4): 182.9}
"""(scales, width, downsamples) -> millions of pix2pixHD's global generator, and with its local enhancer."""

COPIES = {1: 2.8, 2: 5.6, 3: 8.4}
"""Copies -> millions of a discriminator (the reference, 2.1)."""


def published(architecture: Architecture) -> tuple[float, ...]:
    """Millions of weights per file, as far as they are known; () where they are not."""
    if architecture.single:
        count = IMAGE.get((architecture.scales, architecture.width, architecture.downsamples))
        return () if count is None else (count,)
    key = (
        architecture.channels,
        architecture.width,
        architecture.downsamples,
        architecture.foreground,
        architecture.flow,
    )
    return VIDEO.get(key, ())


def size_of(weights: Weights) -> int:
    """The numbers in one file."""
    return sum(value.numel() for value in weights.values())


def of_copies(config: PatchConfig) -> float | None:
    """Millions of weights of a published discriminator of these copies; None where that is not known."""
    as_published = (config.width, config.layers, config.widest) == (64, 3, None)
    return COPIES.get(config.scales) if as_published else None


def words(count: int, known: float | None) -> str:
    """`411.32 million weights, published 411.3`."""
    said = f"{count / 1e6:.2f} million weights"
    return said if known is None else f"{said}, published {known:g}"
