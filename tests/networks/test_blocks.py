"""Building blocks: normalisation, residual blocks and initialisation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vid2vid_cli.networks.blocks import Norm, ResidualBlock, build_decoder, build_encoder, init_weights, norm_layer


def test_instance_norm_equals_torch_instance_norm() -> None:
    layer, image = norm_layer(6, "instance"), torch.rand(2, 6, 5, 7)
    with torch.no_grad():
        layer.weight.uniform_(), layer.bias.uniform_()
    expected = nn.functional.instance_norm(image, weight=layer.weight, bias=layer.bias)
    assert torch.allclose(layer(image), expected, atol=1e-5)


@pytest.mark.parametrize("side", [4, 31])
@pytest.mark.parametrize("norm", ["instance", "instance_no_affine"])
def test_instance_norm_of_small_maps_is_exact_in_synthesis(norm: Norm, side: int) -> None:
    """GroupNorm's kernel, which training uses, loses digits for values that hardly vary around a mean."""
    layer, rng = norm_layer(6, norm), torch.Generator().manual_seed(0)
    image = torch.randn(1, 6, side, side, generator=rng) * 0.05 + 1.5
    if norm == "instance":
        with torch.no_grad():
            layer.weight.uniform_(), layer.bias.uniform_()
    weight, bias = (None if value is None else value.double() for value in (layer.weight, layer.bias))
    expected = nn.functional.instance_norm(image.double(), weight=weight, bias=bias).float()
    image = image.contiguous(memory_format=torch.channels_last)
    with_gradients = layer(image)
    with torch.no_grad():
        without_gradients = layer(image)
        batch = layer(image.expand(2, -1, -1, -1))
    assert torch.allclose(without_gradients, expected, atol=2e-5)
    assert torch.allclose(with_gradients, expected, atol=1e-2)
    assert torch.allclose(batch, expected.expand(2, -1, -1, -1), atol=1e-2)
    assert without_gradients.is_contiguous(memory_format=torch.channels_last)


def test_instance_norm_of_small_maps_accepts_float64() -> None:
    layer, image = norm_layer(6, "instance").double(), torch.rand(1, 6, 9, 7, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(layer(image), nn.functional.instance_norm(image))


def test_instance_norm_of_small_maps_keeps_bf16() -> None:
    layer = norm_layer(6, "instance")
    image = torch.randn(1, 6, 9, 7, generator=torch.Generator().manual_seed(0)).bfloat16()
    with torch.no_grad():
        normalised, expected = layer(image), layer(image.float())
    assert normalised.dtype == torch.bfloat16
    assert torch.equal(normalised, expected.bfloat16())


def test_instance_no_affine_has_no_parameters() -> None:
    layer, image = norm_layer(6, "instance_no_affine"), torch.rand(2, 6, 5, 7)
    init_weights(nn.Sequential(layer))
    assert not list(layer.parameters())
    assert torch.allclose(layer(image), nn.functional.instance_norm(image), atol=1e-5)


def test_batch_norm_uses_statistics_of_current_batch() -> None:
    layer, images = norm_layer(6, "batch"), torch.rand(2, 6, 5, 7) + 3
    values = images.transpose(0, 1).flatten(1)
    expected = (images - values.mean(1).view(6, 1, 1)) / (values.var(1, correction=0) + 1e-5).sqrt().view(6, 1, 1)
    for network in (layer.train(), layer.eval()):
        assert torch.allclose(network(images), expected, atol=1e-5)
    assert [name for name, _ in layer.named_buffers()] == []
    instance_normed = norm_layer(6, "instance")(images[:1])
    assert torch.allclose(layer(images[:1]), instance_normed, atol=1e-4)


def test_batch_norm_of_large_image_is_exact() -> None:
    layer = norm_layer(6, "batch")
    image = (torch.randn(1, 6, 128, 128, generator=torch.Generator().manual_seed(0)) * 0.05 + 1.5).contiguous(
        memory_format=torch.channels_last
    )
    assert torch.allclose(layer(image), nn.functional.instance_norm(image.double()).float(), atol=2e-5)
    assert layer(image).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("channels", "groups"), [(64, 4), (8, 1), (52, 2), (37, 1)])
def test_group_norm_has_about_sixteen_channels_per_group(channels: int, groups: int) -> None:
    assert norm_layer(channels, "group").num_groups == groups


def test_residual_block_adds_input() -> None:
    block, x = ResidualBlock(4, "instance"), torch.rand(1, 4, 6, 6) - 0.5
    assert torch.equal(block(x), x + block.body(x))
    nn.init.zeros_(block.body[-1].weight), nn.init.zeros_(block.body[-1].bias)
    assert torch.equal(block(x), x)


def test_decoder_restores_encoder_input_size() -> None:
    down = build_encoder(5, base_channels=4, num_downsamples=3, num_res_blocks=1, kernel_size=5, norm="instance")
    for upsample in ("transpose", "resize"):
        up = build_decoder(base_channels=4, num_downsamples=3, num_res_blocks=1, norm="instance", upsample=upsample)
        features = down(torch.rand(1, 5, 32, 48))
        assert features.shape == (1, 32, 4, 6)
        assert up(features).shape == (1, 4, 32, 48)


def test_init_weights_matches_published_distributions() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(32, 64, 3), nn.GroupNorm(64, 64), nn.ConvTranspose2d(64, 32, 3))
    init_weights(network)
    conv, norm, up = network
    for layer in (conv, up):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(layer.weight.mean().item()) < 1e-3
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.02)
    assert 0.005 < norm.weight.std().item() < 0.04
    assert torch.equal(norm.bias, torch.zeros(64))
