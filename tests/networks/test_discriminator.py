"""The multi-scale patch discriminator: shapes, scales and receptive field."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vid2vid_cli.engine.warm_start import load_matching_weights
from vid2vid_cli.networks.discriminator import MultiScaleDiscriminator, PatchDiscriminator
from vid2vid_cli.ops.resample import downsample2x


def test_patch_discriminator_matches_published_size() -> None:
    """2.8 million weights, five layers, and 35 x 67 logits for 256 x 512 pixels."""
    discriminator = PatchDiscriminator(18, base_channels=64, num_layers=3)
    with torch.no_grad():
        output = discriminator(torch.zeros(1, 18, 256, 512))
    assert round(sum(p.numel() for p in discriminator.parameters()) / 1e6, 1) == 2.8
    assert [feature.shape[1] for feature in output] == [64, 128, 256, 512, 1]
    assert output[-1].shape == (1, 1, 35, 67)


def test_receptive_field_is_seventy_pixels() -> None:
    discriminator = PatchDiscriminator(1, base_channels=2, num_layers=3)
    for stage in discriminator.stages:
        for index, layer in enumerate(stage):
            if isinstance(layer, nn.GroupNorm):
                stage[index] = nn.Identity()  # a norm depends on the whole image
    image = torch.rand(1, 1, 160, 160, requires_grad=True)
    logits = discriminator(image)[-1]
    logits[0, 0, 11, 11].backward()
    nonzero_positions = image.grad[0, 0].nonzero()
    assert (nonzero_positions.max(0).values - nonzero_positions.min(0).values + 1).tolist() == [70, 70]


def test_scales_use_image_pyramid_finest_first() -> None:
    torch.manual_seed(0)
    discriminator = MultiScaleDiscriminator(2, height=48, num_scales=3, base_channels=4, num_layers=2)
    # The format to which the discriminators convert their input on the CPU: results are equal bit for bit.
    image = torch.rand(1, 2, 48, 40).contiguous(memory_format=torch.channels_last)
    outputs = discriminator(image)
    pyramid = {"48": image, "24": downsample2x(image), "12": downsample2x(downsample2x(image))}
    expected = [discriminator.discriminators[name](level) for name, level in pyramid.items()]
    assert list(discriminator.discriminators) == list(pyramid)
    assert [len(output) for output in outputs] == [4, 4, 4]
    for output, expected_output in zip(outputs, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(output, expected_output, strict=True))


@pytest.mark.parametrize(("height", "width"), [(61, 97), (97, 61), (16, 33), (16, 16), (19, 130)])
def test_any_size_is_accepted(height: int, width: int) -> None:
    """Also odd sides and the smallest images, with the largest number of scales and layers."""
    discriminator = MultiScaleDiscriminator(4, height=height, num_scales=4, base_channels=4, num_layers=5)
    outputs = discriminator(torch.rand(1, 4, height, width))
    assert all(bool(feature.isfinite().all()) for output in outputs for feature in output)
    # The size of a feature map is n / 2 + 1 after a convolution of stride 2, and n + 1 after stride 1.
    sides = torch.tensor([height, width])
    for output in outputs:
        side = sides
        for layer, feature in enumerate(output):
            side = side // 2 + 1 if layer < 5 else side + 1
            assert list(feature.shape[2:]) == side.tolist()
        sides = (sides + 1) // 2


def test_features_are_float32_under_autocast() -> None:
    discriminator = MultiScaleDiscriminator(2, height=16, num_scales=1, base_channels=4, num_layers=1)
    with torch.autocast("cpu", torch.bfloat16):
        (output,) = discriminator(torch.rand(1, 2, 16, 16))
    assert {feature.dtype for feature in output} == {torch.float32}


def test_discriminators_are_reused_at_higher_resolution() -> None:
    """From height 24 with two scales to 48 with three: the discriminators of 24 and 12 pixels are unchanged."""
    small = MultiScaleDiscriminator(2, height=24, num_scales=2, base_channels=4, num_layers=1)
    large = MultiScaleDiscriminator(2, height=48, num_scales=3, base_channels=4, num_layers=1)
    initial = {name: value.clone() for name, value in large.state_dict().items()}
    unmatched_names = load_matching_weights(large, small.state_dict())
    assert unmatched_names == [name for name in initial if name.startswith("discriminators.48.")]
    assert all(torch.equal(large.state_dict()[name], initial[name]) for name in unmatched_names)
    image = torch.rand(1, 2, 48, 48)
    for output, expected_output in zip(large(image)[1:], small(downsample2x(image)), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(output, expected_output, strict=True))


def test_load_matching_weights_returns_unmatched_names() -> None:
    """For another number of input channels, and for an empty state."""
    network = MultiScaleDiscriminator(8, height=24, num_scales=1, base_channels=4, num_layers=1)
    before = network.state_dict()["discriminators.24.stages.0.0.weight"].clone()
    saved = MultiScaleDiscriminator(13, height=24, num_scales=2, base_channels=4, num_layers=1).state_dict()
    assert load_matching_weights(network, saved) == ["discriminators.24.stages.0.0.weight"]
    assert torch.equal(network.state_dict()["discriminators.24.stages.0.0.weight"], before)
    assert torch.equal(
        network.state_dict()["discriminators.24.stages.1.0.weight"], saved["discriminators.24.stages.1.0.weight"]
    )
    assert load_matching_weights(network, {}) == list(network.state_dict())


def test_max_channels_limits_coarser_scales() -> None:
    """As published for one GPU at 1024 pixels: 32 channels at full size, 64 at the coarser scales."""

    def first_channels(base_channels: int, max_channels: int | None) -> list[int]:
        discriminator = MultiScaleDiscriminator(
            3, height=64, num_scales=3, base_channels=base_channels, num_layers=1, max_channels=max_channels
        )
        return [network.stages[0][0].out_channels for network in discriminator.discriminators.values()]

    assert first_channels(4, 8) == [4, 8, 8]
    assert first_channels(4, None) == [4, 4, 4]
    assert first_channels(8, 4) == [8, 8, 8]


def test_memory_format_of_the_input_does_not_matter() -> None:
    """On the CPU, images are converted for the first layer only; all features are contiguous."""
    discriminator = MultiScaleDiscriminator(5, height=32, num_scales=2, base_channels=4, num_layers=2)
    image = torch.rand(2, 5, 32, 40)
    for first, second in zip(
        discriminator(image), discriminator(image.contiguous(memory_format=torch.channels_last)), strict=True
    ):
        for feature, other in zip(first, second, strict=True):
            assert feature.is_contiguous()
            assert torch.equal(feature, other)


@pytest.mark.parametrize("num_channels", [0, 3])
def test_conditions_apart_equal_conditions_in_the_input(num_channels: int) -> None:
    """Two images of each of two conditions; features and gradients of weights and images are equal to rounding."""
    torch.manual_seed(0)
    discriminator = MultiScaleDiscriminator(num_channels + 2, height=32, num_scales=2, base_channels=4, num_layers=2)
    conditions, images = torch.rand(2, num_channels, 32, 40), torch.rand(4, 2, 32, 40, requires_grad=True)
    results = []
    for outputs in (
        discriminator(images, conditions),
        discriminator(torch.cat([conditions.repeat(2, 1, 1, 1), images], 1)),
    ):
        features = [feature for output in outputs for feature in output]
        loss = torch.stack([(feature**2).mean() for feature in features]).sum()
        results.append([*features, *torch.autograd.grad(loss, [images, *discriminator.parameters()])])
    for apart, together in zip(*results, strict=True):
        assert apart.shape == together.shape
        assert torch.allclose(apart, together, atol=1e-5)
