"""Saving during training: training states, the checkpoint for synthesis, and sample images."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import torch

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.optimizer import OptimizerConfig
from vid2vid_cli.core.errors import DiskFullError, DivergenceError
from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.data.clip_sampler import ClipSampler, valid_ranges
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.engine.checkpoint import save_checkpoint
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler
from vid2vid_cli.engine.inference import generate_clip, to_uint8_image, validation_psnr
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import mark_best, prune_checkpoints, read_pointer, save_train_state
from vid2vid_cli.engine.styles import StyleAssigner, StyleBank, StyleChoice, apply_styles
from vid2vid_cli.media.images import save_png
from vid2vid_cli.rendering.label_channels import build_label_channels
from vid2vid_cli.training.interrupt import Interrupt
from vid2vid_cli.training.samples import sample_sheet
from vid2vid_cli.training.style_collection import collect_styles
from vid2vid_cli.training_data.training_data import TrainingData

NUM_SCORED_LABEL_MAPS = 10
"""Predicted label maps that the quality of a label prediction model is measured on."""
SAMPLE_FRAMES = 24
"""Frames of a sample clip: enough to show motion, and fast to generate."""
SPLIT_NAMES = {"val": "validation", "train": "training"}


class CheckpointCallback:
    """Called after each training step; saves checkpoints and samples when they are due. It does not affect training."""

    def __init__(
        self,
        run: RunFolder,
        config: Config,
        training_data: TrainingData,
        *,
        sampler: ClipSampler,
        runtime: Runtime,
        state: TrainState,
        resume_extra: Mapping[str, Any],
        emit: EventHandler,
        interrupt: Interrupt,
    ) -> None:
        self.run, self.config, self.training_data, self.runtime = run, config, training_data, runtime
        self.state, self.emit, self.interrupt = state, emit, interrupt
        self.quality: float | None = resume_extra.get("quality")
        """Quality of the last saved state: PSNR in dB, or mean IoU in % for label prediction."""
        self.best_score: float | None = resume_extra.get("best_score")
        self.saved_step = state.step
        self.saved_seconds = float(resume_extra["elapsed_seconds"])
        self.sampler = sampler
        self.label_channels = (
            build_label_channels(training_data.conditioners) if config.generator.target == "labels" else None
        )
        self.sample_range, self.split = _choose_sample_range(training_data, sampler)
        self.clip: ClipBatch = sampler.load_range(self.sample_range)
        self._cached_outputs: tuple[int, list[FrameOutput]] | None = None
        self._cached_bank: tuple[int, StyleBank] | None = None
        run.samples.mkdir(parents=True, exist_ok=True)

    def after_step(self, elapsed_seconds: float) -> bool:
        """Save and sample if they are due; returns False if training should stop. Raises DivergenceError."""
        checkpoint_config, step = self.config.checkpoint, self.state.step
        if step % checkpoint_config.sample_interval == 0:
            self._save_sample()
        is_overdue = elapsed_seconds - self.saved_seconds >= checkpoint_config.save_interval_minutes * 60
        if step % checkpoint_config.save_interval == 0 or is_overdue:
            self._save_checkpoint(elapsed_seconds)
        return not self.interrupt.is_requested

    def finish(self, elapsed_seconds: float) -> dict[str, float]:
        """Save the final state and sample; returns the quality by metric name. Raises DivergenceError."""
        if self.state.step % self.config.checkpoint.sample_interval or self.state.step == 0:
            self._save_sample()
        quality = self._save_checkpoint(elapsed_seconds)
        metric_format = "PSNR on {} frames (dB)" if self.label_channels is None else "mean IoU on {} frames (%)"
        return {metric_format.format(SPLIT_NAMES[self.split]): quality}

    def divergence_error(self, error: DivergenceError) -> DivergenceError:
        """`error` with the name of the last valid checkpoint and a hint."""
        last = read_pointer(self.run.checkpoints, "last")
        if last is None:
            checkpoint_message, advice = "no checkpoint was saved", "Train again"
        else:
            checkpoint_message = f"{self.run.checkpoint_path} of step {self.saved_step} is kept"
            advice = "Use that checkpoint, or train again"
        lr = min(self.config.optimizer.lr / 4, OptimizerConfig().lr)
        return DivergenceError(
            f"{error.message}; training stopped and {checkpoint_message}.",
            f"{advice} with a lower learning rate: --set optimizer.lr={lr:g}",
        )

    def disk_full_error(self, error: DiskFullError) -> DiskFullError:
        """`error` with a hint on how to resume, if there is a checkpoint."""
        if read_pointer(self.run.checkpoints, "last") is None:
            return error
        resume_command = shlex.join(["vid2vid", "train", "--resume", str(self.run.path)])
        return DiskFullError(error.message, f"Free some space, then continue: {resume_command}")

    def _save_checkpoint(self, elapsed_seconds: float) -> float:
        """Save training state and `.ckpt`, and return the quality."""
        # The weights may become NaN in a step with finite losses; they must not replace a valid checkpoint.
        if not self.state.is_finite():
            raise DivergenceError(f"weights became NaN or infinite at step {self.state.step}")
        quality = self.quality = self._measure_quality()
        is_better = self.best_score is None or quality > self.best_score
        self.best_score = quality if is_better else self.best_score
        extra = {"elapsed_seconds": elapsed_seconds, "best_score": self.best_score, "quality": quality}
        checkpoint_folder = save_train_state(self.run.checkpoints, self.state, extra)
        if is_better:
            mark_best(self.run.checkpoints, checkpoint_folder)
        training = {
            "steps": self.state.step,
            "seconds": round(elapsed_seconds, 1),
            "dataset": self.training_data.dataset.manifest.name,
            f"{'psnr' if self.label_channels is None else 'iou'}_{self.split}": round(quality, 2),
        }
        if licence := self.run.load_record().licence:
            training["licence"] = licence
        metadata = self.training_data.checkpoint_metadata(
            self.run.name, self.config, training, self._collect_style_bank()
        )
        save_checkpoint(self.run.checkpoint_path, self.state.generator_ema, metadata)
        prune_checkpoints(self.run.checkpoints, self.config.checkpoint.keep_last)
        self.saved_step, self.saved_seconds = self.state.step, elapsed_seconds
        self.emit(ArtifactEvent(str(checkpoint_folder), "checkpoint", extra))
        return quality

    def _measure_quality(self) -> float:
        """Quality of the sample clip, larger is better: PSNR in dB, or mean IoU in % for label prediction."""
        if self.label_channels is None:
            return validation_psnr(self._sample_outputs(), self.clip)
        num_initial_frames, targets = self.config.num_initial_frames, self.clip.frames[0].float()
        predictions = torch.cat([output.image.cpu().float() for output in self._sample_outputs()])
        scored_frames = slice(num_initial_frames, num_initial_frames + NUM_SCORED_LABEL_MAPS)
        return float(self.label_channels.measure_iou(predictions[scored_frames], targets[scored_frames]).mean())

    def _sample_outputs(self) -> list[FrameOutput]:
        """Outputs of the EMA generator on the sample clip; generated once per step for sample and checkpoint."""
        if self._cached_outputs is None or self._cached_outputs[0] != self.state.step:
            self._cached_outputs = self.state.step, self._generate_sample()
        return self._cached_outputs[1]

    def _generate_sample(self) -> list[FrameOutput]:
        if self.label_channels is None:
            style_bank = self._collect_style_bank()
            # The default styles of synthesis: styles encoded from these frames would leak the ground truth.
            conditions = apply_styles(
                self.clip, None if style_bank is None else StyleAssigner(style_bank, StyleChoice())
            )
            initial_frames = self.clip.frames[:, :1] if self.config.num_initial_frames else None
            return generate_clip(self.state.generator_ema, conditions, self.runtime, initial_frames)
        known_frames = self.clip.frames[:, : self.config.num_initial_frames].float()
        outputs = generate_clip(
            self.state.generator_ema,
            self.clip.conditions[:, self.config.num_initial_frames :],
            self.runtime,
            known_frames,
        )
        return [*(FrameOutput(frame, frame) for frame in known_frames.unbind(1)), *outputs]

    def _collect_style_bank(self) -> StyleBank | None:
        """The styles of the training frames, collected once per step; None for a model without styles."""
        encoder = self.state.generator_ema.style_encoder
        if encoder is not None and (self._cached_bank is None or self._cached_bank[0] != self.state.step):
            bank = collect_styles(
                self.training_data, self.sampler, self.config.style, encoder=encoder, runtime=self.runtime
            )
            self._cached_bank = self.state.step, bank
        return None if self._cached_bank is None else self._cached_bank[1]

    def _save_sample(self) -> None:
        path = self.run.samples / f"step_{self.state.step:07d}.png"
        to_image = to_uint8_image if self.label_channels is None else self.label_channels.visualize
        sheet = sample_sheet(
            self.training_data, self.sample_range, self.clip, outputs=self._sample_outputs(), to_image=to_image
        )
        save_png(path, sheet)
        self.emit(ArtifactEvent(str(path), "sample"))


def _choose_sample_range(training_data: TrainingData, sampler: ClipSampler) -> tuple[FrameRange, str]:
    """The first frames of the longest validation range, and "val"; without a validation split of training, "train"."""
    names = [conditioner.spec.name for conditioner in training_data.conditioners]
    val_ranges = valid_ranges(training_data.dataset, names, "val")
    longest = max(val_ranges or sampler.ranges, key=lambda frame_range: frame_range.num_frames)
    stop = min(longest.stop, longest.start + SAMPLE_FRAMES)
    return FrameRange(longest.clip_index, longest.start, stop), "val" if val_ranges else "train"
