"""`adapt` end to end on small videos, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.factories import CPU, copy_weights, make_blob_video, tensors_equal, tiny_config

from vid2vid_cli.core.errors import ConfigError, MissingFileError, NotAVideoError, RunError, Vid2VidError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.pipelines.adapt import AdaptRequest, adapt, plan_adapt


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_blob_video(tmp_path / "new.mp4", 14)


def test_adapt_prepares_and_trains_from_all_networks(run_folder: Path, video: Path) -> None:
    base = run_folder / "blob.ckpt"
    rows = dict(plan_adapt(AdaptRequest(base, video, max_steps=2)).rows)
    assert (rows["dataset"], rows["run"], rows["base"]) == ("datasets/new", "runs/new", str(base))
    assert not Path("datasets").exists()
    events: list[Event] = []
    result = adapt(AdaptRequest(base, video, max_frames=10, max_steps=2, device="cpu"), events.append)
    assert (result.checkpoint, result.num_steps) == (Path("runs/new/new.ckpt"), 2)
    metadata, base_metadata = load_metadata(result.checkpoint), load_metadata(base)
    assert metadata.output_size == base_metadata.output_size
    assert metadata.conditioners[0].options == base_metadata.conditioners[0].options
    assert metadata.training["dataset"] == "new"
    clips = Dataset(Path("datasets/new")).manifest.clips
    assert [clip.num_frames for clip in clips] == [2] * 5
    assert clips[-1].start_seconds > 0.3  # the frames are spread over the video
    messages = " ".join(event.message for event in events if isinstance(event, InfoEvent))
    assert "tensors loaded" in messages
    assert "randomly initialised" not in messages
    config = RunFolder(result.path).load_config()
    assert config.losses == tiny_config().losses
    assert not tensors_equal(*(copy_weights(load_checkpoint(path, CPU)[0]) for path in (base, result.checkpoint)))


def test_adapt_refuses_a_single_frame(run_folder: Path, video: Path) -> None:
    for num_frames in (0, 1):
        with pytest.raises(ConfigError, match=f"frames={num_frames}"):
            adapt(AdaptRequest(run_folder / "blob.ckpt", video, max_frames=num_frames, max_steps=1), ignore_events)


def test_adapt_says_how_many_frames_a_short_video_has(run_folder: Path, video: Path) -> None:
    events: list[Event] = []
    request = AdaptRequest(run_folder / "blob.ckpt", video, max_frames=500, max_steps=1, device="cpu")
    adapt(request, events.append)
    assert any("all 14 frames" in event.message for event in events if isinstance(event, InfoEvent))


def test_adapt_does_not_log_where_the_base_was_logged(run_folder: Path, video: Path) -> None:
    shutil.copytree(run_folder, "base/blob")
    config = Path("base/blob/config.yaml")
    config.write_text(config.read_text().replace("log_to: []", "log_to: [csv]"))
    assert RunFolder(Path("base/blob")).load_config().checkpoint.log_to == ("csv",)
    result = adapt(AdaptRequest(Path("base/blob"), video, max_steps=1, device="cpu"), ignore_events)
    assert not (result.path / "metrics.csv").exists()


def test_adapt_refuses_a_base_without_discriminators(run_folder: Path, video: Path) -> None:
    generator, metadata = load_checkpoint(run_folder / "blob.ckpt", CPU)
    save_checkpoint(Path("alone.ckpt"), generator, metadata.model_copy(update={"training_config": None}))
    Path("text.mp4").write_text("no video")
    cases: list[tuple[Path, Path, type[Vid2VidError], str]] = [
        (Path("alone.ckpt"), video, RunError, "discriminators"),
        (Path("none.ckpt"), video, MissingFileError, "none.ckpt"),
        (run_folder, Path("none.mp4"), MissingFileError, "none.mp4"),
        (run_folder, Path("text.mp4"), NotAVideoError, "text.mp4"),
    ]
    for base, source, error, text in cases:
        with pytest.raises(error) as caught:
            adapt(AdaptRequest(base, source, max_steps=1, device="cpu"), ignore_events)
        assert text in caught.value.message
    assert not Path("runs").exists()
