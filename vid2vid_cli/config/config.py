"""The settings of a training run: one frozen tree. Every default is written here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from vid2vid_cli.config.base import Section
from vid2vid_cli.config.data import DataConfig
from vid2vid_cli.config.discriminators import ImageConfig, LossConfig, RegionConfig, TemporalConfig
from vid2vid_cli.config.generator import GeneratorConfig, least_side
from vid2vid_cli.config.style import StyleConfig


class Adam(NamedTuple):
    """The settings of one Adam optimiser."""

    rate: float
    betas: tuple[float, float]


TTUR_BETAS = (0.0, 0.9)
"""Heusel et al., NIPS 2017, as vid2vid sets them."""


class OptimizerConfig(Section):
    """Adam, and the moving average of the weights."""

    rate: float = Field(2e-4, gt=0, description="Learning rate of the generator.")
    discriminator_rate: float = Field(2e-4, gt=0, description="Learning rate of the discriminators.")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam.")
    ttur: bool = Field(
        False,
        description="Two time scales: half the generator's rate, twice the discriminators', and betas 0 and 0.9.",
    )
    average: float = Field(0.999, ge=0, lt=1, description="Decay of the moving average of the weights (EMA).")

    @property
    def generator(self) -> Adam:
        """Of the generator, before any decay."""
        return Adam(self.rate / 2, TTUR_BETAS) if self.ttur else Adam(self.rate, (self.beta1, self.beta2))

    @property
    def discriminators(self) -> Adam:
        """Of all discriminators, before any decay."""
        rate = self.discriminator_rate
        return Adam(rate * 2, TTUR_BETAS) if self.ttur else Adam(rate, (self.beta1, self.beta2))


class ScheduleConfig(Section):
    """How long, and how the clips grow. Everything is counted in steps from the start of the run."""

    steps: int = Field(20000, ge=1, description="Training steps; one step is one batch of clips.")
    batch: int = Field(1, ge=1, description="Clips per step.")
    clip: int = Field(6, ge=1, description="Frames per clip at the start.")
    clip_max: int = Field(24, ge=1, description="Frames per clip in the end; at most the data's longest.")
    grow_every: int = Field(5000, ge=1, description="Steps after which the clip length doubles.")
    frames_per_update: int = Field(3, ge=1, description="Frames of a clip generated for one optimiser update.")
    stills: int = Field(
        0,
        ge=0,
        description="Steps at the start in which clips are single frames, as many as one update takes: pictures are "
        "learned before motion. Half of all steps at most, none where clips begin with real frames or with --from.",
    )
    first: Literal["zeros", "real"] = Field(
        "zeros",
        description="What clips begin with. zeros: nothing; real: as many real frames as the generator sees, read "
        "besides and not judged, as published.",
    )
    backpropagate: int = Field(1, ge=1, description="Frames that gradients flow back through at most.")
    fix_global: int = Field(
        0, ge=0, description="Steps at the start in which only the finest scale learns, in a run begun with --from."
    )
    decay_from: int | None = Field(None, ge=0, description="Step at which the learning rates begin to fall.")
    decay_steps: int = Field(10000, ge=1, description="Steps in which they fall to zero, linearly.")

    @model_validator(mode="after")
    def _ordered(self) -> ScheduleConfig:
        if self.clip_max < self.clip:
            raise ValueError(f"schedule.clip_max={self.clip_max} is shorter than schedule.clip={self.clip}")
        if self.frames_per_update % self.backpropagate:
            raise ValueError(
                f"schedule.frames_per_update={self.frames_per_update} is not a multiple of "
                f"schedule.backpropagate={self.backpropagate}"
            )
        return self


class EngineConfig(Section):
    """The machine."""

    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where it measures faster.")
    channels_last: bool | None = Field(None, description="Memory format; null: where it gains.")
    recompute: bool = Field(
        False, description="Compute activations again in the backward pass (gradient checkpointing): a third slower."
    )
    readers: int = Field(2, ge=1, le=64, description="Threads that draw clips ahead; memory holds one more than these.")
    seed: int = Field(0, ge=0, description="Everything random derives from it and from the step.")


class OutputConfig(Section):
    """What a run leaves behind."""

    save_every: int = Field(1000, ge=1, description="Steps between checkpoints.")
    save_minutes: float = Field(10.0, gt=0, description="A checkpoint at least this often.")
    keep: int = Field(2, ge=1, description="Newest checkpoints kept, besides the best.")
    sample_every: int = Field(1000, ge=1, description="Steps between pictures of fixed samples.")


class Config(Section):
    """A whole training run."""

    schema_version: Literal[1] = 1
    summary: str = Field("", description="One sentence for `vid2vid presets list`.")
    model: Literal["vid2vid", "pix2pixhd", "pix2pix", "predict"] = Field(
        "vid2vid",
        description="Sets what belongs to a model, over the preset and under all else: pix2pixhd and pix2pix draw each "
        "frame alone, predict goes on with label maps. Size, width and steps stay the preset's.",
    )
    conditioners: tuple[str, ...] | None = Field(
        None, description="The conditioners a dataset must have, in order, such as [segmentation|labels]; null: any."
    )
    conditioner_options: dict[str, dict[str, Any]] = Field(
        {}, description="How conditions are drawn, {name: {option: value}}, over the options of the dataset."
    )
    data: DataConfig = DataConfig()
    generator: GeneratorConfig = GeneratorConfig()
    style: StyleConfig = StyleConfig()
    discriminator: ImageConfig = ImageConfig()
    temporal: TemporalConfig = TemporalConfig()
    region: RegionConfig = RegionConfig()
    losses: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    engine: EngineConfig = EngineConfig()
    output: OutputConfig = OutputConfig()

    @field_validator("conditioners")
    @classmethod
    def _are_names(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise ValueError("names none: write null for any")
        for entry in value or ():
            if not all(re.fullmatch(r"[\w-]+", name) for name in entry.split("|")):
                raise ValueError(f"{entry!r} is no conditioner: write a name, or names with | between them")
        return value

    @model_validator(mode="after")
    def _large_enough(self) -> Config:
        known = isinstance(self.data.aspect, float)  # otherwise the dataset decides
        if known and (words := self.too_small(*self.data.picture(1, 1))):
            raise ValueError(words)
        return self

    def too_small(self, height: int, width: int) -> str:
        """What is wrong with a picture of that size; "" where nothing is."""
        seen = self.style.least
        if min(height, width) < seen:
            return f"a picture of {width}x{height} is too small for the styles: at least {seen} pixels are needed"
        scales = self.generator.scales
        least = least_side(self.generator.downsamples, scales)
        if self.generator.kind == "unet":  # its innermost cell is not normalised
            least = max(16, (1 << self.generator.downsamples - 1) + 1)
        deep = f"generator.downsamples={self.generator.downsamples}"
        if scales > 1:
            deep += f" at the coarsest of {scales} scales"
        if height < least:
            return (
                f"data.size={height} is too small for {deep}: at least {least} pixels are needed, or fewer downsamples"
            )
        if width < least:
            aspect = "null" if self.data.aspect is None else self.data.aspect
            made = f"data.size={height} and data.aspect={aspect} make a picture {width} pixels wide"
            return f"{made}, too narrow for {deep}: at least {least} pixels are needed"
        return ""

    @property
    def given(self) -> int:
        """Real frames that each clip begins with, before the first that is generated."""
        return self.generator.past if self.schedule.first == "real" else 0

    @property
    def stills(self) -> int:
        """Steps at the start of single frames. A model without past sees nothing else, one that begins with real
        frames never draws one without."""
        return self.schedule.stills if self.generator.past and not self.given else 0

    def takes(self, conditioners: Sequence[str]) -> bool:
        """Whether a dataset with these conditioners, in this order, is what is asked for."""
        if self.conditioners is None:
            return True
        wanted = self.choices()
        return len(wanted) == len(conditioners) and all(a in b for a, b in zip(conditioners, wanted, strict=True))

    def choices(self) -> tuple[tuple[str, ...], ...]:
        """The conditioners asked for, each with its alternatives: `labels|segmentation` are two."""
        return tuple(tuple(entry.split("|")) for entry in self.conditioners or ())
