"""The published networks as the project's reference describes them (§1), and runs of them, for comparison with ours.

Only layer order and names are NVIDIA's: `nn.Sequential` counts the places, so that the names in a file come out by
themselves. Norms take the statistics of the frame at hand, as the published program does when it synthesises.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def norm(width: int, affine: bool = True) -> nn.Module:
    """BatchNorm that is never told to evaluate; without an affine, the InstanceNorm of generators of single images."""
    return nn.BatchNorm2d(width) if affine else nn.InstanceNorm2d(width, track_running_stats=True)


class Residual(nn.Module):
    def __init__(self, width: int, affine: bool = True) -> None:
        super().__init__()
        half = [[nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), norm(width, affine)] for _ in range(2)]
        self.conv_block = nn.Sequential(*half[0], nn.ReLU(), *half[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


def down(inside: int, widths: Sequence[int], affine: bool = True) -> list[nn.Module]:
    """7x7, then one 3x3 of stride 2 for each further width."""
    layers: list[nn.Module] = [
        nn.ReflectionPad2d(3),
        nn.Conv2d(inside, widths[0], 7),
        norm(widths[0], affine),
        nn.ReLU(),
    ]
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 3, 2, 1), norm(b, affine), nn.ReLU()]
    return layers


def up(widths: Sequence[int], affine: bool = True) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths[::-1]):
        layers += [nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1), norm(b, affine), nn.ReLU()]
    return layers


def head(width: int, outside: int, *last: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, outside, 7), *last)


def residuals(width: int, count: int, affine: bool = True) -> list[nn.Module]:
    return [Residual(width, affine) for _ in range(count)]


class Scale(nn.Module):
    """One `latest_net_G<scale>.pth`."""

    def __init__(
        self,
        channels: int,
        scale: int = 0,
        *,
        width: int = 8,
        downs: int = 3,
        blocks: int = 3,
        local: int = 2,
        flow: bool = True,
        front: bool = False,
        past: int = 2,
    ) -> None:
        super().__init__()
        self.scale, self.flow, self.front, self.past = scale, flow, front, past
        width >>= scale
        inside = (past + 1) * channels
        widths = [width << level for level in range(downs + 1)] if scale == 0 else [width, 2 * width]
        deep = widths[-1]
        early = residuals(deep, blocks - blocks // 2) if scale == 0 else []
        self.model_down_seg = nn.Sequential(*down(inside, widths), *early)
        early = residuals(deep, blocks - blocks // 2) if scale == 0 else []
        self.model_down_img = nn.Sequential(*down(3 * past, widths), *early)
        for kind in ("img", "flow") if flow else ("img",):
            if scale == 0:
                setattr(self, f"model_res_{kind}", nn.Sequential(*residuals(deep, blocks // 2)))
                setattr(self, f"model_up_{kind}", nn.Sequential(*up(widths)))
            else:
                setattr(self, f"model_up_{kind}", nn.Sequential(*residuals(deep, local), *up(widths)))
        self.model_final_img = head(width, 3, nn.Tanh())
        if flow:
            self.model_final_flow, self.model_final_w = head(width, 2), head(width, 1, nn.Sigmoid())
        if front:
            narrow = [w // 2 for w in widths] if downs > 2 else widths
            self.indv_down = nn.Sequential(*down(inside, narrow))
            if scale == 0:
                self.indv_res = nn.Sequential(*residuals(narrow[-1], blocks))
                self.indv_up = nn.Sequential(*up(narrow))
            else:
                self.indv_up = nn.Sequential(*residuals(narrow[-1], local), *up(narrow))
            self.indv_final = head(narrow[0], 3, nn.Tanh())

    def _through(self, kind: str, x: Tensor) -> Tensor:
        if self.scale == 0:
            x = getattr(self, f"model_res_{kind}")(x)
        return getattr(self, f"model_up_{kind}")(x)

    def forward(self, labels: Tensor, before: Tensor, mask: Tensor | None, coarser: dict, raw_only: bool) -> tuple:
        """(b, (p + 1) c, h, w), (b, 3 p, h, w) -> (the frame, features by branch)."""
        merged = self.model_down_seg(labels) + self.model_down_img(before)
        features = {"img": self._through("img", merged + coarser.get("img", 0))}
        final = self.model_final_img(features["img"])
        if self.flow:
            features["flow"] = self._through("flow", merged + coarser.get("flow", 0))
            if not raw_only:
                flow = self.model_final_flow(features["flow"]) * 20 * 2**self.scale
                weight = self.model_final_w(features["flow"])
                final = weight * final + (1 - weight) * sample(before[:, -3:], flow)
        if self.front:
            front = self.indv_down(labels)
            front = self.indv_res(front) if self.scale == 0 else front + coarser["front"]
            features["front"] = self.indv_up(front)
            final = mask * self.indv_final(features["front"]) + (1 - mask) * final
        return final, features


def sample(previous: Tensor, flow: Tensor) -> Tensor:
    """Backward warp; the corners of the grid are the centres of the corner pixels."""
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    moved = torch.stack([x + flow[:, 0] * 2 / (width - 1), y + flow[:, 1] * 2 / (height - 1)], -1)
    return F.grid_sample(previous, moved, "bilinear", "border", align_corners=True)


def pooled(frames: Tensor) -> Tensor:
    return F.avg_pool2d(frames, 3, 2, 1, count_include_pad=False)


@torch.no_grad()
def run(
    scales: Sequence[Scale], conditions: Sequence[Tensor], begin: Tensor | None, car: int | None = None
) -> Iterator[Tensor]:
    """Frames of published conditions (1, c, h, w): after `begin` (1, 2, 3, h, w), the frames of the first two, or all.

    From nothing, the first condition stands for those before it, as in ours; the published program draws none of these.
    """
    first = conditions[0]
    past = first.new_zeros(1, scales[0].past, 3, *first.shape[-2:]) if begin is None else begin
    pasts = [past]
    for _ in scales[1:]:
        pasts.append(pooled(pasts[-1][0])[None])
    for index in range(0 if begin is None else begin.shape[1], len(conditions)):
        window = torch.cat([conditions[max(0, index - back)] for back in reversed(range(scales[0].past + 1))], 1)
        pyramid = [window]
        for _ in scales[1:]:
            pyramid.append(pooled(pyramid[-1]))
        features: dict = {}
        for scale in scales:
            level = len(scales) - 1 - scale.scale
            labels = pyramid[level]
            mask = None
            if car is not None:
                current = labels[:, -first.shape[1] :]
                mask = current[:, car : car + 1].clamp(0, 1)
            frame, features = scale(
                labels, pasts[level].flatten(1, 2), mask, features, raw_only=begin is None and index == 0
            )
            pasts[level] = torch.cat([pasts[level][:, 1:], frame[:, None]], 1)
        yield frame


def exactly(
    scales: Sequence[Scale], conditions: Sequence[Tensor], begin: Tensor | None, car: int | None = None
) -> Iterator[Tensor]:
    """`run` in double precision, so that only one side's rounding is measured."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        doubled = [copy.deepcopy(scale).double() for scale in scales]
        start = None if begin is None else begin.double()
        yield from [frame.float() for frame in run(doubled, [one.double() for one in conditions], start, car)]
    finally:
        torch.set_default_dtype(usual)


