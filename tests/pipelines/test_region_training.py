"""Region discriminators from the annotations of a dataset to training, saving and resuming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.dots_conditioner import DOTS_PLUGIN, Dots
from helpers.factories import make_blob_video, tiny_config

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.distributed import ProcessGroup
from vid2vid_cli.engine.events import Event, InfoEvent, StepEvent, ignore_events
from vid2vid_cli.engine.run_folder import find_run
from vid2vid_cli.ops.crop import crop_boxes
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, plan_train, train
from vid2vid_cli.training.job import resolve_train_job
from vid2vid_cli.training_data.open_data import open_training_data

REGION_SETTINGS = {"names": ("disc",), "num_layers": 1, "base_channels": 4, "crop_fraction": 0.5}


@pytest.fixture(scope="module")
def dots_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blob video, prepared with edges and dots; 56 x 40 pixels."""
    folder = tmp_path_factory.mktemp("dots")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)
        return prepare(
            PrepareRequest((make_blob_video(folder / "a.mp4"),), ("edges", "dots"), folder / "set"), ignore_events
        ).path


@pytest.fixture(autouse=True)
def _dots_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)
    monkeypatch.chdir(tmp_path)


def region_config(**changes: Any) -> Config:
    region = {**REGION_SETTINGS, **changes.pop("region_discriminator", {})}
    data = {"height": 32, "aspect_ratio": 1.4, "crop": "center"}
    return tiny_config(data=data, region_discriminator=region, **changes)


@pytest.mark.parametrize("augmentation", [{}, {"max_translate": 0.15, "max_zoom": 0.2}, {"hflip_prob": 1.0}])
def test_sampler_region_boxes_follow_augmentation(dots_dataset: Path, augmentation: dict[str, Any]) -> None:
    """The yellow disc is in the centre of each crop."""
    config = region_config(
        augmentation=augmentation,
        region_discriminator={"names": ("disc", "corners")},
        schedule={"batch_size": 2},
    )
    batch = open_training_data(dots_dataset, config).build_sampler(config).sample_batch(3, 4)
    assert {name: boxes.shape for name, boxes in batch.regions.items()} == {
        "disc": (2, 4, 1, 4),
        "corners": (2, 4, 2, 4),
    }
    assert batch.regions["corners"].isnan().all()
    crops = crop_boxes(batch.frames.flatten(0, 1), batch.regions["disc"].flatten(0, 1), 4)
    assert crops is not None
    assert len(crops) == 8
    red, _, blue = crops.mean((2, 3)).unbind(1)
    assert red.min() > 0.6
    assert blue.max() < -0.4


class DotDropout(Dots):
    """Removes the dot from each clip by augmentation."""

    def augment(self, annotations: Sequence[Annotation], rng: np.random.Generator) -> Sequence[Annotation]:
        missing_points = {"dot": np.full((1, 2), np.nan, np.float32)}
        return [replace(annotation, points=missing_points) for annotation in annotations]


def test_sampler_region_boxes_ignore_dropped_points(dots_dataset: Path) -> None:
    training_data = open_training_data(dots_dataset, region_config())
    plain_batch, dropped_batch = (
        ClipSampler(
            training_data.dataset,
            [conditioner_class()],
            training_data.view,
            seed=0,
            batch_size=1,
            region_names=("disc",),
        ).sample_batch(0, 3)
        for conditioner_class in (Dots, DotDropout)
    )
    assert plain_batch.conditions.max() == 1
    assert dropped_batch.conditions.max() == -1
    assert torch.equal(plain_batch.regions["disc"], dropped_batch.regions["disc"])
    assert dropped_batch.regions["disc"].isfinite().all()


def test_train_saves_and_resumes_region_discriminator(dots_dataset: Path) -> None:
    events: list[Event] = []
    config = region_config(schedule={"max_steps": 1}, checkpoint={"sample_interval": 9})
    result = train(TrainRequest(config, "tiny", dots_dataset, Path("run"), device="cpu"), events.append)
    loss_names = [set(event.losses) for event in events if isinstance(event, StepEvent)]
    expected_names = {"region_adversarial", "region_feature_matching", "region_discriminator_disc"}
    assert all(expected_names <= names for names in loss_names)
    train(TrainRequest(config, resume=result.path, max_steps=2, device="cpu"), events.append)
    assert "region_adversarial" in [event for event in events if isinstance(event, StepEvent)][-1].losses
    region_states = [
        torch.load(path, weights_only=True)["state"]["region_discriminators"]
        for path in sorted(Path("run").rglob("state.pt"))
    ]
    weights = [state["disc.discriminators.16.stages.0.0.weight"] for state in region_states]
    assert not torch.equal(weights[0], weights[-1])


def test_plan_train_counts_region_discriminators(dots_dataset: Path) -> None:
    """A published patch discriminator has 2.8 million weights."""
    large_config = region_config(region_discriminator={"base_channels": 64, "num_layers": 3})
    plan = dict(plan_train(TrainRequest(large_config, "tiny", dots_dataset)).rows)
    assert plan["discriminators"].startswith("2.7")


@pytest.mark.parametrize("name", ["hands", "dot"])
def test_plan_train_rejects_unknown_region(dots_dataset: Path, name: str) -> None:
    config = region_config(region_discriminator={"names": ("disc", name)})
    with pytest.raises(ConfigError, match=name) as caught:
        plan_train(TrainRequest(config, "tiny", dots_dataset))
    assert "disc, corners" in caught.value.hint


def test_plan_train_rejects_region_without_provider(dataset: Path) -> None:
    with pytest.raises(ConfigError, match="face") as caught:
        plan_train(TrainRequest(region_config(region_discriminator={"names": ("face",)}), "tiny", dataset))
    assert "discriminators.region.names=[]" in caught.value.hint


def test_train_skips_optional_missing_region(dataset: Path) -> None:
    """With discriminators.region.strict=false."""
    events: list[Event] = []
    config = region_config(region_discriminator={"names": ("face",), "strict": False}, schedule={"max_steps": 1})
    result = train(TrainRequest(config, "tiny", dataset, Path("run"), device="cpu"), events.append)
    assert find_run(result.path).load_config().discriminators.region.names == ()
    assert [event for event in events if isinstance(event, InfoEvent) and "face" in event.message]
    events.clear()
    train(TrainRequest(config, resume=result.path, max_steps=2, device="cpu"), events.append)
    assert not [event for event in events if isinstance(event, InfoEvent) and "face" in event.message]


def test_resolve_train_job_keeps_known_regions(dots_dataset: Path) -> None:
    request = TrainRequest(
        region_config(region_discriminator={"names": ("hands", "disc"), "strict": False}), "tiny", dots_dataset
    )
    assert resolve_train_job(request, ProcessGroup()).config.discriminators.region.names == ("disc",)
