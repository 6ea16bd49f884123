"""Diversity and fidelity of a model whose style is a latent (BicycleGAN, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vid2vid_cli.engine.inference import generate_clip
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.evaluation.clip_metrics import ClipMetrics
from vid2vid_cli.evaluation.measured import Measured
from vid2vid_cli.evaluation.perceptual import PerceptualMetric
from vid2vid_cli.networks.bicyclegan import BicycleGenerator, LatentPath

NUM_STYLES = 8
"""Random styles of each clip: seeds 0 to 7. Published: 20."""
ENCODED_STYLE, BEST_STYLE = "encoded_style", f"best_of_{NUM_STYLES}_styles"
STYLE_ROWS = (ENCODED_STYLE, BEST_STYLE)
NUM_GENERATIONS = NUM_STYLES + 1
"""Generations of each clip."""


class StyleMetrics:
    """Measures the styles of a generator."""

    def __init__(
        self,
        generator: BicycleGenerator,
        runtime: Runtime,
        perceptual_metric: PerceptualMetric | None,
        on_frame: Callable[[], None],
    ) -> None:
        """`on_frame` is called after each generated frame."""
        self._generator, self._runtime, self._on_frame = generator, runtime, on_frame
        self._perceptual_metric = perceptual_metric

    def measure(self, conditions: Tensor, real: Tensor, metrics: ClipMetrics) -> tuple[Measured, dict[str, Measured]]:
        """The diversity of a clip, (1, t, c, h, w) and (t, 3, h, w), and the metrics of the rows STYLE_ROWS.

        `style_diversity`: mean L1 in [0, 1] between frames of consecutive random styles, and
        `perceptual_style_diversity` their perceptual distance. ENCODED_STYLE: the style encoded from the real frames.
        BEST_STYLE: that of the random styles with the smallest L1 to the real frames.
        """
        with torch.inference_mode(), self._runtime.autocast():
            mean, _ = self._generator.encoder(real[None].float().to(self._runtime.device))
        rows = {ENCODED_STYLE: metrics.measure(self._generate(conditions, mean[0]))}
        distances: list[float] = []
        perceptual_distances: list[float] = []
        best, previous = real, None
        smallest_error = float("inf")
        for images in self._random_clips(conditions):
            error = float((images - real).abs().mean())
            if error < smallest_error:
                smallest_error, best = error, images
            if previous is not None:
                distances.append(float((images - previous).abs().mean()) / 2)
                if self._perceptual_metric is not None:
                    with torch.inference_mode():
                        perceptual_distances.append(float(self._perceptual_metric(images, previous).mean()))
            previous = images
        rows[BEST_STYLE] = metrics.measure(best)
        diversity = {"style_diversity": (sum(distances) / len(distances), len(real))}
        if perceptual_distances:
            mean_distance = sum(perceptual_distances) / len(perceptual_distances)
            diversity["perceptual_style_diversity"] = mean_distance, len(real)
        return Measured(diversity), rows

    def _random_clips(self, conditions: Tensor) -> Iterator[Tensor]:
        for seed in range(NUM_STYLES):
            yield self._generate(conditions, self._generator.random_latent(seed))

    def _generate(self, conditions: Tensor, latent: Tensor) -> Tensor:
        """(1, t, c, h, w) and (latent_channels,) -> (t, 3, h, w) float on the CPU."""
        path = LatentPath(self._generator, latent)
        outputs = generate_clip(path, conditions, self._runtime, on_frame=lambda _: self._on_frame())
        return torch.cat([output.image.cpu().float() for output in outputs])
