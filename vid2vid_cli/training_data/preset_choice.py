"""The preset for a dataset on this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vid2vid_cli.config.config import FRAME_CONDITIONER, Config
from vid2vid_cli.config.presets import preset_names, preset_path, read_yaml
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.paths import shell_command

CPU_PRESET, SMALLEST_PRESET = "fast", "tiny"
"""The presets for machines without a GPU; they accept every conditioner."""


UNPAIRED_PRESET = "cyclegan"
"""The preset for datasets of frames alone."""


class PresetChoice(NamedTuple):
    """A preset, and why it was chosen."""

    name: str
    reason: str


def choose_preset(conditioners: Sequence[str], device: str = "auto") -> PresetChoice:
    """The preset for a dataset with these conditioners: `fast`; on a CUDA GPU the smallest preset that requires them.

    `device` as in `choose_device`, whose errors it raises.
    """
    if FRAME_CONDITIONER in conditioners:
        return PresetChoice(UNPAIRED_PRESET, "the dataset has frames alone")
    if device == "cpu":
        device_type = device
    else:
        from vid2vid_cli.engine.runtime import choose_device  # imports torch, which takes more than a second

        device_type = choose_device(device).type
    if device_type != "cuda":
        return PresetChoice(CPU_PRESET, f"the device is {device_type}; the larger presets are for a CUDA GPU")
    names = " and ".join(conditioners)
    sizes = {name: config.data.height for name, config in _gpu_presets().items() if config.accepts(conditioners)}
    if not sizes:
        return PresetChoice(CPU_PRESET, f"no larger preset is for {names}")
    return PresetChoice(min(sizes, key=lambda name: sizes[name]), f"the dataset has {names}, and the device is a GPU")


def may_have_cuda() -> bool:
    """Whether the machine may have a CUDA GPU, by its driver's files; without importing torch."""
    if sys.platform == "linux":
        return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()  # dxg: Windows Subsystem for Linux
    return sys.platform != "darwin"


def _gpu_presets() -> dict[str, Config]:
    """Name -> configuration of the bundled presets that require conditioners: these are trained on a GPU."""
    names = [name for name in preset_names() if read_yaml(preset_path(name), f"preset {name}").get("conditioners")]
    return {name: resolve_config(name, None).config for name in names}


def is_gpu_preset(name: str) -> bool:
    """Whether a name is that of a bundled preset for a GPU; a preset file of the user is not."""
    return name in _gpu_presets()


def smaller_preset(name: str, conditioners: Sequence[str], device: str) -> str:
    """The preset to use in place of one that takes too long on the device; "" if none is smaller."""
    if name in (CPU_PRESET, SMALLEST_PRESET):
        return SMALLEST_PRESET if name == CPU_PRESET else ""
    fitting = choose_preset(conditioners, device).name
    return CPU_PRESET if name == fitting else fitting


def train_command(dataset: Path, conditioners: Sequence[str]) -> str:
    """The `train` command with the preset for the conditioners of a dataset and this machine."""
    return shell_command("vid2vid", "train", *train_words(choose_preset(conditioners).name), "--data", dataset)


def train_words(preset: str) -> tuple[str, ...]:
    """The words of a `train` command that select a preset; an unpaired one needs a second dataset."""
    return ("--preset", preset, *(("--data-b", "DATASET_B") if preset == UNPAIRED_PRESET else ()))
