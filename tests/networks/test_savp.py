"""SAVP's networks: transformations, masks, recurrent state, sizes and parameter counts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vid2vid_cli.networks.savp import SavpGenerator, Transformation
from vid2vid_cli.networks.video_discriminator import VideoDiscriminator
from vid2vid_cli.networks.video_layers import CDNATransform, ConvLSTM, FlowTransform, apply_kernels, pad_symmetric


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def tiny_generator(**settings: int | bool | str) -> SavpGenerator:
    defaults = {"base_channels": 4, "num_downsamples": 2, "latent_channels": 2}
    torch.manual_seed(0)
    return SavpGenerator(**{**defaults, **settings})  # type: ignore[arg-type]


def images(batch_size: int = 2, height: int = 16, width: int = 16, seed: int = 0) -> Tensor:
    return torch.rand(batch_size, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_parameter_counts_are_the_published_ones() -> None:
    """At 64 pixels, in millions: 7.35 (cell 6.68, encoder 0.67), a discriminator 5.08 and a head of 65.5 thousand."""
    generator, discriminator = SavpGenerator(), VideoDiscriminator()
    assert generator.encoder is not None
    counts = [count(generator), count(generator.cell), count(generator.encoder), count(discriminator.layers)]
    assert [round(value / 1e6, 2) for value in counts] == [7.35, 6.68, 0.67, 5.08]
    assert round(count(discriminator.head) / 1e3, 1) == 65.5


@pytest.mark.parametrize("num_frames", [4, 6])
def test_gradients_of_short_clips_are_those_of_fp32(num_frames: int) -> None:
    """With few frames, oneDNN's bf16 kernels read memory that other tensors had."""
    clip = torch.randn(2, num_frames, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    gradients = {}
    for is_bf16 in (False, True):
        torch.manual_seed(0)
        discriminator = VideoDiscriminator(4)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            loss = discriminator(clip)[-1].sum()
        garbage = [torch.full((2**size,), torch.nan, dtype=torch.bfloat16) for size in range(6, 18) for _ in range(8)]
        del garbage
        loss.backward()
        gradients[is_bf16] = [weight.grad for weight in discriminator.parameters() if weight.ndim == 5]
    for exact, mixed in zip(gradients[False], gradients[True], strict=True):
        assert exact is not None
        assert mixed is not None
        assert (mixed - exact).norm() < 0.3 * exact.norm()


def test_video_discriminator_layers_have_the_published_shapes() -> None:
    outputs = VideoDiscriminator(4)(torch.zeros(1, 10, 3, 64, 64))
    sizes = [(10, 64, 64), (9, 32, 32), (9, 32, 32), (8, 16, 16), (8, 16, 16), (4, 8, 8), (4, 8, 8)]
    assert [tuple(output.shape[2:]) for output in outputs[:-1]] == sizes
    assert [output.shape[1] for output in outputs[:-1]] == [4, 8, 8, 16, 16, 32, 32]
    assert outputs[-1].shape == (1, 1)
    assert VideoDiscriminator(4)(torch.zeros(2, 4, 3, 16, 12))[-1].shape == (2, 1)


def test_video_discriminator_weights_have_spectral_norm_one() -> None:
    discriminator = VideoDiscriminator(4)
    for _ in range(30):
        discriminator(torch.zeros(1, 4, 3, 16, 16))
    for layer in [*discriminator.layers, discriminator.head]:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=0.05)


def test_cdna_identity_kernels_give_the_image() -> None:
    kernels = torch.zeros(2, 3, 5, 5)
    kernels[:, :, 2, 2] = 1
    image = images()
    assert torch.equal(apply_kernels(image, kernels), image[:, None].expand(-1, 3, -1, -1, -1))
    transform = CDNATransform(4, 2)
    nn.init.zeros_(transform.kernels.weight)
    nn.init.zeros_(transform.kernels.bias)
    transformed = transform(image, torch.randn(2, 4, 4, 4))
    assert (transformed - image[:, None]).abs().max() < 1e-6


def test_cdna_kernels_of_a_sample_shift_this_sample_only() -> None:
    kernels = torch.zeros(2, 1, 5, 5)
    kernels[0, 0, 2, 3] = 1  # the pixel to the right
    kernels[1, 0, 2, 2] = 1
    image = images()
    shifted = apply_kernels(image, kernels)[:, 0]
    assert torch.equal(shifted[0, :, :, :-1], image[0, :, :, 1:])
    assert torch.equal(shifted[0, :, :, -1], image[0, :, :, -1])  # symmetric padding
    assert torch.equal(shifted[1], image[1])


def test_pad_symmetric_repeats_the_border() -> None:
    row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert pad_symmetric(row.expand(1, 1, 3, 3), 2)[0, 0, 0].tolist() == [2, 1, 1, 2, 3, 3, 2]


