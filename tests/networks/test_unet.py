"""pix2pix's U-Net: published counts, any size, skips, and noise in training alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vid2vid_cli.core.types import ShapeError
from vid2vid_cli.networks.blocks import Upsample
from vid2vid_cli.networks.unet import UNetGenerator


def small(channels: int = 2, **changes: object) -> UNetGenerator:
    torch.manual_seed(0)
    settings = {"width": 4, "downsamples": 4, **changes}
    return UNetGenerator(channels, **settings).eval()  # type: ignore[arg-type]


def window(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 1, 2, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(("levels", "count"), [(8, 54_413_955), (7, 41_828_995)])
def test_parameter_counts_are_the_published_ones(levels: int, count: int) -> None:
    """Of three channels, 54.414 million; a level in the middle less for half the size: (512 + 1024) * 512 * 16."""
    with torch.device("meta"):
        generator = UNetGenerator(3, width=64, downsamples=levels)
    assert sum(p.numel() for p in generator.parameters()) == count


@pytest.mark.parametrize(("height", "width"), [(61, 97), (16, 16), (17, 33), (9, 10)])
@pytest.mark.parametrize("upsample", ["transpose", "resize"])
def test_no_size_is_refused(height: int, width: int, upsample: Upsample) -> None:
    output = small(upsample=upsample)(window(height, width), [])
    assert output.image.shape == (1, 3, height, width)
    assert output.image is output.raw
    assert output.flow is output.occlusion is None
    assert output.image.abs().max() <= 1


def test_each_level_is_handed_what_was_seen_at_its_size() -> None:
    """With the inner levels silent, fine detail still arrives; with the outermost skip cut too, nothing does."""
    generator, seen = small(), window(16, 16)
    for layer in generator.up:
        nn.init.zeros_(layer[1].weight), nn.init.zeros_(layer[2].weight)
    changed = seen.clone()
    changed[..., 8, 8] += 1
    assert not torch.equal(generator(seen, []).image, generator(changed, []).image)
    with torch.no_grad():
        generator.head[1].weight[:4] = 0  # of the outermost features, handed across
    assert torch.equal(generator(seen, []).image, generator(changed, []).image)


def test_what_lies_furthest_apart_is_brought_together() -> None:
    """Down to a cell, so that every pixel depends on every other: 256 pixels by eight levels, as 16 by four."""
    generator, seen = small(), window(16, 16)
    for weight in generator.parameters():
        if weight.ndim == 4:  # the published start is so small that what passes through all levels is lost in rounding
            nn.init.kaiming_normal_(weight)
    changed = seen.clone()
    changed[..., 0, 0] += 1
    moved = (generator(seen, []).image - generator(changed, []).image).abs().amax(1)
    assert moved[0, 15, 15] > 0


def test_dropout_is_the_noise_of_training_alone_and_of_the_innermost_levels() -> None:
    generator = small(downsamples=8, width=2)
    kept = [any(isinstance(part, nn.Dropout) for part in layer) for layer in generator.up]
    assert kept == [True] * 3 + [False] * 4
    assert not any(isinstance(part, nn.Dropout) for part in small(downsamples=5).modules())
    seen = window(256, 256)
    assert torch.equal(generator(seen, []).image, generator(seen, []).image)
    generator.train()
    assert not torch.equal(generator(seen, []).image, generator(seen, []).image)


def test_recomputing_changes_no_gradient() -> None:
    found = []
    for recompute in (False, True):
        generator = small(downsamples=6).train()
        generator.keep_less(recompute)
        torch.manual_seed(3)
        generator(window(33, 40), []).image.square().mean().backward()
        found.append([p.grad for p in generator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_it_sees_one_condition() -> None:
    with pytest.raises(ShapeError, match="window"):
        small()(window(16, 16).repeat(1, 2, 1, 1, 1), [])
