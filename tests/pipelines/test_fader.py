"""Fader Networks through the pipelines: attributes from a CSV file, `--attribute`, errors, evaluate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.factories import NUM_FRAMES, tiny_config

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.pipelines.transfer_plan import plan_transfer
from vid2vid_cli.rendering.style_options import StyleOptions


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fader")
    rows = "".join(f"{frame},{frame / 10},{frame % 2}\n" for frame in range(NUM_FRAMES))
    (folder / "attributes.csv").write_text(f"frame,right,odd\n{rows}")
    config = tiny_config().with_settings(
        {
            "model": "fader",
            "data.attributes_file": str(folder / "attributes.csv"),
            "generator.kind": "unet",
            "generator.past_frames": 0,
            "generator.flow": False,
            "generator.num_downsamples": 2,
            "generator.norm": "group",
            "generator.attributes": ("right", "odd"),
            "schedule.batch_size": 4,
            "schedule.clip_length": 1,
            "schedule.max_clip_length": 1,
            "schedule.max_steps": 40,
            "checkpoint.save_interval": 40,
            "checkpoint.sample_interval": 40,
            "optimizer.lr": 1e-2,
            "optimizer.ema_decay": 0.5,
        }
    )
    return train(TrainRequest(config, "", dataset, folder / "run", device="cpu"), ignore_events).path


def test_attribute_changes_the_video(run: Path, dataset: Path, blob_video: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    frames = {}
    for value in ("-2", "+2"):
        options = StyleOptions(attributes=(f"right={value}",))
        out = tmp_path / f"{value}.mp4"
        request = SynthesizeRequest(run, dataset, out, split="val", style_options=options, device="cpu", compare=False)
        frames[value] = np.stack(list(VideoReader(synthesize(request, events.append).path))).astype(float)
    assert np.abs(frames["-2"] - frames["+2"]).mean() > 1
    assert any("right=2, odd=0" in event.message for event in events if isinstance(event, InfoEvent))
    request_transfer = TransferRequest(blob_video, run, tmp_path / "t.mp4", max_frames=2, device="cpu")
    assert transfer(request_transfer, ignore_events).num_frames == 2


def test_checkpoint_names_the_attributes(run: Path) -> None:
    assert load_metadata(run / "run.ckpt").generator.attributes == ("right", "odd")


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (StyleOptions(attributes=("rigth=1",)), "Did you mean right?"),
        (StyleOptions(attributes=("right=much",)), "--attribute right=+1.5"),
        (StyleOptions(attributes=("right",)), "--attribute right=+1.5"),
        (StyleOptions(seed=7), "--attribute right=+1"),
    ],
)
def test_invalid_options_are_refused(run: Path, blob_video: Path, options: StyleOptions, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_transfer(TransferRequest(blob_video, run, style_options=options, device="cpu"))
    assert hint in caught.value.hint


def test_attribute_of_a_model_without_attributes_is_refused(run_folder: Path, dataset: Path) -> None:
    with pytest.raises(ConfigError, match="no attributes"):
        plan_synthesize(
            SynthesizeRequest(run_folder, dataset, style_options=StyleOptions(attributes=("smile=1",)), device="cpu")
        )


def test_evaluate_measures_the_reconstruction(run: Path, dataset: Path, tmp_path: Path) -> None:
    result = evaluate(EvaluateRequest(run, dataset, tmp_path / "evaluation", device="cpu"), ignore_events)
    assert result.metrics["psnr"] > 5


def test_train_without_a_file_is_refused(run: Path, dataset: Path, tmp_path: Path) -> None:
    config = tiny_config().with_settings(
        {
            "model": "fader",
            "generator.kind": "unet",
            "generator.past_frames": 0,
            "generator.flow": False,
            "generator.attributes": ("right",),
        }
    )
    with pytest.raises(ConfigError, match="attributes_file"):
        train(TrainRequest(config, "", dataset, tmp_path / "run", device="cpu"), ignore_events)
