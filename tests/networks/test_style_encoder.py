"""The style encoder and instance-wise average pooling."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import tiny_config

from vid2vid_cli.core.model_specs import ConditionSpec, StyleEncoderSpec
from vid2vid_cli.core.types import ShapeError
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.networks.style_encoder import StyleEncoder, instance_average_pool

SPEC = StyleEncoderSpec(feature_channels=3, base_channels=4, num_downsamples=2)


def make_encoder() -> StyleEncoder:
    torch.manual_seed(0)
    return StyleEncoder(SPEC, norm="instance", upsample="resize")


def test_instance_average_pool_averages_over_clip() -> None:
    rng = torch.Generator().manual_seed(1)
    features = torch.rand(2, 3, 2, 5, 6, generator=rng)
    instances = torch.randint(-1, 3, (2, 3, 5, 6), generator=rng) * (1 << 33)
    maps = instance_average_pool(features, instances).to_feature_maps()
    for clip in range(2):
        for instance in instances[clip].unique():
            mask = instances[clip] == instance
            expected = features[clip].movedim(1, -1)[mask].mean(0) if instance >= 0 else torch.zeros(2)
            torch.testing.assert_close(maps[clip].movedim(1, -1)[mask], expected.expand(int(mask.sum()), 2))


def test_instance_average_pool_returns_ids_and_sizes() -> None:
    instances = torch.tensor([[[[5, 5, 7]], [[5, 7, 7]]], [[[5, 5, 5]], [[5, 5, 9]]]])
    pooled = instance_average_pool(torch.ones(2, 2, 1, 1, 3), instances)
    rows = zip(pooled.clip_indices.tolist(), pooled.instance_ids.tolist(), pooled.num_pixels.tolist(), strict=True)
    assert list(rows) == [(0, 5, 3), (0, 7, 3), (1, 5, 5), (1, 9, 1)]


def test_pooled_features_have_gradients_for_encoder() -> None:
    network = make_encoder()
    frames = torch.rand(2, 3, 3, 18, 21)
    features = network(frames.flatten(0, 1)).unflatten(0, (2, 3))
    assert features.shape == (2, 3, 3, 18, 21)
    assert bool((features.abs() <= 1).all())
    maps = instance_average_pool(features, torch.arange(21).expand(2, 3, 18, 21) // 7).to_feature_maps()
    (maps * torch.rand_like(maps)).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.head.parameters())
    first = next(network.parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_encoder_output_does_not_depend_on_batch(norm: str) -> None:
    """A reference image is encoded alone, training frames in a batch."""
    config = tiny_config(generator={"norm": norm}).generator
    network = build_generator(config, ConditionSpec(1, style_encoder=SPEC)).style_encoder
    assert network is not None
    frames = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(network(frames)[1:2], network(frames[1:2]), atol=1e-5, rtol=1e-4)


def test_instance_average_pool_rejects_mismatched_shapes() -> None:
    with pytest.raises(ShapeError, match="instances"):
        instance_average_pool(torch.zeros(1, 2, 3, 4, 4), torch.zeros(1, 2, 4, 5, dtype=torch.long))


def test_input_channels_include_style_features() -> None:
    spec = ConditionSpec(5, style_encoder=SPEC)
    assert (spec.channels, spec.input_channels, ConditionSpec(5).input_channels) == (5, 8, 5)
