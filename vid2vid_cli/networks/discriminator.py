"""Multi-scale patch discriminators (pix2pixHD, Wang et al., CVPR 2018, section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.networks.blocks import Norm, init_weights, norm_layer
from vid2vid_cli.ops.resample import downsample2x

DiscriminatorOutput = list[Tensor]
"""The features of one patch discriminator, first layer first, and its logits (b, 1, h', w') last."""


class PatchDiscriminator(nn.Module):
    """`num_layers` stride-2 convolutions, one of stride 1, and a convolution that outputs one logit per patch."""

    def __init__(self, in_channels: int, *, base_channels: int, num_layers: int, norm: Norm = "instance") -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        layer_in, layer_out = in_channels, base_channels
        for layer in range(num_layers + 1):
            stride = 2 if layer < num_layers else 1
            stage: list[nn.Module] = [nn.Conv2d(layer_in, layer_out, 4, stride, 2)]
            if layer > 0:
                stage.append(norm_layer(layer_out, norm))
            stage.append(nn.LeakyReLU(0.2, inplace=True))
            self.stages.append(nn.Sequential(*stage))
            layer_in, layer_out = layer_out, min(layer_out * 2, base_channels * 8)
        self.stages.append(nn.Sequential(nn.Conv2d(layer_in, 1, 4, 1, 2)))

    def forward(self, image: Tensor, conditions: Tensor | None = None) -> DiscriminatorOutput:
        """(b, in_channels, h, w) -> features and logits.

        With `conditions` (n, c, h, w), the first c channels of the input, `image` (k n, in_channels - c, h, w) contains
        k images of each condition: images of the first k-th of the batch, and so on, in the same order.
        """
        image = self._forward_first(image, conditions)
        output: DiscriminatorOutput = [image.float()]
        for stage in self.stages[1:]:
            image = stage(image)
            output.append(image.float())
        return output

    def _forward_first(self, image: Tensor, conditions: Tensor | None) -> Tensor:
        """The first stage. Its convolution is linear, so the part of the conditions is computed once for all images.

        The input is not concatenated, and has no gradient for conditions: together a quarter of a step's time on a CPU.
        """
        stage = self.stages[0]
        assert isinstance(stage, nn.Sequential)
        convolution, activation = stage
        assert isinstance(convolution, nn.Conv2d)
        if conditions is None:
            features = convolution(image)
        else:
            weight, channels = convolution.weight, conditions.shape[1]
            stride, padding = convolution.stride, convolution.padding
            shared = F.conv2d(conditions, weight[:, :channels], convolution.bias, stride, padding)
            own = F.conv2d(image, weight[:, channels:], None, stride, padding)
            features = (own.view(-1, *shared.shape) + shared).flatten(0, 1)
        if features.device.type == "cpu":
            # In channels_last, see `MultiScaleDiscriminator`, the gradient of GroupNorm takes eight times as long.
            features = features.contiguous()
        return activation(features)  # type: ignore[no-any-return]


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators on an image pyramid, the finest first, each named after its input height in pixels.

    The names make discriminators reusable at a higher resolution: a discriminator for height 512 loads "256" and "128"
    of one that was trained at height 256 (`warm_start.load_matching_weights`), and only "512" is new.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        height: int,
        num_scales: int,
        base_channels: int,
        num_layers: int,
        max_channels: int | None = None,
        norm: Norm = "instance",
    ) -> None:
        """`height`: input height in pixels. `max_channels`: base channels double at each coarser scale, up to this."""
        super().__init__()
        self.discriminators = nn.ModuleDict()
        for _ in range(num_scales):
            self.discriminators[str(height)] = PatchDiscriminator(
                in_channels, base_channels=base_channels, num_layers=num_layers, norm=norm
            )
            height, base_channels = (
                (height + 1) // 2,
                max(base_channels, min(max_channels or base_channels, base_channels * 2)),
            )
        init_weights(self)

    def forward(self, image: Tensor, conditions: Tensor | None = None) -> list[DiscriminatorOutput]:
        """(b, in_channels, h, w) -> one output per scale; h may differ from the height in the constructor.

        `conditions`: see `PatchDiscriminator.forward`; they may have no channels.
        """
        if conditions is not None:
            image = image.to(torch.promote_types(image.dtype, conditions.dtype))  # as if they were concatenated
            conditions = conditions if conditions.shape[1] else None
        if image.device.type == "cpu":
            # Large images of few channels: pooling, the first convolution and its gradient take a third of the time.
            image = image.contiguous(memory_format=torch.channels_last)
            if conditions is not None:
                conditions = conditions.contiguous(memory_format=torch.channels_last)
        outputs = []
        for index, discriminator in enumerate(self.discriminators.values()):
            if index:
                image = downsample2x(image)
                conditions = None if conditions is None else downsample2x(conditions)
            outputs.append(discriminator(image, conditions))
        return outputs
