"""Continues clips with a SAVP generator, without end and with constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.networks.savp import SavpGenerator


def continue_clip(
    generator: SavpGenerator, known_frames: Tensor, seeds: Sequence[int], runtime: Runtime
) -> Iterator[Tensor]:
    """Predict the frames after a clip (t, 3, h, w), t >= 1: for each, one sample per seed, (n, 3, h, w) on the CPU.

    Between the known frames the latents are those of the encoder, otherwise random; a sample depends on its seed only.
    A deterministic model gives the same for all seeds.
    """
    rngs = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw_noise() -> Tensor:
        noise = [torch.randn(generator.latent_channels, generator=rng) for rng in rngs]
        return torch.stack(noise).to(runtime.device)

    frames = known_frames.to(runtime.device)[None].expand(len(seeds), -1, -1, -1, -1)
    with torch.inference_mode(), runtime.autocast():
        clip_state = generator.start(frames[:, 0])
        posterior = generator.encode(frames) if generator.encoder is not None and frames.shape[1] > 1 else None
    index, frame = 0, frames[:, 0]
    while True:
        with torch.inference_mode(), runtime.autocast():
            latent = draw_noise()
            if posterior is not None and index < frames.shape[1] - 1:
                mean, log_variance = (value[:, index].float() for value in posterior)
                latent = mean + latent * torch.exp(0.5 * log_variance)
            predicted, clip_state = generator(frame, latent, clip_state)
        index += 1
        if index < frames.shape[1]:
            frame = frames[:, index]
            continue
        frame = predicted
        yield predicted.float().cpu()


def default_num_samples(generator: SavpGenerator, requested: int) -> int:
    """`requested` samples; one for a deterministic model, whose samples are equal."""
    return requested if generator.latent_channels else 1
