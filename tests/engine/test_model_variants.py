"""pix2pixHD, pix2pix, the fast and the few-shot generator: training, resuming, saving and generation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engine.test_checkpoint import make_metadata
from helpers.factories import CPU, copy_weights, random_clips, tensors_equal, tiny_config, tiny_state
from networks.test_reference_blend import with_references

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.model_variants import variant_overrides
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.build import count_parameters
from vid2vid_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from vid2vid_cli.engine.inference import generate_clip
from vid2vid_cli.engine.memory_estimate import estimate_model_size
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import load_train_state, save_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.spade import SpadeGenerator
from vid2vid_cli.networks.unet import UNetGenerator
from vid2vid_cli.ops.resample import downsample2x


def model_config(model: str, **sections: dict[str, object]) -> Config:
    """The tiny configuration with the overrides of a model family, or with another generator of vid2vid."""
    overrides: dict[str, dict[str, object]] = {}
    if model in ("fast", "spade"):
        overrides["generator"] = {"kind": model, "past_frames": 1, "patch_size": 2, "num_downsamples": 2}
    if model == "spade":
        overrides["generator"]["num_references"] = 2
    for key, value in variant_overrides({"model": model, "data.height": 24}).items():
        *path, name = key.split(".")
        section_name = path[0] if len(path) == 1 else f"{path[1]}_discriminator"
        overrides.setdefault(section_name, {})[name] = value
    for name, section in sections.items():
        overrides[name] = {**overrides.get(name, {}), **section}
    return tiny_config(**overrides)


MODELS = ("pix2pixhd", "pix2pix")
GENERATORS = {"pix2pixhd": CompositeGenerator, "pix2pix": UNetGenerator, "fast": FastGenerator, "spade": SpadeGenerator}


def model_clips(model: str, seed: int = 0, **sizes: int) -> ClipBatch:
    """Random clips, with references for a generator that needs them."""
    batch = random_clips(seed, **sizes)
    return with_references(batch) if model == "spade" else batch


@pytest.mark.parametrize("model", MODELS)
def test_frame_wise_model_depends_on_current_condition_only(model: str) -> None:
    state = tiny_state(model_config(model))[1]
    clip = random_clips(length=4)
    changed = clip.conditions.clone()
    changed[:, 1] *= -1
    before, after = (generate_clip(state.generator_ema, conditions, CPU) for conditions in (clip.conditions, changed))
    assert [torch.equal(a.image, b.image) for a, b in zip(before, after, strict=True)] == [True, False, True, True]


@pytest.mark.parametrize("model", MODELS)
def test_frame_wise_model_has_no_motion_losses(model: str) -> None:
    context, state = tiny_state(model_config(model, losses={"l1": 100.0}))
    terms = train_step(context, state, random_clips())
    expected = {"adversarial", "l1", "image_discriminator"} | ({"feature_matching"} if model == "pix2pixhd" else set())
    assert set(terms) == expected


@pytest.mark.parametrize("model", GENERATORS)
def test_resumed_training_is_bit_exact_with_dropout(model: str, tmp_path: Path) -> None:
    config = model_config(
        model, data={"height": 64}, generator={"num_downsamples": {"pix2pix": 6, "fast": 2, "spade": 2}.get(model, 1)}
    )

    context, uninterrupted = tiny_state(config)
    first_half, resumed = (tiny_state(config)[1] for _ in range(2))

    def run_steps(state: TrainState, steps: range) -> None:
        for step in steps:
            torch.manual_seed(step * 17 + len(steps))  # other uses of the global generator must not matter
            train_step(context, state, model_clips(model, step, length=2, size=64))

    if model == "pix2pix":
        assert any(isinstance(module, torch.nn.Dropout) for module in uninterrupted.generator.modules())
    run_steps(uninterrupted, range(4))
    run_steps(first_half, range(2))
    load_train_state(save_train_state(tmp_path, first_half, {}), resumed, CPU)
    run_steps(resumed, range(2, 4))
    assert tensors_equal(copy_weights(resumed.generator), copy_weights(uninterrupted.generator))
    assert tensors_equal(copy_weights(resumed.image_discriminator), copy_weights(uninterrupted.image_discriminator))


@pytest.mark.parametrize("model", ["pix2pixhd", "pix2pix", "fast"])  # spade: commands/test_spade.py
def test_checkpoint_generates_same_frames_as_training_state(model: str, tmp_path: Path) -> None:
    config = model_config(model)
    state = tiny_state(config, make_metadata().condition_spec.channels)[1]
    save_checkpoint(tmp_path / "one.ckpt", state.generator_ema, make_metadata(generator=config.generator))
    loaded, metadata = load_checkpoint(tmp_path / "one.ckpt", CPU)
    assert isinstance(loaded, GENERATORS[model])
    assert metadata.generator == config.generator
    conditions = random_clips(length=2, num_channels=make_metadata().condition_spec.channels).conditions
    for loaded_output, output in zip(
        generate_clip(loaded, conditions, CPU), generate_clip(state.generator_ema, conditions, CPU), strict=True
    ):
        assert torch.equal(loaded_output.image, output.image)


@pytest.mark.parametrize("model", GENERATORS)
def test_training_overfits_tiny_clip(model: str) -> None:
    config = model_config(model, optimizer={"lr": 2e-3, "ema_decay": 0.5}, losses={"l1": 20.0, "adversarial": 0.1})
    context, state = tiny_state(config)
    clip = model_clips(model, length=2)
    # The references are noise, whose weight has to become small.
    num_steps = 60 if model == "spade" else 30
    losses = [train_step(context, state, clip)["l1"] for _ in range(num_steps)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("model", ["pix2pix", "spade"])
def test_estimate_model_size(model: str) -> None:
    config = model_config(model, runtime={"precision": "fp32"})
    size = estimate_model_size(config, ConditionSpec(1), 24, 24)
    assert size.parameter_counts["generator, scale 0"] == count_parameters(tiny_state(config)[1].generator)
    assert ("temporal_discriminators" in size.parameter_counts) is (model == "spade")


def test_freeze_coarse_steps_freezes_global_generator() -> None:
    """As pix2pixHD's niter_fix_global."""
    config = model_config(
        "pix2pixhd", data={"height": 32}, generator={"num_scales": 2}, schedule={"freeze_coarse_steps": 1}
    )
    context, state = tiny_state(config)
    assert isinstance(state.generator, CompositeGenerator)
    coarse, fine = state.generator.scale_networks
    before = copy_weights(coarse), copy_weights(fine)
    train_step(context, state, random_clips(size=32))
    assert tensors_equal(copy_weights(coarse), before[0])
    assert not tensors_equal(copy_weights(fine), before[1])
    train_step(context, state, random_clips(size=32))
    assert not tensors_equal(copy_weights(coarse), before[0])


def test_local_enhancer_adds_features_of_global_generator() -> None:
    """The features before the global generator's output convolution, on the downsampled condition."""
    state = tiny_state(model_config("pix2pixhd", data={"height": 32}, generator={"num_scales": 2, "base_channels": 8}))[
        1
    ]
    generator = state.generator_ema
    assert isinstance(generator, CompositeGenerator)
    condition = random_clips(length=1, size=32).conditions[:, 0]
    coarse, fine = generator.scale_networks
    features = coarse(downsample2x(condition), condition[:, :0], None).features
    expected = fine(condition, condition[:, :0], features)
    output = next(rollout(generator, [condition]))
    assert torch.equal(output.image, expected.raw)
