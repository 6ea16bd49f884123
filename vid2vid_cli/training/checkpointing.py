"""Saving during training: training states, the checkpoint for synthesis, and sample images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.optimizer import OptimizerConfig
from vid2vid_cli.core.errors import DiskFullError, DivergenceError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.checkpoint import save_checkpoint
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import mark_best, prune_checkpoints, read_pointer, save_train_state
from vid2vid_cli.media.images import save_png
from vid2vid_cli.training.interrupt import Interrupt
from vid2vid_cli.training.measurement import Result, SampleMeasurement, attempt, read_best_quality, write_quality
from vid2vid_cli.training_data.reference_collection import record_references
from vid2vid_cli.training_data.training_data import TrainingData


class CheckpointCallback:
    """Called after each training step; saves checkpoints and samples when they are due. It does not affect training.

    Saving comes first: a measurement that is slow, fails or is interrupted cannot prevent it.
    """

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
        self.run, self.config, self.training_data = run, config, training_data
        self.state, self.emit, self.interrupt = state, emit, interrupt
        self.best_quality = read_best_quality(run.checkpoints)
        self.saved_step = state.step
        self.saved_seconds = float(resume_extra["elapsed_seconds"])
        self._reference_bank = None if sampler.reference_source is None else sampler.reference_source.bank
        self._references = None if self._reference_bank is None else record_references(self._reference_bank)
        self.comparison = ""
        """A sentence that compares the final model with the nearest training frames; "" before `finish`."""
        self._last_save: tuple[int, float | None] | None = None
        """Step of the last state that this process has saved, and its quality, if it was measured."""
        self.measurement = SampleMeasurement(
            training_data,
            config,
            sampler=sampler,
            runtime=runtime,
            state=state,
            emit=emit,
            interrupt=interrupt,
        )
        run.samples.mkdir(parents=True, exist_ok=True)

    def after_step(self, elapsed_seconds: float) -> bool:
        """Save and sample if they are due; returns False if training should stop. Raises DivergenceError."""
        if self.interrupt.is_requested:
            return False  # `finish` saves
        checkpoint_config, step = self.config.checkpoint, self.state.step
        is_overdue = elapsed_seconds - self.saved_seconds >= checkpoint_config.save_interval_minutes * 60
        if step % checkpoint_config.save_interval == 0 or is_overdue:
            self._save_and_measure(elapsed_seconds)
        if step % checkpoint_config.sample_interval == 0:
            self._draw_sample()
        return not self.interrupt.is_requested

    def finish(self, elapsed_seconds: float) -> dict[str, float]:
        """Save the final state and sample; returns the quality by metric name. Raises DivergenceError.

        After Ctrl-C, the state is saved and nothing is measured.
        """
        if self._last_save is None or self._last_save[0] != self.state.step:
            self._save_and_measure(elapsed_seconds)
        if self.state.step % self.config.checkpoint.sample_interval or self.state.step == 0:
            self._draw_sample()
        self._compare_with_nearest()
        quality = None if self._last_save is None else self._last_save[1]
        return {} if quality is None else {self.measurement.metric_name: quality}

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
        resume_command = shell_command("vid2vid", "train", "--resume", self.run.path)
        return DiskFullError(error.message, f"Free some space, then continue: {resume_command}")

    def _save_and_measure(self, elapsed_seconds: float) -> None:
        """Save training state and `.ckpt`, and then measure the quality."""
        # The weights may become NaN in a step with finite losses; they must not replace a valid checkpoint.
        if not self.state.is_finite():
            raise DivergenceError(f"weights became NaN or infinite at step {self.state.step}")
        details = {"elapsed_seconds": elapsed_seconds}
        checkpoint_folder = save_train_state(self.run.checkpoints, self.state, details)
        self.saved_step, self.saved_seconds = self.state.step, elapsed_seconds
        self.emit(ArtifactEvent(str(checkpoint_folder), "checkpoint", details))
        self._write_checkpoint(elapsed_seconds, None)
        quality = self._attempt("the measurement of the sample frames", self.measurement.measure_quality)
        if quality is not None:
            self._record_quality(checkpoint_folder, quality)
            self._write_checkpoint(elapsed_seconds, quality)
        self._last_save = self.state.step, quality
        prune_checkpoints(self.run.checkpoints, self.config.checkpoint.keep_last)

    def _write_checkpoint(self, elapsed_seconds: float, quality: float | None) -> None:
        training: dict[str, object] = {
            "steps": self.state.step,
            "seconds": round(elapsed_seconds, 1),
            "dataset": self.training_data.dataset.manifest.name,
        }
        if quality is not None:
            training[self.measurement.metric_key] = round(quality, 2)
        losses = self.config.losses
        if losses.perceptual and losses.perceptual_network != "auto":
            training["perceptual_network"] = losses.perceptual_network
        if licence := self.run.load_record().licence:
            training["licence"] = licence
        style_bank = self.measurement.collect_style_bank()
        metadata = self.training_data.checkpoint_metadata(
            self.run.name, self.config, training, style_bank, self._references
        )
        reference_frames = None if self._reference_bank is None else self._reference_bank.frames
        save_checkpoint(self.run.checkpoint_path, self.state.generator_ema, metadata, reference_frames=reference_frames)

    def _record_quality(self, checkpoint_folder: Path, quality: float) -> None:
        path = write_quality(checkpoint_folder, quality)
        self.emit(ArtifactEvent(str(path), "quality", {"step": self.state.step, "quality": quality}))
        if not math.isnan(quality) and (self.best_quality is None or quality > self.best_quality):
            self.best_quality = quality
            mark_best(self.run.checkpoints, checkpoint_folder)

    def _draw_sample(self) -> None:
        def draw() -> None:
            path = self.run.samples / f"step_{self.state.step:07d}.png"
            save_png(path, self.measurement.draw_sheet())
            self.emit(ArtifactEvent(str(path), "sample"))

        self._attempt("the sample sheet", draw)

    def _compare_with_nearest(self) -> None:
        purpose = "the comparison with the nearest training frames"
        self.comparison = self._attempt(purpose, self.measurement.compare_with_nearest) or ""
        if self.comparison:
            details = {"step": self.state.step, "text": self.comparison}
            self.emit(ArtifactEvent(str(self.run.checkpoint_path), "comparison", details))

    def _attempt(self, purpose: str, function: Callable[[], Result]) -> Result | None:
        if self.interrupt.is_requested:
            return None
        return attempt(f"step {self.state.step}: {purpose}", function, self.emit)
