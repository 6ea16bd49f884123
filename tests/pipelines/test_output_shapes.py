"""All commands with frames of 37 x 29 pixels: not square, not even, not a multiple of a power of two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.dots_conditioner import DOTS_PLUGIN
from helpers.factories import NUM_FRAMES, CountingGenerator, blob_frame, make_blob_video, tiny_config
from helpers.video_files import write_video

from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.images import load_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, plan_train, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.pipelines.transfer_plan import plan_transfer
from vid2vid_cli.rendering import loaded_model

HEIGHT, WIDTH = 29, 37


@pytest.fixture(scope="module")
def dataset_and_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset of dots and edges, and a run of two steps on it at 37 x 29 pixels."""
    folder = tmp_path_factory.mktemp("shapes")
    settings = tiny_config(
        data={"height": HEIGHT, "aspect_ratio": WIDTH / HEIGHT},
        augmentation={"max_translate": 0.1, "max_zoom": 0.1},
        image_discriminator={"num_scales": 2, "num_layers": 2, "base_channels": 4},
        schedule={"max_steps": 2},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)
        data = prepare(
            PrepareRequest((make_blob_video(folder / "a.mp4"),), ("dots", "edges"), folder / "a"), ignore_events
        ).path
        request = TrainRequest(settings, "tiny", data, folder / "run", device="cpu")
        assert dict(plan_train(request).rows)["image size"].startswith("37x29 of 56x40: ")
        return data, train(request, ignore_events).path


@pytest.fixture(autouse=True)
def _dots_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)
    monkeypatch.chdir(tmp_path)


def read_frames(path: Path) -> list[np.ndarray]:
    """The frames of an H.264 video of odd size, without the row and column that pad it to an even size."""
    frames = list(VideoReader(path))
    assert {frame.shape for frame in frames} == {(HEIGHT + 1, WIDTH + 1, 3)}
    return [frame[:HEIGHT, :WIDTH] for frame in frames]


def test_train_keeps_odd_image_size(dataset_and_run: tuple[Path, Path]) -> None:
    metadata = load_metadata(dataset_and_run[1] / "run.ckpt")
    assert metadata.output_size == (HEIGHT, WIDTH)
    assert load_png(dataset_and_run[1] / "samples" / "step_0000002.png").shape[0] > 5 * HEIGHT


def test_synthesize_and_evaluate_odd_image_size(dataset_and_run: tuple[Path, Path]) -> None:
    data, run = dataset_and_run
    result = synthesize(SynthesizeRequest(run, data, device="cpu", precision="fp32"), ignore_events)
    assert len(read_frames(result.path)) == NUM_FRAMES
    metrics = evaluate(EvaluateRequest(run, data, Path("e"), device="cpu"), ignore_events).metrics
    assert metrics["psnr"] > 0
    # Annotations transformed by the view match detections on the cropped frames.
    assert metrics["dots_found_real"] == 1
    assert metrics["dot_distance_real"] < 1.5, "a part of the disc lies outside, and JPEG changes colours"
    assert metrics["dots_found"] == 0, "two training steps do not generate a disc"
    assert "dot_distance" not in metrics
    assert not [name for name in metrics if name.startswith("edges")]


def test_transfer_keeps_odd_image_size(dataset_and_run: tuple[Path, Path]) -> None:
    """From a portrait source."""
    write_video(Path("b.mov"), [blob_frame(n, 61, 40) for n in range(5)], 25, codec="png", pixel_format="rgb24")
    request = TransferRequest(Path("b.mov"), dataset_and_run[1], device="cpu", precision="fp32")
    assert dict(plan_transfer(request).rows) | {"video": ""} == {
        "source": "b.mov, about 5 frames at 25 fps",
        "target": "run, 37x29",
        "conditioners": "dots, edges",
        "retargeted": "dots",
        "initial frame": "zeros",
        "video": "",
        "format": "MP4 (H.264)",
    }
    assert len(read_frames(transfer(request, ignore_events).path)) == 5


class BrighteningGenerator(CountingGenerator):
    """Returns the last frame plus 0.1: the brightness of a frame gives the number of its past frames."""

    def __call__(self, window: torch.Tensor, past: Sequence[torch.Tensor], is_first_frame: bool = False) -> FrameOutput:
        image = super().__call__(window, past, is_first_frame).image - 0.9
        return FrameOutput(image, image)


def test_transfer_resets_recursion_at_cuts(dataset_and_run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    shots = [blob_frame(n) for n in range(4)], [255 - blob_frame(n) for n in range(5)], [blob_frame(0)] * 2
    write_video(Path("cuts.mov"), list(chain(*shots)), 25, codec="png", pixel_format="rgb24")
    generator = BrighteningGenerator()
    monkeypatch.setattr(loaded_model, "load_checkpoint", lambda *_: (generator, None))
    request = TransferRequest(Path("cuts.mov"), dataset_and_run[1], device="cpu", precision="fp32", compare=False)
    levels = [float(frame.mean()) for frame in read_frames(transfer(request, ignore_events).path)]
    assert levels == pytest.approx([127.5 * (1 + 0.1 * n) for n in (1, 2, 3, 4, 1, 2, 3, 4, 5, 1, 2)], abs=3)
    assert generator.first_frame_flags == [n in (0, 4, 9) for n in range(11)]
