"""Metrics of an unpaired model: no frame has a counterpart, so its cycle and its steadiness are measured."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from vid2vid_cli.core.model_specs import opposite
from vid2vid_cli.engine.inference import translate_frames
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.evaluation.measured import Measured, measured_frames, measured_warping
from vid2vid_cli.metrics.image import MAX_PSNR, psnr, ssim
from vid2vid_cli.networks.flow_estimator import clip_flow
from vid2vid_cli.networks.translation import TranslationGenerator


class TranslationMetrics:
    """The metrics of translated frames of a clip, and those of its real frames (t, 3, h, w), t >= 2."""

    def __init__(self, frames: Tensor) -> None:
        self._frames, self._flow = frames, clip_flow(frames)

    def measure(
        self, generator: TranslationGenerator, runtime: Runtime, on_frame: Callable[[], None] = lambda: None
    ) -> tuple[Measured, Tensor]:
        """The metrics of a model, and the translated frames (t, 3, h, w). `on_frame` is called once per frame.

        `cycle_psnr` (dB), `cycle_ssim`: frames that are translated there and back, against the real frames.
        `warping_error`: as in `metrics.temporal`, by the flow of the real frames.
        """
        direction = generator.direction
        translated = translate_frames(generator, self._frames, direction, runtime)
        reconstructed = translate_frames(generator, translated, opposite(direction), runtime)
        cycle = {
            "cycle_psnr": psnr(reconstructed, self._frames).clamp(max=MAX_PSNR),
            "cycle_ssim": ssim(reconstructed, self._frames),
        }
        for _ in self._frames:
            on_frame()
        cycle_metrics = measured_frames({name: values.double().numpy() for name, values in cycle.items()})
        return cycle_metrics | measured_warping(translated, *self._flow), translated

    def measure_real(self) -> Measured:
        """The warping error of the real frames."""
        return measured_warping(self._frames, *self._flow)
