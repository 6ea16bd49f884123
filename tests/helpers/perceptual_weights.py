"""Weight files of random perceptual networks in place of the published ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vid2vid_cli.media.files import sha256_of_files
from vid2vid_cli.media.published_weights import torch_cache_dir
from vid2vid_cli.networks.perceptual import (
    PERCEPTUAL_WEIGHTS,
    EfficientNetPerceptualLoss,
    PerceptualNetworkName,
    VGG19PerceptualLoss,
    build_perceptual_network,
)


def remove_perceptual_weights(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No published weights exist; `folder` becomes torch's cache."""
    monkeypatch.setenv("TORCH_HOME", str(folder))
    torch_cache_dir().mkdir(parents=True)
    for name, file in list(PERCEPTUAL_WEIGHTS.items()):
        package = file.package and "no_such_package"
        monkeypatch.setitem(PERCEPTUAL_WEIGHTS, name, replace(file, package=package))


def write_perceptual_weights(monkeypatch: pytest.MonkeyPatch, name: PerceptualNetworkName) -> Path:
    """Write random weights of a network to torch's cache, which count as the published ones."""
    torch.manual_seed(0)
    loss = build_perceptual_network(name)
    if isinstance(loss, EfficientNetPerceptualLoss):
        state = loss.network.state_dict()
    else:
        assert isinstance(loss, VGG19PerceptualLoss)
        layers = torch.nn.Sequential(*(layer for layers in loss.slices for layer in layers.children()))
        state = {f"features.{key}": value for key, value in layers.state_dict().items()}
    file = PERCEPTUAL_WEIGHTS[name]
    path = torch_cache_dir() / file.name
    torch.save(state, path)
    monkeypatch.setitem(PERCEPTUAL_WEIGHTS, name, replace(file, sha256=sha256_of_files(path)))
    return path
