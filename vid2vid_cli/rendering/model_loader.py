"""Loading the models of requests that render video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile
from vid2vid_cli.rendering.hardware import choose_hardware
from vid2vid_cli.rendering.layers import check_layers
from vid2vid_cli.rendering.loaded_model import COMPILE_NOTICE, LoadedModel, load_model
from vid2vid_cli.rendering.render_identity import RenderIdentity
from vid2vid_cli.rendering.unfinished_video import read_identity
from vid2vid_cli.requests.live import LiveRequest
from vid2vid_cli.requests.render import SynthesizeRequest, TransferRequest


def check_hardware(checkpoint: CheckpointFile, request: SynthesizeRequest | TransferRequest) -> None:
    """Raise the errors of `choose_hardware` for the options of a request."""
    choose_hardware(
        checkpoint.path,
        request.device,
        request.precision,
        backend=request.backend,
        provider=request.provider,
        compiled_model=checkpoint.metadata.model if request.compile else "",
    )


def load_requested_model(
    checkpoint: CheckpointFile,
    request: SynthesizeRequest | TransferRequest | LiveRequest,
    emit: EventHandler,
    runtime: Runtime | None = None,
) -> LoadedModel:
    """The model with the hardware options of a request, and a notice if it is compiled; see `load_model`."""
    if request.compile:
        emit(InfoEvent(COMPILE_NOTICE))
    return load_model(
        checkpoint,
        request.device,
        request.precision,
        backend=request.backend,
        provider=request.provider,
        is_compiled=request.compile,
        runtime=runtime,
    )


class ModelLoader:
    """Loads the models of requests. The last one is kept, so that a series of requests loads each model once."""

    def __init__(self) -> None:
        self._loaded: tuple[tuple[object, ...], LoadedModel] | None = None

    def load(
        self,
        checkpoint: CheckpointFile,
        request: SynthesizeRequest | TransferRequest,
        out: Path,
        *,
        has_real_frames: bool,
        num_frames: int,
        emit: EventHandler,
    ) -> LoadedModel:
        """The model with the direction, the styles and the initial frame of a request; see `with_options`.

        Its runtime on a CPU is that of an interrupted command that has begun the video `out`, if the request continues
        it: what is measured could differ.

        Raises the errors of `load_model` and `with_options`.
        """
        check_layers(request.save, checkpoint.metadata, checkpoint.path)
        runtime = RenderIdentity.recorded_runtime(read_identity(out)) if request.resume else None
        key = (
            runtime,
            checkpoint.path,
            request.device,
            request.precision,
            request.backend,
            request.provider,
            request.compile,
        )
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # releases the memory of the previous model
            self._loaded = key, load_requested_model(checkpoint, request, emit, runtime)
        model = replace(self._loaded[1], layers=request.save)
        emit(InfoEvent(f"{request.source} -> {model.metadata.name} on {model.hardware.describe()}"))
        return model.with_direction(request.direction, emit).with_options(
            request.style_options,
            request.initial_frame,
            has_real_frames=has_real_frames,
            num_frames=num_frames,
            emit=emit,
        )
