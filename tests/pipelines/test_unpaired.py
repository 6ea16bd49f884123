"""Unpaired models through the pipelines: prepare without a conditioner, train on two datasets, translate, evaluate."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import blob_frame, tiny_config
from helpers.video_files import find_clicks, write_video

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError, TooFewFramesError, Vid2VidError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, plan_train, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.pipelines.transfer_plan import plan_transfer


def unpaired_config(**settings: Any) -> Config:
    return tiny_config().with_settings(
        {
            "model": "cyclegan",
            "data.size_rule": "height",
            "generator.kind": "fast",
            "generator.past_frames": 0,
            "generator.flow": False,
            "generator.num_downsamples": 2,
            "schedule.clip_length": 1,
            "schedule.max_clip_length": 1,
            "losses.temporal_warp": 0,
            **settings,
        }
    )


def prepare_frames(video: Path, out: Path, **changes: Any) -> Path:
    return prepare(PrepareRequest((video,), ("none",), out, **changes), ignore_events).path


@pytest.fixture(scope="module")
def domains(blob_video: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The blob video, and its negative at another size."""
    folder = tmp_path_factory.mktemp("domains")
    negative = write_video(folder / "negative.mp4", [255 - blob_frame(index, 48, 48) for index in range(12)], 25)
    return prepare_frames(blob_video, folder / "a"), prepare_frames(negative, folder / "b")


