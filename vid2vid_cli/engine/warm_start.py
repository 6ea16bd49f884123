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
from vid2vid_cli.engine.run_folder import RECORD_FILE_NAME, RunFolder, resolve_checkpoint
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import STATE_FILE_NAME, read_pointer, read_state_file
from vid2vid_cli.engine.weight_files import load_network_weights

MIN_MATCHED_SHARE = 0.5
"""Smallest share of the source generator's weights that must match; a few small tensors match any generator."""


@dataclass(frozen=True)
class WarmStartReport:
    """Result of a warm start."""

    num_matched: int
    """Number of loaded tensors, over all networks."""
    num_tensors: int
    """Number of tensors of all networks."""
    new_modules: tuple[str, ...]
    """Modules that are randomly initialised, such as `generator.scale_networks.1`."""
    num_unused: int
    """Number of tensors of the source that this model does not have."""
    has_discriminators: bool
    """Whether the source contains discriminators."""

    def describe(self) -> str:
        """Human-readable summary."""
        parts = [f"{self.num_matched} of {self.num_tensors} tensors loaded"]
        if self.new_modules:
            parts.append(f"randomly initialised: {', '.join(self.new_modules)}")
        if self.num_unused:
            parts.append(f"{self.num_unused} tensors of the source are not used")
        if not self.has_discriminators:
            parts.append("the source has no discriminators")
        return "; ".join(parts)


def warm_start(state: TrainState, source: Path) -> WarmStartReport:
    """Load all weights that match by name and shape from a `.ckpt` or from a state folder of a run.

    A `.ckpt` contains a generator, and the discriminators unless it was written without them. The EMA starts from the
    source's EMA; optimisers and step count are not loaded. Raises RunError if most of the source generator does not
    match, and the errors of reading a checkpoint.
    """
    saved = _load_weights(source)
    num_matched, num_tensors, new_modules = 0, 0, []
    networks = state.trainable_networks()
    for network_name, network in networks.items():
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
        num_tensors += len(network.state_dict())
        new_modules += [
            f"{network_name}.{name}" for name in dict.fromkeys(_module_name(name) for name in unmatched_names)
        ]
    state.generator_ema.load_state_dict(state.generator.state_dict())
    load_matching_weights(state.generator_ema, saved["generator_ema"])
    return WarmStartReport(
        num_matched,
        num_tensors,
        tuple(new_modules),
        # Only networks have nested weights; the states of optimisers do not count.
        sum(map(len, (weights for name, weights in saved.items() if name in networks))) - num_matched,
        any(weights for name, weights in saved.items() if name in networks and name != "generator"),
    )


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
    """Weights by network. The generator of a `.ckpt` is its EMA."""
    if source.is_dir():
        saved = read_state_file(source / STATE_FILE_NAME, torch.device("cpu"))["state"]
        return {name: weights for name, weights in saved.items() if isinstance(weights, Mapping)}
    load_metadata(source)
    saved = load_network_weights(source)
    return {**saved, "generator_ema": saved["generator"]}


def find_init_weights(path: Path) -> Path:
    """The initial weights for a new run: the newest state of a run folder, or a `.ckpt`.

    Raises MissingFileError, RunError.
    """
    if path.is_dir() and (state := read_pointer(RunFolder(path).checkpoints, "last")) is not None:
        return state
    return resolve_checkpoint(path)


def find_init_licence(init_from: Path | None) -> str:
    """The licence of the initial weights, a run or a `.ckpt`; "": none. Raises the errors of `find_init_weights`."""
    if init_from is None:
        return ""
    if (init_from / RECORD_FILE_NAME).is_file():
        return RunFolder(init_from).load_record().licence
    return str(load_metadata(resolve_checkpoint(init_from)).training.get("licence", ""))
