"""`transfer`: renders the motion of a source video with a target's checkpoint, with the audio of the source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vid2vid_cli.conditioning.person import add_person_option
from vid2vid_cli.conditioning.requirements import check_conditioners
from vid2vid_cli.core.errors import NotAVideoError
from vid2vid_cli.core.paths import shell_command, shorten_name
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.engine.events import EventHandler, WarningRecorder
from vid2vid_cli.media.output_formats import OutputFormat
from vid2vid_cli.rendering.background import PasteOptions, parse_background, subject_index
from vid2vid_cli.rendering.checkpoint_file import check_direction, direction_rows, open_checkpoint
from vid2vid_cli.rendering.initial_frame import choose_initial_frame
from vid2vid_cli.rendering.label_edits import build_label_edits
from vid2vid_cli.rendering.layers import check_layers
from vid2vid_cli.rendering.model_loader import ModelLoader, check_hardware
from vid2vid_cli.rendering.output_path import choose_format, choose_render_path, compare_path, output_rows
from vid2vid_cli.rendering.render_identity import identify_render
from vid2vid_cli.rendering.render_source import render_sources
from vid2vid_cli.rendering.report import finish_render
from vid2vid_cli.rendering.source_conditioners import load_source_conditioners, require_input_files
from vid2vid_cli.rendering.source_reader import open_full_reader, open_source_reader
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.rendering.style_options import parse_styles
from vid2vid_cli.rendering.video_output import RenderResult, VideoOutput
from vid2vid_cli.requests.render import TransferRequest

__all__ = ["TransferRequest", "plan_transfer", "transfer"]


def plan_transfer(request: TransferRequest) -> DryRun:
    """The plan of `transfer`; writes nothing. Raises the errors of `transfer` that do not depend on frames."""
    checkpoint = open_checkpoint(request.target, "frames")
    check_direction(checkpoint, request.direction)
    metadata = checkpoint.metadata
    check_layers(request.save, metadata, checkpoint.path)
    source = _open_source(request, metadata)
    check_hardware(checkpoint, request)
    parse_styles(request.style_options, metadata)
    paste = _paste_options(request, source)
    output_format = _choose_format(request)
    label_edits = build_label_edits([source], request.replace, request.remove)
    initial_frame = choose_initial_frame(request.initial_frame, metadata, checkpoint.path, has_real_frames=False)
    retargeted_names = [
        conditioner.spec.name
        for conditioner in source.conditioners
        if conditioner.supports_retargeting and request.retarget
    ]
    return DryRun(
        (
            ("source", f"{request.source}, about {source.reader.num_frames} frames at {source.reader.fps} fps"),
            ("target", checkpoint.size_text),
            *direction_rows(metadata, request.direction),
            ("conditioners", ", ".join(conditioner.name for conditioner in metadata.conditioners)),
            ("retargeted", ", ".join(retargeted_names) or "no"),
            *label_edits.dry_run_rows(),
            *initial_frame.dry_run_rows(),
            *request.style_options.dry_run_rows(),
            *(() if paste is None else (("background", paste.describe(source.decoded_reader)),)),
            *output_rows(
                choose_render_path(request, transfer_file_name(request.source, metadata, output_format), output_format),
                output_format,
                resume=request.resume,
            ),
        )
    )


def transfer(request: TransferRequest, on_event: EventHandler, model_loader: ModelLoader | None = None) -> RenderResult:
    """Annotate, retarget, generate and encode a video in one stream; memory does not grow with its length.

    Each frame is decoded once, apart from the frames of `SourceVideo.scan`. See `render_sources` for missing
    detections and cuts. `model_loader`: that of earlier requests, whose model is used again.

    Raises MissingFileError, NotAVideoError and the other errors of reading a video, NoDetectionError, ConfigError,
    InputFileMismatchError, LabelFileError, ForeignCheckpointError, TruncatedCheckpointError, PluginError,
    MissingPackageError, DeviceError, DiskFullError, PermissionDeniedError.
    """
    emit = WarningRecorder(on_event)
    checkpoint = open_checkpoint(request.target, "frames")
    check_direction(checkpoint, request.direction)
    source = _open_source(request, checkpoint.metadata)
    paste = _paste_options(request, source)
    output_format = _choose_format(request)
    label_edits = build_label_edits([source], request.replace, request.remove)
    out = choose_render_path(
        request, transfer_file_name(request.source, checkpoint.metadata, output_format), output_format
    )
    num_frames = source.reader.num_frames or 0
    model_loader = model_loader or ModelLoader()
    with source.scanned_ahead():
        model = model_loader.load(checkpoint, request, out, has_real_frames=False, num_frames=num_frames, emit=emit)
        identity = identify_render(checkpoint.path, request)
        output = VideoOutput(
            out,
            compare_path(out) if request.compare else None,
            source.reader.fps,
            output_format=output_format,
            has_alpha=paste is not None and paste.background.kind == "alpha",
            audio_path=request.source,
            audio_start=request.start + float(model.initial_frame.num_given_frames / source.reader.fps),
            comment=identity.to_comment(),
            identity=identity.to_manifest(request.source, model.hardware, source.conditioners),
            resume=request.resume,
            layers=request.save,
        )
        result = render_sources(
            [source],
            replace(model, bit_depth=output_format.bit_depth),
            label_edits,
            output,
            retarget=request.retarget,
            stage="transfer",
            emit=emit,
            paste=paste,
        )
    return finish_render(result, request, model, emit.warnings, on_event)


def _open_source(request: TransferRequest, metadata: CheckpointMetadata) -> SourceVideo:
    if (request.source / MANIFEST_FILE_NAME).is_file():  # its contact sheet would be read as a video of one frame
        raise NotAVideoError(
            f"{request.source} is a dataset, not a video.",
            shell_command("vid2vid", "synthesize", request.target, request.source),
        )
    names = [conditioner.name for conditioner in metadata.conditioners]
    conditioners = load_source_conditioners(metadata, add_person_option(request.options, names, request.person))
    require_input_files(metadata, conditioners)
    check_conditioners(conditioners)
    reader = open_source_reader(
        request.source, metadata, start=request.start, end=request.end, max_frames=request.max_frames
    )
    options = request.background_options
    return SourceVideo(
        request.source,
        reader,
        conditioners,
        keeps_originals=options.keep_size or options.background == "source",
        full_reader=open_full_reader(reader, request) if options.keep_size else None,
    )


def _paste_options(request: TransferRequest, source: SourceVideo) -> PasteOptions | None:
    """How frames are composited; None if they are written as generated. Raises the errors of `parse_background`."""
    options = request.background_options
    background = parse_background(options.background, keep_size=options.keep_size)
    if background.kind == "target":
        return None
    subject_index(source.conditioners, f"--background {options.background}" if options.background else "--keep-size")
    return PasteOptions(background, options.keep_size, options.match_colours)


def _choose_format(request: TransferRequest) -> OutputFormat:
    """The format of the written video. Raises the errors of `choose_format`."""
    return choose_format(request.format, request.out, has_alpha=request.background_options.background == "alpha")


def transfer_file_name(source: Path, metadata: CheckpointMetadata, output_format: OutputFormat) -> Path:
    """The default name of the video, <source>_as_<target>.mp4, or of the folder of images."""
    stem = f"{shorten_name(source.resolve().stem)}_as_{shorten_name(metadata.name, 60)}"
    return Path(stem + "".join(output_format.suffixes[:1]))
