"""Measures the training of a prediction model (SAVP): the sample clip is continued, with a few fixed seeds."""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.families.savp import SavpState
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.prediction import continue_clip, default_num_samples
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.media.contact_sheet import contact_sheet
from vid2vid_cli.metrics.image import MAX_PSNR, psnr
from vid2vid_cli.training.samples import NUM_COLUMNS, SPLIT_NAMES, choose_sample_range
from vid2vid_cli.training_data.training_data import TrainingData

NUM_SAMPLES = 3


class PredictionMeasurement:
    """Continues the sample clip with the EMA generator, once per step."""

    def __init__(
        self, training_data: TrainingData, sampler: ClipSampler, *, runtime: Runtime, state: SavpState
    ) -> None:
        self._runtime, self._state = runtime, state
        self._num_known = state.generator.past_frames
        sample_range, self.split = choose_sample_range(training_data, sampler.ranges, self._num_known)
        self._frames = sampler.load_range(sample_range).frames[0]
        self._cached: tuple[int, Tensor] | None = None

    @property
    def metric_key(self) -> str:
        """Name of the quality in the metadata of a checkpoint."""
        return f"psnr_{self.split}"

    @property
    def metric_name(self) -> str:
        """Name of the quality for the user, with its unit."""
        return f"PSNR of predicted {SPLIT_NAMES[self.split]} frames (dB)"

    def measure_quality(self) -> float:
        """Mean PSNR in dB of the predicted frames, over samples."""
        return _mean_psnr(self._samples(), self._frames[self._num_known :])

    def compare_with_nearest(self) -> str:
        """A sentence: whether the prediction is better than the last known frame, repeated."""
        targets = self._frames[self._num_known :]
        model = self.measure_quality()
        copy_last = _mean_psnr(self._frames[self._num_known - 1].expand_as(targets)[:, None], targets)
        relation = "better" if model > copy_last else "not better"
        return (
            f"{len(targets)} predicted {SPLIT_NAMES[self.split]} frames: {model:.2f} dB, {relation} than repeating the "
            f"last known frame: {copy_last:.2f} dB"
        )

    def collect_attribute_directions(self) -> tuple[()]:
        """(): the model has no attributes."""
        return ()

    def collect_style_bank(self) -> None:
        """None: the model has no styles."""

    def sample_clip(self) -> None:
        """None: the report has no video of this model's frames."""

    def draw_sheet(self) -> ImageArray:
        """The sample sheet of the current step: time along the columns; the real frames, and a row per sample."""
        samples = self._samples()
        columns = evenly_spaced(len(samples), NUM_COLUMNS)
        rows = [[to_uint8_image(self._frames[self._num_known + index]) for index in columns]]
        rows += [[to_uint8_image(samples[index, number]) for index in columns] for number in range(samples.shape[1])]
        return contact_sheet(rows, labels=["real", *(f"sample {number + 1}" for number in range(samples.shape[1]))])

    def _samples(self) -> Tensor:
        """(t, n, 3, h, w)"""
        if self._cached is None or self._cached[0] != self._state.step:
            generator = self._state.generator_ema
            seeds = range(default_num_samples(generator, NUM_SAMPLES))
            known, num_frames = self._frames[: self._num_known], len(self._frames) - self._num_known
            predicted = list(islice(continue_clip(generator, known, seeds, self._runtime), num_frames))
            self._cached = self._state.step, torch.stack(predicted)
        return self._cached[1]


def _mean_psnr(samples: Tensor, targets: Tensor) -> float:
    """Mean PSNR in dB over frames and samples, (t, n, 3, h, w), (t, 3, h, w)."""
    values = [psnr(samples[:, number], targets).clamp(max=MAX_PSNR) for number in range(samples.shape[1])]
    return float(torch.stack(values).mean())
