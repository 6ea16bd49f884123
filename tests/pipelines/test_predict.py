"""`predict`: baselines, label channels, and training and prediction on a moving square."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers.factories import CPU, CountingGenerator, tiny_config
from helpers.video_files import write_video
from torch import Tensor

from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.core.errors import ConfigError, TooFewFramesError
from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.data.manifest import read_manifest, write_manifest
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.predict import PredictRequest, predict
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.forecast import (
    ForecastClip,
    constant_motion_baseline,
    measure_forecast,
    predict_labels,
    render_prediction,
    repeat_last_baseline,
)
from vid2vid_cli.rendering.label_channels import build_label_channels
from vid2vid_cli.training.job import TrainRequest

HEIGHT, WIDTH, NUM_FRAMES = 40, 56, 30
CLASS_COLOURS = np.array([[40, 60, 90], [230, 200, 40]], dtype=np.uint8)


def label_map(index: int) -> np.ndarray:
    """A square that moves two pixels to the right per frame and wraps around."""
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    left = (4 + 2 * index) % (WIDTH - 12)
    labels[12:24, left : left + 12] = 1
    return labels


@pytest.fixture(scope="module")
def moving_square_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of label maps with two classes."""
    folder = tmp_path_factory.mktemp("moving")
    (folder / "maps").mkdir()
    for index in range(NUM_FRAMES):
        cv2.imwrite(str(folder / "maps" / f"{index:03d}.png"), label_map(index))
    write_video(
        folder / "film.mov",
        [CLASS_COLOURS[label_map(i)] for i in range(NUM_FRAMES)],
        25,
        codec="png",
        pixel_format="rgb24",
    )
    options = {"labels": {"input_dir": str(folder / "maps"), "classes": "2"}}
    request = PrepareRequest((folder / "film.mov",), ("labels",), folder / "dataset", options=options)
    return prepare(request, ignore_events).path


@pytest.fixture(scope="module")
def forecast_checkpoint(moving_square_dataset: Path) -> Path:
    """A checkpoint that predicts labels, after a few training steps."""
    config = tiny_config(
        generator={"target": "labels"},
        schedule={"initial_frames": "real", "max_steps": 3, "clip_length": 5},
        data={"aspect_ratio": None},
    )
    out = moving_square_dataset.parent / "future"
    return train(TrainRequest(config, "", moving_square_dataset, out, device="cpu"), ignore_events).checkpoint


@pytest.fixture(scope="module")
def render_checkpoint(moving_square_dataset: Path) -> Path:
    """A checkpoint that generates frames from these labels."""
    config = tiny_config(schedule={"max_steps": 2}, data={"aspect_ratio": None})
    return train(
        TrainRequest(config, "", moving_square_dataset, moving_square_dataset.parent / "frames", device="cpu"),
        ignore_events,
    ).checkpoint


def one_hot_labels(label_maps: Sequence[np.ndarray], num_classes: int = 2) -> Tensor:
    label_ids = torch.from_numpy(np.stack(label_maps)).long()
    return torch.nn.functional.one_hot(label_ids, num_classes).permute(0, 3, 1, 2).float() * 2 - 1


def make_forecast_clip(past_indices: Sequence[int], next_indices: Sequence[int] = ()) -> ForecastClip:
    def stack_frames(indices: Sequence[int]) -> Tensor:
        return (
            torch.from_numpy(np.stack([CLASS_COLOURS[label_map(i)] for i in indices])).permute(0, 3, 1, 2) / 127.5 - 1
        )

    past_tensors = (one_hot_labels([label_map(i) for i in past_indices]), stack_frames(past_indices))
    return ForecastClip(
        *past_tensors,
        *((one_hot_labels([label_map(i) for i in next_indices]), stack_frames(next_indices)) if next_indices else ()),
    )


TWO_CLASS_CHANNELS = build_label_channels(
    load_conditioners([("labels", {"format": "ids", "classes": "2", "input_dir": "."})])
)


