"""Precision, memory and random seed of a run, and what it saves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vid2vid_cli.config.base import ConfigSection, nvidia
from vid2vid_cli.core.log_names import LogName


class RuntimeConfig(ConfigSection):
    """Precision, memory and random seed."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="auto: bf16, or fp16 on GPUs without bf16, if it is faster on this device.",
        json_schema_extra=nvidia("fp16"),
    )
    channels_last: bool | None = Field(None, description="Memory format of convolutions; null: the faster one.")
    gradient_checkpointing: bool = Field(
        False, description="Recompute activations in the backward pass: about a third slower, much less memory."
    )
    compile: bool = Field(
        False,
        description="Compile generator and discriminators with torch.compile (`--compile`): minutes at the start. "
        "Needs a C++ compiler.",
    )
    seed: int = Field(0, ge=0, description="Seed of all random numbers, together with the step.")


class CheckpointConfig(ConfigSection):
    """What a run saves, and how often."""

    save_interval: int = Field(
        1000, ge=1, description="Steps between checkpoints.", json_schema_extra=nvidia("save_latest_freq")
    )
    save_interval_minutes: float = Field(10.0, gt=0, description="Longest time between checkpoints, in minutes.")
    keep_last: int = Field(2, ge=1, description="Number of newest checkpoints to keep, in addition to the best one.")
    sample_interval: int = Field(
        1000, ge=1, description="Steps between sample sheets of fixed clips.", json_schema_extra=nvidia("display_freq")
    )
    include_discriminators: bool = Field(
        True,
        description="Whether the .ckpt contains the discriminators, which another training can start from (--from, "
        "`adapt`). They take 13 MB with `fast` on faces, whose generator takes 6 MB.",
    )
    log_to: tuple[LogName, ...] = Field(
        (),
        description="Where losses, learning rates, speed, quality and sample sheets are also written (`--log`); "
        "events.jsonl of the run always has them.",
    )
