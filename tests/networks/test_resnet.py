"""CycleGAN's ResNet generator: parameter counts, sizes, and the published layer list."""

from __future__ import annotations

import pytest
import torch
from helpers.published_translation import published_resnet

from vid2vid_cli.core.types import ShapeError
from vid2vid_cli.networks.resnet import ResNetGenerator


def tiny_generator(channels: int = 2, **changes: object) -> ResNetGenerator:
    torch.manual_seed(0)
    settings = {"base_channels": 4, "num_res_blocks": 2, **changes}
    return ResNetGenerator(channels, **settings).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(("num_res_blocks", "expected_count"), [(9, 11_378_179), (6, 7_837_699)])
def test_parameter_counts_match_cyclegan(num_res_blocks: int, expected_count: int) -> None:
    with torch.device("meta"):
        generator = ResNetGenerator(3, num_res_blocks=num_res_blocks)
    assert sum(p.numel() for p in generator.parameters()) == expected_count


@pytest.mark.parametrize(("height", "width"), [(16, 16), (61, 97), (18, 33)])
@pytest.mark.parametrize("upsample", ["transpose", "resize"])
def test_any_size_is_accepted(height: int, width: int, upsample: str) -> None:
    output = tiny_generator(upsample=upsample)(torch.rand(1, 1, 2, height, width) * 2 - 1, [])
    assert output.image.shape == (1, 3, height, width)
    assert output.image is output.raw
    assert output.flow is output.occlusion is None
    assert output.image.abs().max() <= 1


def test_output_equals_published_layers() -> None:
    """The same weights, in the order of the layers, give the same image in a network made from the published list."""
    reference = published_resnet(3, 8, num_blocks=2).eval()
    generator = ResNetGenerator(3, base_channels=8, num_res_blocks=2).eval()
    with torch.no_grad():
        for ours, theirs in zip(generator.parameters(), reference.parameters(), strict=True):
            ours.copy_(theirs.normal_(0, 0.1))
        image = torch.rand(1, 3, 32, 48) * 2 - 1
        difference = generator(image[:, None], []).image - reference(image)
    assert difference.abs().max() < 1e-5


def test_gradient_checkpointing_keeps_gradients() -> None:
    gradients = []
    for enabled in (False, True):
        generator = tiny_generator().train()
        generator.set_gradient_checkpointing(enabled)
        window = torch.rand(1, 1, 2, 20, 24, generator=torch.Generator().manual_seed(1))
        generator(window, []).image.square().mean().backward()
        gradients.append([p.grad for p in generator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_window_of_two_is_rejected() -> None:
    with pytest.raises(ShapeError, match="window"):
        tiny_generator()(torch.rand(1, 2, 2, 16, 16), [])
