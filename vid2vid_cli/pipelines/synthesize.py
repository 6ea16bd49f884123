"""`synthesize`: renders a prepared dataset or a label video with a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vid2vid_cli.config.config import FRAME_MODELS
from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.dataset_builder.foreign_datasets import parse_layout
from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.engine.events import EventHandler, WarningRecorder
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile, check_direction, direction_rows, open_checkpoint
from vid2vid_cli.rendering.dataset_clips import (
    find_audio,
    find_gaps,
    read_annotated_frames,
    select_frame_ranges,
    starts_sequence,
)
from vid2vid_cli.rendering.initial_frame import choose_initial_frame
from vid2vid_cli.rendering.label_edits import LabelEdits, build_label_edits
from vid2vid_cli.rendering.label_video import open_label_sources
from vid2vid_cli.rendering.layers import check_layers
from vid2vid_cli.rendering.loaded_model import LoadedModel
from vid2vid_cli.rendering.model_loader import ModelLoader, check_hardware
from vid2vid_cli.rendering.output_path import (
    choose_format,
    choose_render_path,
    compare_path,
    output_rows,
    synthesized_file_name,
)
from vid2vid_cli.rendering.parse_edits import parse_edits
from vid2vid_cli.rendering.render_identity import identify_render
from vid2vid_cli.rendering.render_source import render_clips, render_sources, warn_held_annotations
from vid2vid_cli.rendering.report import finish_render
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.rendering.style_options import parse_styles
from vid2vid_cli.rendering.time_range import TimeRange
from vid2vid_cli.rendering.video_output import RenderClip, RenderResult, VideoOutput
from vid2vid_cli.requests.render import SynthesizeRequest
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint
from vid2vid_cli.training_data.training_data import TrainingData

__all__ = ["SynthesizeRequest", "plan_synthesize", "synthesize"]


def plan_synthesize(request: SynthesizeRequest) -> DryRun:
    """The plan of `synthesize`; writes nothing. Raises the errors of `synthesize`."""
    checkpoint = open_checkpoint(request.checkpoint, "frames")
    check_direction(checkpoint, request.direction)
    check_layers(request.save, checkpoint.metadata, checkpoint.path)
    check_hardware(checkpoint, request)
    parse_styles(request.style_options, checkpoint.metadata)
    rows = [("checkpoint", checkpoint.size_text), *direction_rows(checkpoint.metadata, request.direction)]
    if _is_dataset(request):
        training_data, frame_ranges = _open_dataset(request, checkpoint)
        num_frames = sum(frame_range.num_frames for frame_range in frame_ranges)
        rows.append(("dataset", f"{training_data.dataset.folder}, {num_frames} frames ({request.split})"))
        label_edits = _dataset_edits(request, training_data)
        has_real_frames = True
    else:
        sources = _open_label_sources(request, checkpoint)
        for source in sources:
            rows.append(("labels", f"{source.path}, {source.reader.num_frames} frames at {source.reader.fps} fps"))
        label_edits = build_label_edits(sources, request.replace, request.remove)
        has_real_frames = _has_real_frames(request, sources)
    output_format = choose_format(request.format, request.out, has_alpha=False)
    initial_frame = choose_initial_frame(
        request.initial_frame, checkpoint.metadata, checkpoint.path, has_real_frames=has_real_frames
    )
    return DryRun(
        (
            *rows,
            *label_edits.dry_run_rows(),
            *initial_frame.dry_run_rows(),
            *request.style_options.dry_run_rows(),
            *output_rows(
                choose_render_path(request, synthesized_file_name(request.source, output_format), output_format),
                output_format,
                resume=request.resume,
            ),
        )
    )


def synthesize(
    request: SynthesizeRequest, on_event: EventHandler, model_loader: ModelLoader | None = None
) -> RenderResult:
    """Render the labels of a dataset or a label video in one stream; memory does not grow with its length.

    The recursion restarts from the initial frame at each clip and cut. `model_loader`: that of earlier requests, whose
    model is used again.

    Raises MissingFileError, DatasetError, DatasetMismatchError, ConfigError, InputFileMismatchError, LabelFileError,
    NoDetectionError, ForeignCheckpointError, TruncatedCheckpointError, DeviceError, DiskFullError,
    PermissionDeniedError and the errors of reading a video.
    """
    checkpoint = open_checkpoint(request.checkpoint, "frames")
    check_direction(checkpoint, request.direction)
    render = _synthesize_dataset if _is_dataset(request) else _synthesize_labels
    emit = WarningRecorder(on_event)
    result, model = render(request, checkpoint, model_loader or ModelLoader(), emit)
    return finish_render(result, request, model, emit.warnings, on_event)


def _synthesize_dataset(
    request: SynthesizeRequest, checkpoint: CheckpointFile, model_loader: ModelLoader, emit: EventHandler
) -> tuple[RenderResult, LoadedModel]:
    training_data, frame_ranges = _open_dataset(request, checkpoint)
    dataset = training_data.dataset
    label_edits = _dataset_edits(request, training_data)
    audio_path, audio_start = find_audio(dataset.manifest, frame_ranges)
    output_format = choose_format(request.format, request.out, has_alpha=False)
    out = choose_render_path(request, synthesized_file_name(request.source, output_format), output_format)
    num_frames = sum(frame_range.num_frames for frame_range in frame_ranges)
    model = model_loader.load(checkpoint, request, out, has_real_frames=True, num_frames=num_frames, emit=emit)
    model = replace(model, bit_depth=output_format.bit_depth)
    identity = identify_render(checkpoint.path, request)
    output = VideoOutput(
        out,
        compare_path(out) if request.compare else None,
        dataset.fps,
        output_format=output_format,
        identity=identity.to_manifest(request.source, model.hardware, training_data.conditioners),
        resume=request.resume,
        audio_path=audio_path,
        audio_start=audio_start + float(model.initial_frame.num_given_frames / dataset.fps),
        comment=identity.to_comment(),
        layers=request.save,
    )
    renderer = model.renderer(training_data.conditioners, training_data.views)
    given_counts = [
        model.initial_frame.num_given_frames * is_start for is_start in starts_sequence(dataset.manifest, frame_ranges)
    ]
    clips = (
        RenderClip(
            renderer,
            read_annotated_frames(training_data, frame_range),
            (dataset.height, dataset.width),
            num_given_frames,
        )
        for frame_range, num_given_frames in zip(frame_ranges, given_counts, strict=True)
    )
    num_expected_frames = num_frames - sum(given_counts)
    result = render_clips(clips, model, label_edits, output, num_expected_frames, stage="synthesize", emit=emit)
    for conditioner in training_data.conditioners:
        name = conditioner.spec.name
        if conditioner.spec.output != "labels":  # a label map without a subject is complete
            gaps = find_gaps(dataset, frame_ranges, name)
            warn_held_annotations(f"{dataset.folder}: {name}", gaps, emit)
    return result, model


def _synthesize_labels(
    request: SynthesizeRequest, checkpoint: CheckpointFile, model_loader: ModelLoader, emit: EventHandler
) -> tuple[RenderResult, LoadedModel]:
    sources = _open_label_sources(request, checkpoint)
    label_edits = build_label_edits(sources, request.replace, request.remove)
    reader = sources[0].reader
    output_format = choose_format(request.format, request.out, has_alpha=False)
    out = choose_render_path(request, synthesized_file_name(request.source, output_format), output_format)
    model = model_loader.load(
        checkpoint,
        request,
        out,
        has_real_frames=_has_real_frames(request, sources),
        num_frames=sum(source.reader.num_frames or 0 for source in sources),
        emit=emit,
    )
    model = replace(model, bit_depth=output_format.bit_depth)
    identity = identify_render(checkpoint.path, request)
    output = VideoOutput(
        out,
        compare_path(out) if request.compare else None,
        reader.fps,
        output_format=output_format,
        identity=identity.to_manifest(request.source, model.hardware, sources[0].conditioners),
        resume=request.resume,
        audio_path=sources[0].path if len(sources) == 1 and reader.probe.has_audio else None,
        audio_start=float(reader.start_seconds + model.initial_frame.num_given_frames / reader.fps),
        comment=identity.to_comment(),
        layers=request.save,
    )
    result = render_sources(
        sources, model, label_edits, output, retarget=request.retarget, stage="synthesize", emit=emit
    )
    return result, model


def _is_dataset(request: SynthesizeRequest) -> bool:
    if not request.source.exists():
        raise MissingFileError(
            f"{request.source} does not exist.", "Name a dataset, such as datasets/video, or a label video."
        )
    return (request.source / MANIFEST_FILE_NAME).is_file()


def _has_real_frames(request: SynthesizeRequest, sources: Sequence[SourceVideo]) -> bool:
    """Whether the sources are the sequences of another program's dataset with the images that belong to its labels."""
    return parse_layout(request.source) is not None and all(source.has_frames for source in sources)


