"""VAE-GAN through the pipelines: attributes from a CSV file, their directions, `--attribute`, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import NUM_FRAMES, tiny_config

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, plan_train, train
from vid2vid_cli.rendering.style_options import StyleOptions
from vid2vid_cli.tools.inspect import inspect_path


def vaegan_config(**settings: Any) -> Config:
    return tiny_config().with_settings(
        {
            "model": "vaegan",
            "generator.kind": "unet",
            "generator.past_frames": 0,
            "generator.flow": False,
            "generator.num_downsamples": 1,
            "generator.latent_channels": 4,
            "generator.norm": "group",
            "losses.gan_mode": "vanilla",
            "schedule.batch_size": 2,
            "schedule.clip_length": 1,
            "schedule.max_clip_length": 1,
            "schedule.max_steps": 3,
            "checkpoint.save_interval": 3,
            "checkpoint.sample_interval": 3,
            "optimizer.ema_decay": 0.5,
            **settings,
        }
    )


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return []


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory, events: list[Event]) -> Path:
    folder = tmp_path_factory.mktemp("vaegan")
    (folder / "right.csv").write_text("right,dark\n8-23,4\n,6\n")
    config = vaegan_config(**{"generator.attributes": ("right",), "data.attributes_file": str(folder / "right.csv")})
    return train(TrainRequest(config, "", dataset, folder / "run", device="cpu"), events.append).path


def test_checkpoint_contains_the_direction(run: Path, events: list[Event]) -> None:
    (direction,) = load_metadata(run / "run.ckpt").attribute_directions
    assert (direction.name, direction.threshold, len(direction.vector)) == ("right", 0.5, 4)
    assert direction.num_with > direction.num_without > 0
    assert any("threshold 0.5" in event.message for event in events if isinstance(event, InfoEvent))
    assert any(name == "attribute" and "right" in text for name, text in inspect_path(run / "run.ckpt").rows)


def test_attribute_moves_the_code_in_proportion(run: Path, dataset: Path, tmp_path: Path) -> None:
    """Without the option frames are reconstructed; -1 and +1 change them in different ways."""
    frames = {}
    for value in ("0", "-40", "+40"):
        options = StyleOptions(attributes=(f"right={value}",))
        out = tmp_path / f"{value}.mp4"
        request = SynthesizeRequest(run, dataset, out, split="val", style_options=options, device="cpu", compare=False)
        frames[value] = np.stack(list(VideoReader(synthesize(request, ignore_events).path))).astype(float)
    assert np.abs(frames["+40"] - frames["0"]).mean() > 0.1
    assert np.abs(frames["+40"] - frames["-40"]).mean() > 0.1


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (StyleOptions(attributes=("rigth=1",)), "Did you mean right?"),
        (StyleOptions(attributes=("right=x",)), "--attribute right=+1.5"),
        (StyleOptions(seed=7), "--attribute right=+1"),
    ],
)
def test_invalid_options_are_refused(run: Path, dataset: Path, options: StyleOptions, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_synthesize(SynthesizeRequest(run, dataset, style_options=options, device="cpu"))
    assert hint in caught.value.hint


def test_model_without_attributes_refuses_them(dataset: Path, tmp_path: Path) -> None:
    request = TrainRequest(vaegan_config(), "", dataset, tmp_path / "run", device="cpu")
    run_path = train(request, ignore_events).path
    for options, match in (
        (StyleOptions(attributes=("right=1",)), "without attributes"),
        (StyleOptions(seed=7), r"model=vaegan\) has no styles"),
    ):
        with pytest.raises(ConfigError, match=match):
            plan_synthesize(SynthesizeRequest(run_path, dataset, style_options=options, device="cpu"))


def test_attribute_without_a_training_frame_is_refused(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "last.csv").write_text(f"last\n{NUM_FRAMES - 1}\n")
    settings = {"generator.attributes": ("last",), "data.attributes_file": str(tmp_path / "last.csv")}
    request = TrainRequest(vaegan_config(**settings), "", dataset, tmp_path / "run", device="cpu")
    with pytest.raises(ConfigError, match="no training frame"):
        plan_train(request)
