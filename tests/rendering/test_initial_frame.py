"""Initial frames: zeros, a real frame, an image, or one that a frame-wise model generates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.factories import CPU, NUM_FRAMES, blob_frame, make_blob_video, tiny_config, tiny_sampler

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError, MissingFileError, Vid2VidError
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, WarningEvent, ignore_events
from vid2vid_cli.engine.inference import generate_clip, to_uint8_image, validation_psnr
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.media.images import resize_image, save_png, view_image
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.initial_frame import choose_initial_frame, fit_image
from vid2vid_cli.rendering.video_output import RenderResult

FRAME_WISE_SETTINGS = {"generator": {"past_frames": 0, "flow": False}, "temporal_discriminator": {"frame_strides": ()}}


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train_one_step(config: Config, dataset: Path, out: Path) -> Path:
    return train(TrainRequest(config, "tiny", dataset, out, max_steps=1, device="cpu"), ignore_events).checkpoint


@pytest.fixture(scope="module")
def frame_wise_checkpoint(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame-wise model with the same conditions and size."""
    return train_one_step(tiny_config(**FRAME_WISE_SETTINGS), dataset, tmp_path_factory.mktemp("single") / "single")


@pytest.fixture(scope="module")
def real_start_checkpoint(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained with real initial frames."""
    config = tiny_config(schedule={"initial_frames": "real"})
    return train_one_step(config, dataset, tmp_path_factory.mktemp("real") / "real")


def copy_checkpoint(checkpoint: Path, out: Path, **changes: Any) -> Path:
    """Save the model with other metadata."""
    generator, metadata = load_checkpoint(checkpoint, CPU)
    save_checkpoint(out, generator, metadata.model_copy(update=changes))
    return out


def run_synthesize(
    checkpoint: Path, source: Path, emit: Callable[[Event], None] = ignore_events, **changes: Any
) -> RenderResult:
    settings = {"device": "cpu", "precision": "fp32", "compare": False, "split": "val", **changes}
    return synthesize(SynthesizeRequest(checkpoint, source, **settings), emit)


def video_matches(path: Path, expected: list[np.ndarray]) -> bool:
    """Whether a video has these frames, up to the losses of its codec."""
    frames = list(VideoReader(path))
    return len(frames) == len(expected) and all(
        np.abs(a.astype(int) - b).mean() < 6 for a, b in zip(frames, expected, strict=True)
    )


def generate_images(
    checkpoint: Path, conditions: torch.Tensor, initial_frames: torch.Tensor | None
) -> list[np.ndarray]:
    return [
        to_uint8_image(output.image[0])
        for output in generate_clip(load_checkpoint(checkpoint, CPU)[0], conditions, CPU, initial_frames)
    ]


def test_synthesize_starts_from_each_initial_frame_kind(
    run_folder: Path, dataset: Path, frame_wise_checkpoint: Path
) -> None:
    checkpoint, clip = run_folder / "blob.ckpt", tiny_sampler(dataset).load_range(FrameRange(0, 19, 24))
    generated_frame = (
        next(rollout(load_checkpoint(frame_wise_checkpoint, CPU)[0], [clip.conditions[:, 0]])).image[:, None].detach()
    )
    save_png(Path("frame.png"), to_uint8_image(-clip.frames[0, 0]))
    initial_frames = {
        "zeros": None,
        "real": clip.frames[:, :1],
        str(frame_wise_checkpoint): generated_frame,
        str(frame_wise_checkpoint.parent): generated_frame,
        "frame.png": -clip.frames[:, :1],
    }
    expected_by_choice = {
        choice: generate_images(checkpoint, clip.conditions, frames) for choice, frames in initial_frames.items()
    }
    assert np.abs(expected_by_choice["zeros"][0].astype(int) - expected_by_choice["frame.png"][0]).mean() > 6
    for choice, expected in expected_by_choice.items():
        result = run_synthesize(checkpoint, dataset, initial_frame=choice)
        assert result.num_frames == 5
        assert video_matches(result.path, expected), choice


def test_synthesize_resets_to_initial_frame_at_cuts(
    run_folder: Path, dataset: Path, frame_wise_checkpoint: Path
) -> None:
    """The training split and the validation split are two clips: the second does not depend on the first."""
    result = run_synthesize(run_folder / "blob.ckpt", dataset, split="all", initial_frame=str(frame_wise_checkpoint))
    assert result.num_frames == NUM_FRAMES
    val_result = run_synthesize(run_folder / "blob.ckpt", dataset, initial_frame=str(frame_wise_checkpoint))
    assert video_matches(val_result.path, list(VideoReader(result.path))[19:])


def test_transfer_uses_initial_frame(run_folder: Path, frame_wise_checkpoint: Path) -> None:
    source = make_blob_video(Path("other.mp4"), 6)
    results = [
        transfer(TransferRequest(source, run_folder, initial_frame=choice, compare=False, device="cpu"), ignore_events)
        for choice in (None, str(frame_wise_checkpoint))
    ]
    assert [result.num_frames for result in results] == [6, 6]
    default_frames, started_frames = (list(VideoReader(result.path)) for result in results)
    assert not all(np.array_equal(a, b) for a, b in zip(default_frames, started_frames, strict=True))
    with pytest.raises(ConfigError, match="--initial-frame real"):
        transfer(TransferRequest(source, run_folder, initial_frame="real", device="cpu"), ignore_events)


def test_initial_frame_defaults_to_training_setting(
    real_start_checkpoint: Path, run_folder: Path, dataset: Path
) -> None:
    assert load_metadata(real_start_checkpoint).initial_frames == "real"
    assert load_metadata(run_folder / "blob.ckpt").initial_frames == "zeros"
    metadata = load_metadata(real_start_checkpoint)
    assert choose_initial_frame(None, metadata, real_start_checkpoint, has_real_frames=True).kind == "real"
    events: list[Event] = []
    result = run_synthesize(real_start_checkpoint, dataset, events.append, initial_frame="zeros")
    assert ["schedule.initial_frames=real" in event.message for event in events if isinstance(event, WarningEvent)] == [
        True
    ]
    clip = tiny_sampler(dataset).load_range(FrameRange(0, 19, 24))
    assert video_matches(result.path, generate_images(real_start_checkpoint, clip.conditions, None))
    events.clear()
    real_result = run_synthesize(real_start_checkpoint, dataset, events.append)
    assert video_matches(real_result.path, generate_images(real_start_checkpoint, clip.conditions, clip.frames[:, :1]))
    assert not any(isinstance(event, WarningEvent) for event in events)
    assert choose_initial_frame(None, metadata, real_start_checkpoint, has_real_frames=False).warnings


def test_validation_psnr_uses_trained_initial_frame(real_start_checkpoint: Path, dataset: Path) -> None:
    generator, metadata = load_checkpoint(real_start_checkpoint, CPU)
    clip = tiny_sampler(dataset).load_range(FrameRange(0, 19, 24))
    real_psnr, zeros_psnr = (
        validation_psnr(generate_clip(generator, clip.conditions, CPU, frames), clip)
        for frames in (clip.frames[:, :1], None)
    )
    assert metadata.training["psnr_val"] == pytest.approx(real_psnr, abs=0.01)
    assert abs(real_psnr - zeros_psnr) > 0.05


def test_evaluate_uses_initial_frame(real_start_checkpoint: Path, dataset: Path, frame_wise_checkpoint: Path) -> None:
    psnr_by_choice = {}
    for choice in (None, "real", "zeros", str(frame_wise_checkpoint)):
        request = EvaluateRequest(
            real_start_checkpoint, dataset, Path("e"), device="cpu", precision="fp32", initial_frame=choice
        )
        psnr_by_choice[choice] = evaluate(request, ignore_events).metrics["psnr"]
    assert psnr_by_choice[None] == psnr_by_choice["real"]
    assert len(set(psnr_by_choice.values())) == 3


def test_plan_synthesize_shows_initial_frame(run_folder: Path, dataset: Path, frame_wise_checkpoint: Path) -> None:
    def plan_rows(initial_frame: str | None) -> dict[str, str]:
        return dict(plan_synthesize(SynthesizeRequest(run_folder, dataset, initial_frame=initial_frame)).rows)

    assert plan_rows(None)["initial frame"] == "zeros"
    assert plan_rows("real")["initial frame"] == "real"
    assert str(frame_wise_checkpoint) in plan_rows(str(frame_wise_checkpoint))["initial frame"]


def synthesize_error(initial_frame: str, checkpoint: Path, dataset: Path) -> Vid2VidError:
    with pytest.raises(Vid2VidError) as caught:
        run_synthesize(checkpoint, dataset, initial_frame=initial_frame)
    return caught.value


def test_initial_frame_rejects_mismatched_sources(
    run_folder: Path, dataset: Path, frame_wise_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = run_folder / "blob.ckpt"
    (conditioner_config,) = load_metadata(frame_wise_checkpoint).conditioners
    other_checkpoint = copy_checkpoint(
        frame_wise_checkpoint,
        tmp_path / "o.ckpt",
        conditioners=(conditioner_config.model_copy(update={"name": "pose"}),),
    )
    error = synthesize_error(str(other_checkpoint), checkpoint, dataset)
    assert isinstance(error, DatasetMismatchError)
    assert "pose (1 channels)" in error.message
    assert "--set model=pix2pixhd --data datasets/blob" in error.hint
    view = {**load_metadata(frame_wise_checkpoint).view, "height": 48, "width": 48}
    assert (
        "48x48"
        in synthesize_error(
            str(copy_checkpoint(frame_wise_checkpoint, tmp_path / "s.ckpt", view=view)), checkpoint, dataset
        ).message
    )
    assert "past_frames" in synthesize_error(str(checkpoint), checkpoint, dataset).message
    assert isinstance(synthesize_error("none.png", checkpoint, dataset), MissingFileError)
    Path("text.txt").write_text("not an image")
    assert "text.txt" in synthesize_error("text.txt", checkpoint, dataset).message
    assert isinstance(synthesize_error("real", frame_wise_checkpoint, dataset), ConfigError)
    assert run_synthesize(frame_wise_checkpoint, dataset).num_frames == 5


def test_choose_initial_frame_warns_about_differences(
    run_folder: Path, dataset: Path, frame_wise_checkpoint: Path, tmp_path: Path
) -> None:
    metadata = load_metadata(frame_wise_checkpoint)
    (conditioner_config,) = metadata.conditioners
    view = {**metadata.view, "matrix": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]}
    odd_checkpoint = copy_checkpoint(
        frame_wise_checkpoint,
        tmp_path / "o.ckpt",
        conditioners=(conditioner_config.model_copy(update={"options": {"sigma": 9.0}}),),
        view=view,
    )
    warnings = choose_initial_frame(
        str(odd_checkpoint), load_metadata(run_folder / "blob.ckpt"), run_folder, has_real_frames=True
    ).warnings
    assert len(warnings) == 2
    assert "edges" in warnings[0]


def test_fit_image_to_model_view(run_folder: Path, dataset: Path) -> None:
    """Unchanged at the model's size; cropped like the frames at their aspect ratio; else the centre."""
    metadata = load_metadata(run_folder / "blob.ckpt")
    frame = Dataset(dataset).load_frame(0, 3)
    viewed = view_image(frame, metadata.crop_view())
    assert np.array_equal(fit_image(viewed, metadata), viewed)
    enlarged = resize_image(frame, frame.shape[0] * 2, frame.shape[1] * 2)
    assert np.abs(fit_image(enlarged, metadata).astype(int) - viewed).mean() < 3
    portrait = blob_frame(4, 60, 30)
    assert fit_image(portrait, metadata).shape == (24, 24, 3)
    assert np.abs(fit_image(portrait, metadata).astype(int) - resize_image(portrait[15:45], 24, 24)).mean() < 3