def test_flow_transform_of_zero_flow_is_the_identity() -> None:
    transform = FlowTransform(4, 3)
    nn.init.zeros_(transform.flows[-1].weight)
    nn.init.zeros_(transform.flows[-1].bias)
    image = images()
    assert (transform(image, torch.randn(2, 4, 16, 16)) - image[:, None]).abs().max() < 1e-4


def test_masks_are_positive_and_have_the_sum_one() -> None:
    cell = tiny_generator().cell
    masks = cell.compute_masks(torch.randn(2, 4, 16, 16), torch.rand(2, 7, 3, 16, 16))
    assert masks.shape == (2, 7, 16, 16)
    assert bool((masks > 0).all())
    assert torch.allclose(masks.sum(1), torch.ones(2, 16, 16))


def test_constant_clip_stays_in_the_range_of_candidates() -> None:
    """The output is a convex combination of candidates in [0, 1]."""
    generator = tiny_generator()
    image = images()
    output, _ = generator(image, torch.randn(2, 2) * 100, generator.start(image))
    assert output.abs().max() <= 1 + 1e-6


def test_conv_lstm_state_depends_on_the_past() -> None:
    lstm = ConvLSTM(3, 4)
    first, second = images(seed=0), images(seed=1)
    hidden, _ = lstm(second, None)
    hidden_after, _ = lstm(second, lstm(first, None))
    assert hidden.shape == (2, 4, 16, 16)
    assert not torch.allclose(hidden, hidden_after)


def test_start_resets_the_state() -> None:
    """Nothing of a clip remains for the next one."""
    generator = tiny_generator()
    image, latent = images(), torch.zeros(2, 2)
    first, state = generator(image, latent, generator.start(image))
    continued, _ = generator(image, latent, state)
    again, _ = generator(image, latent, generator.start(image))
    assert torch.equal(first, again)
    assert not torch.equal(first, continued)


@pytest.mark.parametrize("transformation", ["cdna", "flow"])
@pytest.mark.parametrize(("height", "width", "num_downsamples"), [(16, 16, 1), (18, 25, 2), (32, 16, 3), (32, 32, 4)])
def test_generator_output_has_the_size_of_the_input(
    transformation: Transformation, height: int, width: int, num_downsamples: int
) -> None:
    generator = tiny_generator(num_downsamples=num_downsamples, transformation=transformation)
    image = images(height=height, width=width)
    output, _ = generator(image, torch.zeros(2, 2), generator.start(image))
    assert output.shape == image.shape


def test_deterministic_generator_has_neither_latents_nor_encoder() -> None:
    generator = tiny_generator(latent_channels=0)
    assert generator.encoder is None
    output, _ = generator(images(), None, generator.start(images()))
    assert output.shape == (2, 3, 16, 16)


def test_latents_after_the_normalisation_leave_the_inputs_as_they_are() -> None:
    generator, published = tiny_generator(latent_injection="norm"), tiny_generator()
    assert generator.cell.down[0][0].in_channels == published.cell.down[0][0].in_channels - 2 == 6
    image = images()
    first, second = (generator(image, torch.full((2, 2), value), generator.start(image))[0] for value in (-2.0, 2.0))
    assert not torch.allclose(first, second, atol=1e-4)


def test_latent_encoder_depends_on_adjacent_frames_only() -> None:
    generator = tiny_generator()
    frames = torch.stack([images(seed=seed) for seed in range(4)], 1)
    changed = frames.clone()
    changed[:, 3] = 0
    mean, log_variance = generator.encode(frames)
    assert mean.shape == log_variance.shape == (2, 3, 2)
    changed_mean, _ = generator.encode(changed)
    assert torch.allclose(mean[:, :2], changed_mean[:, :2])
    assert not torch.allclose(mean[:, 2], changed_mean[:, 2])


def test_gradient_checkpointing_gives_the_same_gradients() -> None:
    gradients = []
    for enabled in (False, True):
        generator = tiny_generator()
        generator.set_gradient_checkpointing(enabled)
        frame, state = images(), generator.start(images())
        for _ in range(2):
            frame, state = generator(frame, torch.ones(2, 2), state)
        frame.square().mean().backward()
        gradients.append([weight.grad for weight in generator.cell.parameters()])
    for a, b in zip(*gradients, strict=True):
        assert a is not None
        assert b is not None
        assert torch.allclose(a, b, atol=1e-7)


def test_forget_gate_of_the_latents_starts_open() -> None:
    lstm = SavpGenerator(latent_channels=8).cell.latent_lstm
    assert lstm is not None
    bias = (lstm.bias_ih + lstm.bias_hh).detach()
    assert torch.equal(bias[8:16], torch.ones(8))  # PyTorch's order: input, forget, cell, output
    assert not bias[:8].any()
    assert not bias[16:].any()
