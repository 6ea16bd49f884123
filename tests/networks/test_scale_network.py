"""Coarse to fine, and the foreground: sizes, what a scale hands on, what learns, and the published counts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.ops.resample import halve
from vid2vid_cli.ops.warp import warp


def small(scales: int = 2, channels: int = 3, **changes: object) -> CompositeGenerator:
    torch.manual_seed(0)
    settings = {"width": 8, "downsamples": 1, "blocks": 2, "blocks_local": 1, "kernel": 3, **changes}
    return CompositeGenerator(channels, scales=scales, **settings)  # type: ignore[arg-type]


def inputs(height: int, width: int, scales: int = 2, channels: int = 3) -> tuple[Tensor, list[Tensor]]:
    random = torch.Generator().manual_seed(1)
    window = torch.rand(1, 3, channels, height, width, generator=random) * 2 - 1
    past = [torch.rand(2, 3, height, width, generator=random) * 2 - 1]
    for _ in range(1, scales):
        past.append(halve(past[-1]))
    return window, [frames[None] for frames in past]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (37, 29), (33, 50)])
def test_every_scale_is_half_of_the_finer_rounded_up(height: int, width: int) -> None:
    output = small(scales=3)(*inputs(height, width, 3))
    sizes = [tuple(image.shape[-2:]) for image in (output.image, *output.coarse)]
    half = (-(-height // 2), -(-width // 2))
    assert sizes == [(height, width), half, (-(-half[0] // 2), -(-half[1] // 2))]
    assert output.flow is not None
    assert output.flow.shape[-2:] == (height, width)


def test_the_coarsest_scale_is_the_network_that_was_trained_alone() -> None:
    alone, grown = small(1), small(2)
    grown.networks[0].load_state_dict(alone.networks[0].state_dict())
    window, past = inputs(32, 32)
    smaller = torch.stack([halve(frame) for frame in window.unbind(1)], 1)
    assert torch.equal(grown(window, past).coarse[0], alone(smaller, past[1:]).image)


def test_each_scale_warps_its_own_past_with_flow_of_its_own_unit() -> None:
    generator, (window, past) = small(flow_unit=5.0), inputs(32, 32)
    for network in generator.networks:
        torch.nn.init.constant_(network.flow_head.bias, 0.2)
        torch.nn.init.constant_(network.occlusion_head.bias, -50.0)
    output = generator(window, past)
    assert torch.allclose(output.flow, torch.full((1, 2, 32, 32), 2.0), atol=1e-5)
    for image, frames, pixels in ((output.image, past[0], 2.0), (output.coarse[0], past[1], 1.0)):
        moved = warp(frames[:, -1], torch.full((1, 2, *frames.shape[-2:]), pixels))
        assert torch.allclose(image, moved, atol=1e-4)


@pytest.mark.parametrize(("branch", "changed"), [("image_decoder", "raw"), ("flow_decoder", "occlusion")])
def test_a_branch_of_the_coarser_scale_reaches_that_of_the_finer(branch: str, changed: str) -> None:
    generator, (window, past) = small(), inputs(32, 32)
    before = generator(window, past)
    for weight in getattr(generator.networks[0], branch).parameters():
        torch.nn.init.normal_(weight)
    after = generator(window, past)
    same = {"raw": "occlusion", "occlusion": "raw"}[changed]
    assert not torch.allclose(getattr(before, changed), getattr(after, changed))
    assert torch.equal(getattr(before, same), getattr(after, same))


def test_only_the_finest_learns_while_the_others_are_fixed() -> None:
    generator, (window, past) = small(3), inputs(32, 32, 3)
    generator.learn(finest_only=True)
    generator(window, past).image.sum().backward()
    learning = [any(p.grad is not None for p in network.parameters()) for network in generator.networks]
    assert learning == [False, False, True]
    generator.learn(finest_only=False)
    generator(window, past).image.sum().backward()
    assert all(any(p.grad is not None for p in network.parameters()) for network in generator.networks)
    alone = small(1)
    alone.learn(finest_only=True)
    assert all(p.requires_grad for p in alone.parameters())


def test_what_is_computed_again_gives_the_same_gradients() -> None:
    found = []
    for recompute in (False, True):
        generator, (window, past) = small(foreground=(1,)), inputs(32, 32)
        generator.keep_less(recompute)
        generator(window, past).image.square().sum().backward()
        found.append([p.grad for p in generator.parameters()])
    assert all((a is None) == (b is None) for a, b in zip(*found, strict=True))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*found, strict=True) if a is not None)


def one_hot(labels: Tensor, channels: int) -> Tensor:
    """(h, w) -> (1, 3, channels, h, w) of -1 and 1."""
    planes = torch.nn.functional.one_hot(labels, channels).permute(2, 0, 1).float() * 2 - 1
    return planes.expand(1, 3, -1, -1, -1).contiguous()


@pytest.mark.parametrize("over", [False, True])
def test_the_foreground_is_blended_by_the_labels(over: bool) -> None:
    """eq. 9, (1 - m) warp + m ((1 - m_F) h_B + m_F h_F); or as published, the foreground over all."""
    generator = small(1, foreground=(1, 2), foreground_over=over)
    labels = torch.zeros(16, 16, dtype=torch.long)
    labels[2:6, 3:9], labels[10:12, 4:8] = 1, 2
    window, (_, past) = one_hot(labels, 3), (None, inputs(16, 16, 1)[1])
    front, back = 0.7, -0.4
    network = generator.networks[0]
    for head, value in ((network.foreground_head, front), (network.image_head, back)):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, float(torch.atanh(torch.tensor(value))))
    output = generator(window, past)
    inside = (labels > 0).expand(1, 3, 16, 16)
    assert torch.allclose(output.raw, torch.where(inside, front, back), atol=1e-5)
    blended = output.occlusion * output.raw + (1 - output.occlusion) * past[0][:, -1]
    wanted = torch.where(inside, torch.tensor(front), blended) if over else blended
    assert torch.allclose(output.image, wanted, atol=1e-5)


def test_over_a_soft_mask_the_foreground_is_blended_once() -> None:
    """As published: m_F h_F + (1 - m_F) (m h_B + (1 - m) warp), where labels are averages."""
    generator, past = small(1, foreground=(1,), foreground_over=True), inputs(16, 16, 1)[1]
    window = torch.zeros(1, 3, 3, 16, 16)  # every label a half
    network = generator.networks[0]
    for head, value in ((network.foreground_head, 0.7), (network.image_head, -0.4)):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, float(torch.atanh(torch.tensor(value))))
    output = generator(window, past)
    behind = output.occlusion * -0.4 + (1 - output.occlusion) * past[0][:, -1]
    assert torch.allclose(output.image, 0.35 + 0.5 * behind, atol=1e-5)


def test_the_foreground_sees_the_labels_alone_and_of_the_present_frame_its_mask() -> None:
    generator, (window, past) = small(1, foreground=(0,)), inputs(16, 16, 1)
    window = window.clone()
    window[:, -1, 0] = 1.0
    inside = generator(window, past)
    other = generator(window, [torch.rand_like(past[0])])
    assert torch.allclose(inside.raw, other.raw)
    earlier = window.clone()
    earlier[:, 0, 0] = -1.0
    assert not torch.allclose(generator(earlier, past).raw, inside.raw)


STREET, FACE, POSE = 36, 15, 6


@pytest.mark.parametrize(
    ("channels", "width", "downsamples", "front", "flow", "millions"),
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
def test_parameter_counts_are_the_published_ones(
    channels: int, width: int, downsamples: int, front: tuple[int, ...], flow: bool, millions: tuple[float, ...]
) -> None:
    """Reference 1.6; published normalisations have an affine, as ours."""
    with torch.device("meta"):
        generator = CompositeGenerator(
            channels, scales=len(millions), width=width, downsamples=downsamples, foreground=front, flow=flow
        )
    counts = [sum(p.numel() for p in network.parameters()) / 1e6 for network in generator.networks]
    assert [round(count, 1 if index == 0 else 2) for index, count in enumerate(counts)] == list(millions)


@pytest.mark.parametrize(("scales", "count"), [(1, 182_546_755), (2, 182_866_470)])
def test_pix2pixhd_is_this_generator_without_past_and_flow(scales: int, count: int) -> None:
    """Reference 1.6 and 3b: the global one of 182.5 million, with the local enhancer 182.9, norms without an affine.

    Street: 35 labels and the instance edge. Ours keeps the global one's own head, 9411 weights, beside the enhancer.
    """
    with torch.device("meta"):
        generator = CompositeGenerator(
            36, scales=scales, past=0, flow=False, downsamples=4, norm="instance_plain", upsample="transpose"
        )
    assert sum(p.numel() for p in generator.parameters()) == count


@pytest.mark.parametrize("scales", [1, 2])
def test_planes_can_be_drawn_from_their_past_alone(scales: int) -> None:
    """As label maps are, which nothing conditions: (b, l, 0, h, w) -> (b, 5, h, w)."""
    generator = small(scales, channels=0, picture=5)
    past = [torch.rand(2, 2, 5, 32, 30)]
    for _ in range(1, scales):
        past.append(torch.stack([halve(frame) for frame in past[-1].unbind(1)], 1))
    output = generator(torch.zeros(2, 3, 0, 32, 30), past)
    assert output.image.shape == output.raw.shape == (2, 5, 32, 30)
    assert output.flow.shape == (2, 2, 32, 30)
    changed = [frames.clone() for frames in past]
    changed[0][:, 0, 4] += 0.5
    assert not torch.equal(generator(torch.zeros(2, 3, 0, 32, 30), changed).raw, output.raw)
