"""Stochastic video prediction through the pipelines: train, predict and evaluate, and their errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import blob_frame, tiny_config
from helpers.video_files import write_video

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, TooFewFramesError
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateModelsRequest, EvaluateRequest, evaluate
from vid2vid_cli.pipelines.predict import PredictRequest, predict
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer

VIDEO_FRAMES = 40


def savp_config(settings: dict[str, Any] | None = None) -> Config:
    return tiny_config().with_settings(
        {
            "model": "savp",
            "generator.kind": "savp",
            "generator.target": "future_frames",
            "generator.flow": False,
            "generator.num_downsamples": 2,
            "generator.latent_channels": 2,
            "schedule.initial_frames": "real",
            "schedule.max_clip_length": 4,
            "savp.discriminator_channels": 4,
            **(settings or {}),
        }
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [blob_frame(index) for index in range(VIDEO_FRAMES)]
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", frames, 25)


@pytest.fixture(scope="module")
def dataset(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "frames"
    return prepare(PrepareRequest((clip,), ("none",), out), ignore_events).path


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "stochastic"
    result = train(TrainRequest(savp_config(), "savp", dataset, out, device="cpu"), ignore_events)
    assert "PSNR of predicted validation frames (dB)" in result.metrics
    assert "the last known frame" in result.comparison.replace("repeating the last", "the last")
    return result.path


@pytest.fixture(scope="module")
def deterministic_run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "deterministic"
    settings = {"generator.latent_channels": 0, "losses.prior_adversarial": 0}
    request = TrainRequest(savp_config(settings), "savp", dataset, out, device="cpu")
    return train(request, ignore_events).path


def read_frames(path: Path) -> list[np.ndarray]:
    return list(VideoReader(path))


def mean_difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(np.int16) - second).mean())


def test_train_writes_samples_and_a_checkpoint_of_the_model(run: Path) -> None:
    metadata = load_metadata(run / "stochastic.ckpt")
    assert (metadata.model, metadata.generator.target) == ("savp", "future_frames")
    assert len(list((run / "samples").glob("*.png"))) == 2


def test_predict_writes_the_continued_clip_of_each_sample(run: Path, clip: Path, tmp_path: Path) -> None:
    request = PredictRequest(run, clip, num_frames=6, num_samples=3, out=tmp_path / "next.mp4", device="cpu")
    result = predict(request, ignore_events)
    assert [path.name for path in result.sample_paths] == [f"next_sample{number}.mp4" for number in (1, 2, 3)]
    videos = [read_frames(path) for path in result.sample_paths]
    assert {len(frames) for frames in videos} == {VIDEO_FRAMES + 6}
    assert videos[0][0].shape == (24, 24, 3)
    assert all(mean_difference(frames[5], videos[0][5]) < 3 for frames in videos)  # H.264 is lossy
    comparison = read_frames(result.path)
    assert len(comparison) == 2 + 6
    assert comparison[0].shape[0] >= 128
    again = predict(request, ignore_events)
    assert (again.path.name, again.sample_paths[0].name) == ("next-2.mp4", "next-2_sample1.mp4")
    # x264 encodes frames of 24 pixels differently each time: it reads beyond the width.
    assert mean_difference(read_frames(again.sample_paths[2])[-1], videos[2][-1]) < 3


def test_predict_of_a_deterministic_model_writes_one_clip(deterministic_run: Path, clip: Path, tmp_path: Path) -> None:
    request = PredictRequest(deterministic_run, clip, num_frames=3, out=tmp_path / "next.mp4", device="cpu")
    result = predict(request, ignore_events)
    assert (result.sample_paths, len(read_frames(result.path))) == ((), VIDEO_FRAMES + 3)


def test_predict_on_a_dataset_measures_samples_and_baselines(run: Path, dataset: Path, tmp_path: Path) -> None:
    request = PredictRequest(run, dataset, num_frames=3, num_samples=2, out=tmp_path / "next.mp4", device="cpu")
    result = predict(request, ignore_events)
    assert {"psnr", "sample_diversity", "psnr_best_of_2", "psnr_copy_last", "psnr_constant_flow"} <= set(result.metrics)
    record = json.loads((tmp_path / "next.json").read_text())
    assert (record["num_samples"], record["psnr"]) == (2, result.metrics["psnr"])


def test_predict_of_too_short_a_clip_writes_nothing(run: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "short.mp4", [blob_frame(0)], 25)
    with pytest.raises(TooFewFramesError, match="has 1 frames; 2 are continued"):
        predict(PredictRequest(run, video, num_samples=2, out=tmp_path / "next.mp4", device="cpu"), ignore_events)
    assert [path.name for path in tmp_path.iterdir()] == ["short.mp4"]


def test_evaluate_measures_the_mean_and_the_best_sample_and_baselines(run: Path, dataset: Path, tmp_path: Path) -> None:
    request = EvaluateRequest(run, dataset, tmp_path / "e", device="cpu", num_samples=3, num_frames=4)
    result = evaluate(request, ignore_events)
    assert list(result.rows) == ["model", "best_of_3", "copy_last", "constant_flow"]
    assert result.rows["best_of_3"]["psnr"] >= result.rows["model"]["psnr"]
    assert "last known frame" in result.comparison
    assert result.render_command == "predict"
    assert json.loads(result.path.read_text())["rows"]["model"]["psnr"] == result.metrics["psnr"]
    without = evaluate(
        EvaluateRequest(run, dataset, tmp_path / "f", device="cpu", num_samples=2, num_frames=4, baselines=False),
        ignore_events,
    )
    assert list(without.rows) == ["model", "best_of_2"]


def test_options_of_other_models_are_refused(
    run: Path, deterministic_run: Path, clip: Path, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="--samples 2: "):
        predict(PredictRequest(deterministic_run, clip, num_samples=2), ignore_events)
    with pytest.raises(ConfigError, match="--samples 2: "):
        evaluate(EvaluateRequest(deterministic_run, dataset, num_samples=2), ignore_events)
    with pytest.raises(ConfigError, match="--renderer"):
        predict(PredictRequest(run, clip, renderer=run), ignore_events)
    with pytest.raises(ConfigError, match="--initial-frame"):
        evaluate(EvaluateRequest(run, dataset, initial_frame="zeros"), ignore_events)
    with pytest.raises(ConfigError, match="continues clips"):
        transfer(TransferRequest(clip, run, tmp_path / "t.mp4"), ignore_events)


def test_evaluate_needs_frames_to_compare(run: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(TooFewFramesError) as caught:
        evaluate(EvaluateRequest(run, dataset, tmp_path / "e", num_frames=100), ignore_events)
    assert caught.value.hint.startswith("Set --frames ")


def test_train_needs_enough_consecutive_frames(tmp_path: Path) -> None:
    video = write_video(tmp_path / "short.mp4", [blob_frame(index) for index in range(4)], 25)
    data = prepare(PrepareRequest((video,), ("none",), tmp_path / "short", val_fraction=0), ignore_events).path
    with pytest.raises(TooFewFramesError, match="model=savp needs 5"):
        train(TrainRequest(savp_config(), "savp", data, tmp_path / "run", device="cpu"), ignore_events)
    assert not (tmp_path / "run").exists()


def test_evaluate_compares_models_that_predict_frames(run: Path, dataset: Path, tmp_path: Path) -> None:
    """Baselines are measured once; a model that renders conditions does not fit."""
    models = tuple(shutil.copy(next(run.glob("*.ckpt")), tmp_path / f"{name}.ckpt") for name in "ab")
    request = EvaluateModelsRequest(
        models, dataset, tmp_path / "e", device="cpu", num_samples=2, num_frames=4, report=False
    )
    result = evaluate(request, ignore_events)
    assert list(result.rows) == ["a", "a best_of_2", "b", "b best_of_2", "copy_last", "constant_flow"]
    assert list(result.baselines) == ["copy_last", "constant_flow"]
    assert result.rows["a"] == result.rows["b"]
    assert "all are equal" in result.comparison
