"""Reference implementation of the published networks, for comparison with imported ones.

Layer order and names are NVIDIA's; the numbers in the names follow from the positions in `nn.Sequential`.
Normalisation uses the statistics of the current frame, as the published program does in synthesis.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def norm_layer(channels: int, has_affine: bool = True) -> nn.Module:
    """BatchNorm, used in training mode; without affine parameters, the InstanceNorm of image generators."""
    return nn.BatchNorm2d(channels) if has_affine else nn.InstanceNorm2d(channels, track_running_stats=True)


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, has_affine: bool = True) -> None:
        super().__init__()
        conv_layers = [
            [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), norm_layer(channels, has_affine)]
            for _ in range(2)
        ]
        self.conv_block = nn.Sequential(*conv_layers[0], nn.ReLU(), *conv_layers[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


def downsampling_layers(in_channels: int, level_channels: Sequence[int], has_affine: bool = True) -> list[nn.Module]:
    """A 7x7 convolution, then a 3x3 convolution with stride 2 for each further level."""
    layers: list[nn.Module] = [
        nn.ReflectionPad2d(3),
        nn.Conv2d(in_channels, level_channels[0], 7),
        norm_layer(level_channels[0], has_affine),
        nn.ReLU(),
    ]
    for a, b in pairwise(level_channels):
        layers += [nn.Conv2d(a, b, 3, 2, 1), norm_layer(b, has_affine), nn.ReLU()]
    return layers


def upsampling_layers(level_channels: Sequence[int], has_affine: bool = True) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in pairwise(level_channels[::-1]):
        layers += [nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1), norm_layer(b, has_affine), nn.ReLU()]
    return layers


def output_layers(in_channels: int, out_channels: int, *final_layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(in_channels, out_channels, 7), *final_layers)


def residual_blocks(channels: int, num_blocks: int, has_affine: bool = True) -> list[nn.Module]:
    return [ResidualBlock(channels, has_affine) for _ in range(num_blocks)]


class ScaleGenerator(nn.Module):
    """The network of `latest_net_G<scale>.pth`."""

    def __init__(
        self,
        condition_channels: int,
        scale: int = 0,
        *,
        base_channels: int = 8,
        num_downsamples: int = 3,
        num_res_blocks: int = 3,
        num_local_res_blocks: int = 2,
        has_flow: bool = True,
        has_foreground: bool = False,
        past_frames: int = 2,
    ) -> None:
        super().__init__()
        self.scale, self.has_flow, self.has_foreground, self.past_frames = scale, has_flow, has_foreground, past_frames
        base_channels >>= scale
        in_channels = (past_frames + 1) * condition_channels
        level_channels = (
            [base_channels << level for level in range(num_downsamples + 1)]
            if scale == 0
            else [base_channels, 2 * base_channels]
        )
        bottleneck_channels = level_channels[-1]
        encoder_blocks = (
            residual_blocks(bottleneck_channels, num_res_blocks - num_res_blocks // 2) if scale == 0 else []
        )
        self.model_down_seg = nn.Sequential(*downsampling_layers(in_channels, level_channels), *encoder_blocks)
        encoder_blocks = (
            residual_blocks(bottleneck_channels, num_res_blocks - num_res_blocks // 2) if scale == 0 else []
        )
        self.model_down_img = nn.Sequential(*downsampling_layers(3 * past_frames, level_channels), *encoder_blocks)
        for kind in ("img", "flow") if has_flow else ("img",):
            if scale == 0:
                setattr(
                    self, f"model_res_{kind}", nn.Sequential(*residual_blocks(bottleneck_channels, num_res_blocks // 2))
                )
                setattr(self, f"model_up_{kind}", nn.Sequential(*upsampling_layers(level_channels)))
            else:
                setattr(
                    self,
                    f"model_up_{kind}",
                    nn.Sequential(
                        *residual_blocks(bottleneck_channels, num_local_res_blocks), *upsampling_layers(level_channels)
                    ),
                )
        self.model_final_img = output_layers(base_channels, 3, nn.Tanh())
        if has_flow:
            self.model_final_flow, self.model_final_w = (
                output_layers(base_channels, 2),
                output_layers(base_channels, 1, nn.Sigmoid()),
            )
        if has_foreground:
            foreground_channels = [w // 2 for w in level_channels] if num_downsamples > 2 else level_channels
            self.indv_down = nn.Sequential(*downsampling_layers(in_channels, foreground_channels))
            if scale == 0:
                self.indv_res = nn.Sequential(*residual_blocks(foreground_channels[-1], num_res_blocks))
                self.indv_up = nn.Sequential(*upsampling_layers(foreground_channels))
            else:
                self.indv_up = nn.Sequential(
                    *residual_blocks(foreground_channels[-1], num_local_res_blocks),
                    *upsampling_layers(foreground_channels),
                )
            self.indv_final = output_layers(foreground_channels[0], 3, nn.Tanh())

    def _decode(self, kind: str, x: Tensor) -> Tensor:
        if self.scale == 0:
            x = getattr(self, f"model_res_{kind}")(x)
        return getattr(self, f"model_up_{kind}")(x)

    def forward(
        self, conditions: Tensor, prev_frames: Tensor, mask: Tensor | None, coarse_features: dict, skip_flow: bool
    ) -> tuple:
        """(b, (p + 1) c, h, w), (b, 3 p, h, w) -> frame (b, 3, h, w) and features by branch."""
        merged = self.model_down_seg(conditions) + self.model_down_img(prev_frames)
        features = {"img": self._decode("img", merged + coarse_features.get("img", 0))}
        image = self.model_final_img(features["img"])
        if self.has_flow:
            features["flow"] = self._decode("flow", merged + coarse_features.get("flow", 0))
            if not skip_flow:
                flow = self.model_final_flow(features["flow"]) * 20 * 2**self.scale
                weight = self.model_final_w(features["flow"])
                image = weight * image + (1 - weight) * warp_backward(prev_frames[:, -3:], flow)
        if self.has_foreground:
            foreground_features = self.indv_down(conditions)
            foreground_features = (
                self.indv_res(foreground_features)
                if self.scale == 0
                else foreground_features + coarse_features["foreground"]
            )
            features["foreground"] = self.indv_up(foreground_features)
            image = mask * self.indv_final(features["foreground"]) + (1 - mask) * image
        return image, features


def warp_backward(previous: Tensor, flow: Tensor) -> Tensor:
    """Backward warp with align_corners=True."""
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    grid = torch.stack([x + flow[:, 0] * 2 / (width - 1), y + flow[:, 1] * 2 / (height - 1)], -1)
    return F.grid_sample(previous, grid, "bilinear", "border", align_corners=True)


def downsample(frames: Tensor) -> Tensor:
    return F.avg_pool2d(frames, 3, 2, 1, count_include_pad=False)


@torch.no_grad()
def generate_frames(
    scales: Sequence[ScaleGenerator],
    conditions: Sequence[Tensor],
    initial_frames: Tensor | None,
    foreground_class: int | None = None,
    *,
    is_published_start: bool = False,
) -> Iterator[Tensor]:
    """Generate frames from published conditions (1, c, h, w).

    With `initial_frames` (1, 2, 3, h, w), the frames of the first two conditions, generation starts at the third.
    Without, it starts at the first, and the first condition is repeated for the missing past, as in our rollout. The
    published program starts at the third here too, which `is_published_start` selects.
    """
    first_condition = conditions[0]
    past = (
        first_condition.new_zeros(1, scales[0].past_frames, 3, *first_condition.shape[-2:])
        if initial_frames is None
        else initial_frames
    )
    past_pyramid = [past]
    for _ in scales[1:]:
        past_pyramid.append(downsample(past_pyramid[-1][0])[None])
    first_index = 0 if initial_frames is None and not is_published_start else scales[0].past_frames
    for index in range(first_index, len(conditions)):
        window = torch.cat([conditions[max(0, index - back)] for back in reversed(range(scales[0].past_frames + 1))], 1)
        pyramid = [window]
        for _ in scales[1:]:
            pyramid.append(downsample(pyramid[-1]))
        features: dict = {}
        for scale in scales:
            level = len(scales) - 1 - scale.scale
            labels = pyramid[level]
            mask = None
            if foreground_class is not None:
                current = labels[:, -first_condition.shape[1] :]
                mask = current[:, foreground_class : foreground_class + 1].clamp(0, 1)
            frame, features = scale(
                labels,
                past_pyramid[level].flatten(1, 2),
                mask,
                features,
                skip_flow=initial_frames is None and index == first_index,
            )
            past_pyramid[level] = torch.cat([past_pyramid[level][:, 1:], frame[:, None]], 1)
        yield frame


def generate_frames_float64(
    scales: Sequence[ScaleGenerator],
    conditions: Sequence[Tensor],
    initial_frames: Tensor | None,
    foreground_class: int | None = None,
    *,
    is_published_start: bool = False,
) -> Iterator[Tensor]:
    """`generate_frames` in double precision, so that only the rounding of the tested network is measured."""
    default_dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        double_scales = [copy.deepcopy(scale).double() for scale in scales]
        double_initial_frames = None if initial_frames is None else initial_frames.double()
        yield from [
            frame.float()
            for frame in generate_frames(
                double_scales,
                [condition.double() for condition in conditions],
                double_initial_frames,
                foreground_class,
                is_published_start=is_published_start,
            )
        ]
    finally:
        torch.set_default_dtype(default_dtype)


class ImageGenerator(nn.Module):
    """pix2pixHD's global generator, or with a local enhancer, which removes the head of the global one."""

    def __init__(
        self,
        condition_channels: int,
        *,
        base_channels: int = 4,
        num_downsamples: int = 2,
        num_res_blocks: int = 3,
        num_local_res_blocks: int = 0,
    ) -> None:
        super().__init__()
        coarse_channels = base_channels * 2 if num_local_res_blocks else base_channels
        level_channels = [coarse_channels << level for level in range(num_downsamples + 1)]
        final_layers = [] if num_local_res_blocks else [*output_layers(base_channels, 3, nn.Tanh())]
        middle_blocks = residual_blocks(level_channels[-1], num_res_blocks, False)
        self.model = nn.Sequential(
            *downsampling_layers(condition_channels, level_channels, False),
            *middle_blocks,
            *upsampling_layers(level_channels, False),
            *final_layers,
        )
        self.num_local_res_blocks = num_local_res_blocks
        if num_local_res_blocks:
            self.model1_1 = nn.Sequential(
                *downsampling_layers(condition_channels, [base_channels, 2 * base_channels], False)
            )
            enhancer_layers = [
                *residual_blocks(2 * base_channels, num_local_res_blocks, False),
                *upsampling_layers([base_channels, 2 * base_channels], False),
            ]
            self.model1_2 = nn.Sequential(*enhancer_layers, *output_layers(base_channels, 3, nn.Tanh()))

    def forward(self, labels: Tensor) -> Tensor:
        if not self.num_local_res_blocks:
            return self.model(labels)
        return self.model1_2(self.model1_1(labels) + self.model(downsample(labels)))


