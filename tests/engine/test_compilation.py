"""torch.compile of generators and discriminators, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.factories import CPU, random_clips, tiny_config, tiny_state

from vid2vid_cli.core.errors import ConfigError, DeviceError
from vid2vid_cli.engine import compilation
from vid2vid_cli.engine.compilation import UNSUPPORTED_MODELS, check_compilable, compile_errors, compile_networks
from vid2vid_cli.engine.inference import generate_clip
from vid2vid_cli.engine.step import train_step


@pytest.fixture(autouse=True)
def _reset_compiler() -> Any:
    yield
    torch._dynamo.reset()


def test_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DeviceError, match="no-such-compiler"):
        check_compilable("vid2vid", CPU.device)


@pytest.mark.parametrize("model", UNSUPPORTED_MODELS)
def test_models_that_are_not_called_as_a_whole_are_refused(model: str) -> None:
    with pytest.raises(ConfigError, match=model):
        check_compilable(model, CPU.device)


def test_training_step_is_one_graph_per_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a backend that generates no code: the networks are traced as a whole, and the losses are the same."""
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    config = tiny_config()
    context, state = tiny_state(config)
    expected = train_step(context, state, random_clips())
    context, state = tiny_state(config)
    compile_networks(state.trainable_networks().values())
    with compile_errors():
        assert train_step(context, state, random_clips()) == pytest.approx(expected, rel=1e-4)
    called = (state.generator, state.image_discriminator, *state.temporal_discriminators.values())
    assert all(network._compiled_call_impl is not None for network in called)
    assert state.generator_ema._compiled_call_impl is None


def test_untraceable_network_is_an_error() -> None:
    class Printer(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if float(x.sum()) > 0 else -x

    network = Printer()
    compile_networks([network])
    with pytest.raises(DeviceError, match="--compile"), compile_errors():
        network(torch.ones(2))


@pytest.mark.slow
def test_compiled_generator_equals_uncompiled_generator() -> None:
    """Real code generation, which takes minutes of one core."""
    try:
        check_compilable("vid2vid", CPU.device)
    except DeviceError as error:
        pytest.skip(error.message)
    generator = tiny_state(tiny_config())[1].generator_ema
    conditions = random_clips(length=3).conditions
    expected = generate_clip(generator, conditions, CPU)
    compile_networks([generator])
    with compile_errors():
        outputs = generate_clip(generator, conditions, CPU)
    for output, reference in zip(outputs, expected, strict=True):
        assert (output.image - reference.image).abs().max() < 1e-3
