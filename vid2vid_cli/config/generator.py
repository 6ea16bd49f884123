"""The settings of the generator."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from vid2vid_cli.config.base import Section


def least_side(downsamples: int, scales: int) -> int:
    """Pixels that each side of a picture must have, for that many stride-2 convolutions at the coarsest scale.

    The innermost maps must have 2 x 2 cells: reflection padding needs a neighbour, normalisation a spread.
    """
    return max(16, 2 << downsamples) << (scales - 1)


class GeneratorConfig(Section):
    """The generator."""

    kind: Literal["composite", "fast", "unet"] = Field(
        "composite",
        description="composite: vid2vid's, and without past and flow pix2pixHD's; fast: vid2vid's recursion by a "
        "network made for processors; unet: pix2pix's.",
    )
    draws: Literal["frames", "labels"] = Field(
        "frames",
        description="frames: from their conditions; labels: the next conditions, from those before them alone.",
    )
    past: int = Field(2, ge=0, le=8, description="Generated frames that the next one sees; 0: frame-wise model.")
    flow: bool = Field(True, description="Warp the last frame and blend it through the occlusion mask.")
    flow_unit: float = Field(
        20.0, gt=0, description="Pixels that an output of 1 of the coarsest flow head stands for: its learning rate."
    )
    scales: int = Field(
        1, ge=1, le=3, description="Spatial scales; each finer one has twice the size, data.size the last."
    )
    width: int = Field(
        64, ge=4, description="Channels at the coarsest scale, or of a patch; doubled at each downsampling."
    )
    patch: Literal[2, 4, 8] = Field(
        4, description="Side in pixels of the patches that a fast generator reads and draws; the first downsamples."
    )
    downsamples: int = Field(3, ge=1, le=8, description="Stride-2 convolutions in each encoder of the coarsest scale.")
    blocks: int = Field(9, ge=2, description="Residual blocks: the larger half before, the rest after the sum.")
    blocks_local: int = Field(3, ge=1, description="Residual blocks of each branch of a finer scale.")
    kernel: Literal[3, 5, 7] = Field(7, description="Kernel size of the first and last convolutions.")
    norm: Literal["instance", "instance_plain", "group", "batch"] = Field(
        "instance",
        description="Normalisation with learned affine; instance_plain: without, as pix2pixHD's; "
        "batch: by the clips of a step together, as vid2vid's.",
    )
    upsample: Literal["transpose", "resize"] = Field(
        "resize", description="transpose: as published; resize: nearest upsampling and a convolution."
    )

    foreground: tuple[str, ...] = Field(
        (), description="Classes, by name, that a branch of their own draws from the labels alone; () for none."
    )
    foreground_over: bool = Field(
        False, description="true: the foreground covers warped pixels too, as in the published code; false: eq. 9."
    )
    unit_conditions: bool = Field(
        False, description="Show the networks conditions from 0 to 1, as published labels and faces; false: -1 to 1."
    )
    dropout: float = Field(
        0.5, ge=0, lt=1, description="Noise in training, in the innermost levels of a unet; never in synthesis."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> GeneratorConfig:
        if self.flow and self.past == 0:
            raise ValueError("generator.flow needs generator.past of at least 1: there is no last frame to warp")
        if self.kind == "unet" and (self.past or self.scales > 1 or self.foreground):
            raise ValueError(
                "generator.kind=unet draws each frame alone, at one scale: it takes generator.past=0, "
                "generator.flow=false, generator.scales=1 and no generator.foreground; model=pix2pix sets them all"
            )
        if self.kind == "fast" and (self.scales > 1 or self.foreground):
            raise ValueError(
                "generator.kind=fast draws foreground and background together, at one scale: it takes "
                "generator.scales=1 and no generator.foreground"
            )
        if self.kind == "fast" and self.patch >> self.downsamples > 1:
            raise ValueError(
                f"generator.patch={self.patch} is {self.patch.bit_length() - 1} downsamplings, and "
                f"generator.downsamples={self.downsamples} are less"
            )
        if self.draws == "labels" and (self.kind != "composite" or not self.past or self.foreground):
            raise ValueError(
                "generator.draws=labels needs generator.kind=composite, a generator.past of at least 1 and no "
                "generator.foreground; model=predict sets them all"
            )
        halvings = self.scales - 1 + bool(self.foreground and self.downsamples > 2)
        if self.width % (1 << halvings):
            raise ValueError(
                f"generator.width={self.width} is halved at each finer scale and in the foreground branch, "
                f"{halvings} times here: it should be a multiple of {1 << halvings}"
            )
        return self
