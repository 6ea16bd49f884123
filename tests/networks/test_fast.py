"""The generator for processors: the same recursion by one narrow network, which no full-size features pass through."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import same, weights_of
from torch import nn

from vid2vid_cli.core.types import ShapeError
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.ops.warp import warp


def small(channels: int = 2, **changes: object) -> FastGenerator:
    torch.manual_seed(0)
    settings = {"width": 4, "downsamples": 3, "blocks": 1, **changes}
    return FastGenerator(channels, **settings)  # type: ignore[arg-type]


def inputs(height: int, width: int, *, past: int = 1) -> tuple[torch.Tensor, list[torch.Tensor]]:
    random = torch.Generator().manual_seed(1)
    window = torch.rand(1, 1, 2, height, width, generator=random) * 2 - 1
    return window, [torch.rand(1, past, 3, height, width, generator=random) * 2 - 1]


@pytest.mark.parametrize(("height", "width"), [(61, 97), (97, 61), (16, 16), (17, 33)])
@pytest.mark.parametrize("patch", [2, 4, 8])
def test_no_size_is_refused_for_not_being_a_multiple(height: int, width: int, patch: int) -> None:
    output = small(patch=patch)(*inputs(height, width))
    assert output.image.shape == output.raw.shape == (1, 3, height, width)
    assert output.flow.shape == (1, 2, height, width)
    assert output.occlusion.shape == (1, 1, height, width)
    assert max(output.raw.abs().max(), output.image.abs().max()) <= 1
    assert output.coarse == ()


@pytest.mark.parametrize("patch", [2, 4])
def test_no_features_have_more_cells_than_there_are_patches(patch: int) -> None:
    """What makes it fast; the picture itself has three channels."""
    generator, cells = small(patch=patch), []
    for module in generator.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _, given, made: cells.append(made.shape[-1] * made.shape[-2]))
    generator(*inputs(32, 64))
    assert max(cells) == 32 * 64 // patch**2
    assert min(cells) == 32 * 64 // 8**2


def test_the_fusion_is_that_of_the_paper() -> None:
    generator, (window, past) = small(flow_unit=4.0), inputs(16, 24)
    nn.init.normal_(generator.flow_head.weight, 0, 0.1)
    output = generator(window, past)
    assert output.flow.abs().max() > 0.1
    mask, carried = output.occlusion, warp(past[0][:, -1], output.flow)
    assert torch.allclose(output.image, mask * output.raw + (1 - mask) * carried, atol=1e-6)


@pytest.mark.parametrize("patch", [2, 4])
def test_before_training_patches_have_no_pattern(patch: int) -> None:
    output = small(patch=patch)(*inputs(32, 32))
    for picture in (output.raw, output.occlusion):
        patches = picture.unfold(2, patch, patch).unfold(3, patch, patch).flatten(-2)
        assert torch.equal(patches, patches[..., :1].expand_as(patches))
        assert patches.std() > 0


@pytest.mark.parametrize(("bias", "synthesised"), [(50.0, True), (-50.0, False)])
def test_which_way_the_mask_weighs(bias: float, synthesised: bool) -> None:
    """1 = synthesise, 0 = trust the warp; flow begins at zero, so the warp is the last frame itself."""
    generator, (window, past) = small(past=2), inputs(16, 16, past=2)
    nn.init.constant_(generator.occlusion_head.bias, bias)
    output = generator(window, past)
    assert torch.equal(output.flow, torch.zeros_like(output.flow))
    assert torch.allclose(output.image, output.raw if synthesised else past[0][:, -1], atol=1e-4)
    assert not torch.allclose(output.raw, past[0][:, -1], atol=1e-2)


def test_flow_is_in_pixels_of_the_picture_whatever_the_patch() -> None:
    for patch in (2, 4):
        generator, (window, past) = small(patch=patch, flow_unit=5.0), inputs(16, 16)
        nn.init.constant_(generator.flow_head.bias, 0.1)
        assert torch.allclose(generator(window, past).flow, torch.full((1, 2, 16, 16), 0.5), atol=1e-6)


def test_the_first_frame_is_raw() -> None:
    output = small()(*inputs(16, 16), first=True)
    assert (output.flow, output.occlusion) == (None, None)
    assert torch.equal(output.image, output.raw)


def test_a_frame_wise_model_has_no_past_and_no_flow() -> None:
    generator = small(past=0, flow=False)
    output = generator(*inputs(16, 16, past=0))
    assert (generator.past_patches, generator.flow_head, generator.occlusion_head) == (None, None, None)
    assert torch.equal(output.image, output.raw)


def test_all_of_the_past_and_of_the_condition_matter_to_their_pixel() -> None:
    """Each pixel of what comes in can be told from its neighbours, though it comes in by patches."""
    generator, (window, past) = small(past=2), inputs(16, 16, past=2)
    before = generator(window, past).raw
    for channel in range(2):
        changed, moved = window.clone(), window.clone()
        changed[:, 0, channel, 5, 6] += 0.5
        moved[:, 0, channel, 5, 7] += 0.5
        there, beside = generator(changed, past).raw, generator(moved, past).raw
        assert not torch.equal(there, before)
        assert not torch.equal(there, beside)
    for index in range(2):
        changed = past[0].clone()
        changed[:, index, :, 5, 6] += 0.5
        assert not torch.equal(generator(window, [changed]).raw, before)


def test_fine_detail_passes_by_the_inner_levels() -> None:
    generator, (window, past) = small(), inputs(16, 16)
    nn.init.zeros_(generator.up[0][0].weight)
    changed = window.clone()
    changed[:, -1, :, 8, 8] += 1
    assert not torch.equal(generator(window, past).raw, generator(changed, past).raw)


def test_a_clip_in_a_batch_is_as_if_alone() -> None:
    generator = small()
    (window, past), (other, other_past) = inputs(16, 16), (torch.rand(1, 1, 2, 16, 16), torch.rand(1, 1, 3, 16, 16))
    alone = generator(window, past).image
    together = generator(torch.cat([other, window]), [torch.cat([other_past, past[0]])]).image[1:]
    assert torch.allclose(alone, together, atol=1e-5)


def test_synthesis_is_the_same_function_as_training() -> None:
    generator, (window, past) = small(), inputs(16, 16)
    weights = weights_of(generator)
    trained = generator.train()(window, past).image
    assert torch.equal(generator.eval()(window, past).image, trained)
    assert same(weights, weights_of(generator))


def test_recomputing_changes_no_gradient() -> None:
    found = []
    for recompute in (False, True):
        generator = small(blocks=2)
        generator.keep_less(recompute)
        generator(*inputs(16, 16)).image.square().sum().backward()
        found.append([weight.grad for weight in generator.parameters()])
    assert all(torch.allclose(kept, again, atol=1e-5) for kept, again in zip(*found, strict=True))


def test_of_no_past_nothing_is_learned() -> None:
    generator = small()
    generator.learn(finest_only=False, stills=True)
    assert {name for name, weight in generator.named_parameters() if not weight.requires_grad} == {
        "past_patches.weight",
        "past_patches.bias",
    }
    generator.learn(finest_only=False)
    assert all(weight.requires_grad for weight in generator.parameters())


def test_another_number_of_channels_or_frames_is_refused() -> None:
    generator, (window, past) = small(), inputs(16, 16)
    with pytest.raises(ShapeError, match="window"):
        generator(window.expand(1, 2, 2, 16, 16), past)
    with pytest.raises(ShapeError, match="past"):
        generator(window, [past[0][..., :-1]])
