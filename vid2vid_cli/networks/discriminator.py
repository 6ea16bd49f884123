"""Multi-scale patch discriminators (pix2pixHD, Wang et al., CVPR 2018, section 3.2)."""

from __future__ import annotations

from torch import Tensor, nn

from vid2vid_cli.networks.blocks import Norm, initialise, normalise
from vid2vid_cli.ops.resample import halve

Judgement = list[Tensor]
"""The inner features of one patch discriminator, first layer first, and last its score map (b, 1, h', w')."""


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches: `layers` stride-2 convolutions, one of stride 1, and the score."""

    def __init__(self, channels: int, *, width: int, layers: int, norm: Norm = "instance") -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        inside, outside = channels, width
        for layer in range(layers + 1):
            stride = 2 if layer < layers else 1
            stage: list[nn.Module] = [nn.Conv2d(inside, outside, 4, stride, 2)]
            if layer > 0:
                stage.append(normalise(outside, norm))
            stage.append(nn.LeakyReLU(0.2, inplace=True))
            self.stages.append(nn.Sequential(*stage))
            inside, outside = outside, min(outside * 2, width * 8)
        self.stages.append(nn.Sequential(nn.Conv2d(inside, 1, 4, 1, 2)))

    def forward(self, picture: Tensor) -> Judgement:
        """(b, channels, h, w) -> features and score."""
        judgement: Judgement = []
        for stage in self.stages:
            picture = stage(picture)
            judgement.append(picture.float())
        return judgement


class MultiScaleDiscriminator(nn.Module):
    """Copies of a patch discriminator on an image pyramid, the finest first, named after the height they judge.

    A copy keeps its name when the picture grows: of "256" and "128", learned at 256 pixels, a discriminator for 512
    takes both over (`growing.take_over`), and only "512" starts from scratch.
    """

    def __init__(
        self,
        channels: int,
        *,
        height: int,
        scales: int,
        width: int,
        layers: int,
        widest: int | None = None,
        norm: Norm = "instance",
    ) -> None:
        """`height` of the pictures, in pixels; `widest`: widths double towards the coarse copies, up to it."""
        super().__init__()
        self.copies = nn.ModuleDict()
        for _ in range(scales):
            self.copies[str(height)] = PatchDiscriminator(channels, width=width, layers=layers, norm=norm)
            height, width = (height + 1) // 2, max(width, min(widest or width, width * 2))
        initialise(self)

    def forward(self, picture: Tensor) -> list[Judgement]:
        """(b, channels, h, w) -> one judgement per scale; h may differ from the height that names the copies."""
        judgements = []
        for index, copy in enumerate(self.copies.values()):
            if index:
                picture = halve(picture)
            judgements.append(copy(picture))
        return judgements
