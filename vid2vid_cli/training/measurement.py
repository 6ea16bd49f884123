"""Measures a training on its sample clip. A failed measurement is reported and never ends or delays the training."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.checkpoint_metadata import AttributeDirection
from vid2vid_cli.engine.events import Event, EventHandler, FrameProgress, InfoEvent, ProgressEvent, WarningEvent
from vid2vid_cli.engine.inference import generate_clip, to_uint8_image, validation_psnr
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import read_pointer
from vid2vid_cli.engine.style_bank import StyleAssigner, StyleBank, StyleChoice
from vid2vid_cli.engine.styles import apply_styles
from vid2vid_cli.evaluation.baselines import find_baselines
from vid2vid_cli.evaluation.clip_metrics import ClipMetrics
from vid2vid_cli.evaluation.comparison import describe_comparison
from vid2vid_cli.evaluation.measured import mean_metrics
from vid2vid_cli.evaluation.redetection import load_redetectors
from vid2vid_cli.media.files import write_text
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.networks.vaegan import VaeGanGenerator
from vid2vid_cli.rendering.label_channels import build_label_channels
from vid2vid_cli.training.attribute_directions import collect_attribute_directions
from vid2vid_cli.training.interrupt import Interrupt
from vid2vid_cli.training.sample_video import SampleClip
from vid2vid_cli.training.samples import SPLIT_NAMES, choose_sample_range, sample_frames, sample_sheet
from vid2vid_cli.training.style_collection import collect_styles
from vid2vid_cli.training_data.training_data import TrainingData

NUM_SCORED_LABEL_MAPS = 10
"""Predicted label maps that the quality of a label prediction model is measured on."""
QUALITY_FILE_NAME = "quality"
Result = TypeVar("Result")


class MeasurementInterruptedError(Exception):
    """Ctrl-C was pressed during a measurement, which is left out then."""


def attempt(purpose: str, function: Callable[[], Result], emit: EventHandler) -> Result | None:
    """The result of `function`, or None with a warning if it fails: a measurement must not end a training."""
    try:
        return function()
    except MeasurementInterruptedError:
        return None
    except Exception as error:
        emit(WarningEvent(f"{purpose} failed and is left out: {type(error).__name__}: {error}"))
        return None


class SampleMeasurement:
    """Generates the sample clip with the EMA generator, once per step, for sample sheets and quality."""

    def __init__(
        self,
        training_data: TrainingData,
        config: Config,
        *,
        sampler: ClipSampler,
        runtime: Runtime,
        state: TrainState,
        emit: EventHandler,
        interrupt: Interrupt,
    ) -> None:
        self._training_data, self._config, self._sampler, self._runtime = training_data, config, sampler, runtime
        self._state, self._emit, self._interrupt = state, emit, interrupt
        is_label_prediction = config.generator.target == "labels"
        self._label_channels = build_label_channels(training_data.conditioners) if is_label_prediction else None
        num_known_frames = config.num_initial_frames if is_label_prediction else 0
        self._range, self.split = choose_sample_range(training_data, sampler.ranges, num_known_frames)
        self._clip: ClipBatch = sampler.load_range(self._range)
        self._cached_outputs: tuple[int, list[FrameOutput]] | None = None
        self._cached_bank: tuple[int, StyleBank] | None = None

    @property
    def metric_key(self) -> str:
        """Name of the quality in the metadata of a checkpoint, such as `psnr_val`."""
        return f"{'psnr' if self._label_channels is None else 'iou'}_{self.split}"

    @property
    def metric_name(self) -> str:
        """Name of the quality for the user, with its unit."""
        metric_format = "PSNR on {} frames (dB)" if self._label_channels is None else "mean IoU on {} frames (%)"
        return metric_format.format(SPLIT_NAMES[self.split])

    def measure_quality(self) -> float:
        """Quality of the sample clip, larger is better: PSNR in dB, or mean IoU in % for label prediction."""
        if self._label_channels is None:
            return validation_psnr(self._sample_outputs(), self._clip)
        num_initial_frames, targets = self._config.num_initial_frames, self._clip.frames[0].float()
        predictions = torch.cat([output.image.cpu().float() for output in self._sample_outputs()])
        scored_frames = slice(num_initial_frames, num_initial_frames + NUM_SCORED_LABEL_MAPS)
        return float(self._label_channels.measure_iou(predictions[scored_frames], targets[scored_frames]).mean())

    def compare_with_nearest(self) -> str:
        """A sentence: whether the sample clip is better than the nearest training frames; "" if not measured.

        Only points are detected again: the models that predict label maps take seconds per frame on a CPU.
        """
        if self._label_channels is not None:
            return ""
        data, sample_range = self._training_data, self._range
        if self.split != "val":
            self._emit(InfoEvent("there are no validation frames to compare with the nearest training frames"))
            return ""
        baselines = find_baselines(data, [sample_range], split="val", emit=self._emit_uninterrupted)
        first_frame = sample_range.clip_index, sample_range.start
        configs = [c for c in data.conditioner_configs if data.dataset.load_annotation(*first_frame, c.name).points]
        redetectors = load_redetectors(configs, self._emit)
        num_detected_images = 2 * sample_range.num_frames * len(redetectors)
        detection = FrameProgress("detect", num_detected_images, self._emit_uninterrupted)
        clip_metrics = ClipMetrics(
            data,
            sample_range,
            self._clip.frames[0].float(),
            redetectors=redetectors,
            on_detection=detection.advance,
        )
        images = torch.cat([output.image.cpu().float() for output in self._sample_outputs()])
        model, nearest = clip_metrics.measure(images), clip_metrics.measure(baselines.nearest_images(sample_range))
        return describe_comparison(mean_metrics([model.means]), mean_metrics([nearest.means]))

    def draw_sheet(self) -> ImageArray:
        """The sample sheet of the current step."""
        to_image = to_uint8_image if self._label_channels is None else self._label_channels.visualize
        return sample_sheet(
            self._training_data, self._range, self._clip, outputs=self._sample_outputs(), to_image=to_image
        )

    def sample_clip(self) -> SampleClip:
        """The frames of the sample clip at the current step, beside the real ones."""
        outputs, real = self._sample_outputs(), self._clip.frames[0].float()
        to_image = to_uint8_image if self._label_channels is None else self._label_channels.visualize
        frames = sample_frames(self._training_data, self._range, real, outputs=outputs, to_image=to_image)
        if self._label_channels is not None:
            return SampleClip(frames, {})
        values = psnr(torch.cat([output.image.cpu().float() for output in outputs]), real)
        return SampleClip(frames, {"PSNR": values.tolist()})

    def collect_style_bank(self) -> StyleBank | None:
        """The styles of the training frames, collected once per step; None for a model without styles."""
        encoder = self._state.generator_ema.style_encoder
        if encoder is not None and (self._cached_bank is None or self._cached_bank[0] != self._state.step):
            bank = collect_styles(
                self._training_data, self._sampler, self._config.style, encoder=encoder, runtime=self._runtime
            )
            self._cached_bank = self._state.step, bank
        return None if self._cached_bank is None else self._cached_bank[1]

    def collect_attribute_directions(self) -> list[AttributeDirection]:
        """The directions of attributes in the codes of model=vaegan; [] for another model."""
        generator = self._state.generator_ema
        if not isinstance(generator, VaeGanGenerator):
            return []
        return collect_attribute_directions(
            self._training_data, self._sampler, self._config, generator=generator, runtime=self._runtime
        )

    def _sample_outputs(self) -> list[FrameOutput]:
        if self._cached_outputs is None or self._cached_outputs[0] != self._state.step:
            self._cached_outputs = self._state.step, self._generate_sample()
        return self._cached_outputs[1]

    def _generate_sample(self) -> list[FrameOutput]:
        generator, num_initial_frames = self._state.generator_ema, self._config.num_initial_frames
        if self._label_channels is None:
            style_bank = self.collect_style_bank()
            # The default styles of synthesis: styles encoded from these frames would leak the ground truth.
            conditions = apply_styles(
                self._clip, None if style_bank is None else StyleAssigner(style_bank, StyleChoice())
            )
            initial_frames = self._clip.frames[:, :1] if num_initial_frames else None
            return generate_clip(
                generator,
                conditions,
                self._runtime,
                initial_frames,
                references=self._clip.references,
                on_frame=self._report_frame,
            )
        known_frames = self._clip.frames[:, :num_initial_frames].float()
        conditions = self._clip.conditions[:, num_initial_frames:]
        outputs = generate_clip(generator, conditions, self._runtime, known_frames, on_frame=self._report_frame)
        return [*(FrameOutput(frame, frame) for frame in known_frames.unbind(1)), *outputs]

    def _report_frame(self, num_generated: int) -> None:
        num_known_frames = 0 if self._label_channels is None else self._config.num_initial_frames
        self._emit_uninterrupted(ProgressEvent("sample", num_generated, self._range.num_frames - num_known_frames))

    def _emit_uninterrupted(self, event: Event) -> None:
        """Emit progress. Raises MeasurementInterruptedError after Ctrl-C."""
        if self._interrupt.is_requested:
            raise MeasurementInterruptedError
        self._emit(event)


def write_quality(checkpoint_folder: Path, quality: float) -> Path:
    """Write the quality of a training state beside it. Raises DiskFullError, PermissionDeniedError."""
    path = checkpoint_folder / QUALITY_FILE_NAME
    write_text(path, f"{quality}\n")
    return path


def read_best_quality(checkpoints: Path) -> float | None:
    """The quality of the training state that `best` points at; None if it is not known."""
    best = read_pointer(checkpoints, "best")
    try:
        quality = math.nan if best is None else float((best / QUALITY_FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return None if math.isnan(quality) else quality
