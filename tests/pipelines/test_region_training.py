"""Regions the whole way: from the points of a dataset to a discriminator that is trained, saved and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.dots_conditioner import PLUGINS, Dots
from helpers.factories import make_film, tiny_config

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.distributed import Group
from vid2vid_cli.engine.events import Event, Noticed, Stepped, silent
from vid2vid_cli.engine.run_folder import find_run
from vid2vid_cli.ops.crop import cut
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, plan_train, train
from vid2vid_cli.training.job import find_job
from vid2vid_cli.training_data.training_data import open_subject

PATCH = {"names": ("disc",), "layers": 1, "width": 4, "part": 0.5}


@pytest.fixture(scope="module")
def dotted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blob, followed by `dots`; 56 x 40."""
    folder = tmp_path_factory.mktemp("dotted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VID2VID_PLUGINS", PLUGINS)
        return prepare(PrepareRequest((make_film(folder / "a.mp4"),), ("edges", "dots"), folder / "set"), silent).path


@pytest.fixture(autouse=True)
def _dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", PLUGINS)
    monkeypatch.chdir(tmp_path)


def regional(**changes: Any) -> Config:
    region = {**PATCH, **changes.pop("region", {})}
    return tiny_config(
        data={"size": 32, "aspect": 1.4, "crop": "whole", **changes.pop("data", {})}, region=region, **changes
    )


@pytest.mark.parametrize("data", [{}, {"shift": 0.15, "zoom": 0.2}, {"flip": 1.0}])
def test_what_is_cut_out_of_a_clip_is_the_region(dotted: Path, data: dict[str, Any]) -> None:
    """However the clip is moved: in the middle of every square lies the yellow disc."""
    config = regional(data=data, region={"names": ("disc", "corners")}, schedule={"batch": 2})
    batch = open_subject(dotted, config).sampler(config).draw(3, 4)
    assert {name: boxes.shape for name, boxes in batch.regions.items()} == {
        "disc": (2, 4, 1, 4),
        "corners": (2, 4, 2, 4),
    }
    assert batch.regions["corners"].isnan().all()
    squares = cut(batch.frames.flatten(0, 1), batch.regions["disc"].flatten(0, 1), 4)
    assert squares is not None
    assert len(squares) == 8
    red, _, blue = squares.mean((2, 3)).unbind(1)
    assert red.min() > 0.6
    assert blue.max() < -0.4


class Forgetful(Dots):
    """Leaves the dot out of every clip."""

    def augment(self, annotations: Sequence[Annotation], random: np.random.Generator) -> Sequence[Annotation]:
        gone = {"dot": np.full((1, 2), np.nan, np.float32)}
        return [replace(one, points=gone) for one in annotations]


def test_a_region_is_where_it_is_found_whatever_is_left_out_of_the_condition(dotted: Path) -> None:
    subject = open_subject(dotted, regional())
    kept, lost = (
        ClipSampler(subject.dataset, [dots()], subject.view, seed=0, batch=1, regions=("disc",)).draw(0, 3)
        for dots in (Dots, Forgetful)
    )
    assert kept.conditions.max() == 1
    assert lost.conditions.max() == -1
    assert torch.equal(kept.regions["disc"], lost.regions["disc"])
    assert lost.regions["disc"].isfinite().all()


def test_a_run_trains_saves_and_resumes_its_region_discriminator(dotted: Path) -> None:
    told: list[Event] = []
    config = regional(schedule={"steps": 1}, output={"sample_every": 9})
    done = train(TrainRequest(config, "tiny", dotted, Path("run"), device="cpu"), told.append)
    terms = [event.losses for event in told if isinstance(event, Stepped)]
    assert all({"region_adversarial", "region_feature_matching", "region_discriminator_disc"} <= set(t) for t in terms)
    train(TrainRequest(config, resume=done.path, steps=2, device="cpu"), told.append)
    assert "region_adversarial" in next(e.losses for e in reversed(told) if isinstance(e, Stepped))
    saved = [torch.load(path, weights_only=True)["state"]["region"] for path in sorted(Path("run").rglob("state.pt"))]
    weights = [state["disc.copies.16.stages.0.0.weight"] for state in saved]
    assert not torch.equal(weights[0], weights[-1])


def test_the_plan_counts_it(dotted: Path) -> None:
    """A published copy has 2.8 million weights."""
    large = regional(region={"width": 64, "layers": 3})
    plan = dict(plan_train(TrainRequest(large, "tiny", dotted)).rows)
    assert plan["discriminators"].startswith("2.7")


@pytest.mark.parametrize(
    ("name", "hint"), [("hands", "There are: disc, corners."), ("dot", "There are: disc, corners.")]
)
def test_a_region_that_nobody_knows_is_refused_before_training(dotted: Path, name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"edges and dots cannot say where '{name}' is") as error:
        plan_train(TrainRequest(regional(region={"names": ("disc", name)}), "tiny", dotted))
    assert error.value.hint == hint


def test_where_there_are_no_regions_at_all(dataset: Path) -> None:
    with pytest.raises(ConfigError, match="edges cannot say where 'face' is") as error:
        plan_train(TrainRequest(regional(region={"names": ("face",)}), "tiny", dataset))
    assert error.value.hint == "Set region.names=[] to do without."


def test_a_region_that_need_not_be_there_is_left_out_and_said(dataset: Path) -> None:
    """As of a preset that takes any conditioner; of the names that are known the discriminators are trained."""
    told: list[Event] = []
    config = regional(region={"names": ("face",), "required": False}, schedule={"steps": 1})
    done = train(TrainRequest(config, "tiny", dataset, Path("run"), device="cpu"), told.append)
    assert find_run(done.path).config().region.names == ()
    said = [event.message for event in told if isinstance(event, Noticed)]
    assert "no discriminator for face: edges cannot say where it is" in said
    told.clear()
    train(TrainRequest(config, resume=done.path, steps=2, device="cpu"), told.append)
    assert not [event for event in told if isinstance(event, Noticed) and "discriminator" in event.message]


def test_what_is_known_of_them_stays(dotted: Path) -> None:
    request = TrainRequest(regional(region={"names": ("hands", "disc"), "required": False}), "tiny", dotted)
    assert find_job(request, Group()).config.region.names == ("disc",)
