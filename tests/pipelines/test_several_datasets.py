"""`train` on two datasets: shares of the clips, references of the same dataset, resume, checkpoints and errors."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.factories import CPU, blob_frame, copy_weights, tensors_equal, tiny_config
from helpers.video_files import write_video

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, TrainResult, plan_train, train
from vid2vid_cli.training_data.reference_collection import load_reference_bank
from vid2vid_cli.training_data.several_datasets import build_samplers, mix_samplers, open_datasets

GENERATOR = {"kind": "fast", "past_frames": 1, "num_downsamples": 2, "patch_size": 4, "num_references": 2}


def make_config(**data: Any) -> Config:
    return tiny_config(
        generator=GENERATOR,
        data={"height": 32, "reference_bank_size": 4, "reference_gap": 0.05, **data},
        schedule={"batch_size": 2},
    )


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def red_and_blue(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two datasets with edges: 24 red frames of 56 x 40 at 25 fps, and 12 blue ones of 80 x 64 at 30 fps. Read-only."""
    folder = tmp_path_factory.mktemp("two")
    paths = []
    for name, channel, count, size, fps in (("red", 0, 24, (40, 56), 25), ("blue", 2, 12, (64, 80), 30)):
        frames = []
        for index in range(count):
            frame = np.zeros((*size, 3), np.uint8)
            frame[..., channel] = blob_frame(index, *size).max(axis=2)
            frames.append(frame)
        video = write_video(folder / f"{name}.mp4", frames, Fraction(fps))
        paths.append(prepare(PrepareRequest((video,), ("edges",), folder / name), ignore_events).path)
    return paths[0], paths[1]


def run_train(data: tuple[Path, ...] | None, config: Config | None = None, **changes: Any) -> TrainResult:
    emit = changes.pop("emit", ignore_events)
    return train(TrainRequest(config or make_config(), "fast", data, **{"device": "cpu", **changes}), emit)


def test_mixed_sampler_draws_by_weight_and_references_of_the_same_dataset(red_and_blue: tuple[Path, Path]) -> None:
    for weights, expected in (((1.0, 3.0), 0.75), (None, 10 / 29)):
        config = make_config(weights=weights)
        sampler = mix_samplers(build_samplers(open_datasets(red_and_blue, config), config), config)
        is_blue = []
        for step in range(60):
            batch = sampler.sample_batch(step, 3)
            assert batch.references is not None
            assert batch.frames.shape == (2, 3, 3, 32, 32)
            for frames, images in zip(batch.frames, batch.references.images, strict=True):
                channels = [
                    int(torch.as_tensor(tensor).float().mean((0, 2, 3)).argmax()) for tensor in (frames, images)
                ]
                assert channels[0] == channels[1]
                is_blue.append(channels[0] == 2)
        assert np.mean(is_blue) == pytest.approx(expected, abs=0.13)


def test_train_on_two_datasets_writes_a_checkpoint_of_each(red_and_blue: tuple[Path, Path]) -> None:
    events: list[Event] = []
    result = run_train(red_and_blue, emit=events.append)
    checkpoints = [Path("runs/red_blue/red_blue.ckpt"), Path("runs/red_blue/red_blue_blue.ckpt")]
    assert result.checkpoint == checkpoints[0]
    generators = []
    for path, name, channel in zip(checkpoints, ("red", "blue"), (0, 2), strict=True):
        metadata = load_metadata(path)
        assert (metadata.training["dataset"], metadata.training["all_datasets"]) == (name, "red, blue")
        bank = load_reference_bank(path, metadata)
        assert bank is not None
        assert all(int(bank.frames[index].mean((0, 1)).argmax()) == channel for index in range(len(bank)))
        generators.append(copy_weights(load_checkpoint(path, CPU)[0]))
    assert tensors_equal(*generators)
    messages = " ".join(event.message for event in events if isinstance(event, InfoEvent))
    assert all(text in messages for text in ("data.weights", "red 25", "blue 30"))
    run_train(red_and_blue, out=Path("half"), max_steps=2)
    resumed = run_train(None, resume=Path("half"), max_steps=4)
    assert tensors_equal(generators[0], copy_weights(load_checkpoint(resumed.checkpoint, CPU)[0]))


def test_train_on_two_datasets_refuses_differences(red_and_blue: tuple[Path, Path], tmp_path: Path) -> None:
    red, blue = red_and_blue
    video = red.parent / "red.mp4"
    options = {"edges": {"sigma": "3"}}
    other = prepare(PrepareRequest((video,), ("edges",), tmp_path / "other", options=options), ignore_events).path
    with pytest.raises(DatasetMismatchError, match=r"edges\.sigma") as caught:
        plan_train(TrainRequest(make_config(), "fast", (red, other), device="cpu"))
    assert "3" in caught.value.message
    for data, weights in (((red, red), None), ((red, blue), (1.0,))):
        with pytest.raises(ConfigError, match=r"twice|data\.weights"):
            plan_train(TrainRequest(make_config(weights=weights), "fast", data, device="cpu"))
