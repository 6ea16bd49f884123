"""The whole way with a picture that is neither square nor even nor a multiple of anything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.dots_conditioner import PLUGINS
from helpers.factories import COUNT, Counting, blob_frame, make_film, tiny_config
from helpers.video_files import make_clip

from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.engine.checkpoint import load_info
from vid2vid_cli.engine.events import silent
from vid2vid_cli.media.images import load_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines import transfer as transferring
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, plan_train, train
from vid2vid_cli.pipelines.transfer import TransferRequest, plan_transfer, transfer

HEIGHT, WIDTH = 29, 37


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset of dots and edges, and a run of two steps on it at 37 x 29."""
    folder = tmp_path_factory.mktemp("shapes")
    settings = tiny_config(
        data={"size": HEIGHT, "aspect": WIDTH / HEIGHT, "shift": 0.1, "zoom": 0.1},
        discriminator={"scales": 2, "layers": 2, "width": 4},
        schedule={"steps": 2},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VID2VID_PLUGINS", PLUGINS)
        data = prepare(PrepareRequest((make_film(folder / "a.mp4"),), ("dots", "edges"), folder / "a"), silent).path
        request = TrainRequest(settings, "tiny", data, folder / "run", device="cpu")
        assert dict(plan_train(request).rows)["picture"] == "37x29, focus"
        return data, train(request, silent).path


@pytest.fixture(autouse=True)
def _dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", PLUGINS)
    monkeypatch.chdir(tmp_path)


def pictures(path: Path) -> list[np.ndarray]:
    """The frames of an H.264 video of odd size: an edge of one pixel is not part of the picture."""
    frames = list(VideoReader(path))
    assert {frame.shape for frame in frames} == {(HEIGHT + 1, WIDTH + 1, 3)}
    return [frame[:HEIGHT, :WIDTH] for frame in frames]


def test_trained_and_sampled(trained: tuple[Path, Path]) -> None:
    info = load_info(trained[1] / "run.ckpt")
    assert info.picture == (HEIGHT, WIDTH)
    assert load_png(trained[1] / "samples" / "step_0000002.png").shape[0] > 5 * HEIGHT


def test_synthesized_and_measured(trained: tuple[Path, Path]) -> None:
    data, run = trained
    done = synthesize(SynthesizeRequest(run, data, device="cpu", precision="fp32"), silent)
    assert len(pictures(done.path)) == COUNT
    measured = evaluate(EvaluateRequest(run, data, Path("e.json"), "cpu"), silent).metrics
    assert measured["psnr"] > 0
    # What was found on the frames lies, through the view, where it is found on the pictures of them.
    assert measured["dots_found_real"] == 1
    assert measured["dot_distance_real"] < 1.5, "a part of the disc lies outside, and colours are coded coarsely"
    assert measured["dots_found"] == 0, "two steps teach nobody to draw a disc"
    assert "dot_distance" not in measured
    assert not [name for name in measured if name.startswith("edges")]


def test_transferred(trained: tuple[Path, Path]) -> None:
    """From a source of another shape, higher than wide."""
    make_clip(Path("b.mov"), [blob_frame(n, 61, 40) for n in range(5)], 25, codec="png", pixels="rgb24")
    request = TransferRequest(Path("b.mov"), trained[1], device="cpu", precision="fp32")
    assert dict(plan_transfer(request).rows) | {"video": ""} == {
        "source": "b.mov, about 5 frames at 25 fps",
        "target": "run, 37x29",
        "conditioners": "dots, edges",
        "retargeted": "dots",
        "begins with": "nothing",
        "video": "",
    }
    assert len(pictures(transfer(request, silent).path)) == 5


class Brightening(Counting):
    """Answers the last frame, a little brighter: how bright a frame is says how many came before it."""

    def __call__(self, window: torch.Tensor, past: Sequence[torch.Tensor], first: bool = False) -> FrameOutput:
        image = super().__call__(window, past, first).image - 0.9
        return FrameOutput(image, image)


def test_at_a_cut_the_recursion_begins_anew(trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [blob_frame(n) for n in range(4)], [255 - blob_frame(n) for n in range(5)], [blob_frame(0)] * 2
    make_clip(Path("cuts.mov"), list(chain(*shown)), 25, codec="png", pixels="rgb24")
    generator = Brightening()
    monkeypatch.setattr(transferring, "load_checkpoint", lambda *_: (generator, None))
    request = TransferRequest(Path("cuts.mov"), trained[1], device="cpu", precision="fp32", compare=False)
    levels = [float(frame.mean()) for frame in pictures(transfer(request, silent).path)]
    assert levels == pytest.approx([127.5 * (1 + 0.1 * n) for n in (1, 2, 3, 4, 1, 2, 3, 4, 5, 1, 2)], abs=3)
    assert generator.firsts == [n in (0, 4, 9) for n in range(11)]
