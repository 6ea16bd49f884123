"""Renders the video of `transfer`."""

from __future__ import annotations

from dataclasses import replace

from vid2vid_cli.engine.events import EventHandler, WarningRecorder
from vid2vid_cli.media.output_formats import OutputFormat
from vid2vid_cli.rendering.background import PasteOptions, parse_background, subject_index
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile
from vid2vid_cli.rendering.label_edits import build_label_edits
from vid2vid_cli.rendering.model_loader import ModelLoader
from vid2vid_cli.rendering.output_path import choose_format, choose_render_path, compare_path, transfer_file_name
from vid2vid_cli.rendering.render_identity import identify_render
from vid2vid_cli.rendering.render_source import render_sources
from vid2vid_cli.rendering.report import finish_render
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.rendering.video_output import RenderResult, VideoOutput
from vid2vid_cli.requests.render import TransferRequest


def render_transfer(
    request: TransferRequest,
    checkpoint: CheckpointFile,
    source: SourceVideo,
    on_event: EventHandler,
    *,
    model_loader: ModelLoader | None,
) -> RenderResult:
    """Render `source` with a checkpoint; raises the errors of `transfer`."""
    emit = WarningRecorder(on_event)
    paste = choose_paste_options(request, source)
    output_format = choose_transfer_format(request)
    label_edits = build_label_edits([source], request.replace, request.remove)
    out = choose_render_path(
        request, transfer_file_name(request.source, checkpoint.metadata, output_format), output_format
    )
    num_frames = source.reader.num_frames or 0
    model_loader = model_loader or ModelLoader()
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


def choose_paste_options(request: TransferRequest, source: SourceVideo) -> PasteOptions | None:
    """How frames are composited; None if they are written as generated. Raises the errors of `parse_background`."""
    options = request.background_options
    background = parse_background(options.background, keep_size=options.keep_size)
    if background.kind == "target":
        return None
    subject_index(source.conditioners, f"--background {options.background}" if options.background else "--keep-size")
    return PasteOptions(background, options.keep_size, options.match_colours)


def choose_transfer_format(request: TransferRequest) -> OutputFormat:
    """The format of the written video. Raises the errors of `choose_format`."""
    return choose_format(request.format, request.out, has_alpha=request.background_options.background == "alpha")