class MultiscaleDiscriminator(nn.Module):
    """The network of `latest_net_D.pth`: patch discriminators at several scales, numbered from the coarsest."""

    def __init__(
        self,
        input_channels: int,
        num_scales: int = 2,
        *,
        base_channels: int = 8,
        max_channels: int = 8,
        num_layers: int = 3,
    ) -> None:
        super().__init__()
        self.num_scales, self.num_layers = num_scales, num_layers
        for scale, in_channels in [(index, input_channels) for index in range(num_scales)]:
            out_channels = first_channels = min(max_channels, base_channels * 2 ** (num_scales - 1 - scale))
            for layer in range(num_layers + 2):
                stride, is_last = (2 if layer < num_layers else 1), layer == num_layers + 1
                modules: list[nn.Module] = [nn.Conv2d(in_channels, 1 if is_last else out_channels, 4, stride, 2)]
                modules += [norm_layer(out_channels)] if 0 < layer < num_layers + 1 else []
                modules += [] if is_last else [nn.LeakyReLU(0.2)]
                setattr(self, f"scale{scale}_layer{layer}", nn.Sequential(*modules))
                in_channels, out_channels = out_channels, min(out_channels * 2, first_channels * 8)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """(1, c, h, w) -> outputs of each layer, the finest scale first."""
        outputs = []
        for scale in reversed(range(self.num_scales)):
            features, value = [], x
            for layer in range(self.num_layers + 2):
                value = getattr(self, f"scale{scale}_layer{layer}")(value)
                features.append(value)
            outputs.append(features)
            x = downsample(x)
        return outputs


def write_network(network: nn.Module, path: Path, *, legacy_format: bool = False, seed: int = 0) -> nn.Module:
    """Initialise all weights and running statistics randomly and save them; `legacy_format`: as torch 0.4 saved."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.ndim == 4:
            value.normal_(0, 1.2 / value[0].numel() ** 0.5, generator=generator)
        elif value.is_floating_point():
            value.normal_(1.0 if name.endswith(("weight", "var")) else 0.0, 0.2, generator=generator)
    # Limit the flow to a few pixels and the contrast of images: repeated warping amplifies rounding errors.
    flow_gain = 0.03 / 2 ** getattr(network, "scale", 0)
    for head_name, gain in (("model_final_flow", flow_gain), ("model_final_w", 0.3), ("model_final_img", 0.2)):
        if hasattr(network, head_name):
            for weight in getattr(network, head_name).parameters():
                weight.data.mul_(gain)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=not legacy_format)
    return network.train()
