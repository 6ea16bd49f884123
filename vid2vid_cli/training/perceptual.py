"""The network of the perceptual loss: the setting, what is installed, and what can be downloaded."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vid2vid_cli.config.losses import LossConfig
from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.engine.distributed import ProcessGroup
from vid2vid_cli.engine.events import EventHandler
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.media.published_weights import check_weight_file, fetch_command, fetch_weight_file, find_weight_file
from vid2vid_cli.networks.perceptual import (
    PERCEPTUAL_WEIGHTS,
    PerceptualLoss,
    PerceptualNetworkName,
    load_perceptual_loss,
)
from vid2vid_cli.tools.conditioner_info import format_bytes
from vid2vid_cli.tools.weights import fetch_with_progress

INSTALL_COMMAND = 'pip install "vid2vid-cli[perceptual]"'
SMALL_NETWORK_HINT = f"A small network that needs no download: {INSTALL_COMMAND}"


@dataclass(frozen=True)
class PerceptualChoice:
    """The network of a training."""

    network: PerceptualNetworkName | None = None
    """None: the loss is disabled."""
    notice: str = ""
    warning: str = ""
    """What the user did not ask for, and the command that changes it."""


def preferred_networks(losses: LossConfig, device: torch.device) -> tuple[PerceptualNetworkName, ...]:
    """The networks that are tried, in this order; () if the loss has the weight 0."""
    if losses.perceptual == 0:
        return ()
    if losses.perceptual_network != "auto":
        return (losses.perceptual_network,)
    return ("efficientnet_lite0", "vgg19") if device.type == "cpu" else ("vgg19", "efficientnet_lite0")


def choose_perceptual_network(losses: LossConfig, device: torch.device, emit: EventHandler) -> PerceptualChoice:
    """The network to train with, after a download if its weights are missing.

    `auto` falls back to the other network, or disables the loss, with a warning. Raises MissingWeightsError (a named
    network is missing, or a file is damaged).
    """
    names = preferred_networks(losses, device)
    failures: dict[str, MissingWeightsError] = {}
    for name in names:
        file = PERCEPTUAL_WEIGHTS[name]
        path = find_weight_file(file)
        try:
            path = fetch_with_progress(file, emit) if path is None else check_weight_file(file, path)
        except MissingWeightsError as error:
            if path is not None or len(names) == 1:
                raise
            failures[name] = error
            continue
        warning = ""
        if "vgg19" in failures:
            warning = f"the perceptual loss uses {name} in place of vgg19: {_describe(failures['vgg19'])}"
        elif failures:
            warning = f"the perceptual loss uses {name}, which is slow on a CPU. {SMALL_NETWORK_HINT}"
        return PerceptualChoice(name, f"perceptual loss: {name} ({path})", warning)
    if not names:
        return PerceptualChoice()
    reason = _describe(failures["vgg19"])
    return PerceptualChoice(warning=f"the perceptual loss is disabled: {reason} {SMALL_NETWORK_HINT}")


def plan_perceptual_network(losses: LossConfig, device: torch.device) -> tuple[tuple[str, str], ...]:
    """Rows of a plan; nothing is downloaded. Raises the errors of `choose_perceptual_network`."""
    names = preferred_networks(losses, device)
    for name in names:
        file = PERCEPTUAL_WEIGHTS[name]
        path = find_weight_file(file)
        if path is not None:
            return (("perceptual loss", f"{name} ({check_weight_file(file, path)})"),)
        if not file.url and len(names) == 1:
            raise MissingWeightsError(f"{file.name} is missing.", file.source)
        if not file.url:
            continue
        has_fallback = find_weight_file(PERCEPTUAL_WEIGHTS["efficientnet_lite0"]) is not None
        if len(names) == 1:
            fallback = "ends with an error"
        elif has_fallback:
            fallback = "uses efficientnet_lite0 instead"
        else:
            fallback = f"trains without the perceptual loss. {SMALL_NETWORK_HINT}"
        warning = (
            f"the weights of {name} are missing ({file.name}, {format_bytes(file.size_bytes)}). Training downloads "
            f"them; to do so now: {fetch_command(file)}. Without a network it {fallback}"
        )
        return ("perceptual loss", name), ("warning", warning)
    return ()


def load_chosen_network(
    losses: LossConfig, runtime: Runtime, process_group: ProcessGroup, emit: EventHandler
) -> tuple[PerceptualLoss | None, PerceptualChoice]:
    """The loss with the network that the main process chooses, or None if it is disabled.

    A process on another machine that cannot load the network disables the loss. Raises the errors of
    `choose_perceptual_network`.
    """
    choice = process_group.run_on_main(lambda: choose_perceptual_network(losses, runtime.device, emit))
    name = choice.network
    if name is None:
        return None, choice
    file = PERCEPTUAL_WEIGHTS[name]
    loaded: list[PerceptualLoss] = []

    def load() -> bool:
        try:
            loaded.append(load_perceptual_loss(name, fetch_weight_file(file)))
        except MissingWeightsError:
            return False
        return True

    if not process_group.all_agree(load):
        command = fetch_command(file) if file.url else INSTALL_COMMAND
        message = f"the perceptual loss is disabled: {file.name} is missing on a machine. On each machine: {command}"
        return None, PerceptualChoice(warning=message)
    runtime.prepare_module(loaded[0])
    return loaded[0], choice


def _describe(error: MissingWeightsError) -> str:
    return f"{error.message} {error.hint}"
