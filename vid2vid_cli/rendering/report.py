"""The report of `transfer` and `synthesize`: a folder with the page and the comparison video."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler, WarningEvent
from vid2vid_cli.engine.runtime import describe_environment
from vid2vid_cli.media.files import atomic_write
from vid2vid_cli.rendering.loaded_model import LoadedModel
from vid2vid_cli.rendering.output_path import report_folder
from vid2vid_cli.rendering.provenance import sign_videos
from vid2vid_cli.rendering.video_output import RenderResult
from vid2vid_cli.reports.report import REPORT_FILE_NAME, Report, Setting, Table, VideoView, write_report
from vid2vid_cli.requests.origins import option_rows
from vid2vid_cli.requests.render import SynthesizeRequest, TransferRequest

VIDEO_NAME = "comparison.mp4"
RenderedRequest = SynthesizeRequest | TransferRequest


def finish_render(
    result: RenderResult, request: RenderedRequest, model: LoadedModel, warnings: Sequence[str], emit: EventHandler
) -> RenderResult:
    """Sign a rendered video on request, and write its report if it has a comparison video.

    A report that cannot be written is a warning. Raises Vid2VidError (the video was not signed).
    """
    videos = [result.path, *([] if result.compare_path is None else [result.compare_path])]
    sign_videos(request, model.path, [*videos, *result.layer_paths.values()], emit)
    if result.compare_path is None:
        return result
    path = report_folder(result.path) / REPORT_FILE_NAME
    try:
        _link_or_copy(result.compare_path, path.with_name(VIDEO_NAME))
        write_report(path, _build_report(result, request, model, warnings))
    except Vid2VidError as error:
        emit(WarningEvent(f"the report was not written: {error.message}"))
        return result
    emit(ArtifactEvent(str(path), "report"))
    return replace(result, report_path=path)


def _build_report(
    result: RenderResult, request: RenderedRequest, model: LoadedModel, warnings: Sequence[str]
) -> Report:
    log, fps = result.frame_log, float(result.fps)
    speed = result.num_frames / max(result.elapsed_seconds, 1e-9)
    missing = [f"{name} has no detection on {count}" for name, count in log.num_missing.items() if count]
    metadata = model.metadata
    facts = [("source", str(request.source)), ("model", f"{metadata.name} ({model.path})")]
    facts += [(f"model: {name}", str(value)) for name, value in metadata.training.items()]
    facts += [("video", str(result.path)), ("frame rate", f"{result.fps} per second")]
    facts += [(f"video: {layer}", str(path)) for layer, path in result.layer_paths.items()]
    marks = [] if log.num_frames < result.num_frames else log.marks
    return Report(
        command_name="synthesize" if isinstance(request, SynthesizeRequest) else "transfer",
        title=result.path.stem,
        summary=[
            f"{result.num_frames} frames, {speed:.1f} frames/s on {model.hardware.describe()}.",
            *(
                [f"Of {log.num_frames} frames, {', '.join(missing)}; the last annotation was repeated."]
                if missing
                else []
            ),
        ],
        facts=facts,
        warnings=warnings,
        video=VideoView(
            VIDEO_NAME,
            fps,
            result.num_frames,
            log.panels,
            strips=list(log.strips.values()) if log.num_frames == result.num_frames else [],
            marks=marks,
        ),
        tables=[
            Table(
                "Marked frames",
                ["frame", "time", ""],
                [[str(mark.frame), f"{mark.frame / fps:.2f} s", mark.text] for mark in marks],
                frames=[mark.frame for mark in marks],
            )
        ]
        if marks
        else [],
        settings=[Setting(*row) for row in option_rows(request)],
        environment=describe_environment(),
        command=request.command,
    )


def _link_or_copy(source: Path, path: Path) -> None:
    """Make `path` the same file as `source`, or a copy where the file system has no hard links."""

    def write(temp_path: Path) -> None:
        temp_path.unlink(missing_ok=True)
        try:
            os.link(source, temp_path)
        except OSError:
            shutil.copyfile(source, temp_path)

    atomic_write(path, write)
