"""BicycleGAN through the pipelines: training, one style per video by seed, photo or path between two, evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.factories import blob_frame, tiny_config
from numpy.typing import NDArray

from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.style_options import StyleOptions

SETTINGS = {
    "model": "bicyclegan",
    "generator.kind": "unet",
    "generator.past_frames": 0,
    "generator.flow": False,
    "generator.num_downsamples": 4,
    "generator.norm": "none",
    "losses.l1": 10,
    "schedule.batch_size": 2,
    "schedule.clip_length": 1,
    "schedule.max_clip_length": 1,
    "schedule.max_steps": 20,
    "checkpoint.save_interval": 20,
    "checkpoint.sample_interval": 20,
    "optimizer.lr": 4e-3,
    "optimizer.ema_decay": 0.5,
}


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "styles"
    return train(
        TrainRequest(tiny_config().with_settings(SETTINGS), "", dataset, out, device="cpu"), ignore_events
    ).path


def render(run: Path, dataset: Path, out: Path, options: StyleOptions) -> NDArray[np.float64]:
    """The frames (t, h, w, 3) of the validation split with a style."""
    request = SynthesizeRequest(
        run, dataset, out, split="val", style_options=options, device="cpu", overwrite=True, compare=False
    )
    return np.stack(list(VideoReader(synthesize(request, ignore_events).path))).astype(float)


def difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.abs(first - second).mean())


def test_checkpoint_records_the_model(run: Path) -> None:
    metadata = load_metadata(run / "styles.ckpt")
    assert (metadata.model, metadata.generator.latent_channels, metadata.has_latent) == ("bicyclegan", 8, True)


def test_seed_selects_the_style_of_the_video(run: Path, dataset: Path, tmp_path: Path) -> None:
    first, again, other = (
        render(run, dataset, tmp_path / f"{index}.mp4", StyleOptions(seed=seed)) for index, seed in enumerate((7, 7, 8))
    )
    assert difference(first, again) < 0.5  # x264 is not deterministic
    assert difference(first, other) > 1


def test_photo_selects_the_style_of_the_video(run: Path, dataset: Path, tmp_path: Path) -> None:
    save_png(tmp_path / "light.png", np.full((70, 90, 3), 250, np.uint8))
    save_png(tmp_path / "blob.png", blob_frame(3))
    light, blob = (
        render(run, dataset, tmp_path / f"{name}.mp4", StyleOptions(reference_image=tmp_path / f"{name}.png"))
        for name in ("light", "blob")
    )
    assert difference(light, blob) > 0.3


def test_style_moves_from_one_to_another(run: Path, dataset: Path, tmp_path: Path) -> None:
    start, end, path = (
        render(run, dataset, tmp_path / f"{index}.mp4", options)
        for index, options in enumerate(
            (StyleOptions(seed=7), StyleOptions(seed=8), StyleOptions(seed=7, last_style="8"))
        )
    )
    assert difference(path[0], start[0]) < difference(path[0], end[0])
    assert difference(path[-1], end[-1]) < difference(path[-1], start[-1])


def test_transfer_takes_a_style_and_says_the_default(run: Path, blob_video: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    frames = []
    for index, options in enumerate((StyleOptions(), StyleOptions(seed=3))):
        request = TransferRequest(
            blob_video, run, tmp_path / f"{index}.mp4", style_options=options, max_frames=2, device="cpu"
        )
        frames.append(np.stack(list(VideoReader(transfer(request, events.append).path))).astype(float))
    assert difference(*frames) > 1
    assert sum("mean of all styles" in event.message for event in events if isinstance(event, InfoEvent)) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (StyleOptions(assignments=("car=3",)), ConfigError),
        (StyleOptions(reference_labels=("a.png",)), ConfigError),
        (StyleOptions(seed=1, reference_image=Path("a.png")), ConfigError),
        (StyleOptions(last_style="photo.png"), MissingFileError),
    ],
)
def test_style_options_of_other_models_are_refused(
    run: Path, dataset: Path, options: StyleOptions, error: type[Exception]
) -> None:
    with pytest.raises(error):
        plan_synthesize(SynthesizeRequest(run, dataset, style_options=options, device="cpu"))


def test_style_of_a_model_without_one_is_refused(run_folder: Path, dataset: Path) -> None:
    for options in (StyleOptions(seed=7), StyleOptions(last_style="7")):
        with pytest.raises(ConfigError, match="without styles") as refusal:
            plan_synthesize(SynthesizeRequest(run_folder, dataset, style_options=options, device="cpu"))
        assert "model=bicyclegan" in refusal.value.hint


def test_evaluate_measures_diversity_and_fidelity(run: Path, dataset: Path, tmp_path: Path) -> None:
    result = evaluate(EvaluateRequest(run, dataset, tmp_path / "evaluation", device="cpu"), ignore_events)
    assert result.metrics["style_diversity"] > 0
    assert {"encoded_style", "best_of_8_styles"} <= set(result.rows)
    assert "encoded_style" not in result.baselines
    assert "style_diversity" not in result.beats_nearest
    record = json.loads(result.path.read_text())
    assert {"encoded_style", "best_of_8_styles"} <= set(record["rows"])
