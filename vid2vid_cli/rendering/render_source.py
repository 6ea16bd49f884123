"""Rendering of sources and of clips: the part that `transfer` and `synthesize` share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.data.detection_gaps import MIN_USABLE_RATE, DetectionGaps
from vid2vid_cli.engine.events import EventHandler, InfoEvent, WarningEvent
from vid2vid_cli.rendering.background import PasteOptions
from vid2vid_cli.rendering.compositor import Compositor
from vid2vid_cli.rendering.label_edits import LabelEdits, source_frame_size
from vid2vid_cli.rendering.label_video import has_points_outside
from vid2vid_cli.rendering.loaded_model import LoadedModel
from vid2vid_cli.rendering.retargeter import Retargeter
from vid2vid_cli.rendering.source_scan import SourceScan
from vid2vid_cli.rendering.source_video import SourceVideo, split_shots
from vid2vid_cli.rendering.video_output import Composite, RenderClip, RenderResult, VideoOutput, write_video


def render_sources(
    sources: Sequence[SourceVideo],
    model: LoadedModel,
    label_edits: LabelEdits,
    output: VideoOutput,
    *,
    retarget: bool,
    stage: str,
    emit: EventHandler,
    paste: PasteOptions | None = None,
) -> RenderResult:
    """Annotate, retarget, edit and render sources in one stream, one after another, as one video.

    A scan of some frames comes first, for the statistics of each source. Every shot starts from the initial frame.
    Where a conditioner has no detection, its last annotation is repeated; a warning gives the times. `paste`: how the
    frames of the only source are composited.

    Raises NoDetectionError and the errors of `render_clips`.
    """
    scans = scan_sources(sources, emit)
    retargeters = [
        Retargeter(source, scan, model.metadata, retarget=retarget) for source, scan in zip(sources, scans, strict=True)
    ]
    num_given_frames = model.initial_frame.num_given_frames
    num_expected_frames = sum(max(0, (source.reader.num_frames or 0) - num_given_frames) for source in sources)
    clips = _iterate_shots(model, retargeters)
    composite = None if paste is None else Compositor(paste, retargeters[0]).composite
    result = render_clips(
        clips, model, label_edits, output, num_expected_frames, stage=stage, emit=emit, composite=composite
    )
    _report_reader_messages(sources, emit)
    _warn_points_outside(retargeters, scans, model, emit)
    for retargeter in retargeters:
        report_omitted_parts(retargeter, emit)
        for conditioner, gaps in zip(retargeter.source.conditioners, retargeter.gaps, strict=True):
            warn_held_annotations(f"{retargeter.source.path}: {conditioner.spec.name}", gaps, emit)
    return result


def scan_sources(sources: Sequence[SourceVideo], emit: EventHandler) -> list[SourceScan]:
    """The scan of each source. Detectors stay loaded for a single source only. Raises NoDetectionError."""
    return [source.scan(emit, keeps_head=len(sources) == 1) for source in sources]


def warn_held_annotations(name: str, gaps: DetectionGaps, emit: EventHandler) -> None:
    """Warn that the last annotation was repeated where there is no detection; `name` is the source, conditioner."""
    if not gaps.num_missing:
        return
    result = "the last annotation was repeated there"
    if gaps.detection_rate < MIN_USABLE_RATE:
        result = "the result is almost a still image, because the last annotation was repeated there"
    counts = f"{gaps.num_missing} of {gaps.num_frames} frames{gaps.describe_times()}"
    emit(WarningEvent(f"{name} has no detection on {counts}; {result}."))


def render_clips(
    clips: Iterable[RenderClip],
    model: LoadedModel,
    label_edits: LabelEdits,
    output: VideoOutput,
    num_expected_frames: int,
    *,
    stage: str,
    emit: EventHandler,
    composite: Composite | None = None,
) -> RenderResult:
    """Edit the label maps of clips, render them and write the video; warn about edits without effect.

    Raises the errors of `write_video`.
    """
    label_edits.warn_rare_classes([conditioner.statistics for conditioner in model.metadata.conditioners], emit)
    edited_clips = (
        replace(clip, frames=label_edits.edit_clip(clip.frames, clip.source_size, clip.num_given_frames))
        for clip in clips
    )
    result = write_video(
        edited_clips,
        output,
        num_expected_frames,
        stage=stage,
        emit=emit,
        composite=composite,
        on_resume=model.pass_frames,
    )
    label_edits.report(emit)
    return result


def _iterate_shots(model: LoadedModel, retargeters: Sequence[Retargeter]) -> Iterator[RenderClip]:
    for retargeter in retargeters:
        source = retargeter.source
        renderer = model.renderer(source.conditioners, retargeter.views)
        with closing(prefetch(source.annotate(), depth=4)) as annotated_frames:
            num_given_frames = model.initial_frame.num_given_frames
            for shot in split_shots(annotated_frames):
                yield RenderClip(renderer, retargeter.retarget_shot(shot), source_frame_size(source), num_given_frames)
                num_given_frames = 0  # the shots of a source follow each other without a gap, like its audio


def _report_reader_messages(sources: Sequence[SourceVideo], emit: EventHandler) -> None:
    messages = [message for source in sources for message in (*source.notices, *source.decoded_reader.warnings)]
    for message in dict.fromkeys(messages):
        emit(WarningEvent(message))
    for source in sources:
        if source.has_frames:
            for remark in source.decoded_reader.remarks:
                emit(InfoEvent(f"{source.path}: {remark}"))


def report_omitted_parts(retargeter: Retargeter, emit: EventHandler) -> None:
    """Name what was detected and left out because the target lacks it, such as hands."""
    for conditioner, names in zip(retargeter.source.conditioners, retargeter.omitted_parts(), strict=True):
        if names:
            parts = " and ".join(name.replace("_", " ") for name in names)
            emit(
                InfoEvent(
                    f"{retargeter.source.path}: {conditioner.spec.name} detected {parts}, left out because the model "
                    "was trained without"
                )
            )


def _warn_points_outside(
    retargeters: Sequence[Retargeter], scans: Sequence[SourceScan], model: LoadedModel, emit: EventHandler
) -> None:
    for retargeter, scan in zip(retargeters, scans, strict=True):
        if not has_points_outside(retargeter.source, scan) or all(retargeter.retarget_flags):
            for conditioner, outside in zip(retargeter.source.conditioners, retargeter.outside, strict=True):
                _warn_frames_outside(f"{retargeter.source.path}: {conditioner.spec.name}", outside, emit)
        else:
            emit(
                WarningEvent(
                    f"The points of {retargeter.source.path} lie outside the model's frames of "
                    f"{model.metadata.width}x{model.metadata.height} pixels. Remove --no-retarget to fit them."
                )
            )


def _warn_frames_outside(name: str, outside: DetectionGaps, emit: EventHandler) -> None:
    """Warn if most points lie outside the picture on many frames or for long; `name` is the source, conditioner."""
    if not outside.is_notable:
        return
    counts = f"{outside.num_missing} of {outside.num_frames} frames{outside.describe_times()}"
    emit(
        WarningEvent(
            f"{name} has most of its points outside the picture on {counts}; the result does not show them. Use a "
            "video in which the subject stays in the frame, or a target that shows more of its frame."
        )
    )
