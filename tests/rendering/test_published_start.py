"""`--initial-frame published`: the recursion begins from given frames, and the output after them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.factories import CPU, FPS, NUM_FRAMES, blob_frame, tiny_config, tiny_sampler
from helpers.video_files import click_track, find_clicks, write_video

from vid2vid_cli.conditioning import detect_cuts
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.initial_frame import choose_initial_frame

PAST_FRAMES = 2


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def checkpoint(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained with real initial frames."""
    out = tmp_path_factory.mktemp("real") / "real"
    config = tiny_config(schedule={"initial_frames": "real"})
    assert config.generator.past_frames == PAST_FRAMES
    return train(TrainRequest(config, "tiny", dataset, out, max_steps=1, device="cpu"), ignore_events).checkpoint


@torch.no_grad()
def generate_after_real_frames(checkpoint: Path, conditions: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """The frames of a clip after the first two real ones, (1, t, ...) -> (t - 2, 3, h, w)."""
    outputs = rollout(
        load_checkpoint(checkpoint, CPU)[0],
        conditions[:, PAST_FRAMES:].float().unbind(1),
        initial_frames=frames[:, :PAST_FRAMES].float(),
        past_conditions=conditions[:, :PAST_FRAMES].float().unbind(1),
    )
    return torch.cat([output.image for output in outputs])


def test_synthesize_dataset_begins_after_real_frames(checkpoint: Path, dataset: Path) -> None:
    clip = tiny_sampler(dataset).load_range(FrameRange(0, 19, NUM_FRAMES))
    expected = [to_uint8_image(image) for image in generate_after_real_frames(checkpoint, clip.conditions, clip.frames)]
    request = SynthesizeRequest(
        checkpoint, dataset, split="val", device="cpu", precision="fp32", compare=False, initial_frame="published"
    )
    frames = list(VideoReader(synthesize(request, ignore_events).path))
    assert len(frames) == len(expected) == NUM_FRAMES - 19 - PAST_FRAMES
    for frame, image in zip(frames, expected, strict=True):
        assert np.abs(frame.astype(int) - image).mean() < 6  # the codec's losses


def test_synthesize_keeps_all_frames_at_a_boundary_within_a_video(checkpoint: Path, dataset: Path) -> None:
    """The validation frames follow the training frames in the same video: audio must stay in sync after them."""
    request = SynthesizeRequest(checkpoint, dataset, device="cpu", compare=False, initial_frame="published")
    assert synthesize(request, ignore_events).num_frames == NUM_FRAMES - PAST_FRAMES


def test_transfer_shifts_audio_and_keeps_all_frames_after_a_cut(run_folder: Path) -> None:
    """A model that was trained from zeros has a published start from zeros."""
    frames = [blob_frame(index) for index in range(12)] + [255 - blob_frame(index) for index in range(12)]
    audio = click_track(float(24 / FPS), [0.5])
    source = write_video(Path("source.mp4"), frames, FPS, audio=audio)
    assert sum(frame.is_cut for frame in detect_cuts(VideoReader(source))) == 1
    request = TransferRequest(source, run_folder, compare=False, device="cpu", initial_frame="published")
    result = transfer(request, ignore_events)
    assert result.num_frames == 24 - PAST_FRAMES
    (click,) = find_clicks(result.path)
    assert click == pytest.approx(0.5 - float(PAST_FRAMES / FPS), abs=0.03)


def test_evaluate_measures_the_generated_frames(checkpoint: Path, dataset: Path) -> None:
    clip = tiny_sampler(dataset).load_range(FrameRange(0, 19, NUM_FRAMES))
    images = generate_after_real_frames(checkpoint, clip.conditions, clip.frames)
    request = EvaluateRequest(checkpoint, dataset, Path("e"), device="cpu", precision="fp32", initial_frame="published")
    expected = float(psnr(images, clip.frames[0, PAST_FRAMES:]).mean())
    assert evaluate(request, ignore_events).metrics["psnr"] == pytest.approx(expected, abs=1e-3)
    assert json.loads(Path("e/metrics.json").read_text())["num_frames"] == len(images)


def test_choose_initial_frame_defaults_to_published_for_imported_networks(checkpoint: Path) -> None:
    generator, metadata = load_checkpoint(checkpoint, CPU)
    save_checkpoint(Path("made.ckpt"), generator, metadata.model_copy(update={"has_published_start": True}))
    imported = load_metadata(Path("made.ckpt"))
    choices = [
        choose_initial_frame(None, any_metadata, Path("made.ckpt"), has_real_frames=has_real_frames)
        for any_metadata in (metadata, imported)
        for has_real_frames in (True, False)
    ]
    assert [(choice.kind, choice.num_given_frames) for choice in choices] == [
        ("real", 0), ("zeros", 0), ("real", PAST_FRAMES), ("zeros", 0),
    ]  # fmt: skip
