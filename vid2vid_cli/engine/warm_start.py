"""Initialisation from another run or checkpoint: coarse-to-fine training, or transfer to another dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vid2vid_cli.core.errors import RunError
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import STATE_FILE_NAME, read_state_file
from vid2vid_cli.engine.weight_files import load_network_weights

MIN_MATCHED_SHARE = 0.5
"""Smallest share of the source generator's weights that must match; a few small tensors match any generator."""


@dataclass(frozen=True)
class WarmStartReport:
    """Result of a warm start."""

    num_matched: int
    """Number of loaded tensors, over all networks."""
    new_modules: tuple[str, ...]
    """Modules that are randomly initialised, such as `generator.scale_networks.1`."""

    def describe(self) -> str:
        """Human-readable summary."""
        new_text = f"; randomly initialised: {', '.join(self.new_modules)}" if self.new_modules else ""
        return f"{self.num_matched} tensors loaded{new_text}"


def warm_start(state: TrainState, source: Path) -> WarmStartReport:
    """Load all weights that match by name and shape from a `.ckpt` or from a state folder of a run.

    A `.ckpt` contains a generator, and discriminators only if they were imported. The EMA starts from the source's EMA;
    optimisers and step count are not loaded. Raises RunError if most of the source generator does not match, and the
    errors of reading a checkpoint.
    """
    saved = _load_weights(source)
    num_matched, new_modules = 0, []
    for network_name, network in state.trainable_networks().items():
        weights = saved.get(network_name, {})
        unmatched_names = load_matching_weights(network, weights)
        matched_sizes = [value.numel() for name, value in network.state_dict().items() if name not in unmatched_names]
        if network_name == "generator" and sum(matched_sizes) < MIN_MATCHED_SHARE * sum(
            value.numel() for value in weights.values()
        ):
            raise RunError(
                f"the weights in {source} do not match this generator",
                "Both need the same conditioners and the same generator.kind, base_channels, num_downsamples and "
                "num_res_blocks.",
            )
        num_matched += len(matched_sizes)
        new_modules += [
            f"{network_name}.{name}" for name in dict.fromkeys(_module_name(name) for name in unmatched_names)
        ]
    state.generator_ema.load_state_dict(state.generator.state_dict())
    load_matching_weights(state.generator_ema, saved["generator_ema"])
    return WarmStartReport(num_matched, tuple(new_modules))


@torch.no_grad()
def load_matching_weights(network: nn.Module, saved: Mapping[str, Tensor]) -> list[str]:
    """Copy the tensors of `saved` that match `network` by name and shape; returns the names that do not match.

    Those are names of `network`'s parameters and buffers, in its order. Other entries of `saved` are ignored.
    """
    unmatched_names = []
    for name, value in network.state_dict().items():
        saved_value = saved.get(name)
        if saved_value is None or saved_value.shape != value.shape:
            unmatched_names.append(name)
        else:
            value.copy_(saved_value)
    return unmatched_names


def _module_name(name: str) -> str:
    """The generator scale or patch discriminator of a weight: `scale_networks.1`, `discriminators.256`."""
    scale_match = re.match(r"scale_networks\.\d+", name)
    return scale_match.group() if scale_match else name.partition(".stages.")[0]


def _load_weights(source: Path) -> dict[str, Mapping[str, Tensor]]:
    """Weights by network. The generator of a `.ckpt` is its EMA; discriminators exist only in imported files."""
    if source.is_dir():
        saved = read_state_file(source / STATE_FILE_NAME, torch.device("cpu"))["state"]
        return {name: weights for name, weights in saved.items() if isinstance(weights, Mapping)}
    load_metadata(source)
    saved = load_network_weights(source)
    return {**saved, "generator_ema": saved["generator"]}
