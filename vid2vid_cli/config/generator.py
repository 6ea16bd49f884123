"""The generator."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from vid2vid_cli.config.base import ConfigSection, nvidia

ConditionRange = tuple[Literal[-1, 0], Literal[1]]
"""Range of the condition channels: (-1, 1), or (0, 1) as in the published networks."""


Target = Literal["frames", "labels", "future_frames"]
"""What a generator outputs."""


def min_side(num_downsamples: int, num_scales: int) -> int:
    """Pixels that each side of a frame needs for `num_downsamples` stride-2 convolutions at the coarsest scale.

    The innermost feature maps need 2 x 2 cells: reflection padding needs a neighbour, instance norm a variance.
    """
    return max(16, 2 << num_downsamples) << (num_scales - 1)


class GeneratorConfig(ConfigSection):
    """Architecture of the generator."""

    kind: Literal["composite", "fast", "spade", "unet", "resnet", "savp"] = Field(
        "composite",
        description="composite: vid2vid's coarse-to-fine generator, and pix2pixHD's with past_frames=0 and flow=false; "
        "fast: a lightweight sequential generator for CPU inference; spade: few-shot vid2vid's, whose weights depend "
        "on reference frames; unet: pix2pix's; "
        "resnet: CycleGAN's; savp: SAVP's recurrent generator.",
        json_schema_extra=nvidia("netG"),
    )
    target: Target = Field(
        "frames",
        description="frames: frames from conditions; labels: future conditions from past conditions (model=predict); "
        "future_frames: future frames from past frames (model=savp).",
    )
    past_frames: int = Field(
        2,
        ge=0,
        le=8,
        description="Previously generated frames that are inputs of the next one. 0: a frame-wise model.",
        json_schema_extra=nvidia("n_frames_G - 1"),
    )
    flow: bool = Field(
        True,
        description="Predict optical flow and an occlusion mask, and blend the warped last frame with the raw image.",
        json_schema_extra=nvidia("no_flow"),
    )
    flow_multiplier: float = Field(
        20.0,
        gt=0,
        description="Scale of the flow head: pixels per unit output at the coarsest scale. It also scales the "
        "effective learning rate of the flow.",
    )
    num_scales: int = Field(
        1,
        ge=1,
        le=3,
        description="Spatial scales. Each finer scale doubles the resolution; data.height is the finest.",
        json_schema_extra=nvidia("n_scales_spatial"),
    )
    base_channels: int = Field(
        64,
        ge=4,
        le=1024,
        description="Channels of the first convolution at the coarsest scale, doubled at each downsampling.",
        json_schema_extra=nvidia("ngf"),
    )
    patch_size: Literal[2, 4, 8] = Field(
        4,
        description="kind=fast, spade: side of the pixel patches that are the generator's input and output tokens. The "
        "first downsamplings are these patches.",
    )
    num_downsamples: int = Field(
        3,
        ge=1,
        le=8,
        description="Stride-2 convolutions of each encoder at the coarsest scale.",
        json_schema_extra=nvidia("n_downsample_G"),
    )
    num_res_blocks: int = Field(
        9,
        ge=2,
        le=64,
        description="Residual blocks, split between the encoders (larger half) and the decoders.",
        json_schema_extra=nvidia("n_blocks"),
    )
    num_local_res_blocks: int = Field(
        3,
        ge=1,
        le=64,
        description="Residual blocks of each branch of a finer scale.",
        json_schema_extra=nvidia("n_blocks_local"),
    )
    kernel_size: Literal[3, 5, 7] = Field(7, description="Kernel size of the first and last convolutions.")
    norm: Literal["instance", "instance_no_affine", "group", "batch", "none"] = Field(
        "instance",
        description="Normalisation. instance, group and batch are affine; instance_no_affine is pix2pixHD's; "
        "batch, over the clips of a step, is vid2vid's; "
        "none is for imported networks, whose normalisation is a part of their weights.",
        json_schema_extra=nvidia("norm"),
    )
    upsample: Literal["transpose", "resize"] = Field(
        "resize",
        description="transpose: transposed convolutions, as published; resize: nearest-neighbour upsampling and a "
        "convolution.",
    )
    num_references: int = Field(
        0,
        ge=0,
        le=4,
        description="kind=fast, spade: training frames that are inputs of each frame: the nearest ones, aligned and "
        "blended with the synthesised image. The .ckpt then contains real frames. 0: none.",
    )
    blend_references: bool = Field(
        True,
        description="kind=spade: blend the aligned references with the synthesised image, as kind=fast does. false: "
        "they modulate its features only, as published.",
    )
    foreground_classes: tuple[str, ...] = Field(
        (),
        description="Names of the classes that a separate foreground branch generates (vid2vid, eq. 9). []: no branch.",
        json_schema_extra=nvidia("fg, fg_labels"),
    )
    foreground_after_warp: bool = Field(
        False,
        description="true: the foreground is composited over warped pixels too, as in the published code; "
        "false: eq. 9.",
    )
    condition_range: ConditionRange = Field(
        (-1, 1),
        description="Value range of the generator's condition inputs: [-1, 1], or [0, 1] as in the published networks.",
    )
    conv_bias: bool = Field(
        False, description="kind=unet: biases in all convolutions, as in published networks with instance norm."
    )
    skip_connections: bool = Field(
        True, description="kind=unet: concatenate each decoder level with the encoder features of its size."
    )
    dropout: float = Field(
        0.5, ge=0, lt=1, description="kind=unet: dropout probability of the innermost levels in training."
    )
    attributes: tuple[str, ...] = Field(
        (),
        description="model=fader, vaegan: attributes that synthesis can change: columns of data.attributes_file, or "
        "measurements of the dataset's conditioners, such as mouth_open (landmarks).",
    )
    latent_injection: Literal["all", "input", "norm"] = Field(
        "all",
        description="all: the latent is concatenated with the input of all levels of the encoder (model=bicyclegan) or "
        "of all convolutions (kind=savp, as published). input, model=bicyclegan: only with the conditions. norm, "
        "kind=savp: it scales and shifts the features after each normalisation.",
    )

    latent_channels: int = Field(
        8,
        ge=0,
        le=256,
        description="Size of the latent: of each frame (kind=savp, 0: deterministic; model=vaegan), or of a video "
        "(model=bicyclegan).",
    )
    latent_encoder: bool = Field(
        True,
        description="kind=savp: an encoder of adjacent frames gives the latents of real frames (posterior). false: "
        "latents are always random, as in SAVP's GAN without VAE.",
    )
    motion_encoder: bool = Field(
        False,
        description="kind=savp: the latent encoder gets matching costs of the frames, has no instance normalisation, "
        "and normalises the means of the latents over the batch, so that they are used after fewer steps. false: the "
        "published encoder.",
    )
    transformation: Literal["cdna", "flow"] = Field(
        "cdna",
        description="kind=savp: how the last frame is transformed. cdna: 5x5 kernels per image; flow: warping per "
        "pixel.",
    )
    num_transformations: int = Field(4, ge=1, le=32, description="kind=savp: number of transformed images.")

    @model_validator(mode="after")
    def _check_combination(self) -> GeneratorConfig:
        if self.flow and self.past_frames == 0:
            raise ValueError("generator.flow needs generator.past_frames of at least 1: there is no last frame to warp")
        if self.kind in ("unet", "resnet") and (self.past_frames or self.num_scales > 1 or self.foreground_classes):
            raise ValueError(
                f"generator.kind={self.kind} is a frame-wise model with one scale: it needs generator.past_frames=0, "
                "generator.flow=false, generator.num_scales=1 and generator.foreground_classes=[]; "
                "model=pix2pix sets all of them"
            )
        if (self.kind == "savp") is not (self.target == "future_frames"):
            raise ValueError(
                f"generator.kind={self.kind} does not fit generator.target={self.target}; model=savp sets both"
            )
        if self.kind == "savp" and (self.flow or not self.past_frames or self.num_scales > 1):
            raise ValueError(
                "generator.kind=savp continues past frames: it needs generator.past_frames of at least 1, "
                "generator.flow=false and generator.num_scales=1"
            )
        if self.kind in ("fast", "spade") and (self.num_scales > 1 or self.foreground_classes):
            raise ValueError(
                f"generator.kind={self.kind} has one scale and no foreground branch: it needs generator.num_scales=1 "
                "and generator.foreground_classes=[]"
            )
        if self.num_references and self.kind not in ("fast", "spade"):
            raise ValueError(
                f"generator.num_references={self.num_references} needs generator.kind=fast or spade, and it is "
                f"{self.kind}"
            )
        if self.kind == "spade" and not self.num_references:
            raise ValueError(
                "generator.kind=spade generates its weights from reference frames: it needs generator.num_references "
                "of at least 1"
            )
        if self.kind in ("fast", "spade") and self.patch_size >> self.num_downsamples > 1:
            raise ValueError(
                f"generator.patch_size={self.patch_size} needs generator.num_downsamples of at least "
                f"{self.patch_size.bit_length() - 1}, and it is {self.num_downsamples}"
            )
        if self.target == "labels" and (self.kind != "composite" or not self.past_frames or self.foreground_classes):
            raise ValueError(
                "generator.target=labels needs generator.kind=composite, generator.past_frames of at least 1 and "
                "generator.foreground_classes=[]; model=predict sets all of them"
            )
        num_halvings = self.num_scales - 1 + bool(self.foreground_classes and self.num_downsamples > 2)
        if self.base_channels % (1 << num_halvings):
            raise ValueError(
                f"generator.base_channels={self.base_channels} is halved at each finer scale and in the foreground "
                f"branch, {num_halvings} times here: it should be a multiple of {1 << num_halvings}"
            )
        return self
