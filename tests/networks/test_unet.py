"""pix2pix's U-Net: parameter counts, sizes, skip connections and dropout."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vid2vid_cli.core.types import ShapeError
from vid2vid_cli.networks.blocks import Upsample
from vid2vid_cli.networks.unet import UNetGenerator


def tiny_generator(channels: int = 2, **changes: object) -> UNetGenerator:
    torch.manual_seed(0)
    settings = {"base_channels": 4, "num_downsamples": 4, **changes}
    return UNetGenerator(channels, **settings).eval()  # type: ignore[arg-type]


def random_window(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 1, 2, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(("num_downsamples", "expected_count"), [(8, 54_413_955), (7, 41_828_995)])
def test_parameter_counts_match_pix2pix(num_downsamples: int, expected_count: int) -> None:
    """54.414 million for three condition channels; one level less has (512 + 1024) * 512 * 16 fewer parameters."""
    with torch.device("meta"):
        generator = UNetGenerator(3, base_channels=64, num_downsamples=num_downsamples)
    assert sum(p.numel() for p in generator.parameters()) == expected_count


@pytest.mark.parametrize(("height", "width"), [(61, 97), (16, 16), (17, 33), (9, 10)])
@pytest.mark.parametrize("upsample", ["transpose", "resize"])
def test_any_size_is_accepted(height: int, width: int, upsample: Upsample) -> None:
    output = tiny_generator(upsample=upsample)(random_window(height, width), [])
    assert output.image.shape == (1, 3, height, width)
    assert output.image is output.raw
    assert output.flow is output.occlusion is None
    assert output.image.abs().max() <= 1


def test_skip_connections_carry_detail() -> None:
    """Without the inner levels the output depends on fine detail; without the outermost skip too it does not."""
    generator, conditions = tiny_generator(), random_window(16, 16)
    for layer in generator.up:
        nn.init.zeros_(layer[1].weight), nn.init.zeros_(layer[2].weight)
    changed = conditions.clone()
    changed[..., 8, 8] += 1
    assert not torch.equal(generator(conditions, []).image, generator(changed, []).image)
    with torch.no_grad():
        generator.head[1].weight[:4] = 0  # weights of the outermost skip
    assert torch.equal(generator(conditions, []).image, generator(changed, []).image)


def test_receptive_field_is_whole_image() -> None:
    """The innermost level has one cell, so every pixel depends on every other."""
    generator, conditions = tiny_generator(), random_window(16, 16)
    for weight in generator.parameters():
        if weight.ndim == 4:  # with the published initialisation the signal through all levels is lost in rounding
            nn.init.kaiming_normal_(weight)
    changed = conditions.clone()
    changed[..., 0, 0] += 1
    difference = (generator(conditions, []).image - generator(changed, []).image).abs().amax(1)
    assert difference[0, 15, 15] > 0


def test_dropout_is_in_innermost_levels_and_training_only() -> None:
    generator = tiny_generator(num_downsamples=8, base_channels=2)
    has_dropout = [any(isinstance(module, nn.Dropout) for module in layer) for layer in generator.up]
    assert has_dropout == [True] * 3 + [False] * 4
    assert not any(isinstance(module, nn.Dropout) for module in tiny_generator(num_downsamples=5).modules())
    conditions = random_window(256, 256)
    assert torch.equal(generator(conditions, []).image, generator(conditions, []).image)
    generator.train()
    assert not torch.equal(generator(conditions, []).image, generator(conditions, []).image)


def test_gradient_checkpointing_keeps_gradients() -> None:
    gradients = []
    for enabled in (False, True):
        generator = tiny_generator(num_downsamples=6).train()
        generator.set_gradient_checkpointing(enabled)
        torch.manual_seed(3)
        generator(random_window(33, 40), []).image.square().mean().backward()
        gradients.append([p.grad for p in generator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_window_of_two_is_rejected() -> None:
    with pytest.raises(ShapeError, match="window"):
        tiny_generator()(random_window(16, 16).repeat(1, 2, 1, 1, 1), [])
