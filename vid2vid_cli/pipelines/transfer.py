"""`transfer`: renders the motion of a source video with a target's checkpoint, with the audio of the source.

This module imports no torch, so that the scan of the source starts before torch is imported, which takes as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vid2vid_cli.core.interpreter_settings import paused_garbage_collection
from vid2vid_cli.engine.events import EventHandler
from vid2vid_cli.rendering.checkpoint_file import check_direction, open_checkpoint
from vid2vid_cli.rendering.transfer_source import open_transfer_source
from vid2vid_cli.requests.render import TransferRequest

if TYPE_CHECKING:
    from vid2vid_cli.rendering.model_loader import ModelLoader
    from vid2vid_cli.rendering.video_output import RenderResult

__all__ = ["TransferRequest", "transfer"]


def transfer(request: TransferRequest, on_event: EventHandler, model_loader: ModelLoader | None = None) -> RenderResult:
    """Annotate, retarget, generate and encode a video in one stream; memory does not grow with its length.

    Each frame is decoded once, apart from the frames of `SourceVideo.scan`. See `render_sources` for missing
    detections and cuts. `model_loader`: that of earlier requests, whose model is used again.

    Raises MissingFileError, NotAVideoError and the other errors of reading a video, NoDetectionError, ConfigError,
    InputFileMismatchError, LabelFileError, ForeignCheckpointError, TruncatedCheckpointError, PluginError,
    MissingPackageError, DeviceError, DiskFullError, PermissionDeniedError.
    """
    checkpoint = open_checkpoint(request.target, "frames")
    check_direction(checkpoint, request.direction)
    source = open_transfer_source(request, checkpoint.metadata)
    with source.scanned_ahead():
        with paused_garbage_collection():
            from vid2vid_cli.rendering.transfer_render import render_transfer
        return render_transfer(request, checkpoint, source, on_event, model_loader=model_loader)
