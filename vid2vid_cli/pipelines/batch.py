"""Several videos for `transfer` and `synthesize`: their output names, what is skipped, and rendering with one model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vid2vid_cli.core.errors import ConfigError, OutputExistsError, Vid2VidError
from vid2vid_cli.core.paths import check_output_parent
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.media.input_paths import (
    drop_duplicates,
)
from vid2vid_cli.media.output_formats import OutputFormat, format_of_suffix
from vid2vid_cli.pipelines.batch_sources import emit_all, expand_sources
from vid2vid_cli.pipelines.synthesize import synthesize
from vid2vid_cli.pipelines.transfer import transfer
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile, open_checkpoint
from vid2vid_cli.rendering.model_loader import ModelLoader
from vid2vid_cli.rendering.output_path import (
    OutputNames,
    choose_format,
    report_folder,
    synthesized_file_name,
    transfer_file_name,
)
from vid2vid_cli.rendering.provenance import is_signed
from vid2vid_cli.rendering.render_identity import identify_render, read_identity
from vid2vid_cli.rendering.video_output import RenderResult
from vid2vid_cli.reports.report import REPORT_FILE_NAME
from vid2vid_cli.requests.batch import BatchRequest, SynthesizeBatchRequest, TransferBatchRequest
from vid2vid_cli.requests.render import SynthesizeRequest, TransferRequest

PairState = Literal["done", "skipped", "failed", "interrupted", "not started"]


@dataclass(frozen=True)
class Pair:
    """One source, one target, and the video that is made of them."""

    source: Path
    target: Path
    request: TransferRequest | SynthesizeRequest
    """Its `out` is the chosen path."""
    path: Path
    is_done: bool
    """Whether the video exists and --skip-done skips it."""


@dataclass(frozen=True)
class PairResult:
    """What became of a pair."""

    pair: Pair
    state: PairState
    elapsed_seconds: float = 0.0
    result: RenderResult | None = None
    error: Vid2VidError | None = None

    @property
    def path(self) -> Path:
        """The video."""
        return self.pair.path if self.result is None else self.result.path

    @property
    def report_path(self) -> Path | None:
        """The report of the video, or of the one that was skipped; None if there is none."""
        if self.state == "skipped":
            path = report_folder(self.path) / REPORT_FILE_NAME
            return path if path.is_file() else None
        return None if self.result is None else self.result.report_path


def plan_pairs(request: BatchRequest, emit: EventHandler) -> list[Pair]:
    """The pairs of all sources and targets in the order of rendering: all sources of the first target come first.

    Emits how folders and duplicates are read, and output names that differ from the default. Raises the errors of
    `open_checkpoint`, ConfigError and OutputExistsError (--out), NotAVideoError (a folder with videos and images),
    MissingFileError (without --keep-going), PermissionDeniedError.
    """
    sources = expand_sources(request, emit)
    checkpoints = [open_checkpoint(target, "frames") for target in request.targets]
    checkpoint_paths, remarks = drop_duplicates(checkpoint.path for checkpoint in checkpoints)
    emit_all(remarks, emit)
    unique_checkpoints = [c for c in checkpoints if any(c.path is path for path in checkpoint_paths)]
    out_folder, out_file = _split_out(request.out, len(sources) * len(unique_checkpoints))
    output_format = _choose_format(request, out_file)
    names = OutputNames(overwrite=request.overwrite, compare=request.compare, is_folder=output_format.is_folder)
    return [
        _plan_pair(
            request,
            source,
            checkpoint,
            default_path=out_file or out_folder / _file_name(request, source, checkpoint, output_format),
            names=names,
            emit=emit,
        )
        for checkpoint in unique_checkpoints
        for source in sources
    ]


def render_pairs(pairs: Sequence[Pair], *, keep_going: bool, emit: EventHandler) -> Iterator[PairResult]:
    """Render pairs in order and yield what became of each; each model is loaded once, for its first video.

    A pair that fails with a Vid2VidError leaves no file. The last result is that of the first failure, unless
    `keep_going`. Other exceptions, such as KeyboardInterrupt, are raised; they leave no file of the pair either.
    """
    model_loader = ModelLoader()
    for index, pair in enumerate(pairs, start=1):
        if pair.is_done:
            emit(InfoEvent(f"{index} of {len(pairs)}: skipped, {pair.path} is done"))
            yield PairResult(pair, "skipped")
            continue
        emit(InfoEvent(f"{index} of {len(pairs)}: {pair.source} -> {pair.path}"))
        start_time = time.monotonic()
        try:
            if isinstance(pair.request, TransferRequest):
                result = transfer(pair.request, emit, model_loader)
            else:
                result = synthesize(pair.request, emit, model_loader)
        except Vid2VidError as error:
            yield PairResult(pair, "failed", time.monotonic() - start_time, error=error)
            if not keep_going:
                return
        else:
            yield PairResult(pair, "done", time.monotonic() - start_time, result=result)


def _split_out(out: Path | None, num_pairs: int) -> tuple[Path, Path | None]:
    """The output folder, and the output file if --out names one."""
    folder, file = out or Path(), None
    if out is not None and format_of_suffix(out) is not None and not out.is_dir():
        if num_pairs > 1:
            raise ConfigError(f"--out {out} is a file, and {num_pairs} videos are written.", "Name a folder.")
        folder, file = out.parent, out
    elif out is not None and out.exists() and not out.is_dir():
        raise OutputExistsError(f"{out} is a file, and not a folder for the videos.", "Name another folder.")
    check_output_parent(folder / "video.mp4")
    return folder, file


def _choose_format(request: BatchRequest, out_file: Path | None) -> OutputFormat:
    """The format of all videos. Raises ConfigError for --skip-done with a format without a comment."""
    has_alpha = isinstance(request, TransferBatchRequest) and request.background_options.background == "alpha"
    output_format = choose_format(request.format, out_file, has_alpha=has_alpha)
    if request.skip_done and not output_format.has_audio:
        raise ConfigError(
            f"--skip-done: a {output_format.title} does not record how it was made.",
            "Remove --skip-done, or use another --format.",
        )
    return output_format


def _file_name(request: BatchRequest, source: Path, checkpoint: CheckpointFile, output_format: OutputFormat) -> Path:
    if isinstance(request, SynthesizeBatchRequest):
        return synthesized_file_name(source, output_format)
    return transfer_file_name(source, checkpoint.metadata, output_format)


def _plan_pair(
    request: BatchRequest,
    source: Path,
    checkpoint: CheckpointFile,
    *,
    default_path: Path,
    names: OutputNames,
    emit: EventHandler,
) -> Pair:
    pair_request = request.with_pair(source, checkpoint.path, None)
    differences: list[str] = []

    def is_done(path: Path) -> bool:
        found, expected = read_identity(path), identify_render(checkpoint.path, pair_request)
        difference = "by an unknown checkpoint" if found is None else expected.describe_difference(found)
        if not difference and pair_request.provenance is not None and not is_signed(path):
            difference = "without the manifest of --provenance"
        differences.append(f"{path} was made {difference}")
        return not difference

    path, done = names.choose(default_path, is_done if request.skip_done and source.exists() else None)
    if not done and (path != default_path or differences):
        reason = "; ".join(differences) or f"{default_path} is taken"
        emit(InfoEvent(f"{reason}. The video of {source} is written to {path}."))
    return Pair(source, checkpoint.path, replace(pair_request, out=path), path, done)
