"""The names of the logs that `train --log` can write, also the values of `checkpoint.log_to`. Standard library only."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

LogName: TypeAlias = Literal["tensorboard", "wandb", "trackio", "csv"]
LOG_NAMES: tuple[LogName, ...] = get_args(LogName)
