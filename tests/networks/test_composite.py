"""The composite generator: sizes, blending, first frame, precision and parameter counts."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import copy_weights, tensors_equal

from vid2vid_cli.core.types import FLOW_MULTIPLIER, ShapeError
from vid2vid_cli.networks.blocks import Norm, Upsample
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.ops.warp import warp


def tiny_generator(channels: int = 2, **changes: object) -> CompositeGenerator:
    torch.manual_seed(0)
    settings = {"base_channels": 4, "num_downsamples": 2, "num_res_blocks": 3, "kernel_size": 3, **changes}
    return CompositeGenerator(channels, **settings)  # type: ignore[arg-type]


def random_inputs(
    height: int, width: int, *, channels: int = 2, past_frames: int = 2
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    rng = torch.Generator().manual_seed(1)
    window = torch.rand(1, past_frames + 1, channels, height, width, generator=rng) * 2 - 1
    return window, [torch.rand(1, past_frames, 3, height, width, generator=rng) * 2 - 1]


@pytest.mark.parametrize(("height", "width"), [(61, 97), (97, 61), (16, 16), (17, 33)])
@pytest.mark.parametrize("upsample", ["transpose", "resize"])
def test_any_size_is_accepted(height: int, width: int, upsample: Upsample) -> None:
    output = tiny_generator(upsample=upsample)(*random_inputs(height, width))
    assert output.image.shape == output.raw.shape == (1, 3, height, width)
    assert output.flow.shape == (1, 2, height, width)
    assert output.occlusion.shape == (1, 1, height, width)
    assert output.raw.abs().max() <= 1
    assert output.image.abs().max() <= 1


def test_image_is_blend_of_raw_and_warped_frame() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(16, 20)
    torch.nn.init.normal_(generator.scale_networks[0].flow_head.weight, 0, 0.1)
    output = generator(window, past)
    assert output.flow.abs().max() > 0.1
    mask, warped = output.occlusion, warp(past[0][:, -1], output.flow)
    assert torch.allclose(output.image, mask * output.raw + (1 - mask) * warped, atol=1e-6)


@pytest.mark.parametrize(("bias", "is_raw"), [(50.0, True), (-50.0, False)])
def test_occlusion_mask_selects_raw_or_warped_frame(bias: float, is_raw: bool) -> None:
    """1: raw image; 0: warped frame, which is the last frame, because the initial flow is zero."""
    generator, (window, past) = tiny_generator(), random_inputs(16, 16)
    torch.nn.init.constant_(generator.scale_networks[0].occlusion_head.bias, bias)
    output = generator(window, past)
    assert torch.equal(output.flow, torch.zeros_like(output.flow))
    assert torch.allclose(output.image, output.raw if is_raw else past[0][:, -1], atol=1e-4)
    assert not torch.allclose(output.raw, past[0][:, -1], atol=1e-2)


def test_flow_multiplier_scales_flow() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(16, 16)
    torch.nn.init.constant_(generator.scale_networks[0].flow_head.bias, 0.1)
    assert torch.allclose(generator(window, past).flow, torch.full((1, 2, 16, 16), 0.1 * FLOW_MULTIPLIER), atol=1e-6)
    assert FLOW_MULTIPLIER == 20
    generator = tiny_generator(flow_multiplier=5.0)
    torch.nn.init.constant_(generator.scale_networks[0].flow_head.bias, 0.1)
    assert torch.allclose(generator(window, past).flow, torch.full((1, 2, 16, 16), 0.5), atol=1e-6)


def test_first_frame_is_raw_image() -> None:
    output = tiny_generator()(*random_inputs(16, 16), is_first_frame=True)
    assert output.flow is None
    assert output.occlusion is None
    assert torch.equal(output.image, output.raw)


def test_frame_wise_model_has_window_of_one() -> None:
    generator = tiny_generator(past_frames=0, has_flow=False)
    window, past = random_inputs(16, 16, past_frames=0)
    output = generator(window, past)
    assert (
        generator.window_size,
        generator.scale_networks[0].past_encoder,
        generator.scale_networks[0].flow_decoder,
    ) == (1, None, None)
    assert torch.equal(output.image, output.raw)


def test_output_depends_on_whole_past_and_window() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(16, 16)
    before = generator(window, past).raw
    for index in range(3):
        changed = window.clone()
        changed[:, index] += 0.5 * torch.rand(2, 16, 16)
        assert not torch.equal(generator(changed, past).raw, before)
    for index in range(2):
        changed = past[0].clone()
        changed[:, index] += 0.5 * torch.rand(3, 16, 16)
        assert not torch.equal(generator(window, [changed]).raw, before)


def test_clips_of_a_batch_are_independent() -> None:
    generator = tiny_generator()
    (window, past), (other_window, other_past) = (
        random_inputs(16, 16),
        (torch.rand(1, 3, 2, 16, 16), torch.rand(1, 2, 3, 16, 16)),
    )
    separate = generator(window, past).image
    batched = generator(torch.cat([other_window, window]), [torch.cat([other_past, past[0]])]).image[1:]
    assert torch.allclose(separate, batched, atol=1e-5)


def test_eval_mode_does_not_change_output() -> None:
    """There are no running statistics and no dropout."""
    generator, (window, past) = tiny_generator(), random_inputs(16, 16)
    weights = copy_weights(generator)
    train_image = generator.train()(window, past).image
    assert torch.equal(generator.eval()(window, past).image, train_image)
    assert tensors_equal(weights, copy_weights(generator))


@pytest.mark.parametrize("norm", ["instance", "group"])
def test_memory_format_does_not_change_output(norm: Norm) -> None:
    generator, (window, past) = tiny_generator(norm=norm), random_inputs(16, 16)
    contiguous = generator(window, past).image
    assert torch.allclose(generator.to(memory_format=torch.channels_last)(window, past).image, contiguous, atol=1e-5)


def test_bf16_output_is_float32_and_close() -> None:
    generator, (window, past) = tiny_generator(), random_inputs(16, 16)
    exact = generator(window, past)
    with torch.autocast("cpu", torch.bfloat16):
        approximate = generator(window, past)
    for name in ("image", "raw", "flow", "occlusion"):
        assert getattr(approximate, name).dtype == torch.float32
    assert torch.allclose(approximate.image, exact.image, atol=0.05)
    assert not torch.equal(approximate.image, exact.image)


@pytest.mark.parametrize(("l", "c", "p"), [(2, 2, 2), (3, 1, 2), (3, 2, 1)])
def test_wrong_shapes_are_rejected(l: int, c: int, p: int) -> None:  # noqa: E741
    with pytest.raises(ShapeError):
        tiny_generator()(torch.zeros(1, l, c, 16, 16), [torch.zeros(1, p, 3, 16, 16)])


@pytest.mark.parametrize("upsample", ["transpose", "resize"])
@pytest.mark.parametrize(
    ("channels", "base_channels", "millions"), [(15, 128, 365.0), (15, 64, 91.4), (6, 128, 364.8), (6, 64, 91.3)]
)
def test_parameter_counts_match_published_generators(
    channels: int, base_channels: int, millions: float, upsample: Upsample
) -> None:
    """Face and pose models with ngf 128 and 64. Other norms and upsampling layers have the same parameter counts."""
    with torch.device("meta"):
        generator = CompositeGenerator(
            channels,
            past_frames=2,
            base_channels=base_channels,
            num_downsamples=3,
            num_res_blocks=9,
            kernel_size=7,
            upsample=upsample,
        )
    count = sum(parameter.numel() for parameter in generator.parameters())
    assert round(count / 1e6, 1) == millions
    assert count == count_published_parameters(3 * channels, 6, base_channels)


def count_published_parameters(condition_channels: int, past_channels: int, n: int) -> int:
    """Parameters of the published network with n base channels, counted from its description."""

    def conv(in_channels: int, out_channels: int, kernel_size: int) -> int:
        return in_channels * out_channels * kernel_size * kernel_size + out_channels

    def block(in_channels: int, out_channels: int, kernel_size: int) -> int:
        return conv(in_channels, out_channels, kernel_size) + 2 * out_channels

    down = sum(block(n << k, n << (k + 1), 3) for k in range(3))
    up = sum(block(n << (k + 1), n << k, 3) for k in range(3))
    residual = 2 * block(8 * n, 8 * n, 3)
    encoders = block(condition_channels, n, 7) + block(past_channels, n, 7) + 2 * (down + 5 * residual)
    decoders = 2 * (4 * residual + up)
    return encoders + decoders + conv(n, 3, 7) + conv(n, 2, 7) + conv(n, 1, 7)


def test_condition_range_zero_to_one() -> None:
    window, past = random_inputs(19, 22)
    unit, signed = (
        tiny_generator(foreground_indices=(1,), condition_range=value_range) for value_range in ((0, 1), (-1, 1))
    )
    original_window = window.clone()
    for name in ("raw", "occlusion"):
        assert not torch.allclose(getattr(unit(window, past), name), getattr(signed(window, past), name), atol=1e-3)
    assert torch.equal(window, original_window)
    unit_only, signed_only = (tiny_generator(condition_range=value_range) for value_range in ((0, 1), (-1, 1)))
    assert torch.equal(unit_only(window, past).image, signed_only((window + 1) / 2, past).image)
    window[:, -1, 1] = -1  # no foreground; the mask does not depend on the range
    for network in unit.scale_networks:
        torch.nn.init.constant_(network.foreground_head.bias, 9.0)
    assert unit(window, past).raw.max() < 1 - 1e-3