def test_constant_motion_baseline_beats_repeat_last() -> None:
    clip = make_forecast_clip([0, 1], [2, 3, 4])
    repeat_last, constant_motion = (
        measure_forecast(baseline, clip, TWO_CLASS_CHANNELS)
        for baseline in (repeat_last_baseline(clip, 3), constant_motion_baseline(clip, 3))
    )
    assert repeat_last["iou"].tolist() == sorted(repeat_last["iou"].tolist(), reverse=True)
    assert repeat_last["iou"][0] < 95 < constant_motion["iou"][0]
    assert constant_motion["psnr"].mean() > repeat_last["psnr"].mean() + 3


def test_repeat_last_baseline_is_exact_for_still_clip() -> None:
    clip = make_forecast_clip([5, 5], [5, 5])
    metrics = measure_forecast(repeat_last_baseline(clip, 2), clip, TWO_CLASS_CHANNELS)
    assert metrics["iou"].tolist() == [100, 100]
    assert metrics["psnr"].isinf().all()


def test_predict_labels_feeds_back_predictions() -> None:
    past_labels = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 5, 6, 7)
    generator = CountingGenerator()
    assert predict_labels(generator, past_labels, 3, CPU)[:, 0, 0, 0].tolist() == [4, 5, 6]
    assert [past[0, :, 0, 0, 0].tolist() for past in generator.past_inputs] == [[2, 3], [3, 4], [4, 5]]