@pytest.fixture(scope="module")
def run(domains: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "unpaired"
    request = TrainRequest(unpaired_config(), "cyclegan", domains[0], out, data_b=domains[1], device="cpu")
    return train(request, ignore_events).path


def test_prepare_without_conditioner_stores_each_frame_once(domains: tuple[Path, Path]) -> None:
    dataset = Dataset(domains[0])
    assert dataset.manifest.conditioner_names == ("none",)
    assert [path.name for path in (domains[0] / "clips" / "000" / "none").iterdir()] == ["points.npz"]
    annotation = dataset.load_annotation(0, 2, "none")
    assert np.array_equal(annotation.images["frame"], dataset.load_frame(0, 2))


def test_train_reports_both_domains(domains: tuple[Path, Path], dataset: Path, tmp_path: Path) -> None:
    """A dataset with another conditioner serves too; its annotations are not used, and that is said."""
    events: list[Event] = []
    request = TrainRequest(
        unpaired_config(**{"schedule.max_steps": 1}), "", dataset, tmp_path / "run", data_b=domains[1], device="cpu"
    )
    train(request, events.append)
    text = "\n".join(event.message for event in events if isinstance(event, InfoEvent))
    assert f"domain B: {domains[1]}, image size 24x24 of 48x48" in text
    assert "annotations of edges are not used" in text


def test_train_checkpoint_contains_both_directions(run: Path) -> None:
    metadata = load_metadata(run / "unpaired.ckpt")
    assert (metadata.model, metadata.training["dataset"], metadata.training["dataset_b"]) == ("cyclegan", "a", "b")
    assert [(item.name, item.channels) for item in metadata.conditioners] == [("none", 3)]
    assert metadata.training["cycle_psnr_val"] > 0
    assert len(list((run / "samples").glob("*.png"))) == 2


def test_resume_continues_on_both_datasets(run: Path, tmp_path: Path) -> None:
    copied = tmp_path / "unpaired"
    shutil.copytree(run, copied)
    result = train(TrainRequest(resume=copied, max_steps=5, device="cpu"), ignore_events)
    assert result.num_steps == 5


def test_transfer_translates_in_both_directions_with_sound(run: Path, blob_video: Path, tmp_path: Path) -> None:
    frames = {}
    for direction in ("a2b", "b2a"):
        result = transfer(
            TransferRequest(blob_video, run, tmp_path / f"{direction}.mp4", device="cpu", direction=direction),
            ignore_events,
        )
        frames[direction] = np.stack(list(VideoReader(result.path)))
        assert find_clicks(result.path) == pytest.approx([0.2], abs=0.02)
    assert frames["a2b"].shape == frames["b2a"].shape == (24, 24, 24, 3)
    assert np.abs(frames["a2b"].astype(int) - frames["b2a"]).mean() > 1


def test_transfer_says_the_default_direction(run: Path, blob_video: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    transfer(TransferRequest(blob_video, run, tmp_path / "out.mp4", device="cpu", max_frames=2), events.append)
    assert any("direction a2b: a to b" in event.message for event in events if isinstance(event, InfoEvent))
    assert ("direction", "a2b: a to b") in plan_transfer(TransferRequest(blob_video, run, tmp_path / "p.mp4")).rows


def test_synthesize_translates_a_dataset(run: Path, domains: tuple[Path, Path], tmp_path: Path) -> None:
    request = SynthesizeRequest(run, domains[1], tmp_path / "out.mp4", split="val", direction="b2a", device="cpu")
    assert synthesize(request, ignore_events).num_frames == 2


def test_evaluate_measures_the_cycle(run: Path, domains: tuple[Path, Path], tmp_path: Path) -> None:
    result = evaluate(EvaluateRequest(run, domains[1], tmp_path / "e", direction="b2a", device="cpu"), ignore_events)
    assert set(result.rows["model"]) == {"cycle_psnr", "cycle_ssim", "warping_error"}
    assert set(result.rows["real"]) == {"warping_error"}
    header, _ = result.table()
    assert "cycle_psnr (dB) ↑" in header


def expect_error(error_class: type[Vid2VidError], request: TrainRequest) -> str:
    with pytest.raises(error_class) as caught:
        plan_train(request)
    assert caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


def test_train_refuses_datasets_that_do_not_fit_the_model(
    domains: tuple[Path, Path], dataset: Path, tmp_path: Path
) -> None:
    a, b = domains
    config = unpaired_config()
    assert "--data-b" in expect_error(ConfigError, TrainRequest(config, "", a))
    assert "--data " in expect_error(ConfigError, TrainRequest(config, "", None, data_b=b))
    assert "same dataset" in expect_error(ConfigError, TrainRequest(config, "", a, data_b=a))
    assert "model=cyclegan" in expect_error(ConfigError, TrainRequest(tiny_config(), "", dataset, data_b=b))
    assert "--data-b DATASET_B" in expect_error(DatasetMismatchError, TrainRequest(tiny_config(), "", a))


def test_train_refuses_a_domain_with_too_few_frames(domains: tuple[Path, Path], tmp_path: Path) -> None:
    short = shutil.copytree(domains[1], tmp_path / "short")
    manifest = short / "dataset.json"
    text = manifest.read_text()
    train_spans = Dataset(short).manifest.splits.train
    assert train_spans == ((0, 0, 10),)
    manifest.write_text(text.replace("10\n   ]\n  ]", "1\n   ]\n  ]", 1))
    assert Dataset(short).manifest.splits.train == ((0, 0, 1),)
    message = expect_error(TooFewFramesError, TrainRequest(unpaired_config(), "", domains[0], data_b=short))
    assert str(short) in message


def test_direction_is_refused_for_other_models(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="--direction b2a"):
        transfer(TransferRequest(dataset, run_folder, out, direction="b2a"), ignore_events)
    with pytest.raises(ConfigError, match="--direction b2a"):
        synthesize(SynthesizeRequest(run_folder, dataset, out, direction="b2a"), ignore_events)
    with pytest.raises(ConfigError, match="--direction b2a"):
        evaluate(EvaluateRequest(run_folder, dataset, out, direction="b2a"), ignore_events)


def test_synthesize_of_a_video_names_transfer(run: Path, blob_video: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        synthesize(SynthesizeRequest(run, blob_video, tmp_path / "out.mp4"), ignore_events)
    assert "vid2vid transfer" in caught.value.hint
