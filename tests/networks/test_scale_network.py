"""Coarse-to-fine generator and foreground branch: sizes, features, trainable weights, parameter counts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.ops.resample import downsample2x
from vid2vid_cli.ops.warp import warp


def tiny_generator(num_scales: int = 2, channels: int = 3, **changes: object) -> CompositeGenerator:
    torch.manual_seed(0)
    settings = {
        "base_channels": 8,
        "num_downsamples": 1,
        "num_res_blocks": 2,
        "num_local_res_blocks": 1,
        "kernel_size": 3,
        **changes,
    }
    return CompositeGenerator(channels, num_scales=num_scales, **settings)  # type: ignore[arg-type]


def random_inputs(height: int, width: int, num_scales: int = 2, channels: int = 3) -> tuple[Tensor, list[Tensor]]:
    rng = torch.Generator().manual_seed(1)
    window = torch.rand(1, 3, channels, height, width, generator=rng) * 2 - 1
    past = [torch.rand(2, 3, height, width, generator=rng) * 2 - 1]
    for _ in range(1, num_scales):
        past.append(downsample2x(past[-1]))
    return window, [frames[None] for frames in past]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (37, 29), (33, 50)])
def test_each_scale_is_half_the_finer_size_rounded_up(height: int, width: int) -> None:
    output = tiny_generator(num_scales=3)(*random_inputs(height, width, 3))
    sizes = [tuple(image.shape[-2:]) for image in (output.image, *output.coarse_images)]
    half = (-(-height // 2), -(-width // 2))
    assert sizes == [(height, width), half, (-(-half[0] // 2), -(-half[1] // 2))]
    assert output.flow is not None
    assert output.flow.shape[-2:] == (height, width)


def test_coarsest_scale_equals_single_scale_generator() -> None:
    single_scale, two_scales = tiny_generator(1), tiny_generator(2)
    two_scales.scale_networks[0].load_state_dict(single_scale.scale_networks[0].state_dict())
    window, past = random_inputs(32, 32)
    smaller = torch.stack([downsample2x(condition) for condition in window.unbind(1)], 1)
    assert torch.equal(two_scales(window, past).coarse_images[0], single_scale(smaller, past[1:]).image)


def test_each_scale_warps_its_own_past_with_scaled_flow() -> None:
    generator, (window, past) = tiny_generator(flow_multiplier=5.0), random_inputs(32, 32)
    for network in generator.scale_networks:
        torch.nn.init.constant_(network.flow_head.bias, 0.2)
        torch.nn.init.constant_(network.occlusion_head.bias, -50.0)
    output = generator(window, past)
    assert torch.allclose(output.flow, torch.full((1, 2, 32, 32), 2.0), atol=1e-5)
    for image, frames, pixels in ((output.image, past[0], 2.0), (output.coarse_images[0], past[1], 1.0)):
        warped = warp(frames[:, -1], torch.full((1, 2, *frames.shape[-2:]), pixels))
        assert torch.allclose(image, warped, atol=1e-4)


@pytest.mark.parametrize(("branch", "changed_output"), [("image_decoder", "raw"), ("flow_decoder", "occlusion")])
def test_coarse_branch_affects_same_branch_of_finer_scale(branch: str, changed_output: str) -> None:
    generator, (window, past) = tiny_generator(), random_inputs(32, 32)
    before = generator(window, past)
    for weight in getattr(generator.scale_networks[0], branch).parameters():
        torch.nn.init.normal_(weight)
    after = generator(window, past)
    unchanged_output = {"raw": "occlusion", "occlusion": "raw"}[changed_output]
    assert not torch.allclose(getattr(before, changed_output), getattr(after, changed_output))
    assert torch.equal(getattr(before, unchanged_output), getattr(after, unchanged_output))


def test_finest_only_gives_gradients_to_finest_scale() -> None:
    generator, (window, past) = tiny_generator(3), random_inputs(32, 32, 3)
    generator.set_trainable(finest_only=True)
    generator(window, past).image.sum().backward()
    has_gradients = [any(p.grad is not None for p in network.parameters()) for network in generator.scale_networks]
    assert has_gradients == [False, False, True]
    generator.set_trainable(finest_only=False)
    generator(window, past).image.sum().backward()
    assert all(any(p.grad is not None for p in network.parameters()) for network in generator.scale_networks)
    single_scale = tiny_generator(1)
    single_scale.set_trainable(finest_only=True)
    assert all(p.requires_grad for p in single_scale.parameters())


def test_gradient_checkpointing_keeps_gradients() -> None:
    gradients = []
    for enabled in (False, True):
        generator, (window, past) = tiny_generator(foreground_indices=(1,)), random_inputs(32, 32)
        generator.set_gradient_checkpointing(enabled)
        generator(window, past).image.square().sum().backward()
        gradients.append([p.grad for p in generator.parameters()])
    assert all((a is None) == (b is None) for a, b in zip(*gradients, strict=True))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*gradients, strict=True) if a is not None)


def one_hot(labels: Tensor, channels: int) -> Tensor:
    """(h, w) -> (1, 3, channels, h, w) of -1 and 1."""
    channel_maps = torch.nn.functional.one_hot(labels, channels).permute(2, 0, 1).float() * 2 - 1
    return channel_maps.expand(1, 3, -1, -1, -1).contiguous()


@pytest.mark.parametrize("foreground_after_warp", [False, True])
def test_foreground_is_composited_by_labels(foreground_after_warp: bool) -> None:
    """eq. 9, (1 - m) warp + m ((1 - m_F) h_B + m_F h_F); or, as published, the foreground over the warp too."""
    generator = tiny_generator(1, foreground_indices=(1, 2), foreground_after_warp=foreground_after_warp)
    labels = torch.zeros(16, 16, dtype=torch.long)
    labels[2:6, 3:9], labels[10:12, 4:8] = 1, 2
    window, (_, past) = one_hot(labels, 3), (None, random_inputs(16, 16, 1)[1])
    foreground, background = 0.7, -0.4
    network = generator.scale_networks[0]
    for head, value in ((network.foreground_head, foreground), (network.image_head, background)):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, float(torch.atanh(torch.tensor(value))))
    output = generator(window, past)
    inside = (labels > 0).expand(1, 3, 16, 16)
    assert torch.allclose(output.raw, torch.where(inside, foreground, background), atol=1e-5)
    blended = output.occlusion * output.raw + (1 - output.occlusion) * past[0][:, -1]
    expected = torch.where(inside, torch.tensor(foreground), blended) if foreground_after_warp else blended
    assert torch.allclose(output.image, expected, atol=1e-5)


def test_foreground_after_warp_with_soft_mask() -> None:
    """m_F h_F + (1 - m_F) (m h_B + (1 - m) warp), where conditions are averages."""
    generator, past = (
        tiny_generator(1, foreground_indices=(1,), foreground_after_warp=True),
        random_inputs(16, 16, 1)[1],
    )
    window = torch.zeros(1, 3, 3, 16, 16)  # a foreground mask of 0.5
    network = generator.scale_networks[0]
    for head, value in ((network.foreground_head, 0.7), (network.image_head, -0.4)):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, float(torch.atanh(torch.tensor(value))))
    output = generator(window, past)
    background = output.occlusion * -0.4 + (1 - output.occlusion) * past[0][:, -1]
    assert torch.allclose(output.image, 0.35 + 0.5 * background, atol=1e-5)


def test_foreground_depends_on_conditions_only() -> None:
    generator, (window, past) = tiny_generator(1, foreground_indices=(0,)), random_inputs(16, 16, 1)
    window = window.clone()
    window[:, -1, 0] = 1.0
    output = generator(window, past)
    with_other_past = generator(window, [torch.rand_like(past[0])])
    assert torch.allclose(output.raw, with_other_past.raw)
    changed_window = window.clone()
    changed_window[:, 0, 0] = -1.0
    assert not torch.allclose(generator(changed_window, past).raw, output.raw)


STREET, FACE, POSE = 36, 15, 6


@pytest.mark.parametrize(
    ("channels", "base_channels", "num_downsamples", "foreground_indices", "has_flow", "millions"),
    [
        (STREET, 128, 3, (26,), True, (411.3, 2.88, 0.86)),
        (STREET, 128, 3, (), True, (365.4,)),
        (STREET, 128, 2, (26,), True, (137.8, 3.83, 1.14)),
        (FACE, 64, 3, (), True, (91.4, 0.61)),
        (POSE, 128, 3, (), True, (364.8, 2.16, 0.57)),
        (POSE, 64, 3, (), True, (91.3, 0.57, 0.15)),
        (3, 128, 3, (), False, (283.0,)),
    ],
)
def test_parameter_counts_match_published_generators(
    channels: int,
    base_channels: int,
    num_downsamples: int,
    foreground_indices: tuple[int, ...],
    has_flow: bool,
    millions: tuple[float, ...],
) -> None:
    """Millions of parameters per scale, coarsest first; normalisations are affine, as published."""
    with torch.device("meta"):
        generator = CompositeGenerator(
            channels,
            num_scales=len(millions),
            base_channels=base_channels,
            num_downsamples=num_downsamples,
            foreground_indices=foreground_indices,
            has_flow=has_flow,
        )
    counts = [sum(p.numel() for p in network.parameters()) / 1e6 for network in generator.scale_networks]
    assert [round(count, 1 if index == 0 else 2) for index, count in enumerate(counts)] == list(millions)


@pytest.mark.parametrize(("num_scales", "expected_count"), [(1, 182_546_755), (2, 182_866_470)])
def test_parameter_counts_match_pix2pixhd(num_scales: int, expected_count: int) -> None:
    """The global generator has 182.5 million parameters, with the local enhancer 182.9 million.

    Input: 35 labels and the instance edge; norms without affine parameters. The global generator keeps its output
    convolution of 9411 weights beside the enhancer.
    """
    with torch.device("meta"):
        generator = CompositeGenerator(
            36,
            num_scales=num_scales,
            past_frames=0,
            has_flow=False,
            num_downsamples=4,
            norm="instance_no_affine",
            upsample="transpose",
        )
    assert sum(p.numel() for p in generator.parameters()) == expected_count


@pytest.mark.parametrize("num_scales", [1, 2])
def test_generator_without_conditions_predicts_from_past(num_scales: int) -> None:
    """Label prediction: (b, l, 0, h, w) -> (b, 5, h, w)."""
    generator = tiny_generator(num_scales, channels=0, out_channels=5)
    past = [torch.rand(2, 2, 5, 32, 30)]
    for _ in range(1, num_scales):
        past.append(torch.stack([downsample2x(frame) for frame in past[-1].unbind(1)], 1))
    output = generator(torch.zeros(2, 3, 0, 32, 30), past)
    assert output.image.shape == output.raw.shape == (2, 5, 32, 30)
    assert output.flow.shape == (2, 2, 32, 30)
    changed = [frames.clone() for frames in past]
    changed[0][:, 0, 4] += 0.5
    assert not torch.equal(generator(torch.zeros(2, 3, 0, 32, 30), changed).raw, output.raw)
