"""The sequential generator: sizes, fusion, first frame, precision and parameter counts."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import same, weights_of

from vid2vid_cli.core.types import FLOW_UNIT, ShapeError
from vid2vid_cli.networks.blocks import Norm, Upsample
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.ops.warp import warp


def small(channels: int = 2, **changes: object) -> CompositeGenerator:
    torch.manual_seed(0)
    settings = {"width": 4, "downsamples": 2, "blocks": 3, "kernel": 3, **changes}
    return CompositeGenerator(channels, **settings)  # type: ignore[arg-type]


def inputs(height: int, width: int, *, channels: int = 2, past: int = 2) -> tuple[torch.Tensor, list[torch.Tensor]]:
    random = torch.Generator().manual_seed(1)
    window = torch.rand(1, past + 1, channels, height, width, generator=random) * 2 - 1
    return window, [torch.rand(1, past, 3, height, width, generator=random) * 2 - 1]


@pytest.mark.parametrize(("height", "width"), [(61, 97), (97, 61), (16, 16), (17, 33)])
@pytest.mark.parametrize("upsample", ["transpose", "resize"])
def test_no_size_is_refused_for_not_being_a_multiple(height: int, width: int, upsample: Upsample) -> None:
    output = small(upsample=upsample)(*inputs(height, width))
    assert output.image.shape == output.raw.shape == (1, 3, height, width)
    assert output.flow.shape == (1, 2, height, width)
    assert output.occlusion.shape == (1, 1, height, width)
    assert output.raw.abs().max() <= 1
    assert output.image.abs().max() <= 1


def test_the_fusion_is_that_of_the_paper() -> None:
    generator, (window, past) = small(), inputs(16, 20)
    torch.nn.init.normal_(generator.networks[0].flow_head.weight, 0, 0.1)
    output = generator(window, past)
    assert output.flow.abs().max() > 0.1
    mask, carried = output.occlusion, warp(past[0][:, -1], output.flow)
    assert torch.allclose(output.image, mask * output.raw + (1 - mask) * carried, atol=1e-6)


@pytest.mark.parametrize(("bias", "synthesised"), [(50.0, True), (-50.0, False)])
def test_which_way_the_mask_weighs(bias: float, synthesised: bool) -> None:
    """1 = synthesise, 0 = trust the warp; flow begins at zero, so the warp is the last frame itself."""
    generator, (window, past) = small(), inputs(16, 16)
    torch.nn.init.constant_(generator.networks[0].occlusion_head.bias, bias)
    output = generator(window, past)
    assert torch.equal(output.flow, torch.zeros_like(output.flow))
    assert torch.allclose(output.image, output.raw if synthesised else past[0][:, -1], atol=1e-4)
    assert not torch.allclose(output.raw, past[0][:, -1], atol=1e-2)


def test_flow_is_in_units_of_twenty_pixels_unless_told_otherwise() -> None:
    generator, (window, past) = small(), inputs(16, 16)
    torch.nn.init.constant_(generator.networks[0].flow_head.bias, 0.1)
    assert torch.allclose(generator(window, past).flow, torch.full((1, 2, 16, 16), 0.1 * FLOW_UNIT), atol=1e-6)
    assert FLOW_UNIT == 20
    generator = small(flow_unit=5.0)
    torch.nn.init.constant_(generator.networks[0].flow_head.bias, 0.1)
    assert torch.allclose(generator(window, past).flow, torch.full((1, 2, 16, 16), 0.5), atol=1e-6)


def test_the_first_frame_is_raw() -> None:
    output = small()(*inputs(16, 16), first=True)
    assert output.flow is None
    assert output.occlusion is None
    assert torch.equal(output.image, output.raw)


def test_a_frame_wise_model_is_a_window_of_one_without_past() -> None:
    generator = small(past=0, flow=False)
    window, past = inputs(16, 16, past=0)
    output = generator(window, past)
    assert (generator.window, generator.networks[0].past_encoder, generator.networks[0].flow_decoder) == (1, None, None)
    assert torch.equal(output.image, output.raw)


def test_all_of_the_past_and_of_the_window_matter() -> None:
    generator, (window, past) = small(), inputs(16, 16)
    before = generator(window, past).raw
    for index in range(3):
        changed = window.clone()
        changed[:, index] += 0.5 * torch.rand(2, 16, 16)
        assert not torch.equal(generator(changed, past).raw, before)
    for index in range(2):
        changed = past[0].clone()
        changed[:, index] += 0.5 * torch.rand(3, 16, 16)
        assert not torch.equal(generator(window, [changed]).raw, before)


def test_a_clip_in_a_batch_is_as_if_alone() -> None:
    generator = small()
    (window, past), (other, other_past) = inputs(16, 16), (torch.rand(1, 3, 2, 16, 16), torch.rand(1, 2, 3, 16, 16))
    alone = generator(window, past).image
    together = generator(torch.cat([other, window]), [torch.cat([other_past, past[0]])]).image[1:]
    assert torch.allclose(alone, together, atol=1e-5)


def test_synthesis_is_the_same_function_as_training() -> None:
    """No running statistics, no dropout: `eval` changes nothing."""
    generator, (window, past) = small(), inputs(16, 16)
    weights = weights_of(generator)
    trained = generator.train()(window, past).image
    assert torch.equal(generator.eval()(window, past).image, trained)
    assert same(weights, weights_of(generator))


@pytest.mark.parametrize("norm", ["instance", "group"])
def test_the_memory_format_changes_nothing(norm: Norm) -> None:
    generator, (window, past) = small(norm=norm), inputs(16, 16)
    plain = generator(window, past).image
    assert torch.allclose(generator.to(memory_format=torch.channels_last)(window, past).image, plain, atol=1e-5)


def test_bf16_gives_float32_frames_close_to_those_of_float32() -> None:
    generator, (window, past) = small(), inputs(16, 16)
    exact = generator(window, past)
    with torch.autocast("cpu", torch.bfloat16):
        rough = generator(window, past)
    for name in ("image", "raw", "flow", "occlusion"):
        assert getattr(rough, name).dtype == torch.float32
    assert torch.allclose(rough.image, exact.image, atol=0.05)
    assert not torch.equal(rough.image, exact.image)


@pytest.mark.parametrize(("l", "c", "p"), [(2, 2, 2), (3, 1, 2), (3, 2, 1)])
def test_a_wrong_window_or_past_is_refused(l: int, c: int, p: int) -> None:  # noqa: E741
    with pytest.raises(ShapeError):
        small()(torch.zeros(1, l, c, 16, 16), [torch.zeros(1, p, 3, 16, 16)])


@pytest.mark.parametrize("upsample", ["transpose", "resize"])
@pytest.mark.parametrize(
    ("channels", "width", "millions"), [(15, 128, 365.0), (15, 64, 91.4), (6, 128, 364.8), (6, 64, 91.3)]
)
def test_parameter_counts_are_the_published_ones(
    channels: int, width: int, millions: float, upsample: Upsample
) -> None:
    """Face and pose, ngf 128 and 64 (reference §1.6). Ours differs in GroupNorm for BatchNorm, both with an affine,
    and in resize-convolution for transposed convolution, both 3x3: the counts are the same."""
    with torch.device("meta"):
        generator = CompositeGenerator(
            channels, past=2, width=width, downsamples=3, blocks=9, kernel=7, upsample=upsample
        )
    count = sum(parameter.numel() for parameter in generator.parameters())
    assert round(count / 1e6, 1) == millions
    assert count == by_hand(3 * channels, 6, width)


def by_hand(condition: int, past: int, n: int) -> int:
    """The published network, counted from its description."""

    def conv(inside: int, outside: int, kernel: int) -> int:
        return inside * outside * kernel * kernel + outside

    def block(inside: int, outside: int, kernel: int) -> int:
        return conv(inside, outside, kernel) + 2 * outside

    down = sum(block(n << k, n << (k + 1), 3) for k in range(3))
    up = sum(block(n << (k + 1), n << k, 3) for k in range(3))
    residual = 2 * block(8 * n, 8 * n, 3)
    encoders = block(condition, n, 7) + block(past, n, 7) + 2 * (down + 5 * residual)
    decoders = 2 * (4 * residual + up)
    return encoders + decoders + conv(n, 3, 7) + conv(n, 2, 7) + conv(n, 1, 7)


def test_unit_conditions_are_shown_from_nought_to_one_and_chosen_as_before() -> None:
    window, past = inputs(19, 22)
    unit, signed = (small(foreground=(1,), unit_conditions=unit) for unit in (True, False))
    given = window.clone()
    for name in ("raw", "occlusion"):
        assert not torch.allclose(getattr(unit(window, past), name), getattr(signed(window, past), name), atol=1e-3)
    assert torch.equal(window, given)
    plain = [small(unit_conditions=unit) for unit in (True, False)]
    assert torch.equal(plain[0](window, past).image, plain[1]((window + 1) / 2, past).image)
    window[:, -1, 1] = -1  # nothing in front
    for network in unit.networks:
        torch.nn.init.constant_(network.foreground_head.bias, 9.0)
    assert unit(window, past).raw.max() < 1 - 1e-3
