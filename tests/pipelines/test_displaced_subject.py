"""Training that moves a body against its background, and the masks in its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.body_conditioner import BODY_PLUGIN, DiscBody, is_disc
from helpers.factories import CPU, copy_weights, tensors_equal, tiny_config

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.unused_settings import unused_settings
from vid2vid_cli.core.errors import TruncatedCheckpointError
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.engine.weight_files import load_network_weights, load_reference_frames, save_weights
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, TrainResult, train
from vid2vid_cli.training_data.reference_collection import load_reference_bank

GENERATOR = {"kind": "fast", "past_frames": 1, "num_downsamples": 2, "patch_size": 4, "num_references": 2}


@pytest.fixture(autouse=True, scope="module")
def _plugin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VID2VID_PLUGINS", BODY_PLUGIN)
        yield


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def body_dataset(_plugin: None, blob_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("datasets") / "body"
    return prepare(PrepareRequest((blob_video,), ("disc_body",), out), ignore_events).path


def displacing_config(prob: float = 0.7) -> Config:
    data = {"height": 32, "reference_bank_size": 12, "reference_gap": 0.05}
    return tiny_config(generator=GENERATOR, data=data, augmentation={"subject_translate_prob": prob})


def run_train(data: Path, config: Config, **changes: Any) -> TrainResult:
    emit = changes.pop("emit", ignore_events)
    return train(TrainRequest(config, "fast", data, **{"device": "cpu", **changes}), emit)


@pytest.fixture(scope="module")
def body_run(body_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A run of four steps. Read-only."""
    return run_train(body_dataset, displacing_config(), out=tmp_path_factory.mktemp("runs") / "body")


def test_checkpoint_hides_the_body_in_what_does_not_move(body_run: TrainResult) -> None:
    bank = load_reference_bank(body_run.checkpoint, load_metadata(body_run.checkpoint))
    assert bank is not None
    assert bank.subject_masks is not None
    assert len(bank.subject_masks) == len(bank) == 12
    annotation, view = bank.annotations[3], bank.output_view
    assert bank.align([3], annotation, bank.output_views, view)[0].background_share == 1
    column, row = view.transform_points(annotation[0].points["disc"][0]).round().astype(int)
    for bank_or_mirror, x in ((bank, column), (bank.mirrored, view.width - 1 - column)):
        frame = bank_or_mirror.static_frames.load(3, bank_or_mirror.output_view)
        assert not is_disc(frame[row, x])
    assert is_disc(bank.frames[3]).sum() > 50


def test_displacement_changes_the_training_and_resumes(body_dataset: Path, body_run: TrainResult) -> None:
    first = run_train(body_dataset, displacing_config(), max_steps=2)
    resumed = run_train(body_dataset, displacing_config(), resume=first.path, max_steps=4)
    weights = [copy_weights(load_checkpoint(run.checkpoint, CPU)[0]) for run in (body_run, resumed)]
    assert tensors_equal(*weights)
    num_masks = DiscBody.num_masks
    plain = run_train(body_dataset, displacing_config(prob=0))
    assert DiscBody.num_masks == num_masks + 12  # of the references only
    assert not tensors_equal(weights[0], copy_weights(load_checkpoint(plain.checkpoint, CPU)[0]))


def test_train_says_what_is_moved_or_missing(body_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, InfoEvent):
            messages.append(event.message)

    run_train(body_dataset, displacing_config(0.25), max_steps=1, emit=listen)
    assert sum("moved against its background in 25% of the clips" in message for message in messages) == 1
    messages.clear()
    monkeypatch.setattr(DiscBody, "mask_install_command", "pip install masks")
    num_masks = DiscBody.num_masks
    run = run_train(body_dataset, displacing_config(0.25), max_steps=1, emit=listen)
    assert sum("pip install masks" in message for message in messages) == 1
    assert DiscBody.num_masks == num_masks
    references = load_metadata(run.checkpoint).references
    assert references is not None
    assert references.subject_masks is None


@pytest.mark.parametrize("change", ["count", "dtype", "data"])
def test_damaged_masks_are_refused(body_run: TrainResult, tmp_path: Path, change: str) -> None:
    metadata = load_metadata(body_run.checkpoint).model_dump(mode="json")
    masks = metadata["references"]["subject_masks"]
    masks |= {"count": {"shape": [3, 4, 5]}, "dtype": {"dtype": "<f4"}, "data": {"data": "@"}}[change]
    weights: dict[str, torch.Tensor] = dict(load_network_weights(body_run.checkpoint)["generator"])
    weights["references.frames"] = torch.from_numpy(load_reference_frames(body_run.checkpoint).copy())
    path = tmp_path / "damaged.ckpt"
    save_weights(path, weights, json.dumps(metadata))
    with pytest.raises(TruncatedCheckpointError, match=r"damaged\.ckpt"):
        load_reference_bank(path, load_metadata(path))


def test_settings_without_an_effect_are_named() -> None:
    names = {"augmentation.subject_translate_prob", "augmentation.max_subject_translate"}
    assert not names & unused_settings(displacing_config()).keys()
    without_references = tiny_config(augmentation={"subject_translate_prob": 0.5})
    assert "reference frames" in unused_settings(without_references)["augmentation.subject_translate_prob"]
    cropped = tiny_config(generator=GENERATOR, data={"crop": "random"})
    assert names <= unused_settings(cropped).keys()
