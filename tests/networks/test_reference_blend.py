"""Reference frames in the fast generator: equal candidates at first, weights, order, sizes and gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from networks.test_fast import random_inputs, tiny_generator
from torch import Tensor, nn

from vid2vid_cli.conditioning.alignment import GRID_STEP, grid_nodes
from vid2vid_cli.core.types import ClipBatch, ClipReferences, FrameReferences
from vid2vid_cli.data.reference_weights import MIN_LOG_WEIGHT
from vid2vid_cli.networks import reference_blend
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.reference_blend import ReferenceBlend, _mix, upsample_log_weights, upsample_positions
from vid2vid_cli.networks.spade import SpadeGenerator

HEADS = "flow_head", "weight_head", "raw_weight_head"


def identity_positions(height: int, width: int) -> Tensor:
    """(2, gh, gw) of a reference with the size and the view of the frame."""
    nodes = torch.from_numpy(grid_nodes(height, width))
    return (nodes * 2 / torch.tensor([width - 1, height - 1]) - 1).permute(2, 0, 1)


def random_references(
    height: int, width: int, count: int = 2, *, jitter: float = 0.1, seed: int = 2
) -> FrameReferences:
    """References at twice the resolution of the frame, with equal weights."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(1, count, 3, 2 * height, 2 * width, generator=rng) * 2 - 1
    static_images = torch.rand(1, count, 3, height, width, generator=rng) * 2 - 1
    positions = identity_positions(height, width).expand(1, count, -1, -1, -1)
    noise = torch.rand(positions.shape, generator=rng) * 2 - 1
    weights = torch.full((1, count), 1 / count)
    return FrameReferences(images, static_images, positions + jitter * noise, weights, torch.zeros_like(positions))


def with_references(batch: ClipBatch, seed: int = 2) -> ClipBatch:
    """A batch of one clip with two references, the same for each frame."""
    length, _, height, width = batch.frames.shape[1:]
    references = random_references(height, width, seed=seed)

    def repeat(tensor: Tensor) -> Tensor:
        return tensor[:, None].expand(-1, length, *tensor.shape[1:]).contiguous()

    return replace(
        batch,
        references=ClipReferences(
            references.images,
            references.static_images,
            torch.arange(2).expand(1, length, 2).contiguous(),
            *map(repeat, (references.positions, references.weights, references.log_weights)),
        ),
    )


def make_generator(**changes: object) -> FastGenerator:
    return tiny_generator(**{"num_references": 2, **changes})  # type: ignore[arg-type]


def trained_generator(**changes: object) -> FastGenerator:
    """A generator whose heads are not zero."""
    generator = make_generator(**changes)
    assert generator.reference_blend is not None
    rng = torch.Generator().manual_seed(5)
    for name in HEADS:
        for parameter in generator.reference_blend.get_submodule(name).parameters():
            nn.init.normal_(parameter, 0, 0.3, generator=rng)
    return generator


def tiny_blend() -> ReferenceBlend:
    torch.manual_seed(0)
    blend = ReferenceBlend(4, patch_size=4, flow_multiplier=4.0, size_divisor=8)
    blend.init_heads()
    return blend


def blend_with(blend: ReferenceBlend, references: FrameReferences, synthesised: Tensor) -> Tensor:
    height, width = synthesised.shape[-2:]
    embedded = blend.embed(references, height, width)
    image, weights = blend.blend(torch.ones_like(embedded.mean), embedded, references, synthesised)
    assert torch.allclose(weights.sum(1), torch.ones(()))
    return image


def take(references: FrameReferences, rows: list[int], weights: list[float]) -> FrameReferences:
    """These rows of the references with other weights, which are relative to those of two references."""
    images, static_images, positions = (
        tensor[:, rows] for tensor in (references.images, references.static_images, references.positions)
    )
    log_weights = torch.tensor(weights).mul(2).log().clamp(min=MIN_LOG_WEIGHT)[None, :, None, None, None]
    return FrameReferences(
        images, static_images, positions, torch.tensor([weights]), log_weights.expand_as(positions).contiguous()
    )


