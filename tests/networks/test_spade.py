"""The few-shot generator: sizes, attention, generated weights, multi-SPADE, motion, gradients and compilation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from networks.test_fast import random_inputs
from networks.test_reference_blend import check_embedded_ahead, random_references, take
from networks.test_reference_blend import make_generator as make_fast_generator
from torch import Tensor, nn

from vid2vid_cli.core.types import FrameReferences, ShapeError
from vid2vid_cli.networks.spade import SpadeGenerator
from vid2vid_cli.networks.spade_layers import (
    GeneratedModulation,
    ImageModulation,
    MultiSpadeBlock,
    ReferenceAttention,
    convolve_items,
)
from vid2vid_cli.ops.warp import warp

HEIGHT, WIDTH = 24, 40


def tiny_generator(**changes: object) -> SpadeGenerator:
    torch.manual_seed(0)
    settings = {"base_channels": 4, "num_downsamples": 3, "num_res_blocks": 2, **changes}
    return SpadeGenerator(2, **settings)  # type: ignore[arg-type]


def record(generator: nn.Module, kind: type[nn.Module]) -> list[Tensor]:
    """The first outputs of all layers of a kind, filled by each call."""
    outputs: list[Tensor] = []
    for module in generator.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda _, __, output: outputs.append(output[0]))
    return outputs


@pytest.mark.parametrize(("height", "width", "patch_size"), [(61, 97, 4), (16, 16, 2), (17, 33, 8)])
@pytest.mark.parametrize("past_frames", [0, 2])
def test_any_size_and_number_of_references_is_accepted(
    height: int, width: int, patch_size: int, past_frames: int
) -> None:
    generator = tiny_generator(patch_size=patch_size, past_frames=past_frames, has_flow=past_frames > 0)
    window, past = random_inputs(height, width, past_frames=past_frames)
    for count in (1, 3):
        output = generator(window, past, False, random_references(height, width, count))
        assert output.image.shape == output.raw.shape == (1, 3, height, width)
        assert output.reference_weights.shape == (1, 2 * count + 1, height, width)
        assert output.image.abs().max() <= 1 + 1e-5
        if past_frames:
            assert output.flow.shape == (1, 2, height, width)
            assert output.occlusion.shape == (1, 1, height, width)


def test_wrong_channels_are_refused() -> None:
    window, past = random_inputs(HEIGHT, WIDTH)
    with pytest.raises(ShapeError, match="window"):
        tiny_generator()(window[:, :, :1], past, False, random_references(HEIGHT, WIDTH))


def test_convolve_items_uses_the_weights_of_each_item() -> None:
    x, weights = torch.rand(3, 4, 6, 5), torch.rand(3, 2, 4, 3, 3)
    expected = [nn.functional.conv2d(x[i : i + 1], weights[i], padding=1) for i in range(3)]
    assert torch.allclose(convolve_items(x, weights), torch.cat(expected), atol=1e-5)


def test_attention_selects_the_position_with_the_key_of_the_query() -> None:
    """A frame whose features are those of a reference, moved by a cell, takes the features from there."""
    attention = ReferenceAttention(8, 8)
    for layer in (attention.query, attention.key):
        nn.init.eye_(layer.weight[:, :, 0, 0].data)
        nn.init.zeros_(layer.bias)
        layer.weight.data.mul_(10)
    features = nn.functional.one_hot(torch.randperm(24) % 8, 8).float().T.view(1, 8, 4, 6)
    references = torch.stack([torch.rand(1, 8, 4, 6) * 0.1, features.roll(1, 3)], 1)
    combined, shares = attention(features, references, torch.full((1, 2), 0.5))
    assert torch.allclose(combined, features, atol=1e-3)
    assert torch.allclose(shares.sum(1), torch.ones(1, 4, 6))
    assert shares[:, 1].min() > 0.99
    equal, equal_shares = attention(features, references * 0, torch.tensor([[0.8, 0.2]]))
    assert torch.equal(equal, torch.zeros_like(equal))
    assert torch.allclose(equal_shares[:, 0], torch.full((1, 4, 6), 0.8))


def test_generated_weights_depend_on_the_reference_images_only() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(HEIGHT, WIDTH)
    codes = record(generator, nn.LayerNorm)
    first, second = (random_references(HEIGHT, WIDTH, seed=seed) for seed in (2, 3))
    with torch.no_grad():
        for references in (first, replace(first, static_images=second.static_images)):
            generator(window, past, False, references)
        layer = next(module for module in generator.modules() if isinstance(module, GeneratedModulation))
        weights = [layer.hidden_weights(code[None]) for code in codes]
    assert (weights[0] - weights[1]).abs().max() > 1e-3


@pytest.mark.parametrize("changed", ["images", "static_images"])
@pytest.mark.parametrize("blends_references", [True, False])
def test_changed_reference_changes_the_synthesised_image(changed: str, blends_references: bool) -> None:
    """Through the warped references and through the generated weights; also before anything is blended."""
    generator, (window, past) = tiny_generator(blends_references=blends_references), random_inputs(HEIGHT, WIDTH)
    first, second = (random_references(HEIGHT, WIDTH, seed=seed) for seed in (2, 3))
    heads: list[Tensor] = []
    generator.image_head.register_forward_hook(lambda _, __, output: heads.append(output))
    with torch.no_grad():
        before = generator(window, past, False, first)
        after = generator(window, past, False, replace(first, **{changed: getattr(second, changed)}))
    assert (heads[0] - heads[1]).abs().max() > 1e-4
    assert (before.image - after.image).abs().max() > 1e-4
    assert (before.reference_weights is None) is not blends_references


def test_reference_of_weight_zero_changes_nothing_and_order_does_not_matter() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(HEIGHT, WIDTH)
    three = random_references(HEIGHT, WIDTH, 3)
    with torch.no_grad():
        two, with_zero, swapped, weighted = (
            generator(window, past, False, take(three, rows, weights)).raw
            for rows, weights in (
                ([0, 1], [0.5, 0.5]),
                ([0, 1, 2], [0.5, 0.5, 0.0]),
                ([2, 1, 0], [0.0, 0.5, 0.5]),
                ([0, 1, 2], [0.5, 0.3, 0.2]),
            )
        )
    assert torch.allclose(with_zero, two, atol=1e-5)
    assert torch.allclose(swapped, two, atol=1e-5)
    assert (weighted - two).abs().max() > 1e-3


def test_zero_flow_and_mask_repeat_the_last_frame() -> None:
    """The initial flow is zero, and where the mask is 0 the frame is the warped last one."""
    generator, (window, past) = tiny_generator(past_frames=2), random_inputs(HEIGHT, WIDTH, past_frames=2)
    nn.init.constant_(generator.occlusion_head.bias, -50.0)
    output = generator(window, past, False, random_references(HEIGHT, WIDTH))
    assert torch.equal(output.flow, torch.zeros_like(output.flow))
    assert torch.allclose(output.image, past[0][:, -1], atol=1e-4)
    assert (output.raw - output.image).abs().max() > 0.1


def test_image_is_blend_of_raw_and_warped_frame() -> None:
    generator, (window, past) = tiny_generator(flow_multiplier=4.0), random_inputs(HEIGHT, WIDTH)
    nn.init.normal_(generator.flow_head.weight, 0, 0.1)
    output = generator(window, past, False, random_references(HEIGHT, WIDTH))
    assert output.flow.abs().max() > 0.1
    warped = warp(past[0][:, -1], output.flow)
    assert torch.allclose(output.image, output.occlusion * output.raw + (1 - output.occlusion) * warped, atol=1e-6)


def test_first_frame_equals_a_frame_that_trusts_nothing() -> None:
    """A mask of 1 hides the warped frame from multi-SPADE too: an exported graph has no other first frame."""
    generator, (window, past) = tiny_generator(), random_inputs(HEIGHT, WIDTH)
    references, zeros = random_references(HEIGHT, WIDTH), [torch.zeros_like(past[0])]
    with torch.no_grad():
        first = generator(window, zeros, True, references)
        nn.init.constant_(generator.occlusion_head.bias, 1e4)
        later = generator(window, zeros, False, references)
    assert first.flow is None
    assert torch.allclose(first.image, later.image, atol=1e-6)


def test_warped_last_frame_modulates_where_it_is_trusted() -> None:
    generator, (window, past) = tiny_generator(base_channels=16), random_inputs(HEIGHT, WIDTH)
    references, changed = random_references(HEIGHT, WIDTH), [past[0].clone()]
    changed[0][..., :20] *= -1
    generator.past_patch_embed.requires_grad_(False).weight.zero_()  # the other input of the last frame
    with torch.no_grad():
        raw = [generator(window, frames, False, references).raw for frames in (past, changed)]
        nn.init.constant_(generator.occlusion_head.bias, 1e4)
        hidden = [generator(window, frames, False, references).raw for frames in (past, changed)]
    assert (raw[0] - raw[1]).abs().max() > 1e-4
    assert torch.equal(*hidden)


def test_modulation_by_zeros_is_the_identity() -> None:
    gamma, beta = ImageModulation(6, 4)(torch.zeros(1, 4, 5, 5))
    assert gamma.abs().max() == beta.abs().max() == 0
    block = MultiSpadeBlock(6, 4, 8, 2, "instance")
    block.condition.init_weights()
    x, condition, code = torch.rand(2, 6, 5, 5), torch.rand(2, 4, 5, 5), torch.rand(2, 8)
    zeros = torch.zeros(2, 4, 5, 5)
    assert torch.allclose(block(x, condition, code, [zeros, zeros]), block(x, condition, code, []), atol=1e-6)


def test_batch_items_are_independent() -> None:
    """Weights are generated for each item."""
    generator, (window, past) = tiny_generator(), random_inputs(HEIGHT, WIDTH)
    pair = [random_references(HEIGHT, WIDTH, seed=seed) for seed in (2, 3)]
    names = ("images", "static_images", "positions", "weights", "log_weights")
    both = FrameReferences(*(torch.cat([getattr(item, name) for item in pair]) for name in names))
    with torch.no_grad():
        batched = generator(window.expand(2, -1, -1, -1, -1), [past[0].expand(2, -1, -1, -1, -1)], False, both)
        singles = [generator(window, past, False, references).raw for references in pair]
    assert torch.allclose(batched.raw, torch.cat(singles), atol=1e-5)


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_gradients_reach_all_weights_of_the_image(gradient_checkpointing: bool) -> None:
    generator, (window, past) = tiny_generator(), random_inputs(HEIGHT, WIDTH)
    generator.set_gradient_checkpointing(gradient_checkpointing)
    nn.init.normal_(generator.flow_head.weight, 0, 0.1)
    output = generator(window, past, False, random_references(HEIGHT, WIDTH))
    (output.image - torch.rand(1, 3, HEIGHT, WIDTH)).abs().mean().backward()
    without = [name for name, weight in generator.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert [name for name in without if not name.startswith("reference_blend.")] == []
    assert all(weight.grad.isfinite().all() for weight in generator.parameters() if weight.grad is not None)


@pytest.mark.slow
def test_compiled_generator_is_one_graph() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(HEIGHT, WIDTH)
    references = random_references(HEIGHT, WIDTH)
    with torch.no_grad():
        expected = generator(window, past, False, references).image
        generator.compile(fullgraph=True, backend="eager")
        assert torch.allclose(generator(window, past, False, references).image, expected, atol=1e-5)
    torch._dynamo.reset()


def test_references_embedded_ahead_give_the_same_frame() -> None:
    check_embedded_ahead(tiny_generator())


def test_image_before_the_blend_is_an_output_of_training_only() -> None:
    (window, past), references = random_inputs(HEIGHT, WIDTH), random_references(HEIGHT, WIDTH)
    for generator in (tiny_generator(), make_fast_generator()):
        assert generator.reference_blend.raw_weight_head.bias is not None
        nn.init.constant_(generator.reference_blend.raw_weight_head.bias, 20.0)  # the references have no weight
        output = generator.train()(window, past, False, references)
        assert torch.allclose(output.synthesised, output.raw, atol=1e-6)
        assert output.synthesised.requires_grad
        assert generator.eval()(window, past, False, references).synthesised is None
    assert tiny_generator(blends_references=False)(window, past, False, references).synthesised is None
    assert make_fast_generator(num_references=0)(window, past, False).synthesised is None
