"""`prepare`: makes a dataset folder of videos. An interrupted run leaves an unfinished folder that can be continued."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import (
    DiskFullError,
    InputFileMismatchError,
    LabelFileError,
    NoDetectionError,
    NoFramesError,
    TooFewFramesError,
)
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.detection_gaps import has_enough_detections
from vid2vid_cli.data.manifest import Manifest, write_manifest
from vid2vid_cli.dataset_builder.clip import prepare_clip
from vid2vid_cli.dataset_builder.clip_files import ClipPaths, ClipResult, FinishedParts
from vid2vid_cli.dataset_builder.detection_check import check_detections
from vid2vid_cli.dataset_builder.job import InputVideo, PrepareJob, make_job
from vid2vid_cli.dataset_builder.manifest_entries import add_statistics, draft_manifest
from vid2vid_cli.dataset_builder.output_folder import (
    DatasetFolder,
    DatasetFolderLock,
    choose_dataset_folder,
    default_dataset_path,
)
from vid2vid_cli.dataset_builder.previews import write_contact_sheet, write_preview
from vid2vid_cli.dataset_builder.report import emit_dataset_report, write_dataset_report
from vid2vid_cli.dataset_builder.side_by_side import divide_request, plan_division
from vid2vid_cli.engine import events
from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler, InfoEvent, ProgressEvent, WarningEvent
from vid2vid_cli.media.input_paths import expand_patterns
from vid2vid_cli.media.spread_reader import SpreadReader
from vid2vid_cli.requests.prepare import PrepareRequest

__all__ = ["PrepareRequest", "PrepareResult", "plan_prepare", "prepare", "prepare_with_conditioners"]

STAGE = "prepare"
UNRECOVERABLE_ERRORS = (TooFewFramesError, NoDetectionError, NoFramesError, InputFileMismatchError, LabelFileError)
"""Errors that other input or settings must resolve, so that the unfinished dataset is removed."""
MAX_LISTED_CUTS = 6
"""Number of cuts whose times are listed."""


@dataclass(frozen=True)
class PrepareResult:
    """A finished dataset."""

    path: Path
    num_frames: int
    detection_counts: Mapping[str, tuple[int, int]]
    """Conditioner -> (frames with a detection, all frames)."""
    elapsed_seconds: float
    """0 if the dataset existed already."""
    can_train: bool
    """Whether there are enough detections for a training."""


def plan_prepare(request: PrepareRequest) -> DryRun:
    """What `prepare` would do, for --dry-run. Reads the videos and writes nothing. Raises as `prepare`."""
    request = replace(request, videos=expand_patterns(request.videos))
    if request.side_by_side is not None:
        return DryRun(plan_division(request, _requested_path(request)))
    job = make_job(request)
    dataset_folder = _choose_dataset_folder(job)
    num_expected = job.num_expected_frames()
    has_cut_detection = any(map(job.should_split_shots, job.inputs))
    rows = [("input format", remark) for remark in (*job.remarks, *job.open_sidecar_files())]
    rows += [("video", str(item.path)) for item in job.inputs]
    rows += [("conditioner", f"{item.spec.name} ({item.spec.summary})") for item in job.conditioners]
    rows += [
        ("frames", f"about {num_expected}" if num_expected else "unknown"),
        ("size", f"{job.frame_size[1]}x{job.frame_size[0]}"),
        ("fps", str(job.fps)),
        ("frame format", {"jpeg": "JPEG, quality 95", "png": "PNG"}[job.frame_format]),
        ("validation", _describe_val_split(job)),
        ("shots", "one clip per shot" if has_cut_detection else "no cut detection"),
        ("dataset", _describe_dataset_folder(dataset_folder)),
    ]
    return DryRun(tuple(rows))


def prepare(request: PrepareRequest, on_event: EventHandler) -> PrepareResult:
    """Make a dataset of one or more videos, or continue an interrupted run.

    Raises: the errors of `media.probe.probe` (bad video), TooFewFramesError, NoDetectionError (no detection on any
    frame), InputFileMismatchError and LabelFileError (annotation files), ConfigError, PluginError, MissingPackageError,
    MissingWeightsError, OutputExistsError (the output is not a dataset, or another process is writing it),
    DiskFullError, PermissionDeniedError.
    """
    request = replace(request, videos=expand_patterns(request.videos))
    if request.side_by_side is not None:
        request = divide_request(request, _requested_path(request), on_event)
    return _run_job(make_job(request), on_event)


def prepare_with_conditioners(
    request: PrepareRequest, conditioners: Sequence[Conditioner], on_event: EventHandler
) -> PrepareResult:
    """`prepare` with conditioner objects in place of the names and options of the request."""
    return _run_job(make_job(request, conditioners), on_event)


def _run_job(job: PrepareJob, on_event: EventHandler) -> PrepareResult:
    emit = events.WarningRecorder(on_event)
    start_time = time.monotonic()
    for remark in job.remarks:
        emit(InfoEvent(remark))
    dataset_folder = _choose_dataset_folder(job)
    if dataset_folder.state == "finished":
        emit(InfoEvent(f"{dataset_folder.path} was already prepared from the same video with the same settings."))
        return _make_result(dataset_folder.path, 0.0, emit)
    requested_path = _requested_path(job.request)
    if dataset_folder.path != requested_path:
        emit(
            InfoEvent(f"{requested_path} exists with other content; this dataset is written to {dataset_folder.path}.")
        )
    with DatasetFolderLock(dataset_folder, job.identity) as folder_lock:
        try:
            manifest = _build_dataset(job, dataset_folder, emit)
        except BaseException as error:
            has_progress = any(paths.has_progress(job.conditioners) for paths in _clip_paths(job, dataset_folder))
            if isinstance(error, UNRECOVERABLE_ERRORS) or not has_progress:
                folder_lock.discard()
            if isinstance(error, DiskFullError):
                command = "same command again, without --overwrite" if job.request.overwrite else "same command again"
                hint = f"Free some space and run the {command}; it continues where it stopped."
                raise DiskFullError(error.message, hint) from error
            raise
        folder_lock.commit()
    details = {"num_frames": manifest.num_frames, "detections": _detection_counts(manifest)}
    emit(ArtifactEvent(str(dataset_folder.path), "dataset", details))
    return _make_result(dataset_folder.path, time.monotonic() - start_time, emit)


def _make_result(path: Path, elapsed_seconds: float, emit: EventHandler) -> PrepareResult:
    """The result for a finished dataset, whose report is emitted."""
    emit_dataset_report(path, emit)
    dataset = Dataset(path)
    counts = _detection_counts(dataset.manifest)
    return PrepareResult(path, dataset.manifest.num_frames, counts, elapsed_seconds, has_enough_detections(dataset))


def _describe_val_split(job: PrepareJob) -> str:
    num_val_videos = sum(item.split == "val" for item in job.inputs)
    if num_val_videos:
        return f"{num_val_videos} of {len(job.inputs)} videos"
    return f"the last {job.request.val_fraction:.0%} of each shot"


def _describe_dataset_folder(dataset_folder: DatasetFolder) -> str:
    suffixes = {
        "new": "",
        "finished": " (already prepared)",
        "continue": f" (continued from {dataset_folder.partial_path})",
    }
    return f"{dataset_folder.path}{suffixes[dataset_folder.state]}"


def _requested_path(request: PrepareRequest) -> Path:
    return request.out or default_dataset_path(request.videos, request.domain)


def _choose_dataset_folder(job: PrepareJob) -> DatasetFolder:
    return choose_dataset_folder(_requested_path(job.request), job.identity, overwrite=job.request.overwrite)


def _detection_counts(manifest: Manifest) -> dict[str, tuple[int, int]]:
    return {record.name: (record.quality.num_detected, record.quality.num_frames) for record in manifest.conditioners}


def _clip_paths(job: PrepareJob, dataset_folder: DatasetFolder) -> list[ClipPaths]:
    return [ClipPaths.from_index(dataset_folder, index) for index in range(len(job.inputs))]


def _find_finished_parts(
    job: PrepareJob, dataset_folder: DatasetFolder, clip_paths: Sequence[ClipPaths], emit: EventHandler
) -> list[FinishedParts]:
    """The parts of each clip that an interrupted run has finished; damaged parts are named and made again."""
    if dataset_folder.state == "new":
        return [FinishedParts()] * len(clip_paths)
    parts = [paths.check_parts(job.conditioners, job.frame_size) for paths in clip_paths]
    damaged = [path for clip_parts in parts for path in clip_parts.damaged]
    if damaged:
        others = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        emit(WarningEvent(f"{damaged[0]}{others}: damaged after an interruption; the parts concerned are made again."))
    if num_finished := sum(clip_parts.num_frames for clip_parts in parts):
        emit(InfoEvent(f"continuing: {num_finished} of {job.num_expected_frames() or 'unknown'} frames were done"))
    return parts


def _build_dataset(job: PrepareJob, dataset_folder: DatasetFolder, emit: events.WarningRecorder) -> Manifest:
    """Write all content of the dataset to the unfinished folder."""
    folder, clip_paths = dataset_folder.partial_path, _clip_paths(job, dataset_folder)
    finished_parts = _find_finished_parts(job, dataset_folder, clip_paths, emit)
    clip_results = _prepare_clips(job, clip_paths, finished_parts, emit)
    draft = Dataset(folder, draft_manifest(job, dataset_folder.path.name, clip_paths, clip_results))
    check_detections(job, draft, clip_results, emit)
    manifest = add_statistics(job, draft)
    dataset = Dataset(folder, manifest)
    write_contact_sheet(dataset, job.conditioners, folder / "contact_sheet.png")
    write_preview(dataset, job, folder / "preview.mp4", emit)
    write_dataset_report(dataset, job, emit)
    write_manifest(folder, manifest)
    return manifest


def _prepare_clips(
    job: PrepareJob, clip_paths: Sequence[ClipPaths], finished_parts: Sequence[FinishedParts], emit: EventHandler
) -> list[ClipResult]:
    """Write the clips of all videos in order. Raises TooFewFramesError without two consecutive frames."""
    num_expected, num_previous = job.num_expected_frames(), 0
    clip_results: list[ClipResult] = []
    for input_video, paths, parts in zip(job.inputs, clip_paths, finished_parts, strict=True):

        def report_progress(num_done: int, offset: int = num_previous) -> None:
            emit(ProgressEvent(STAGE, offset + num_done, num_expected))

        result = prepare_clip(job, input_video, paths, finished_parts=parts, on_progress=report_progress, emit=emit)
        if result.num_frames < 2:
            raise TooFewFramesError(
                f"{input_video.path} has {result.num_frames} frame in the selected range; at least 2 are required.",
                "Use a longer video, or a longer range with --start, --end and --max-frames.",
            )
        reader = job.open_reader(input_video)
        if isinstance(reader, SpreadReader):
            emit(InfoEvent(f"{input_video.path}: {reader.describe()}"))
        elif result.cuts:
            emit(InfoEvent(_describe_cuts(job, input_video, result)))
        clip_results.append(result)
        num_previous += result.num_frames
    if not any(num_frames > 1 for result in clip_results for _, num_frames in result.shots):
        raise TooFewFramesError(
            f"A cut was detected at every frame of {job.inputs[0].path}; a shot needs at least 2 frames.",
            "If it is a single shot, or a folder of unrelated images: --no-split-shots",
        )
    return clip_results


def _describe_cuts(job: PrepareJob, input_video: InputVideo, result: ClipResult) -> str:
    times = [f"{float(cut / job.fps):.2f}" for cut in result.cuts]
    listed_times = ", ".join(times if len(times) <= MAX_LISTED_CUTS else [*times[:MAX_LISTED_CUTS], "..."])
    return f"{input_video.path}: {len(result.shots)} shots, cuts at {listed_times} s; each shot becomes a clip."
