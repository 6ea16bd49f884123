"""The fast generator: sizes, blending, patches, gradients and errors."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import copy_weights, tensors_equal
from torch import nn

from vid2vid_cli.core.types import ShapeError
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.ops.warp import warp


def tiny_generator(channels: int = 2, **changes: object) -> FastGenerator:
    torch.manual_seed(0)
    settings = {"base_channels": 4, "num_downsamples": 3, "num_res_blocks": 1, **changes}
    return FastGenerator(channels, **settings)  # type: ignore[arg-type]


def random_inputs(height: int, width: int, *, past_frames: int = 1) -> tuple[torch.Tensor, list[torch.Tensor]]:
    rng = torch.Generator().manual_seed(1)
    window = torch.rand(1, 1, 2, height, width, generator=rng) * 2 - 1
    return window, [torch.rand(1, past_frames, 3, height, width, generator=rng) * 2 - 1]


@pytest.mark.parametrize(("height", "width"), [(61, 97), (97, 61), (16, 16), (17, 33)])
@pytest.mark.parametrize("patch_size", [2, 4, 8])
def test_any_size_is_accepted(height: int, width: int, patch_size: int) -> None:
    output = tiny_generator(patch_size=patch_size)(*random_inputs(height, width))
    assert output.image.shape == output.raw.shape == (1, 3, height, width)
    assert output.flow.shape == (1, 2, height, width)
    assert output.occlusion.shape == (1, 1, height, width)
    assert max(output.raw.abs().max(), output.image.abs().max()) <= 1
    assert output.coarse_images == ()


@pytest.mark.parametrize("patch_size", [2, 4])
def test_features_have_patch_resolution(patch_size: int) -> None:
    """No feature map has full resolution; only the three-channel image has."""
    generator, cells = tiny_generator(patch_size=patch_size), []
    for module in generator.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _, __, output: cells.append(output.shape[-1] * output.shape[-2]))
    generator(*random_inputs(32, 64))
    assert max(cells) == 32 * 64 // patch_size**2
    assert min(cells) == 32 * 64 // 8**2


def test_image_is_blend_of_raw_and_warped_frame() -> None:
    generator, (window, past) = tiny_generator(flow_multiplier=4.0), random_inputs(16, 24)
    nn.init.normal_(generator.flow_head.weight, 0, 0.1)
    output = generator(window, past)
    assert output.flow.abs().max() > 0.1
    mask, warped = output.occlusion, warp(past[0][:, -1], output.flow)
    assert torch.allclose(output.image, mask * output.raw + (1 - mask) * warped, atol=1e-6)


@pytest.mark.parametrize("patch_size", [2, 4])
def test_initial_patches_are_constant(patch_size: int) -> None:
    output = tiny_generator(patch_size=patch_size)(*random_inputs(32, 32))
    for image in (output.raw, output.occlusion):
        patches = image.unfold(2, patch_size, patch_size).unfold(3, patch_size, patch_size).flatten(-2)
        assert torch.equal(patches, patches[..., :1].expand_as(patches))
        assert patches.std() > 0


@pytest.mark.parametrize(("bias", "is_raw"), [(50.0, True), (-50.0, False)])
def test_occlusion_mask_selects_raw_or_warped_frame(bias: float, is_raw: bool) -> None:
    """1: raw image; 0: warped frame, which is the last frame, because the initial flow is zero."""
    generator, (window, past) = tiny_generator(past_frames=2), random_inputs(16, 16, past_frames=2)
    nn.init.constant_(generator.occlusion_head.bias, bias)
    output = generator(window, past)
    assert torch.equal(output.flow, torch.zeros_like(output.flow))
    assert torch.allclose(output.image, output.raw if is_raw else past[0][:, -1], atol=1e-4)
    assert not torch.allclose(output.raw, past[0][:, -1], atol=1e-2)


def test_flow_is_in_pixels_for_any_patch_size() -> None:
    for patch_size in (2, 4):
        generator, (window, past) = tiny_generator(patch_size=patch_size, flow_multiplier=5.0), random_inputs(16, 16)
        nn.init.constant_(generator.flow_head.bias, 0.1)
        assert torch.allclose(generator(window, past).flow, torch.full((1, 2, 16, 16), 0.5), atol=1e-6)


def test_first_frame_is_raw_image() -> None:
    output = tiny_generator()(*random_inputs(16, 16), is_first_frame=True)
    assert (output.flow, output.occlusion) == (None, None)
    assert torch.equal(output.image, output.raw)


def test_frame_wise_model_has_no_past_and_flow() -> None:
    generator = tiny_generator(past_frames=0, has_flow=False)
    output = generator(*random_inputs(16, 16, past_frames=0))
    assert (generator.past_patch_embed, generator.flow_head, generator.occlusion_head) == (None, None, None)
    assert torch.equal(output.image, output.raw)


def test_output_depends_on_each_input_pixel() -> None:
    """A change of one input pixel and of its neighbour in the same patch have different effects."""
    generator, (window, past) = tiny_generator(past_frames=2), random_inputs(16, 16, past_frames=2)
    before = generator(window, past).raw
    for channel in range(2):
        changed, neighbour_changed = window.clone(), window.clone()
        changed[:, 0, channel, 5, 6] += 0.5
        neighbour_changed[:, 0, channel, 5, 7] += 0.5
        output, neighbour_output = generator(changed, past).raw, generator(neighbour_changed, past).raw
        assert not torch.equal(output, before)
        assert not torch.equal(output, neighbour_output)
    for index in range(2):
        changed = past[0].clone()
        changed[:, index, :, 5, 6] += 0.5
        assert not torch.equal(generator(window, [changed]).raw, before)


def test_skip_connections_carry_detail() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(16, 16)
    nn.init.zeros_(generator.up[0][0].weight)
    changed = window.clone()
    changed[:, -1, :, 8, 8] += 1
    assert not torch.equal(generator(window, past).raw, generator(changed, past).raw)


def test_clips_of_a_batch_are_independent() -> None:
    generator = tiny_generator()
    (window, past), (other_window, other_past) = (
        random_inputs(16, 16),
        (torch.rand(1, 1, 2, 16, 16), torch.rand(1, 1, 3, 16, 16)),
    )
    separate = generator(window, past).image
    batched = generator(torch.cat([other_window, window]), [torch.cat([other_past, past[0]])]).image[1:]
    assert torch.allclose(separate, batched, atol=1e-5)


def test_eval_mode_does_not_change_output() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(16, 16)
    weights = copy_weights(generator)
    train_image = generator.train()(window, past).image
    assert torch.equal(generator.eval()(window, past).image, train_image)
    assert tensors_equal(weights, copy_weights(generator))


def test_gradient_checkpointing_keeps_gradients() -> None:
    gradients = []
    for enabled in (False, True):
        generator = tiny_generator(num_res_blocks=2)
        generator.set_gradient_checkpointing(enabled)
        generator(*random_inputs(16, 16)).image.square().sum().backward()
        gradients.append([weight.grad for weight in generator.parameters()])
    assert all(torch.allclose(stored, recomputed, atol=1e-5) for stored, recomputed in zip(*gradients, strict=True))


def test_without_past_freezes_past_embedding() -> None:
    generator = tiny_generator()
    generator.set_trainable(finest_only=False, without_past=True)
    assert {name for name, weight in generator.named_parameters() if not weight.requires_grad} == {
        "past_patch_embed.weight",
        "past_patch_embed.bias",
    }
    generator.set_trainable(finest_only=False)
    assert all(weight.requires_grad for weight in generator.parameters())


def test_wrong_shapes_are_rejected() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(16, 16)
    with pytest.raises(ShapeError, match="window"):
        generator(window.expand(1, 2, 2, 16, 16), past)
    with pytest.raises(ShapeError, match="past"):
        generator(window, [past[0][..., :-1]])
