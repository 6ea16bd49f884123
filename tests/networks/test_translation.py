"""Two generators in one module."""

from __future__ import annotations

import torch

from vid2vid_cli.core.model_specs import opposite
from vid2vid_cli.networks.resnet import ResNetGenerator
from vid2vid_cli.networks.translation import TranslationGenerator
from vid2vid_cli.networks.unet import UNetGenerator


def test_resnet_has_the_published_number_of_parameters() -> None:
    """11.378 and 7.838 million with 9 and 6 blocks, as the published code prints."""
    for num_res_blocks, millions in ((9, 11.378), (6, 7.838)):
        count = sum(weight.numel() for weight in ResNetGenerator(3, num_res_blocks=num_res_blocks).parameters())
        assert round(count / 1e6, 3) == millions


def test_forward_uses_the_selected_direction() -> None:
    torch.manual_seed(0)
    generator = TranslationGenerator(*(UNetGenerator(3, base_channels=4, num_downsamples=2) for _ in "ab")).eval()
    frames = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        for direction in ("a2b", "b2a"):
            generator.direction = direction
            assert torch.equal(generator(frames[:, None], ()).image, generator.translate(frames, direction))
        assert not torch.equal(generator.translate(frames, "a2b"), generator.translate(frames, "b2a"))
    assert opposite("a2b") == "b2a"
    assert opposite("b2a") == "a2b"


def test_unet_without_skip_connections_depends_on_the_innermost_cells_only() -> None:
    torch.manual_seed(0)
    with_skips, without = (
        UNetGenerator(3, base_channels=4, num_downsamples=3, dropout=0.0, skip_connections=has_skips).eval()
        for has_skips in (True, False)
    )
    count = {
        generator.skip_connections: sum(weight.numel() for weight in generator.parameters())
        for generator in (with_skips, without)
    }
    assert count[False] < count[True]
    assert without(torch.rand(1, 1, 3, 20, 28), ()).image.shape == (1, 3, 20, 28)
