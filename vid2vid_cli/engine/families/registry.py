"""The model families by the value of the setting `model`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.families.bicyclegan import BICYCLEGAN
from vid2vid_cli.engine.families.fader import FADER
from vid2vid_cli.engine.families.family import ModelFamily
from vid2vid_cli.engine.families.paired import PAIRED
from vid2vid_cli.engine.families.savp import SAVP
from vid2vid_cli.engine.families.unpaired import UNPAIRED
from vid2vid_cli.engine.families.vaegan import VAEGAN
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState

_FAMILIES: Mapping[str, ModelFamily[Any]] = {
    "vid2vid": PAIRED,
    "pix2pixhd": PAIRED,
    "pix2pix": PAIRED,
    "predict": PAIRED,
    "bicyclegan": BICYCLEGAN,
    "fader": FADER,
    "cyclegan": UNPAIRED,
    "dualgan": UNPAIRED,
    "discogan": UNPAIRED,
    "savp": SAVP,
    "vaegan": VAEGAN,
}


def model_family(model: str) -> ModelFamily[Any]:
    """The family of a value of `config.model`."""
    return _FAMILIES[model]


def build_train_state(config: Config, condition_spec: ConditionSpec, runtime: Runtime) -> TrainState:
    """New networks and optimisers, initialised from the seed; the global random state is unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.runtime.seed)
        state: TrainState = model_family(config.model).build_state(config, condition_spec, runtime)
        state.scale_gradients(runtime)
    return state
