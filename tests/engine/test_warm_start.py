"""Initialisation from another run: matching weights, new modules, and errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.factories import CPU, copy_weights, random_clips, tensors_equal, tiny_config, tiny_state

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import RunError
from vid2vid_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from vid2vid_cli.engine.state_files import STATE_FILE_NAME, save_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.warm_start import find_init_weights, warm_start
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.ops.resample import downsample2x


def scaled_config(size: int, num_scales: int, **schedule: int) -> Config:
    return tiny_config(
        data={"height": size},
        generator={"base_channels": 8, "num_scales": num_scales},
        image_discriminator={"num_scales": num_scales},
        temporal_discriminator={"num_scales": num_scales},
        schedule=schedule,
    )


@pytest.fixture
def half_size_state(tmp_path: Path) -> Path:
    """The state folder of a run at half the size after two steps."""
    context, state = tiny_state(scaled_config(24, 1))
    for step in range(2):
        train_step(context, state, random_clips(step))
    return save_train_state(tmp_path, state, {})


def test_warm_start_loads_half_size_weights_as_coarse_scale(half_size_state: Path) -> None:
    (_, small), (_, large) = tiny_state(scaled_config(24, 1)), tiny_state(scaled_config(48, 2))
    small.load_state_dict(torch.load(half_size_state / STATE_FILE_NAME, weights_only=True)["state"])
    assert isinstance(large.generator, CompositeGenerator)
    assert isinstance(small.generator, CompositeGenerator)
    initial_finest = copy_weights(large.generator.scale_networks[1])
    assert warm_start(large, half_size_state).new_modules == (
        "generator.scale_networks.1",
        "image_discriminator.discriminators.48",
        "temporal_discriminators.1.discriminators.48",
        "temporal_discriminators.3.discriminators.48",
    )
    for pair in ((large.generator, small.generator), (large.generator_ema, small.generator_ema)):
        large_weights, small_weights = (copy_weights(network.get_submodule("scale_networks.0")) for network in pair)
        assert tensors_equal(large_weights, small_weights)
    assert tensors_equal(copy_weights(large.generator_ema.get_submodule("scale_networks.1")), initial_finest)
    large_weights, small_weights = (
        copy_weights(state.image_discriminator.get_submodule("discriminators.24")) for state in (large, small)
    )
    assert tensors_equal(large_weights, small_weights)
    assert not tensors_equal(copy_weights(small.generator_ema), copy_weights(small.generator))
    window, past = torch.rand(1, 3, 1, 48, 48), torch.rand(1, 2, 3, 48, 48)
    half_past = downsample2x(past[0])[None]
    coarse_image = large.generator(window, [past, half_past]).coarse_images[0]
    half_window = torch.stack([downsample2x(condition) for condition in window.unbind(1)], 1)
    assert torch.equal(coarse_image, small.generator(half_window, [half_past]).image)


def test_freeze_coarse_steps_trains_finest_scale_only(half_size_state: Path) -> None:
    context, state = tiny_state(scaled_config(48, 2, freeze_coarse_steps=1))
    assert isinstance(state.generator, CompositeGenerator)
    warm_start(state, half_size_state)
    coarse, fine = state.generator.scale_networks
    before = copy_weights(coarse), copy_weights(fine)
    train_step(context, state, random_clips(9, size=48))
    assert tensors_equal(before[0], copy_weights(coarse))
    assert not tensors_equal(before[1], copy_weights(fine))
    train_step(context, state, random_clips(10, size=48))
    assert not tensors_equal(before[0], copy_weights(coarse))


def test_warm_start_from_checkpoint_loads_generator(run_folder: Path, tmp_path: Path) -> None:
    _, state = tiny_state(tiny_config())
    discriminator_weights = copy_weights(state.image_discriminator)
    trained, metadata = load_checkpoint(run_folder / f"{run_folder.name}.ckpt", CPU)
    save_checkpoint(tmp_path / "generator.ckpt", trained, metadata)
    report = warm_start(state, tmp_path / "generator.ckpt")
    assert (report.has_discriminators, report.num_matched) == (False, len(trained.state_dict()))
    assert report.num_matched < report.num_tensors
    assert report.new_modules[0] == "image_discriminator.discriminators.24"
    assert tensors_equal(copy_weights(state.generator), copy_weights(state.generator_ema))
    assert tensors_equal(discriminator_weights, copy_weights(state.image_discriminator))
    assert state.step == 0


def test_warm_start_rejects_other_architecture(run_folder: Path) -> None:
    _, state = tiny_state(tiny_config(generator={"base_channels": 16}))
    with pytest.raises(RunError, match=r"\.ckpt"):
        warm_start(state, run_folder / f"{run_folder.name}.ckpt")


def test_warm_start_rejects_older_state_format(half_size_state: Path) -> None:
    path = half_size_state / STATE_FILE_NAME
    payload = torch.load(path, weights_only=True)
    del payload["format_version"]
    torch.save(payload, path)
    with pytest.raises(RunError, match="format 1"):
        warm_start(tiny_state(scaled_config(48, 2))[1], half_size_state)


def test_warm_start_from_checkpoint_takes_all_networks(run_folder: Path) -> None:
    """The adversarial loss on the same clip is that of the trained discriminators, not that of new ones."""
    checkpoint = run_folder / f"{run_folder.name}.ckpt"
    (_, from_file), (_, from_run) = tiny_state(tiny_config()), tiny_state(tiny_config())
    report = warm_start(from_file, checkpoint)
    assert (report.num_matched, report.new_modules, report.num_unused) == (report.num_tensors, (), 0)
    assert report.has_discriminators
    warm_start(from_run, find_init_weights(run_folder))
    for name, network in from_file.trainable_networks().items():
        if name != "generator":  # that of the file is the EMA
            assert tensors_equal(copy_weights(network), copy_weights(from_run.trainable_networks()[name])), name
    context, _ = tiny_state(tiny_config())
    losses = [train_step(context, state, random_clips(3))["adversarial"] for state in (from_file, from_run)]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)
