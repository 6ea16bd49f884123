"""The style encoder, and the mean over each object: against a slow loop, clip by clip."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import tiny_config

from vid2vid_cli.core.types import ConditionLayout, ShapeError, StyleShape
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.networks.style_encoder import StyleEncoder, pool, style_encoder

SHAPE = StyleShape(features=3, width=4, downsamples=2)


def encoder() -> StyleEncoder:
    torch.manual_seed(0)
    return StyleEncoder(SHAPE, norm="instance", upsample="resize")


def test_each_object_has_its_mean_over_the_whole_clip() -> None:
    random = torch.Generator().manual_seed(1)
    features = torch.rand(2, 3, 2, 5, 6, generator=random)
    instances = torch.randint(-1, 3, (2, 3, 5, 6), generator=random) * (1 << 33)
    maps = pool(features, instances).maps()
    for clip in range(2):
        for one in instances[clip].unique():
            there = instances[clip] == one
            wanted = features[clip].movedim(1, -1)[there].mean(0) if one >= 0 else torch.zeros(2)
            torch.testing.assert_close(maps[clip].movedim(1, -1)[there], wanted.expand(int(there.sum()), 2))


def test_what_is_known_of_each_object() -> None:
    instances = torch.tensor([[[[5, 5, 7]], [[5, 7, 7]]], [[[5, 5, 5]], [[5, 5, 9]]]])
    pooled = pool(torch.ones(2, 2, 1, 1, 3), instances)
    rows = zip(pooled.clips.tolist(), pooled.ids.tolist(), pooled.pixels.tolist(), strict=True)
    assert list(rows) == [(0, 5, 3), (0, 7, 3), (1, 5, 5), (1, 9, 1)]


def test_gradients_reach_the_encoder_and_any_size_fits() -> None:
    network = encoder()
    frames = torch.rand(2, 3, 3, 18, 21)
    features = network(frames.flatten(0, 1)).unflatten(0, (2, 3))
    assert features.shape == (2, 3, 3, 18, 21)
    assert bool((features.abs() <= 1).all())
    maps = pool(features, torch.arange(21).expand(2, 3, 18, 21) // 7).maps()
    (maps * torch.rand_like(maps)).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.head.parameters())
    first = next(network.parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_what_is_seen_in_a_frame_does_not_depend_on_the_others(norm: str) -> None:
    """As a photo is one frame, and a clip of training many."""
    config = tiny_config(generator={"norm": norm}).generator
    network = style_encoder(build_generator(config, ConditionLayout(1, style=SHAPE)))
    assert network is not None
    frames = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(network(frames)[1:2], network(frames[1:2]), atol=1e-5, rtol=1e-4)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="instances"):
        pool(torch.zeros(1, 2, 3, 4, 4), torch.zeros(1, 2, 4, 5, dtype=torch.long))


def test_styles_are_channels_that_only_the_generator_is_shown() -> None:
    layout = ConditionLayout(5, style=SHAPE)
    assert (layout.channels, layout.shown, ConditionLayout(5).shown) == (5, 8, 5)
