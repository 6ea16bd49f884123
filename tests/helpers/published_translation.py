"""The generators of pix2pix and CycleGAN, made from their published layer lists as nested nn.Sequential.

Independent of the package: names and positions of the layers are those of the published state dicts.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _PublishedResBlock(nn.Module):
    def __init__(self, channels: int, norm: Any, *, bias: bool, dropout: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias)]
        layers += [norm(channels), nn.ReLU(True)]
        layers += [nn.Dropout(0.5)] if dropout else []
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), norm(channels)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)  # type: ignore[no-any-return]


def _norm(name: str) -> tuple[Any, bool]:
    """The layer and whether convolutions before it have a bias."""
    return (nn.BatchNorm2d, False) if name == "batch" else (nn.InstanceNorm2d, True)


class _Wrapper(nn.Module):
    """Gives names the prefix `model.`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)  # type: ignore[no-any-return]


def published_resnet(
    channels: int, base: int = 64, *, num_blocks: int = 9, norm: str = "instance", dropout: bool = False
) -> nn.Module:
    """c7s1, d, d, R x n, u, u, c7s1-3; keys `model.1.weight`, `model.10.conv_block.1.weight`, ..."""
    layer, bias = _norm(norm)
    layers: list[nn.Module] = [
        nn.ReflectionPad2d(3),
        nn.Conv2d(channels, base, 7, bias=bias),
        layer(base),
        nn.ReLU(True),
    ]
    for width in (base, base * 2):
        layers += [nn.Conv2d(width, width * 2, 3, 2, 1, bias=bias), layer(width * 2), nn.ReLU(True)]
    layers += [_PublishedResBlock(base * 4, layer, bias=bias, dropout=dropout) for _ in range(num_blocks)]
    for width in (base * 4, base * 2):
        layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, output_padding=1, bias=bias), layer(width // 2)]
        layers += [nn.ReLU(True)]
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(base, 3, 7), nn.Tanh()]
    return _Wrapper(nn.Sequential(*layers))


class _PublishedSkip(nn.Module):
    def __init__(self, layers: list[nn.Module], *, outermost: bool) -> None:
        super().__init__()
        self.model, self.outermost = nn.Sequential(*layers), outermost

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)  # type: ignore[no-any-return]


def published_unet(
    channels: int, base: int = 64, *, num_levels: int = 8, norm: str = "batch", dropout: bool = True
) -> nn.Module:
    """Nested blocks from the innermost out; keys `model.model.0.weight`, `model.model.1.model.1.weight`, ..."""
    layer, bias = _norm(norm)
    widths = [min(base * 2**level, base * 8) for level in range(num_levels)]
    inner: nn.Module | None = None
    for level in reversed(range(1, num_levels)):
        outer_width, width = widths[level - 1], widths[level]
        layers: list[nn.Module] = [nn.LeakyReLU(0.2, True), nn.Conv2d(outer_width, width, 4, 2, 1, bias=bias)]
        if inner is not None:
            layers += [layer(width), inner]
        factor = 1 if inner is None else 2
        layers += [nn.ReLU(True), nn.ConvTranspose2d(width * factor, outer_width, 4, 2, 1, bias=bias)]
        layers.append(layer(outer_width))
        if dropout and 5 <= level < num_levels - 1:
            layers.append(nn.Dropout(0.5))
        inner = _PublishedSkip(layers, outermost=False)
    assert inner is not None
    outermost = [nn.Conv2d(channels, base, 4, 2, 1, bias=bias), inner, nn.ReLU(True)]
    outermost += [nn.ConvTranspose2d(base * 2, 3, 4, 2, 1), nn.Tanh()]
    return _Wrapper(_PublishedSkip(outermost, outermost=True))
