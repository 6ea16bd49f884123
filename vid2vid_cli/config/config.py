"""The configuration of a training run: one frozen tree. Every default is written in this package and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from vid2vid_cli.config.base import ConfigSection, nvidia
from vid2vid_cli.config.data import AugmentationConfig, DataConfig
from vid2vid_cli.config.discriminators import DiscriminatorsConfig
from vid2vid_cli.config.generator import GeneratorConfig, min_side
from vid2vid_cli.config.losses import LossConfig
from vid2vid_cli.config.optimizer import OptimizerConfig
from vid2vid_cli.config.runtime import CheckpointConfig, RuntimeConfig
from vid2vid_cli.config.savp import MIN_VIDEO_FRAMES, SavpConfig
from vid2vid_cli.config.schedule import ScheduleConfig
from vid2vid_cli.config.style import StyleConfig
from vid2vid_cli.config.unpaired import UnpairedConfig

ModelName = Literal[
    "vid2vid",
    "pix2pixhd",
    "pix2pix",
    "predict",
    "bicyclegan",
    "cyclegan",
    "dualgan",
    "discogan",
    "savp",
    "fader",
    "vaegan",
]
UNPAIRED_MODELS = ("cyclegan", "dualgan", "discogan")
"""Models of two domains without pairs."""
ATTRIBUTE_MODELS = ("fader", "vaegan")
"""Models that change attributes of frames."""
FRAME_MODELS = (*UNPAIRED_MODELS, "savp", *ATTRIBUTE_MODELS)
"""Models whose input is the frame itself: they need no conditioner, and ignore those of a dataset."""
FRAME_CONDITIONER = "none"
"""The conditioner of datasets of frames alone."""


class Config(ConfigSection):
    """A training run."""

    schema_version: Literal[2] = Field(2, description="Version of the schema of configurations.")
    summary: str = Field("", description="One sentence for `vid2vid presets list`.")
    model: ModelName = Field(
        "vid2vid",
        description="Model family. pix2pixhd and pix2pix are frame-wise; predict generates future label maps; "
        "bicyclegan is frame-wise and gives each video a style; cyclegan, dualgan and discogan translate between two "
        "domains of unpaired frames; savp continues clips; fader and vaegan change attributes of frames. The family "
        "overrides those preset values that define it; size, channels and steps stay the preset's.",
        json_schema_extra=nvidia("model"),
    )
    conditioners: tuple[str, ...] | None = Field(
        None,
        description="Conditioners that a dataset must have, in this order; | separates alternatives, as in "
        "[segmentation|labels]. null: any.",
    )
    conditioner_options: dict[str, dict[str, Any]] = Field(
        {}, description="Rendering options of conditioners, {name: {option: value}}, over those of the dataset."
    )
    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    generator: GeneratorConfig = GeneratorConfig()
    style: StyleConfig = StyleConfig()
    discriminators: DiscriminatorsConfig = DiscriminatorsConfig()
    losses: LossConfig = LossConfig()
    unpaired: UnpairedConfig = UnpairedConfig()
    savp: SavpConfig = SavpConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()

    @field_validator("conditioners")
    @classmethod
    def _check_conditioner_names(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise ValueError("the list is empty: write null for any")
        for entry in value or ():
            if not all(re.fullmatch(r"[\w-]+", name) for name in entry.split("|")):
                raise ValueError(f"{entry!r} is not a conditioner name, nor names separated by |")
        return value

    @model_validator(mode="after")
    def _check_bicyclegan(self) -> Config:
        if self.model != "bicyclegan":
            return self
        generator, num_features = self.generator, self.style.feature_channels
        if generator.kind != "unet" or not generator.latent_channels or num_features:
            raise ValueError(
                "model=bicyclegan needs generator.kind=unet, generator.latent_channels of at least 1 and "
                "style.feature_channels=0, because its style is one latent per video; they are "
                f"{generator.kind}, {generator.latent_channels} and {num_features}"
            )
        if generator.latent_injection == "norm":
            raise ValueError("model=bicyclegan cannot have generator.latent_injection=norm: use all or input")
        weights = self.losses.weights()
        if not any(weights[name] for name in ("adversarial", "random_adversarial", "l1")):
            raise ValueError(
                "model=bicyclegan has no term that trains its images: losses.adversarial, losses.l1 (cVAE-GAN) and "
                "losses.random_adversarial (cLR-GAN) are 0"
            )
        return self

    @model_validator(mode="after")
    def _check_fader(self) -> Config:
        if self.model == "fader" and (not self.generator.attributes or self.generator.kind != "unet"):
            raise ValueError(
                "model=fader needs generator.kind=unet and the attributes that synthesis can change, such as "
                "generator.attributes=[mouth_open]: columns of data.attributes_file, or measurements of a conditioner"
            )
        return self

    @model_validator(mode="after")
    def _check_vaegan(self) -> Config:
        if self.model != "vaegan":
            return self
        if self.generator.kind != "unet" or not self.generator.latent_channels:
            raise ValueError("model=vaegan needs generator.kind=unet and generator.latent_channels of at least 1")
        if not (self.losses.similarity or self.losses.l1):
            raise ValueError("model=vaegan has no term that compares frames: losses.similarity and losses.l1 are 0")
        return self

    @model_validator(mode="after")
    def _check_output_size(self) -> Config:
        # The shape may depend on the dataset; none has a longer short side than a square.
        if message := self.size_error(*self.data.output_size(1, 1)):
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _check_unpaired(self) -> Config:
        if self.losses.gan_mode == "wgan" and not (self.is_unpaired and self.unpaired.weight_clip):
            raise ValueError(
                "losses.gan_mode=wgan needs an unpaired model (model=dualgan) and unpaired.weight_clip above 0, "
                "such as 0.01"
            )
        if self.is_unpaired and self.generator.past_frames:
            raise ValueError(f"model={self.model} translates single frames: it needs generator.past_frames=0")
        if self.is_unpaired and self.generator.num_references:
            raise ValueError(f"model={self.model} has no reference frames: it needs generator.num_references=0")
        if self.is_unpaired and self.losses.temporal_warp and self.schedule.clip_length < 2:
            raise ValueError("losses.temporal_warp needs consecutive frames: schedule.clip_length=2")
        return self

    @model_validator(mode="after")
    def _check_savp(self) -> Config:
        if (self.model == "savp") is not (self.generator.kind == "savp"):
            raise ValueError(f"model={self.model} cannot have generator.kind={self.generator.kind}")
        if self.model != "savp":
            return self
        if self.generator.latent_injection == "input":
            raise ValueError("model=savp cannot have generator.latent_injection=input: use all or norm")
        if self.schedule.initial_frames != "real":
            raise ValueError("model=savp continues real frames: it needs schedule.initial_frames=real")
        num_predicted = self.generator.past_frames - 1 + self.schedule.clip_length
        if self.losses.uses_video_discriminators and num_predicted < MIN_VIDEO_FRAMES:
            raise ValueError(
                f"schedule.clip_length={self.schedule.clip_length} and "
                f"generator.past_frames={self.generator.past_frames} give clips with {num_predicted} predicted frames: "
                f"the video discriminators need {MIN_VIDEO_FRAMES}"
            )
        if self.losses.kl and self.generator.latent_channels and not self.generator.latent_encoder:
            raise ValueError("generator.latent_encoder=false has no posterior: it needs losses.kl=0")
        return self

    def size_error(self, height: int, width: int) -> str:
        """Why frames of that size are too small for the networks; "" if they are not."""
        min_style_side = self.style.min_side
        if min(height, width) < min_style_side:
            return f"frames of {width}x{height} are too small for the style encoder: at least {min_style_side} pixels"
        num_scales, num_downsamples = self.generator.num_scales, self.generator.num_downsamples
        required = min_side(num_downsamples, num_scales)
        if self.generator.kind == "unet":  # its innermost cell is not normalised
            required = max(16, (1 << num_downsamples - 1) + 1)
        depth = f"generator.num_downsamples={num_downsamples}"
        if num_scales > 1:
            depth += f" at the coarsest of {num_scales} scales"
        if min(height, width) >= required:
            return ""
        if self.data.height < required:
            least = f"at least {required} pixels, or fewer num_downsamples"
            return f"data.height={self.data.height} is too small for {depth}: {least}"
        aspect_ratio = "null" if self.data.aspect_ratio is None else self.data.aspect_ratio
        size = f"data.height={self.data.height} and data.aspect_ratio={aspect_ratio} give frames of {width}x{height}"
        return f"{size}, too small for {depth}: at least {required} pixels per side"

    @property
    def is_unpaired(self) -> bool:
        """Whether the model is trained on two datasets without pairs."""
        return self.model in UNPAIRED_MODELS

    @property
    def num_initial_frames(self) -> int:
        """Real frames before the first generated frame of each clip."""
        return self.generator.past_frames if self.schedule.initial_frames == "real" else 0

    @property
    def effective_image_warmup(self) -> int:
        """Warm-up steps on single frames; 0 for frame-wise models and for clips that begin with real frames."""
        return self.schedule.image_warmup_steps if self.generator.past_frames and not self.num_initial_frames else 0

    def with_settings(self, settings: Mapping[str, Any]) -> Config:
        """A copy with other values (dotted key -> value), validated as a whole. Raises pydantic.ValidationError."""
        tree = self.model_dump()
        for key, value in settings.items():
            *sections, name = key.split(".")
            branch = tree
            for section in sections:
                branch = branch[section]
            branch[name] = value
        return Config.model_validate(tree)

    def accepts(self, conditioners: Sequence[str]) -> bool:
        """Whether a dataset with these conditioners, in this order, fits `conditioners` and `model`."""
        if self.model in FRAME_MODELS:
            return True
        if FRAME_CONDITIONER in conditioners:
            return False
        if self.conditioners is None:
            return True
        alternatives = self.conditioner_alternatives()
        return len(alternatives) == len(conditioners) and all(
            name in names for name, names in zip(conditioners, alternatives, strict=True)
        )

    def conditioner_alternatives(self) -> tuple[tuple[str, ...], ...]:
        """The required conditioners, each with its alternatives: `labels|segmentation` gives two."""
        return tuple(tuple(entry.split("|")) for entry in self.conditioners or ())
