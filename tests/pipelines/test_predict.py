"""Prediction: the guesses by arithmetic, planes as label maps, and the whole way on a thing that moves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers.factories import CPU, Counting, tiny_config
from helpers.video_files import make_clip
from torch import Tensor

from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.core.errors import ConfigError, TooShortError
from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.engine.events import silent
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.predict import PredictRequest, predict
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.forecast import Stretch, draw_on, go_on, keep_moving, measure, stand_still
from vid2vid_cli.rendering.label_channels import planes_of
from vid2vid_cli.training.job import TrainRequest

HEIGHT, WIDTH, COUNT = 40, 56, 30
COLOURS = np.array([[40, 60, 90], [230, 200, 40]], dtype=np.uint8)


def label_map(index: int) -> np.ndarray:
    """A square that goes two pixels to the right each frame, and comes again."""
    found = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    left = (4 + 2 * index) % (WIDTH - 12)
    found[12:24, left : left + 12] = 1
    return found


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of label maps, `labels` with two classes."""
    folder = tmp_path_factory.mktemp("moving")
    (folder / "maps").mkdir()
    for index in range(COUNT):
        cv2.imwrite(str(folder / "maps" / f"{index:03d}.png"), label_map(index))
    make_clip(folder / "film.mov", [COLOURS[label_map(i)] for i in range(COUNT)], 25, codec="png", pixels="rgb24")
    options = {"labels": {"dir": str(folder / "maps"), "classes": "2"}}
    request = PrepareRequest((folder / "film.mov",), ("labels",), folder / "dataset", options=options)
    return prepare(request, silent).path


@pytest.fixture(scope="module")
def trained(moving: Path) -> Path:
    """A run that predicts, a few steps in."""
    config = tiny_config(
        generator={"draws": "labels"}, schedule={"first": "real", "steps": 3, "clip": 5}, data={"aspect": None}
    )
    out = moving.parent / "future"
    return train(TrainRequest(config, "", moving, out, device="cpu"), silent).checkpoint


@pytest.fixture(scope="module")
def drawing(moving: Path) -> Path:
    """A run that draws frames from these labels."""
    config = tiny_config(schedule={"steps": 2}, data={"aspect": None})
    return train(TrainRequest(config, "", moving, moving.parent / "frames", device="cpu"), silent).checkpoint


def planes(maps: Sequence[np.ndarray], classes: int = 2) -> Tensor:
    numbers = torch.from_numpy(np.stack(maps)).long()
    return torch.nn.functional.one_hot(numbers, classes).permute(0, 3, 1, 2).float() * 2 - 1


def stretch(seen: Sequence[int], then: Sequence[int] = ()) -> Stretch:
    def pictures(indices: Sequence[int]) -> Tensor:
        return torch.from_numpy(np.stack([COLOURS[label_map(i)] for i in indices])).permute(0, 3, 1, 2) / 127.5 - 1

    parts = (planes([label_map(i) for i in seen]), pictures(seen))
    return Stretch(*parts, *((planes([label_map(i) for i in then]), pictures(then)) if then else ()))


TWO = planes_of(load_conditioners([("labels", {"kind": "ids", "classes": "2", "dir": "."})]))


def test_what_keeps_its_motion_is_guessed_from_two_frames() -> None:
    clip = stretch([0, 1], [2, 3, 4])
    held, moved = (measure(guess, clip, TWO) for guess in (stand_still(clip, 3), keep_moving(clip, 3)))
    assert held["iou"].tolist() == sorted(held["iou"].tolist(), reverse=True)
    assert held["iou"][0] < 95 < moved["iou"][0]
    assert moved["psnr"].mean() > held["psnr"].mean() + 3


def test_a_clip_that_stands_still_is_guessed_exactly() -> None:
    clip = stretch([5, 5], [5, 5])
    found = measure(stand_still(clip, 2), clip, TWO)
    assert found["iou"].tolist() == [100, 100]
    assert found["psnr"].isinf().all()


def test_each_prediction_follows_from_those_before_it() -> None:
    seen = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 5, 6, 7)
    generator = Counting()
    assert go_on(generator, seen, 3, CPU)[:, 0, 0, 0].tolist() == [4, 5, 6]
    assert [past[0, :, 0, 0, 0].tolist() for past in generator.pasts] == [[2, 3], [3, 4], [4, 5]]


