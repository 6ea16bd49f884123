"""The multi-scale patch discriminator: shapes, scales, and how far a patch sees."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vid2vid_cli.engine.warm_start import take_over
from vid2vid_cli.networks.discriminator import MultiScaleDiscriminator, PatchDiscriminator
from vid2vid_cli.ops.resample import halve


def test_the_published_one_has_its_size_and_its_score_map() -> None:
    """2.8 million weights, five groups, a 35 x 67 map for 256 x 512 (reference §2.1)."""
    judge = PatchDiscriminator(18, width=64, layers=3)
    with torch.no_grad():
        judgement = judge(torch.zeros(1, 18, 256, 512))
    assert round(sum(p.numel() for p in judge.parameters()) / 1e6, 1) == 2.8
    assert [feature.shape[1] for feature in judgement] == [64, 128, 256, 512, 1]
    assert judgement[-1].shape == (1, 1, 35, 67)


def test_a_score_sees_seventy_pixels() -> None:
    judge = PatchDiscriminator(1, width=2, layers=3)
    for stage in judge.stages:
        for index, part in enumerate(stage):
            if isinstance(part, nn.GroupNorm):
                stage[index] = nn.Identity()  # a norm sees the whole picture
    picture = torch.rand(1, 1, 160, 160, requires_grad=True)
    score = judge(picture)[-1]
    score[0, 0, 11, 11].backward()
    touched = picture.grad[0, 0].nonzero()
    assert (touched.max(0).values - touched.min(0).values + 1).tolist() == [70, 70]


def test_the_scales_see_a_pyramid_the_finest_first() -> None:
    torch.manual_seed(0)
    judge = MultiScaleDiscriminator(2, height=48, scales=3, width=4, layers=2)
    picture = torch.rand(1, 2, 48, 40)
    judgements = judge(picture)
    pyramid = {"48": picture, "24": halve(picture), "12": halve(halve(picture))}
    expected = [judge.copies[name](seen) for name, seen in pyramid.items()]
    assert list(judge.copies) == list(pyramid)
    assert [len(judgement) for judgement in judgements] == [4, 4, 4]
    for found, wanted in zip(judgements, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize(("height", "width"), [(61, 97), (97, 61), (16, 33), (16, 16), (19, 130)])
def test_no_size_is_refused(height: int, width: int) -> None:
    """Neither odd sides nor the smallest picture there may be, on the deepest pyramid that may be set."""
    judge = MultiScaleDiscriminator(4, height=height, scales=4, width=4, layers=5)
    judgements = judge(torch.rand(1, 4, height, width))
    assert all(bool(feature.isfinite().all()) for judgement in judgements for feature in judgement)
    # A map grows by one with each convolution: n / 2 + 1 at stride 2, n + 1 at stride 1.
    sides = torch.tensor([height, width])
    for judgement in judgements:
        side = sides
        for layer, feature in enumerate(judgement):
            side = side // 2 + 1 if layer < 5 else side + 1
            assert list(feature.shape[2:]) == side.tolist()
        sides = (sides + 1) // 2


def test_features_are_float32_under_autocast() -> None:
    judge = MultiScaleDiscriminator(2, height=16, scales=1, width=4, layers=1)
    with torch.autocast("cpu", torch.bfloat16):
        (judgement,) = judge(torch.rand(1, 2, 16, 16))
    assert {feature.dtype for feature in judgement} == {torch.float32}


def test_learnt_copies_keep_their_resolution_when_the_picture_grows() -> None:
    """From 24 pixels with two copies to 48 with three: what judged 24 and 12 pixels does so still, bit for bit."""
    small = MultiScaleDiscriminator(2, height=24, scales=2, width=4, layers=1)
    large = MultiScaleDiscriminator(2, height=48, scales=3, width=4, layers=1)
    fresh = {name: value.clone() for name, value in large.state_dict().items()}
    left = take_over(large, small.state_dict())
    assert left == [name for name in fresh if name.startswith("copies.48.")]
    assert all(torch.equal(large.state_dict()[name], fresh[name]) for name in left)
    picture = torch.rand(1, 2, 48, 48)
    for found, wanted in zip(large(picture)[1:], small(halve(picture)), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_what_does_not_fit_is_left_and_named() -> None:
    """Other channels (groups of two frames instead of three), other layers, nothing at all."""
    mine = MultiScaleDiscriminator(8, height=24, scales=1, width=4, layers=1)
    before = mine.state_dict()["copies.24.stages.0.0.weight"].clone()
    saved = MultiScaleDiscriminator(13, height=24, scales=2, width=4, layers=1).state_dict()
    assert take_over(mine, saved) == ["copies.24.stages.0.0.weight"]
    assert torch.equal(mine.state_dict()["copies.24.stages.0.0.weight"], before)
    assert torch.equal(mine.state_dict()["copies.24.stages.1.0.weight"], saved["copies.24.stages.1.0.weight"])
    assert take_over(mine, {}) == list(mine.state_dict())


def test_only_the_finest_copy_is_slim_where_the_coarser_may_be_wider() -> None:
    """As published for one GPU at 1024 pixels: 32 channels at full size, 64 below, and never more."""

    def widths(width: int, widest: int | None) -> list[int]:
        judge = MultiScaleDiscriminator(3, height=64, scales=3, width=width, layers=1, widest=widest)
        return [copy.stages[0][0].out_channels for copy in judge.copies.values()]

    assert widths(4, 8) == [4, 8, 8]
    assert widths(4, None) == [4, 4, 4]
    assert widths(8, 4) == [8, 8, 8]