@torch.no_grad()
def check_embedded_ahead(generator: FastGenerator | SpadeGenerator) -> None:
    """Frames are equal, and of embedded references nothing is embedded again: other weights would be noticed."""
    references, (window, past) = random_references(30, 44), random_inputs(30, 44)
    assert generator.reference_blend is not None
    ahead = replace(references, embedded=generator.reference_blend.embed(references, 30, 44))
    expected = generator(window, past, False, references).image
    assert torch.equal(generator(window, past, False, ahead).image, expected)
    generator.reference_blend.patch_embed.weight.mul_(-3.0)
    assert torch.equal(generator(window, past, False, ahead).image, expected)
    assert not torch.equal(generator(window, past, False, references).image, expected)


def test_detail_in_synthesis_prefers_the_best_reference_more_than_training() -> None:
    generator, references, (window, past) = trained_generator(), random_references(32, 48), random_inputs(32, 48)
    with torch.no_grad():
        in_training = generator.train()(window, past, False, references).reference_weights
        in_synthesis = generator.eval()(window, past, False, references).reference_weights
    assert torch.allclose(in_synthesis.sum(1), torch.ones(()))
    assert (in_synthesis[:, -1] < in_training[:, -1]).float().mean() > 0.9  # the synthesised image
    best_of_references = [
        (weights[:, :-1].max(1).values / weights[:, :-1].sum(1)).mean() for weights in (in_training, in_synthesis)
    ]
    assert best_of_references[1] > best_of_references[0] + 0.02


def test_detail_in_synthesis_has_other_weights_than_the_means_of_patches() -> None:
    """Two aligned references and a synthesised image of one colour each, with textures whose mean in a patch is 0."""
    rows, columns = torch.arange(32)[:, None], torch.arange(48)
    patterns = torch.broadcast_tensors((rows + columns) % 2, rows % 2, columns % 2)
    textures = torch.stack(patterns)[:, None].expand(-1, 3, -1, -1) * 0.2 - 0.1
    colours = torch.tensor([0.5, -0.5, 0.2]).view(3, 1, 1, 1)
    candidates = colours + textures
    references = random_references(32, 48, jitter=0)
    log_weights = torch.full_like(references.log_weights, MIN_LOG_WEIGHT)
    share = math.log(0.25 / 0.75)
    log_weights[:, 0, 0], log_weights[:, 1, 0] = 1.0, 0.4 + share
    weights = torch.tensor([[0.75, 0.25]])
    references = replace(references, images=candidates[None, :2], log_weights=log_weights, weights=weights)
    blend, scale = tiny_blend(), reference_blend.DETAIL_PRIOR_SCALE
    soft = torch.tensor([1.0, 0.4 + share, 0.0]).softmax(0).view(3, 1, 1, 1)
    detail = torch.tensor([scale, 0.4 * scale + share, -reference_blend.DETAIL_SYNTHESIS_PENALTY])
    detail = detail.softmax(0).view(3, 1, 1, 1)
    assert detail[0] > soft[0] + 0.1
    assert torch.allclose(blend_with(blend, references, candidates[2:]), (soft * candidates).sum(0), atol=1e-5)
    in_synthesis = blend_with(blend.eval(), references, candidates[2:])
    assert torch.allclose(in_synthesis, (soft * colours + detail * textures).sum(0), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(61, 97), (16, 16)])
def test_frames_in_synthesis_are_in_range_at_any_size(height: int, width: int) -> None:
    generator, (window, past) = trained_generator().eval(), random_inputs(height, width)
    with torch.no_grad():
        raw = generator(window, past, False, random_references(height, width)).raw
    assert raw.shape == (1, 3, height, width)
    assert 0.5 < raw.abs().max() <= 1


def test_references_embedded_ahead_give_the_same_frame() -> None:
    check_embedded_ahead(trained_generator())


def test_grid_step_is_that_of_the_alignment() -> None:
    assert reference_blend.GRID_STEP == GRID_STEP