def _open_label_sources(request: SynthesizeRequest, checkpoint: CheckpointFile) -> list[SourceVideo]:
    if checkpoint.metadata.model in FRAME_MODELS:
        raise ConfigError(
            f"{checkpoint.path} (model={checkpoint.metadata.model}) translates frames; it has no labels to render.",
            f"Use it with: {shell_command('vid2vid', 'transfer', request.source, '--target', checkpoint.path)}",
        )
    return open_label_sources(
        request.source,
        checkpoint.metadata,
        checkpoint.path,
        request.options,
        split=request.split,
        time_range=_time_range(request),
    )


def _time_range(request: SynthesizeRequest) -> TimeRange:
    return TimeRange(request.start, request.end, request.max_frames)


def _dataset_edits(request: SynthesizeRequest, training_data: TrainingData) -> LabelEdits:
    dataset, parsed_edits = training_data.dataset, parse_edits(request.replace, request.remove)
    label_edits = LabelEdits(parsed_edits, training_data.conditioners, dataset.fps)
    label_edits.check_boxes([(dataset.height, dataset.width)])
    return label_edits


def _open_dataset(request: SynthesizeRequest, checkpoint: CheckpointFile) -> tuple[TrainingData, list[FrameRange]]:
    if request.options:
        raise ConfigError(
            f"{request.source} is a dataset; its conditioner options were set by `prepare`.",
            "Remove --conditioner-option.",
        )
    training_data = open_data_for_checkpoint(request.source, checkpoint.metadata, checkpoint.path)
    return training_data, select_frame_ranges(training_data.dataset, request.split, _time_range(request))
