"""Numbers of weights of the published networks, computed from their architecture."""

from __future__ import annotations

from vid2vid_cli.config.discriminators import PatchConfig
from vid2vid_cli.engine.weight_files import Weights
from vid2vid_cli.nvidia_import.architecture import Architecture

STREET_CHANNELS, FACE_CHANNELS, POSE_CHANNELS, OPENPOSE_CHANNELS = 36, 15, 6, 3

VIDEO_GENERATOR_MILLIONS: dict[tuple[int, int, int, bool, bool], tuple[float, ...]] = {
    (STREET_CHANNELS, 128, 3, True, True): (411.3, 2.88, 0.86),
    (STREET_CHANNELS, 128, 3, False, True): (365.4,),
    (STREET_CHANNELS, 128, 2, True, True): (137.8, 3.83, 1.14),
    (FACE_CHANNELS, 128, 3, False, True): (365.0,),
    (FACE_CHANNELS, 64, 3, False, True): (91.4, 0.61),
    (POSE_CHANNELS, 128, 3, False, True): (364.8, 2.16, 0.57),
    (POSE_CHANNELS, 64, 3, False, True): (91.3, 0.57, 0.15),
    (OPENPOSE_CHANNELS, 128, 3, False, False): (283.0,),
}
"""(condition channels, base_channels, num_downsamples, has_foreground, has_flow) -> millions of weights per scale"""
IMAGE_GENERATOR_MILLIONS: dict[tuple[int, int, int], float] = {(1, 64, 4): 182.5, (2, 64, 4): 182.9}
"""(num_scales, base_channels, num_downsamples) -> millions of weights of pix2pixHD without and with local enhancer."""

DISCRIMINATOR_MILLIONS = {1: 2.8, 2: 5.6, 3: 8.4}
"""num_scales -> millions of weights of a discriminator."""


def published_millions(architecture: Architecture) -> tuple[float, ...]:
    """Millions of weights per file; () if unknown."""
    if architecture.is_image_generator:
        millions = IMAGE_GENERATOR_MILLIONS.get(
            (architecture.num_scales, architecture.base_channels, architecture.num_downsamples)
        )
        return () if millions is None else (millions,)
    key = (
        architecture.condition_channels,
        architecture.base_channels,
        architecture.num_downsamples,
        architecture.has_foreground,
        architecture.has_flow,
    )
    return VIDEO_GENERATOR_MILLIONS.get(key, ())


def count_weights(weights: Weights) -> int:
    """Number of weights in one file."""
    return sum(value.numel() for value in weights.values())


def discriminator_millions(config: PatchConfig) -> float | None:
    """Millions of weights of a published discriminator; None if unknown."""
    is_published_shape = (config.base_channels, config.num_layers, config.max_channels) == (64, 3, None)
    return DISCRIMINATOR_MILLIONS.get(config.num_scales) if is_published_shape else None


def format_weight_count(num_weights: int, expected_millions: float | None) -> str:
    """Text such as `411.32 million weights (published: 411.3)`."""
    text = f"{num_weights / 1e6:.2f} million weights"
    return text if expected_millions is None else f"{text} (published: {expected_millions:g})"
