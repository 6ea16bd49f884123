"""`export`: writes the generator of a checkpoint as ONNX, and compares it with torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from vid2vid_cli.core.errors import ConfigError, ExportCheckError
from vid2vid_cli.core.types import FrameReferences
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ignore_events
from vid2vid_cli.engine.hub import output_folder
from vid2vid_cli.engine.onnx_export import ExportableGenerator, check_exportable, example_inputs, export_graph
from vid2vid_cli.engine.onnx_files import is_exported, save_export_metadata
from vid2vid_cli.engine.onnx_generator import OnnxGenerator
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.media.files import atomic_write
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.rendering.checkpoint_file import open_checkpoint
from vid2vid_cli.rendering.dataset_clips import read_annotated_frames
from vid2vid_cli.rendering.loaded_model import LoadedModel, load_model
from vid2vid_cli.rendering.output_path import choose_output_path
from vid2vid_cli.requests.export import ExportRequest
from vid2vid_cli.requests.render import StyleOptions
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint

__all__ = ["ExportRequest", "ExportResult", "export"]
MIN_PSNR = 50.0
"""Smallest PSNR in dB of a frame of the exported generator against torch."""
NUM_CHECKED_FRAMES = 12


@dataclass(frozen=True)
class ExportResult:
    """The exported file, and the result of --check."""

    path: Path
    num_bytes: int
    min_psnr: float | None = None
    """dB over the compared frames; None without --check."""
    num_checked_frames: int = 0


def export(request: ExportRequest, on_event: EventHandler) -> ExportResult:
    """Write NAME.onnx and NAME.onnx.meta.

    Raises MissingPackageError, ConfigError (a model that cannot be exported), ExportCheckError, OutputExistsError,
    DiskFullError, PermissionDeniedError, and the errors of opening a checkpoint and a dataset.
    """
    checkpoint = open_checkpoint(request.checkpoint, "frames")
    if is_exported(checkpoint.path):
        raise ConfigError(f"{checkpoint.path} is an exported file already.", "Give the .ckpt that it was made of.")
    default = output_folder(checkpoint.path) / f"{checkpoint.path.stem}.onnx"
    out = choose_output_path(request.out, default, overwrite=request.overwrite, compare=False)
    model = load_model(checkpoint, "cpu", "fp32")
    generator = _exportable(model, half=request.half)
    if model.reference_bank is not None:
        on_event(
            InfoEvent(f"{out}.meta contains {len(model.reference_bank)} frames of the training video: share it as such")
        )
    entries = save_export_metadata(out, model.metadata, checkpoint.path)
    on_event(InfoEvent(f"exporting {checkpoint.path}; this takes about a minute"))
    atomic_write(out, lambda temp_path: export_graph(generator, temp_path, half=request.half, metadata=entries))
    result = ExportResult(out, out.stat().st_size)
    if not request.check:
        return result
    exported = load_model(open_checkpoint(out, "frames"), "cpu", "auto")
    frames_psnr = _compare(request, model, exported)
    if not min(frames_psnr) >= MIN_PSNR:
        raise ExportCheckError(
            f"{out} differs from torch: frame {frames_psnr.index(min(frames_psnr)) + 1} of {len(frames_psnr)} has "
            f"{min(frames_psnr):.1f} dB PSNR, less than {MIN_PSNR:.0f} dB.",
            "Export without --half." if request.half else "Use the .ckpt, and report this checkpoint.",
        )
    return ExportResult(out, result.num_bytes, min(frames_psnr), len(frames_psnr))


def _exportable(model: LoadedModel, *, half: bool = False) -> ExportableGenerator:
    assert not isinstance(model.generator, OnnxGenerator)
    return check_exportable(model.generator, str(model.path), half=half)


def _compare(request: ExportRequest, model: LoadedModel, exported: LoadedModel) -> list[float]:
    """PSNR in dB of each frame; at most 100, that of images which are equal to 8 bits."""
    if request.data is None:
        pairs = zip(_random_rollout(model, model.generator), _random_rollout(model, exported.generator), strict=True)
    else:
        pairs = zip(_render(request.data, model), _render(request.data, exported), strict=True)
    return [min(float(psnr(first, second)), 100.0) for first, second in pairs]


def _render(data: Path, model: LoadedModel) -> Iterator[torch.Tensor]:
    """The first frames of a dataset, generated as in `synthesize`, (1, 3, h, w)."""
    training_data = open_data_for_checkpoint(data, model.metadata, model.path)
    ready_model = model.with_options(StyleOptions(), "zeros", has_real_frames=True, emit=ignore_events)
    renderer = ready_model.renderer(training_data.conditioners, training_data.views)
    frame_range = training_data.dataset.frame_ranges("all")[0]
    annotated_frames = islice(read_annotated_frames(training_data, frame_range), NUM_CHECKED_FRAMES)
    for rendered_frame in renderer.render(annotated_frames):
        yield frame_to_tensor(rendered_frame.image)[None]


@torch.inference_mode()
def _random_rollout(model: LoadedModel, generator: SequentialGenerator) -> list[torch.Tensor]:
    """Frames for random conditions and references, the same for each generator, (1, 3, h, w)."""
    rng = torch.Generator().manual_seed(0)
    inputs, _ = example_inputs(_exportable(model), model.metadata.output_size)

    def draw(name: str) -> torch.Tensor:
        return torch.rand(inputs[name].shape, generator=rng) * 2 - 1

    conditions = [draw("window")[:, -1] for _ in range(NUM_CHECKED_FRAMES)]
    references = None
    if "reference_images" in inputs:
        images, static_images = draw("reference_images"), draw("reference_static_images")
        references = [
            FrameReferences(
                images,
                static_images,
                draw("reference_positions"),
                inputs["reference_weights"],
                draw("reference_log_weights"),
            )
            for _ in conditions
        ]
    return [output.image for output in rollout(generator, conditions, references=references)]
