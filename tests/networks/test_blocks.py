"""The parts: normalisation, residuals, and the published start."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vid2vid_cli.networks.blocks import Norm, ResidualBlock, decoder, encoder, initialise, normalise


def test_instance_is_instance_normalisation() -> None:
    layer, picture = normalise(6, "instance"), torch.rand(2, 6, 5, 7)
    with torch.no_grad():
        layer.weight.uniform_(), layer.bias.uniform_()
    expected = nn.functional.instance_norm(picture, weight=layer.weight, bias=layer.bias)
    assert torch.allclose(layer(picture), expected, atol=1e-5)


@pytest.mark.parametrize("side", [4, 31])
@pytest.mark.parametrize("norm", ["instance", "instance_plain"])
def test_synthesis_normalises_small_maps_more_exactly(norm: Norm, side: int) -> None:
    """By another kernel than training: hardly varying around a mean is where GroupNorm's loses digits."""
    layer, random = normalise(6, norm), torch.Generator().manual_seed(0)
    picture = torch.randn(1, 6, side, side, generator=random) * 0.05 + 1.5
    if norm == "instance":
        with torch.no_grad():
            layer.weight.uniform_(), layer.bias.uniform_()
    weight, bias = (None if value is None else value.double() for value in (layer.weight, layer.bias))
    expected = nn.functional.instance_norm(picture.double(), weight=weight, bias=bias).float()
    picture = picture.contiguous(memory_format=torch.channels_last)
    learned = layer(picture)
    with torch.no_grad():
        drawn = layer(picture)
        both = layer(picture.expand(2, -1, -1, -1))
    assert torch.allclose(drawn, expected, atol=2e-5)
    assert torch.allclose(learned, expected, atol=1e-2)
    assert torch.allclose(both, expected.expand(2, -1, -1, -1), atol=1e-2)
    assert drawn.is_contiguous(memory_format=torch.channels_last)


def test_plain_is_instance_normalisation_that_learns_nothing() -> None:
    layer, picture = normalise(6, "instance_plain"), torch.rand(2, 6, 5, 7)
    initialise(nn.Sequential(layer))
    assert not list(layer.parameters())
    assert torch.allclose(layer(picture), nn.functional.instance_norm(picture), atol=1e-5)


def test_batch_is_by_the_pictures_at_hand_in_training_and_afterwards() -> None:
    layer, pictures = normalise(6, "batch"), torch.rand(2, 6, 5, 7) + 3
    together = pictures.transpose(0, 1).flatten(1)
    wanted = (pictures - together.mean(1).view(6, 1, 1)) / (together.var(1, correction=0) + 1e-5).sqrt().view(6, 1, 1)
    for network in (layer.train(), layer.eval()):
        assert torch.allclose(network(pictures), wanted, atol=1e-5)
    assert [name for name, _ in layer.named_buffers()] == []
    alone = normalise(6, "instance")(pictures[:1])
    assert torch.allclose(layer(pictures[:1]), alone, atol=1e-4)


def test_batch_loses_no_digits_of_a_large_picture_that_hardly_varies() -> None:
    layer = normalise(6, "batch")
    picture = (torch.randn(1, 6, 128, 128, generator=torch.Generator().manual_seed(0)) * 0.05 + 1.5).contiguous(
        memory_format=torch.channels_last
    )
    assert torch.allclose(layer(picture), nn.functional.instance_norm(picture.double()).float(), atol=2e-5)
    assert layer(picture).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("channels", "groups"), [(64, 4), (8, 1)])
def test_group_is_sixteen_channels_to_a_group(channels: int, groups: int) -> None:
    assert normalise(channels, "group").num_groups == groups


def test_a_residual_block_adds() -> None:
    block, x = ResidualBlock(4, "instance"), torch.rand(1, 4, 6, 6) - 0.5
    assert torch.equal(block(x), x + block.body(x))
    nn.init.zeros_(block.body[-1].weight), nn.init.zeros_(block.body[-1].bias)
    assert torch.equal(block(x), x)


def test_the_decoder_is_the_way_back() -> None:
    down = encoder(5, width=4, downsamples=3, blocks=1, kernel=5, norm="instance")
    for upsample in ("transpose", "resize"):
        up = decoder(width=4, downsamples=3, blocks=1, norm="instance", upsample=upsample)
        features = down(torch.rand(1, 5, 32, 48))
        assert features.shape == (1, 32, 4, 6)
        assert up(features).shape == (1, 4, 32, 48)


def test_the_start_is_the_published_one() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(32, 64, 3), nn.GroupNorm(64, 64), nn.ConvTranspose2d(64, 32, 3))
    initialise(network)
    conv, norm, up = network
    for layer in (conv, up):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(layer.weight.mean().item()) < 1e-3
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.02)
    assert 0.005 < norm.weight.std().item() < 0.04
    assert torch.equal(norm.bias, torch.zeros(64))
