"""Saving during training: training states, the checkpoint for synthesis, and sample images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.optimizer import OptimizerConfig
from vid2vid_cli.core.errors import DiskFullError, DivergenceError
from vid2vid_cli.core.paths import shell_command, shorten_name
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.engine.checkpoint import save_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import ReferenceRecord
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import mark_best, prune_checkpoints, read_pointer, save_train_state
from vid2vid_cli.media.images import save_png
from vid2vid_cli.training.build_measurement import Measurement, build_measurement
from vid2vid_cli.training.interrupt import Interrupt
from vid2vid_cli.training.measurement import Result, attempt, read_best_quality, write_quality
from vid2vid_cli.training.report import RunReport
from vid2vid_cli.training.samples import stack_sheets
from vid2vid_cli.training_data.reference_collection import record_references
from vid2vid_cli.training_data.training_data import TrainingData


def subject_paths(run: RunFolder, datasets: Sequence[TrainingData]) -> list[Path]:
    """The `.ckpt` of each dataset: NAME.ckpt, and NAME_<dataset>.ckpt for further ones. All have the same weights.

    Each contains the references, the styles and the statistics of one dataset, so that synthesis never mixes them.
    """
    paths = [run.checkpoint_path]
    for index, data in enumerate(datasets[1:], start=2):
        path = run.path / f"{shorten_name(run.name)}_{shorten_name(data.dataset.manifest.name)}.ckpt"
        paths.append(path.with_stem(f"{path.stem}_{index}") if path in paths else path)
    return paths


@dataclass(frozen=True)
class _Subject:
    """A dataset of the training, and what its `.ckpt` contains."""

    data: TrainingData
    measurement: Measurement
    bank: ReferenceBank | None
    references: ReferenceRecord | None
    path: Path

    @property
    def name(self) -> str:
        return self.data.dataset.manifest.name


class CheckpointCallback:
    """Called after each training step; saves checkpoints and samples when they are due. It does not affect training.

    Saving comes first: a measurement that is slow, fails or is interrupted cannot prevent it.
    """

    def __init__(
        self,
        run: RunFolder,
        config: Config,
        datasets: Sequence[TrainingData],
        *,
        samplers: Sequence[ClipSampler],
        runtime: Runtime,
        state: TrainState,
        resume_extra: Mapping[str, Any],
        emit: EventHandler,
        interrupt: Interrupt,
        report: RunReport,
    ) -> None:
        self.run, self.config, self._report = run, config, report
        self.state, self.emit, self.interrupt = state, emit, interrupt
        self.best_quality = read_best_quality(run.checkpoints)
        self.saved_step = state.step
        self.saved_seconds = float(resume_extra["elapsed_seconds"])
        self.comparison = ""
        """A sentence that compares the final model with the nearest training frames; "" before `finish`."""
        self._last_save: tuple[int, float | None] | None = None
        """Step of the last state that this process has saved, and its quality, if it was measured."""
        self._subjects = [
            _Subject(
                data,
                build_measurement(
                    data, config, sampler=sampler, runtime=runtime, state=state, emit=emit, interrupt=interrupt
                ),
                bank := None if sampler.reference_source is None else sampler.reference_source.bank,
                None if bank is None else record_references(bank),
                path,
            )
            for data, sampler, path in zip(datasets, samplers, subject_paths(run, datasets), strict=True)
        ]
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
        self._attempt("the report", self._report.update)
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
        return {} if quality is None else {self._subjects[0].measurement.metric_name: quality}

    def divergence_error(self, error: DivergenceError) -> DivergenceError:
        """`error` with the name of the last valid checkpoint and a hint."""
        last = read_pointer(self.run.checkpoints, "last")
        if last is None:
            checkpoint_message, advice = "no checkpoint was saved", "Train again"
        else:
            checkpoint_message = f"{self.run.checkpoint_path} of step {self.saved_step} is kept"
            advice = "Use that checkpoint, or train again"
        lr = min(self.config.optimizer.lr / 4, OptimizerConfig().lr)
        precision = " --set runtime.precision=fp32" if self.run.load_record().precision == "fp16" else ""
        return DivergenceError(
            f"{error.message}; training stopped and {checkpoint_message}.",
            f"{advice} with a lower learning rate: --set optimizer.lr={lr:g}{precision}",
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
        for subject in self._subjects:
            self._write_checkpoint(subject, elapsed_seconds, None)
        qualities = []
        for subject in self._subjects:
            purpose = f"the measurement of the sample frames{self._suffix(subject)}"
            value = self._attempt(purpose, subject.measurement.measure_quality)
            if value is not None:
                qualities.append(value)
                self._write_checkpoint(subject, elapsed_seconds, value)
        quality = sum(qualities) / len(qualities) if len(qualities) == len(self._subjects) else None
        if quality is not None:
            self._record_quality(checkpoint_folder, quality)
        self._last_save = self.state.step, quality
        prune_checkpoints(self.run.checkpoints, self.config.checkpoint.keep_last)

    def _suffix(self, subject: _Subject) -> str:
        """` of NAME` if there are several datasets, otherwise nothing."""
        return f" of {subject.name}" if len(self._subjects) > 1 else ""

    def _write_checkpoint(self, subject: _Subject, elapsed_seconds: float, quality: float | None) -> None:
        manifest = subject.data.dataset.manifest
        training: dict[str, object] = {
            "steps": self.state.step,
            "seconds": round(elapsed_seconds, 1),
            "dataset": subject.name,
            "footage_seconds": round(float(manifest.num_frames / manifest.frame_rate), 1),
        }
        if len(self._subjects) > 1:
            training["all_datasets"] = ", ".join(each.name for each in self._subjects)
        if subject.data.domain_b is not None:
            training["dataset_b"] = subject.data.domain_b.dataset.manifest.name
        if quality is not None:
            training[subject.measurement.metric_key] = round(quality, 2)
        losses = self.config.losses
        if losses.perceptual and losses.perceptual_network != "auto":
            training["perceptual_network"] = losses.perceptual_network
        if licence := self.run.load_record().licence:
            training["licence"] = licence
        style_bank = subject.measurement.collect_style_bank()
        metadata = subject.data.checkpoint_metadata(
            subject.path.stem,
            self.config,
            training,
            style_bank,
            subject.references,
            subject.measurement.collect_attribute_directions(),
        )
        save_checkpoint(
            subject.path,
            self.state.generator_ema,
            metadata,
            self.state.discriminator_weights() if self.config.checkpoint.include_discriminators else None,
            reference_frames=None if subject.bank is None else subject.bank.frames,
        )

    def _record_quality(self, checkpoint_folder: Path, quality: float) -> None:
        path = write_quality(checkpoint_folder, quality)
        self.emit(ArtifactEvent(str(path), "quality", {"step": self.state.step, "quality": quality}))
        if not math.isnan(quality) and (self.best_quality is None or quality > self.best_quality):
            self.best_quality = quality
            mark_best(self.run.checkpoints, checkpoint_folder)

    def _draw_sample(self) -> None:
        def draw() -> None:
            path = self.run.samples / f"step_{self.state.step:07d}.png"
            save_png(path, stack_sheets([subject.measurement.draw_sheet() for subject in self._subjects]))
            self.emit(ArtifactEvent(str(path), "sample"))
            first = self._subjects[0]
            self._report.show_clip(first.measurement.sample_clip(), first.data.dataset.fps, self.state.step)

        self._attempt("the sample sheet", draw)

    def _compare_with_nearest(self) -> None:
        texts = []
        for subject in self._subjects:
            purpose = f"the comparison with the nearest training frames{self._suffix(subject)}"
            if text := self._attempt(purpose, subject.measurement.compare_with_nearest):
                texts.append(f"{subject.name}: {text}" if len(self._subjects) > 1 else text)
        self.comparison = " ".join(texts)
        if self.comparison:
            details = {"step": self.state.step, "text": self.comparison}
            self.emit(ArtifactEvent(str(self.run.checkpoint_path), "comparison", details))

    def _attempt(self, purpose: str, function: Callable[[], Result]) -> Result | None:
        if self.interrupt.is_requested:
            return None
        return attempt(f"step {self.state.step}: {purpose}", function, self.emit)