@pytest.mark.parametrize(("height", "width"), [(33, 41), (24, 40), (30, 45)])
def test_upsample_positions_is_exact_at_nodes(height: int, width: int) -> None:
    positions = torch.rand(2, 2, *grid_nodes(height, width).shape[:2])
    grid = upsample_positions(positions, height, width)
    assert grid.shape == (2, height, width, 2)
    nodes = grid[:, ::GRID_STEP, ::GRID_STEP].permute(0, 3, 1, 2)
    assert torch.allclose(nodes, positions[..., : nodes.shape[-2], : nodes.shape[-1]], atol=1e-6)
    assert torch.allclose(grid[0, 0, 4], positions[0, :, 0, :2].mean(1), atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_candidates_are_mixed_alike_with_and_without_gradients(count: int) -> None:
    weights = torch.rand(2, 2 * count + 1, 5, 6).softmax(1)
    aligned, static = torch.rand(2, 2, count, 3, 5, 6)
    synthesised = torch.rand(2, 3, 5, 6)
    pairs = torch.stack([aligned, static], 2).flatten(1, 2)
    candidates = torch.cat([pairs, synthesised[:, None]], 1)
    expected = (weights[:, :, None] * candidates).sum(1)
    assert torch.allclose(_mix(weights, aligned, static, synthesised), expected, atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(_mix(weights, aligned, static, synthesised), expected, atol=1e-6)


def test_untrained_blend_is_the_mean_of_all_candidates() -> None:
    """Each reference twice, aligned and static, and the synthesised image."""
    references, synthesised = random_references(24, 40), torch.rand(1, 3, 24, 40)
    grid = upsample_positions(references.positions[0], 24, 40)
    aligned = nn.functional.grid_sample(references.images[0], grid, padding_mode="border", align_corners=True)
    candidates = torch.cat([aligned, references.static_images[0], synthesised])
    result = blend_with(tiny_blend(), references, synthesised)
    assert torch.allclose(result, candidates.mean(0, keepdim=True), atol=1e-5)


def test_reference_that_equals_the_target_is_kept() -> None:
    """Identity positions sample it unchanged; the untrained blend takes two thirds of it."""
    target = torch.rand(1, 3, 30, 45) * 2 - 1
    positions = identity_positions(30, 45)[None, None]
    log_weights = torch.zeros_like(positions)
    references = FrameReferences(target[:, None], target[:, None], positions, torch.ones(1, 1), log_weights)
    synthesised = torch.rand(1, 3, 30, 45)
    result = blend_with(tiny_blend(), references, synthesised)
    assert torch.allclose(result, (2 * target + synthesised) / 3, atol=1e-4)
    assert torch.allclose(blend_with(tiny_blend(), references, target), target, atol=1e-4)


def test_reference_of_weight_zero_changes_nothing() -> None:
    generator, (window, past) = trained_generator(), random_inputs(24, 40)
    three = random_references(24, 40, 3)
    with torch.no_grad():
        two_only = generator(window, past, False, take(three, [0, 1], [0.5, 0.5]))
        with_zero = generator(window, past, False, take(three, [0, 1, 2], [0.5, 0.5, 0.0]))
        with_third = generator(window, past, False, take(three, [0, 1, 2], [0.5, 0.4, 0.1]))
    assert torch.allclose(with_zero.image, two_only.image, atol=1e-6)
    assert torch.allclose(with_zero.raw, two_only.raw, atol=1e-6)
    assert (with_third.raw - two_only.raw).abs().max() > 1e-3


def test_order_of_references_does_not_matter() -> None:
    generator, (window, past) = trained_generator(), random_inputs(24, 40)
    three = random_references(24, 40, 3)
    with torch.no_grad():
        first = generator(window, past, False, take(three, [0, 1, 2], [0.5, 0.3, 0.2]))
        second = generator(window, past, False, take(three, [2, 0, 1], [0.2, 0.5, 0.3]))
        swapped_weights = generator(window, past, False, take(three, [2, 0, 1], [0.5, 0.3, 0.2]))
    assert torch.allclose(first.raw, second.raw, atol=1e-5)
    assert (first.raw - swapped_weights.raw).abs().max() > 1e-3


@pytest.mark.parametrize(("height", "width"), [(61, 97), (17, 33), (16, 16)])
@pytest.mark.parametrize("patch_size", [2, 4])
def test_any_size_is_accepted(height: int, width: int, patch_size: int) -> None:
    generator, (window, past) = trained_generator(patch_size=patch_size), random_inputs(height, width)
    for count in (1, 2, 3):
        output = generator(window, past, False, random_references(height, width, count))
        assert output.image.shape == output.raw.shape == (1, 3, height, width)
        assert output.raw.abs().max() <= 1 + 1e-5


def test_batch_items_are_independent() -> None:
    generator, (window, past) = trained_generator(), random_inputs(24, 40)
    pair = [random_references(24, 40, seed=seed) for seed in (2, 3)]
    both = FrameReferences(
        *(torch.cat([getattr(item, name) for item in pair]) for name in ("images", "static_images", "positions")),
        torch.cat([item.weights for item in pair]),
        torch.cat([item.log_weights for item in pair]),
    )
    with torch.no_grad():
        batched = generator(window.expand(2, -1, -1, -1, -1), [past[0].expand(2, -1, -1, -1, -1)], False, both)
        singles = [generator(window, past, False, references).raw for references in pair]
    assert torch.allclose(batched.raw, torch.cat(singles), atol=1e-5)
    assert (singles[0] - singles[1]).abs().max() > 1e-3


def test_gradients_reach_all_heads_of_an_untrained_blend() -> None:
    generator, (window, past) = make_generator(), random_inputs(24, 40)
    output = generator(window, past, False, random_references(24, 40))
    (output.raw - torch.rand(1, 3, 24, 40)).abs().mean().backward()
    assert generator.reference_blend is not None
    for name in HEADS:
        gradient = generator.reference_blend.get_submodule(name).weight.grad
        assert gradient is not None
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0


def test_gradients_are_finite_with_a_removed_reference() -> None:
    generator, (window, past) = trained_generator(), random_inputs(24, 40)
    references = take(random_references(24, 40), [0, 1], [1.0, 0.0])
    generator(window, past, False, references).image.square().mean().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in generator.parameters())


@pytest.mark.parametrize(("height", "width", "patch_size"), [(33, 41, 4), (24, 40, 2), (30, 45, 8), (32, 48, 4)])
def test_upsample_log_weights_is_linear_at_the_centres_of_patches(height: int, width: int, patch_size: int) -> None:
    nodes = torch.from_numpy(grid_nodes(height, width)).permute(2, 0, 1)
    rows, columns = (-(-size // 16) * 16 // patch_size for size in (height, width))
    log_weights = nodes[None, None].expand(1, 3, -1, -1, -1)
    upsampled = upsample_log_weights(log_weights, patch_size, rows, columns)
    assert upsampled.shape == (1, 3, 2, rows, columns)
    for axis, size in ((0, width), (1, height)):
        inside = torch.arange(size // patch_size)
        values = upsampled[0, 1, axis].movedim(-1 if axis == 0 else 0, 0)[inside, 0]
        assert torch.allclose(values, inside * patch_size + patch_size / 2, atol=1e-4)


def test_log_weights_select_the_candidate_of_each_pixel() -> None:
    """The left half is the aligned first reference, the right half the static second one."""
    references, synthesised = random_references(32, 48, jitter=0), torch.rand(1, 3, 32, 48)
    log_weights = torch.full_like(references.log_weights, MIN_LOG_WEIGHT)
    log_weights[:, 0, 0, :, :3], log_weights[:, 1, 1, :, 4:] = 30, 30
    result = blend_with(tiny_blend(), replace(references, log_weights=log_weights), synthesised)
    aligned = nn.functional.interpolate(references.images[:, 0], (32, 48), mode="bilinear", align_corners=True)
    assert torch.allclose(result[..., :14], aligned[..., :14], atol=1e-5)
    assert torch.allclose(result[..., 34:], references.static_images[:, 1, ..., 34:], atol=1e-5)


def test_untrained_generator_with_references_takes_the_raw_image() -> None:
    """The motion of the past is not known yet; without references, the raw image is not better."""
    (window, past), references = random_inputs(24, 40), random_references(24, 40)
    with torch.no_grad():
        with_references = make_generator()(window, past, False, references).occlusion
        without_references = make_generator(num_references=0)(window, past, False).occlusion
    assert with_references is not None
    assert without_references is not None
    assert with_references.mean() > 0.85 > without_references.mean()