def test_render_prediction_continues_from_real_frames() -> None:
    clip = ForecastClip(torch.zeros(2, 1, 4, 4), torch.full((2, 3, 4, 4), 7.0))
    generator = CountingGenerator()
    assert render_prediction(generator, clip, torch.ones(2, 1, 4, 4), CPU)[:, 0, 0, 0].tolist() == [8, 9]
    assert [window[0, :, 0, 0, 0].tolist() for window in generator.window_inputs] == [[0, 0, 1], [0, 1, 1]]

    class FrameWise:
        num_scales, past_frames, window_size = 1, 0, 1

        def __call__(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
            return FrameOutput(window[:, 0].expand(-1, 3, -1, -1), window[:, 0])

    assert render_prediction(FrameWise(), clip, torch.ones(2, 1, 4, 4), CPU).tolist() == torch.ones(2, 3, 4, 4).tolist()


def test_label_channels_to_one_hot_and_iou() -> None:
    scores = torch.tensor([[[[0.2, -0.9]], [[0.1, -0.5]]]])
    assert TWO_CLASS_CHANNELS.to_one_hot(scores).tolist() == [[[[1, -1]], [[-1, 1]]]]
    assert TWO_CLASS_CHANNELS.measure_iou(scores, TWO_CLASS_CHANNELS.to_one_hot(scores)).tolist() == [100]
    assert TWO_CLASS_CHANNELS.visualize(scores[0]).shape == (1, 2, 3)


def test_predict_dataset_end_to_end(
    moving_square_dataset: Path, forecast_checkpoint: Path, render_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "future.mp4"
    result = predict(
        PredictRequest(
            forecast_checkpoint,
            moving_square_dataset,
            num_frames=2,
            renderer=render_checkpoint,
            out=out,
            device="cpu",
            split="all",
        ),
        ignore_events,
    )
    names = {
        f"{metric}{baseline}{frame}"
        for metric in ("iou", "psnr")
        for baseline in ("", "_still", "_moving")
        for frame in ("", "_last")
    }
    assert result.metrics.keys() == names
    assert all(0 <= result.metrics[name] <= 100 for name in names)
    assert json.loads(out.with_suffix(".json").read_text())["iou"] == result.metrics["iou"]
    assert sum(1 for _ in VideoReader(out)) == result.num_frames > 10


@pytest.mark.slow
@pytest.mark.parametrize(("num_val_frames", "is_accepted"), [(1, False), (2, False), (3, True)])
def test_train_refuses_too_few_frames_for_prediction(
    moving_square_dataset: Path, tmp_path: Path, num_val_frames: int, is_accepted: bool
) -> None:
    """The first past frames are given; a frame that follows them is needed to measure the training."""
    dataset = tmp_path / "dataset"
    shutil.copytree(moving_square_dataset, dataset)
    manifest = read_manifest(dataset)
    splits = manifest.splits.model_copy(update={"val": ((0, NUM_FRAMES - num_val_frames, NUM_FRAMES),)})
    write_manifest(dataset, manifest.model_copy(update={"splits": splits}))
    config = tiny_config(
        generator={"target": "labels", "past_frames": 2},
        schedule={"initial_frames": "real", "max_steps": 1, "clip_length": 5},
        data={"aspect_ratio": None},
    )
    request = TrainRequest(config, "", dataset, tmp_path / "run", device="cpu")
    if is_accepted:
        assert train(request, ignore_events).checkpoint.is_file()
        return
    with pytest.raises(TooFewFramesError, match=f"at most {num_val_frames} .* needs 3"):
        train(request, ignore_events)
    assert not (tmp_path / "run").exists()


def test_predict_trained_model_beats_repeat_last(moving_square_dataset: Path, tmp_path: Path) -> None:
    """The IoU on the validation split exceeds that of the repeated last frame."""
    config = tiny_config(
        generator={"target": "labels", "base_channels": 8, "flow_multiplier": 4.0},
        schedule={"initial_frames": "real", "max_steps": 60, "clip_length": 5, "clip_growth_interval": 1000},
        losses={"l1": 20.0, "temporal_adversarial": 0.0, "temporal_feature_matching": 0.0},
        optimizer={"lr": 2e-3, "ema_decay": 0.9},
        data={"height": 40, "aspect_ratio": None},
        checkpoint={"save_interval": 1000, "sample_interval": 1000},
    )
    train_result = train(TrainRequest(config, "", moving_square_dataset, tmp_path / "run", device="cpu"), ignore_events)
    result = predict(
        PredictRequest(
            train_result.checkpoint, moving_square_dataset, num_frames=1, out=tmp_path / "a.mp4", device="cpu"
        ),
        ignore_events,
    )
    assert result.metrics["iou"] > result.metrics["iou_still"] + 2


def test_predict_continues_label_video(moving_square_dataset: Path, forecast_checkpoint: Path, tmp_path: Path) -> None:
    request = PredictRequest(
        forecast_checkpoint,
        moving_square_dataset.parent / "maps",
        num_frames=4,
        out=tmp_path / "next.mp4",
        device="cpu",
    )
    result = predict(request, ignore_events)
    assert (result.num_frames, dict(result.metrics)) == (4, {})
    assert sum(1 for _ in VideoReader(result.path)) == 4
    assert not result.path.with_suffix(".json").exists()


def test_predict_rejects_incompatible_models(
    moving_square_dataset: Path, forecast_checkpoint: Path, render_checkpoint: Path, dataset: Path
) -> None:
    with pytest.raises(ConfigError, match=r"generator\.target"):
        predict(PredictRequest(render_checkpoint, moving_square_dataset), ignore_events)
    with pytest.raises(ConfigError, match=r"generator\.target"):
        predict(PredictRequest(forecast_checkpoint, moving_square_dataset, renderer=forecast_checkpoint), ignore_events)
    for pipeline, request in (
        (synthesize, SynthesizeRequest(forecast_checkpoint, moving_square_dataset)),
        (evaluate, EvaluateRequest(forecast_checkpoint, moving_square_dataset)),
        (transfer, TransferRequest(moving_square_dataset.parent / "film.mov", forecast_checkpoint)),
    ):
        with pytest.raises(ConfigError, match=r"generator\.target"):
            pipeline(request, ignore_events)  # type: ignore[operator]
    with pytest.raises(TooFewFramesError, match="102"):
        predict(PredictRequest(forecast_checkpoint, moving_square_dataset, num_frames=100), ignore_events)
    config = tiny_config(generator={"target": "labels"}, schedule={"initial_frames": "real"})
    with pytest.raises(ConfigError, match="edges"):
        train(TrainRequest(config, "", dataset), ignore_events)
