"""Few-shot vid2vid end to end: training through the CLI, resuming, synthesis, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.cli_runner import CliRunner
from helpers.factories import CPU

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.networks.spade import SpadeGenerator
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize

SETTINGS = (
    *("generator.kind=spade", "generator.base_channels=4", "generator.num_res_blocks=2", "generator.num_downsamples=2"),
    *("data.height=24", "data.reference_bank_size=6", "data.reference_gap=0.05", "discriminators.region.names=[]"),
    *("discriminators.image.base_channels=4", "discriminators.temporal.base_channels=4", "runtime.precision=fp32"),
    *("losses.region_adversarial=0", "losses.region_feature_matching=0", "schedule.image_warmup_steps=1"),
    *("discriminators.image.num_layers=1", "discriminators.temporal.num_layers=1", "schedule.clip_length=4"),
)


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_train(run_cli: CliRunner, data: Path, out: str, *options: str) -> Path:
    settings = [f"--set={setting}" for setting in SETTINGS]
    arguments = ("train", "--preset", "fast", "--data", str(data), "--device", "cpu", *settings, *options)
    result = run_cli(*arguments, "--out", out)
    assert result.exit_code == 0, result.stderr
    return Path(out)


def test_train_resume_and_synthesize(run_cli: CliRunner, dataset: Path) -> None:
    """The .ckpt generates with its reference frames."""
    run = run_train(run_cli, dataset, "run", "--steps", "2")
    assert run_cli("train", "--resume", "run", "--steps", "3", "--device", "cpu").exit_code == 0
    metadata = load_metadata(run / "run.ckpt")
    assert (metadata.generator.kind, metadata.generator.num_references) == ("spade", 2)
    assert metadata.references is not None
    inspected = run_cli("inspect", "run/run.ckpt")
    assert "spade" in inspected.stdout
    request = SynthesizeRequest(
        run, dataset, Path("x.mp4"), split="val", save=("mask", "references"), device="cpu", compare=False
    )
    result = synthesize(request, ignore_events)
    frames = list(VideoReader(result.path))
    assert len(frames) == result.num_frames > 1
    assert np.stack(frames).std() > 5
    weights = probe(result.layer_paths["references"])
    assert weights.width > 2 * probe(result.path).width


def test_references_that_are_not_blended_have_no_weights_to_save(run_cli: CliRunner, dataset: Path) -> None:
    run = run_train(run_cli, dataset, "run", "--steps", "1", "--set=generator.blend_references=false")
    generator = load_checkpoint(run / "run.ckpt", CPU)[0]
    assert isinstance(generator, SpadeGenerator)
    assert not generator.blends_references
    request = SynthesizeRequest(run, dataset, Path("x.mp4"), split="val", save=("references",), device="cpu")
    with pytest.raises(ConfigError, match="blend_references=false"):
        synthesize(request, ignore_events)
    plain = SynthesizeRequest(run, dataset, Path("x.mp4"), split="val", device="cpu", compare=False)
    assert synthesize(plain, ignore_events).num_frames > 1