class Single(nn.Module):
    """A generator of single images: pix2pixHD's global one, or with a local enhancer, whose coarse head is gone."""

    def __init__(self, channels: int, *, width: int = 4, downs: int = 2, blocks: int = 3, local: int = 0) -> None:
        super().__init__()
        coarse = width * 2 if local else width
        widths = [coarse << level for level in range(downs + 1)]
        last = [] if local else [*head(width, 3, nn.Tanh())]
        inner = residuals(widths[-1], blocks, False)
        self.model = nn.Sequential(*down(channels, widths, False), *inner, *up(widths, False), *last)
        self.local = local
        if local:
            self.model1_1 = nn.Sequential(*down(channels, [width, 2 * width], False))
            through = [*residuals(2 * width, local, False), *up([width, 2 * width], False)]
            self.model1_2 = nn.Sequential(*through, *head(width, 3, nn.Tanh()))

    def forward(self, labels: Tensor) -> Tensor:
        if not self.local:
            return self.model(labels)
        return self.model1_2(self.model1_1(labels) + self.model(pooled(labels)))


class Discriminator(nn.Module):
    """`latest_net_D.pth`: copies of a patch discriminator, counted from the coarsest, whose layers lie side by side."""

    def __init__(self, channels: int, copies: int = 2, *, width: int = 8, widest: int = 8, layers: int = 3) -> None:
        super().__init__()
        self.copies, self.layers = copies, layers
        for copy_, inside in [(index, channels) for index in range(copies)]:
            outside = first = min(widest, width * 2 ** (copies - 1 - copy_))
            for layer in range(layers + 2):
                stride, last = (2 if layer < layers else 1), layer == layers + 1
                made: list[nn.Module] = [nn.Conv2d(inside, 1 if last else outside, 4, stride, 2)]
                made += [norm(outside)] if 0 < layer < layers + 1 else []
                made += [] if last else [nn.LeakyReLU(0.2)]
                setattr(self, f"scale{copy_}_layer{layer}", nn.Sequential(*made))
                inside, outside = outside, min(outside * 2, first * 8)

    def forward(self, seen: Tensor) -> list[list[Tensor]]:
        """(1, c, h, w) -> what each layer says, the finest copy first."""
        judged = []
        for copy_ in reversed(range(self.copies)):
            features, value = [], seen
            for layer in range(self.layers + 2):
                value = getattr(self, f"scale{copy_}_layer{layer}")(value)
                features.append(value)
            judged.append(features)
            seen = pooled(seen)
        return judged


def written(network: nn.Module, path: Path, *, old: bool = False, seed: int = 0) -> nn.Module:
    """Weights that matter everywhere, running statistics among them, and a file of them; `old`: as torch 0.4 wrote."""
    random = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.ndim == 4:
            value.normal_(0, 1.2 / value[0].numel() ** 0.5, generator=random)
        elif value.is_floating_point():
            value.normal_(1.0 if name.endswith(("weight", "var")) else 0.0, 0.2, generator=random)
    # Some pixels of flow and no wilder pictures: what is warped again and again multiplies every rounding error.
    flow = 0.03 / 2 ** getattr(network, "scale", 0)
    for final, part in (("model_final_flow", flow), ("model_final_w", 0.3), ("model_final_img", 0.2)):
        if hasattr(network, final):
            for weight in getattr(network, final).parameters():
                weight.data.mul_(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=not old)
    return network.train()
