"""`report.html` of a run: sample frames, samples over time, curves with the phases, and settings."""

from __future__ import annotations

import re
import time
from fractions import Fraction
from pathlib import Path

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.origins import setting_rows
from vid2vid_cli.core.parsing import parse_json
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler
from vid2vid_cli.engine.progress import format_duration
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.media.os_errors import read_error
from vid2vid_cli.reports.plots import Curve, Phase
from vid2vid_cli.reports.report import REPORT_FILE_NAME, Picture, Report, Setting, VideoView, write_report
from vid2vid_cli.training.measurement import attempt
from vid2vid_cli.training.progress_video import PROGRESS_VIDEO_NAME, write_progress_video
from vid2vid_cli.training.run_history import RunHistory
from vid2vid_cli.training.sample_video import SampleClip, write_sample_video

MIN_INTERVAL_SECONDS = 15.0
"""Time between two versions of the report during a training, and the time after which the page reloads."""
MAX_TIME_SHARE = 0.01
"""Largest share of the training time for writing reports."""
_SAMPLE_PATTERN = re.compile(r"step_[0-9]{1,12}")


class RunReport:
    """Writes the report of a run: a context manager around the training.

    Its first version is written at the start, the last one at the end, also after Ctrl-C and errors, and others by
    `update`. A report that cannot be written is a warning.
    """

    def __init__(self, run: RunFolder, history: RunHistory, emit: EventHandler) -> None:
        self._run, self._history, self._emit = run, history, emit
        self._next_time = 0.0
        self._has_progress_video = False
        self._video: VideoView | None = None
        """The newest video of the sample clip."""

    def __enter__(self) -> RunReport:
        attempt("the report", self.update, self._emit)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._has_progress_video = bool(attempt(PROGRESS_VIDEO_NAME, self._write_progress, self._emit))
        attempt("the report", self._finish, self._emit)

    @property
    def path(self) -> Path:
        """The file of the report."""
        return self._run.path / REPORT_FILE_NAME

    def show_clip(self, clip: SampleClip | None, fps: Fraction, step: int) -> None:
        """Write the video of the sample clip at a step, for the next version of the report; None: there is none.

        Raises DiskFullError, PermissionDeniedError.
        """
        if clip is not None:
            self._video = write_sample_video(self._run.samples, clip, fps, step)

    def update(self) -> None:
        """Write the report of a running training, unless it was written a short time ago."""
        start_time = time.monotonic()
        if start_time < self._next_time:
            return
        self._next_time = start_time + MIN_INTERVAL_SECONDS  # also after an error
        self._write(is_running=True)
        end_time = time.monotonic()
        self._next_time = end_time + max(MIN_INTERVAL_SECONDS, (end_time - start_time) / MAX_TIME_SHARE)

    def _write_progress(self) -> bool:
        samples = [(sample.label, self._run.path / sample.src) for sample in self._samples()]
        return write_progress_video(self._run.path / PROGRESS_VIDEO_NAME, samples)

    def _samples(self) -> list[Picture]:
        paths = sorted(path for path in self._run.samples.glob("*.png") if _SAMPLE_PATTERN.fullmatch(path.stem))
        return [Picture(f"samples/{path.name}", f"step {int(path.stem[5:])}") for path in paths]

    def _finish(self) -> None:
        """Write the report of a training that has ended, and emit it."""
        self._write(is_running=False)
        self._emit(ArtifactEvent(str(self.path), "report"))

    def _write(self, *, is_running: bool) -> None:
        """Raises DiskFullError, PermissionDeniedError, MissingFileError (command.txt), RunError."""
        run, history, config = self._run, self._history, self._run.load_config()
        record = run.load_record()
        datasets = [record.dataset, *record.more_datasets, *filter(None, [record.dataset_b])]
        phases = [Phase(start, text) for start, text in history.phases if start <= max(history.num_steps, 1)]
        curves = [Curve(name, series.points) for name, series in history.losses.items()]
        if history.quality.points:
            quality_name, unit = _quality_name(config)
            curves.insert(0, Curve(f"{quality_name} on the sample frames", history.quality.points, unit=unit))
        report = Report(
            command_name="train",
            title=run.name,
            summary=self._summarize(config, is_running),
            facts=[
                ("preset", record.preset or "none"),
                ("dataset", ", ".join(Path(folder).name for folder in datasets)),
                ("precision", f"{record.precision} on {record.device}"),
                *([("samples as a video", PROGRESS_VIDEO_NAME)] if self._has_progress_video else []),
                *([("licence of the initial weights", record.licence)] if record.licence else []),
            ],
            warnings=list(history.warnings),
            video=self._video,
            samples=self._samples(),
            curves=curves,
            phases=phases if len(history.phases) > 1 else [],
            settings=[Setting(*row) for row in setting_rows(config, record.setting_origins)],
            environment=parse_json(_read_text(run.path / "env.json")),
            command=_read_text(run.path / "command.txt").strip(),
            refresh_seconds=round(MIN_INTERVAL_SECONDS) if is_running else None,
        )
        write_report(self.path, report)

    def _summarize(self, config: Config, is_running: bool) -> list[str]:
        history = self._history
        duration = format_duration(history.elapsed_seconds)
        summary = f"{history.num_steps} steps in {duration}{', running' if is_running else ''}"
        if history.last_quality is not None:
            name, unit = _quality_name(config)
            summary += f"; {history.last_quality:.2f} {unit} {name} on the sample frames"
        comparison_step, comparison = history.comparison
        is_current = bool(comparison) and comparison_step == history.num_steps
        return [f"{summary}.", *([f"Sample frames: {comparison}"] if is_current else [])]


def _quality_name(config: Config) -> tuple[str, str]:
    """Name and unit of the quality of a run."""
    return ("mean IoU", "%") if config.generator.target == "labels" else ("PSNR", "dB")


def _read_text(path: Path) -> str:
    """The text of a file of the run; what is not UTF-8 is replaced. Raises MissingFileError, PermissionDeniedError."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise read_error(path, error) from error
