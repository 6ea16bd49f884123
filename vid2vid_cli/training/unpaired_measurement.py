"""Measures an unpaired model during training: no frame has a counterpart, so the quality is that of the cycle."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.core.model_specs import DIRECTIONS, Direction, opposite
from vid2vid_cli.data.unpaired_sampler import UnpairedSampler
from vid2vid_cli.engine.families.unpaired import UnpairedState
from vid2vid_cli.engine.inference import to_uint8_image, translate_frames
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.media.contact_sheet import contact_sheet
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.training.samples import NUM_COLUMNS, SPLIT_NAMES, choose_sample_range
from vid2vid_cli.training_data.training_data import TrainingData


@dataclass(frozen=True)
class Translation:
    """Frames (t, 3, h, w) of one domain, translated to the other one, and back."""

    frames: Tensor
    translated: Tensor
    reconstructed: Tensor


class UnpairedMeasurement:
    """Translates sample frames of both domains with the EMA generators, once per step."""

    def __init__(
        self, training_data: TrainingData, sampler: UnpairedSampler, *, runtime: Runtime, state: UnpairedState
    ) -> None:
        assert training_data.domain_b is not None
        self._runtime, self._state = runtime, state
        range_a, self.split = choose_sample_range(training_data, sampler.ranges, 0)
        range_b, _ = choose_sample_range(training_data.domain_b, sampler.domain_b.ranges, 0)
        self._frames: dict[Direction, Tensor] = {
            "a2b": _sample_frames(sampler.load_range(range_a).frames[0]),
            "b2a": _sample_frames(sampler.domain_b.load_range(range_b).frames[0]),
        }
        self._cached: tuple[int, dict[Direction, Translation]] | None = None

    @property
    def metric_key(self) -> str:
        """Name of the quality in the metadata of a checkpoint."""
        return f"cycle_psnr_{self.split}"

    @property
    def metric_name(self) -> str:
        """Name of the quality for the user, with its unit."""
        return f"PSNR of {SPLIT_NAMES[self.split]} frames, translated there and back (dB)"

    def measure_quality(self) -> float:
        """Mean PSNR in dB of the sample frames of both domains, translated there and back."""
        values = [psnr(item.reconstructed, item.frames) for item in self._translations().values()]
        return float(torch.cat(values).clamp(max=100.0).mean())

    def compare_with_nearest(self) -> str:
        """Nothing: no training frame shows what a translated frame should be."""
        return ""

    def collect_attribute_directions(self) -> tuple[()]:
        """(): the model has no attributes."""
        return ()

    def collect_style_bank(self) -> None:
        """None: the model has no styles."""

    def sample_clip(self) -> None:
        """None: the report has no video of this model's frames."""

    def draw_sheet(self) -> ImageArray:
        """The sample sheet of the current step: time along the columns, and three rows per direction."""
        rows: list[list[ImageArray]] = []
        labels: list[str] = []
        for direction, item in self._translations().items():
            source, target = direction[0].upper(), direction[-1].upper()
            for images, label in (
                (item.frames, source),
                (item.translated, f"{source} to {target}"),
                (item.reconstructed, f"{source} to {target} to {source}"),
            ):
                rows.append([to_uint8_image(image) for image in images])
                labels.append(label)
        return contact_sheet(rows, labels=labels)

    def _translations(self) -> dict[Direction, Translation]:
        if self._cached is None or self._cached[0] != self._state.step:
            self._cached = self._state.step, {direction: self._translate(direction) for direction in DIRECTIONS}
        return self._cached[1]

    def _translate(self, direction: Direction) -> Translation:
        generator, frames = self._state.generator_ema, self._frames[direction]
        translated = translate_frames(generator, frames, direction, self._runtime)
        return Translation(
            frames, translated, translate_frames(generator, translated, opposite(direction), self._runtime)
        )


def _sample_frames(frames: Tensor) -> Tensor:
    """A few evenly spaced frames of a clip (t, 3, h, w)."""
    return frames[evenly_spaced(len(frames), NUM_COLUMNS)]