def test_drawing_goes_on_from_the_real_frames_and_their_labels() -> None:
    clip = Stretch(torch.zeros(2, 1, 4, 4), torch.full((2, 3, 4, 4), 7.0))
    generator = Counting()
    assert draw_on(generator, clip, torch.ones(2, 1, 4, 4), CPU)[:, 0, 0, 0].tolist() == [8, 9]
    assert [window[0, :, 0, 0, 0].tolist() for window in generator.windows] == [[0, 0, 1], [0, 1, 1]]

    class FrameWise:
        scales, past, window = 1, 0, 1

        def __call__(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
            return FrameOutput(window[:, 0].expand(-1, 3, -1, -1), window[:, 0])

    assert draw_on(FrameWise(), clip, torch.ones(2, 1, 4, 4), CPU).tolist() == torch.ones(2, 3, 4, 4).tolist()


def test_what_is_predicted_is_made_sure_of() -> None:
    soft = torch.tensor([[[[0.2, -0.9]], [[0.1, -0.5]]]])
    assert TWO.certain(soft).tolist() == [[[[1, -1]], [[-1, 1]]]]
    assert TWO.overlap(soft, TWO.certain(soft)).tolist() == [100]
    assert TWO.picture(soft[0]).shape == (1, 2, 3)


def test_the_whole_way(moving: Path, trained: Path, drawing: Path, tmp_path: Path) -> None:
    out = tmp_path / "future.mp4"
    made = predict(PredictRequest(trained, moving, 2, drawing, out, device="cpu", split="all"), silent)
    names = {
        f"{what}{which}{last}"
        for what in ("iou", "psnr")
        for which in ("", "_still", "_moving")
        for last in ("", "_last")
    }
    assert made.metrics.keys() == names
    assert all(0 <= made.metrics[name] <= 100 for name in names)
    assert json.loads(out.with_suffix(".json").read_text())["iou"] == made.metrics["iou"]
    assert sum(1 for _ in VideoReader(out)) == made.frames > 10


def test_it_learns_what_moves(moving: Path, tmp_path: Path) -> None:
    """Better than the last frame held, on frames that it never saw."""
    config = tiny_config(
        generator={"draws": "labels", "width": 8, "flow_unit": 4.0},
        schedule={"first": "real", "steps": 60, "clip": 5, "grow_every": 1000},
        losses={"pixel": 20.0, "temporal_adversarial": 0.0, "temporal_feature_matching": 0.0},
        optimizer={"rate": 2e-3, "average": 0.9},
        data={"size": 40, "aspect": None},
        output={"save_every": 1000, "sample_every": 1000},
    )
    made = train(TrainRequest(config, "", moving, tmp_path / "run", device="cpu"), silent)
    found = predict(PredictRequest(made.checkpoint, moving, 1, out=tmp_path / "a.mp4", device="cpu"), silent)
    assert found.metrics["iou"] > found.metrics["iou_still"] + 2


def test_after_the_end_of_a_label_video(moving: Path, trained: Path, tmp_path: Path) -> None:
    request = PredictRequest(trained, moving.parent / "maps", 4, out=tmp_path / "next.mp4", device="cpu")
    made = predict(request, silent)
    assert (made.frames, dict(made.metrics)) == (4, {})
    assert sum(1 for _ in VideoReader(made.path)) == 4
    assert not made.path.with_suffix(".json").exists()


def test_what_does_not_go_together_is_said(moving: Path, trained: Path, drawing: Path, dataset: Path) -> None:
    with pytest.raises(ConfigError, match="draws frames from labels"):
        predict(PredictRequest(drawing, moving), silent)
    with pytest.raises(ConfigError, match="predicts the next label maps"):
        predict(PredictRequest(trained, moving, render=trained), silent)
    for work, request in (
        (synthesize, SynthesizeRequest(trained, moving)),
        (evaluate, EvaluateRequest(trained, moving)),
        (transfer, TransferRequest(moving.parent / "film.mov", trained)),
    ):
        with pytest.raises(ConfigError, match="it draws no frames"):
            work(request, silent)  # type: ignore[operator]
    with pytest.raises(TooShortError, match="the longest stretch has"):
        predict(PredictRequest(trained, moving, 100), silent)
    config = tiny_config(generator={"draws": "labels"}, schedule={"first": "real"})
    with pytest.raises(ConfigError, match="goes on with label maps, and edges draws none"):
        train(TrainRequest(config, "", dataset), silent)
