"""Length of the training, of its clips, and of back-propagation through time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from vid2vid_cli.config.base import ConfigSection, nvidia


class ScheduleConfig(ConfigSection):
    """Training schedule, in steps from the start of the run."""

    max_steps: int = Field(
        20000, ge=1, description="Training steps; one step is one batch of clips.", json_schema_extra=nvidia("niter")
    )
    attribute_warmup_steps: int = Field(
        500,
        ge=0,
        description="model=fader: steps in which the weight of losses.attribute_adversarial grows from 0; published: "
        "500,000.",
    )
    batch_size: int = Field(1, ge=1, le=4096, description="Clips per step.", json_schema_extra=nvidia("batchSize"))
    clip_length: int = Field(
        6, ge=1, description="Frames per clip at the start.", json_schema_extra=nvidia("n_frames_total")
    )
    max_clip_length: int = Field(24, ge=1, description="Frames per clip at the end; at most the longest clip's length.")
    clip_growth_interval: int = Field(
        5000, ge=1, description="Steps after which the clip length doubles.", json_schema_extra=nvidia("niter_step")
    )
    frames_per_update: int = Field(
        3,
        ge=1,
        description="Frames of a clip that are generated per optimiser update.",
        json_schema_extra=nvidia("max_frames_per_gpu"),
    )
    image_warmup_steps: int = Field(
        0,
        ge=0,
        description="Warm-up steps that train on single frames before video clips: at most half of all steps; ignored "
        "with initial_frames=real and with --from.",
    )
    initial_frames: Literal["zeros", "real"] = Field(
        "zeros",
        description="Past frames at the start of a clip. zeros: none; real: generator.past_frames real frames, which "
        "are read in addition to the clip and not part of the loss, as published.",
        json_schema_extra=nvidia("no_first_img, use_real_img"),
    )
    bptt_frames: int = Field(
        1,
        ge=1,
        description="Largest number of frames that gradients flow back through.",
        json_schema_extra=nvidia("max_frames_backpropagate"),
    )
    freeze_coarse_steps: int = Field(
        0,
        ge=0,
        description="Steps at the start that train the finest scale alone, in a run with --from.",
        json_schema_extra=nvidia("niter_fix_global"),
    )
    lr_decay_start: int | None = Field(
        None,
        ge=0,
        description="Step at which linear learning-rate decay starts; null: no decay.",
        json_schema_extra=nvidia("niter"),
    )
    lr_decay_steps: int = Field(
        10000, ge=1, description="Steps of the decay to zero.", json_schema_extra=nvidia("niter_decay")
    )

    @model_validator(mode="after")
    def _check_lengths(self) -> ScheduleConfig:
        if self.max_clip_length < self.clip_length:
            raise ValueError(
                f"schedule.max_clip_length={self.max_clip_length} is shorter than "
                f"schedule.clip_length={self.clip_length}"
            )
        if self.frames_per_update % self.bptt_frames:
            raise ValueError(
                f"schedule.frames_per_update={self.frames_per_update} is not a multiple of "
                f"schedule.bptt_frames={self.bptt_frames}"
            )
        return self
