"""BicycleGAN's networks: published sizes, any frame size, one latent per clip."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vid2vid_cli.networks.bicyclegan import BicycleGenerator, LatentEncoder, LatentPath
from vid2vid_cli.networks.unet import UNetGenerator


def count_parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def tiny_generator(num_latent_levels: int = 3) -> BicycleGenerator:
    torch.manual_seed(0)
    unet = UNetGenerator(
        2, base_channels=4, num_downsamples=3, latent_channels=5, num_latent_levels=num_latent_levels, conv_bias=True
    )
    encoder = LatentEncoder(base_channels=4, num_blocks=1, latent_channels=5, norm="instance_no_affine")
    return BicycleGenerator(unet, encoder).eval()


def test_networks_have_the_published_number_of_parameters() -> None:
    """54.795 and 2.590 million for 256 pixels (U-Net with the latent at all levels, ResNet encoder)."""
    with torch.device("meta"):
        unet = UNetGenerator(3, norm="instance_no_affine", conv_bias=True, latent_channels=8, num_latent_levels=8)
        encoder = LatentEncoder(base_channels=64, num_blocks=4, latent_channels=8, norm="instance_no_affine")
    assert round(count_parameters(unet) / 1e6, 3) == 54.795
    assert round(count_parameters(encoder) / 1e6, 3) == 2.590


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (64, 20)])
@torch.no_grad()
def test_generator_and_encoder_accept_any_size(size: tuple[int, int]) -> None:
    generator = tiny_generator()
    image = generator(torch.randn(2, 1, 2, *size), (), latent=torch.randn(2, 5)).image
    assert image.shape == (2, 3, *size)
    assert [value.shape for value in generator.encoder(torch.randn(2, 3, 3, *size))] == [(2, 5), (2, 5)]


@torch.no_grad()
def test_encoder_averages_the_frames_of_a_clip() -> None:
    encoder, clip = tiny_generator().encoder, torch.randn(1, 3, 3, 16, 16)
    mean, log_variance = encoder(clip)
    frame_mean, frame_log_variance = encoder(clip[0][:, None])
    assert torch.allclose(mean[0], frame_mean.mean(0), atol=1e-6)
    assert torch.allclose(log_variance[0], frame_log_variance.mean(0), atol=1e-6)


@pytest.mark.parametrize("num_latent_levels", [1, 3])
@torch.no_grad()
def test_latent_changes_the_image(num_latent_levels: int) -> None:
    generator, window = tiny_generator(num_latent_levels), torch.randn(1, 1, 2, 16, 16)

    def image(latent: Tensor | None) -> Tensor:
        output: Tensor = generator(window, (), latent=latent).image
        return output

    assert torch.equal(image(None), image(torch.zeros(1, 5)))
    assert not torch.equal(image(None), image(torch.ones(1, 5)))
    convs = [module for module in generator.unet.down.modules() if isinstance(module, torch.nn.Conv2d)]
    in_channels = [conv.in_channels for conv in convs]
    assert in_channels == [2 + 5, *(channels + 5 * (num_latent_levels > 1) for channels in (4, 8))]


@torch.no_grad()
def test_generated_clips_have_one_latent_each() -> None:
    generator, conditions, latents = tiny_generator(), torch.randn(2, 3, 2, 16, 16), torch.randn(2, 5)
    clips = generator.generate_clips(conditions, latents)
    for clip in range(2):
        for frame in range(3):
            expected = generator(conditions[clip, frame][None, None], (), latent=latents[clip][None]).image[0]
            assert torch.allclose(clips[clip, frame], expected, atol=1e-5)


@torch.no_grad()
def test_latent_path_is_constant_or_moves_to_its_end() -> None:
    generator, window = tiny_generator(), torch.randn(1, 1, 2, 16, 16)
    start, end = generator.random_latent(1), generator.random_latent(2)
    constant = LatentPath(generator, start)
    assert torch.equal(constant(window, ()).image, constant(window, ()).image)
    moving = LatentPath(generator, start, end, num_frames=3)
    images = [moving(window, ()).image for _ in range(4)]
    latents = (start, (start + end) / 2, end, end)
    for image, latent in zip(images, latents, strict=True):
        assert torch.allclose(image, generator(window, (), latent=latent[None]).image, atol=1e-6)
    assert not torch.allclose(images[0], images[2])
    assert torch.equal(generator.random_latent(1), start)
    assert not torch.equal(start, end)
