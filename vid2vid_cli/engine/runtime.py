"""The machine: device, precision and memory format, decided in one place."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from vid2vid_cli.core.errors import DeviceError

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Machine:
    """Where and how networks run."""

    device: torch.device
    precision: Precision
    channels_last: bool

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision where it was chosen; a context that does nothing otherwise."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def place(self, network: nn.Module) -> nn.Module:
        """The network, moved here in the chosen memory format."""
        if any(weight.device != self.device for weight in network.parameters()):  # fake weights cannot be moved at all
            network.to(self.device)
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
        return network

    def lay_out(self, pictures: torch.Tensor) -> torch.Tensor:
        """(b, c, h, w) in the chosen memory format, on whatever device they are."""
        return pictures.contiguous(memory_format=torch.channels_last) if self.channels_last else pictures

    def describe(self) -> str:
        """For people: `cpu, fp32, channels_last`."""
        return f"{self.device}, {self.precision}{', channels_last' if self.channels_last else ''}"


def choose_device(wanted: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:1` or `mps`; raises DeviceError where it is not there."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise DeviceError(f"{wanted!r} is not a device", "Use auto, cpu, cuda, cuda:1 or mps.") from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise DeviceError(f"this machine has no device {wanted!r}", "Use --device auto, or --device cpu.")
    return device


def choose_machine(device: str = "auto", precision: str = "auto", channels_last: bool | None = None) -> Machine:
    """Resolve every `auto`."""
    place = choose_device(device)
    if precision == "auto":
        precision = "bf16" if _bf16_is_faster(place) else "fp32"
    if channels_last is None:
        channels_last = place.type in ("cpu", "cuda")
    return Machine(place, "bf16" if precision == "bf16" else "fp32", channels_last)


def _bf16_is_faster(device: torch.device) -> bool:
    """Whether bf16 convolutions gain here: known from the generation on a GPU, measured on a CPU that has them."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or not _cpu_has_bf16():
        # Without the instructions bf16 is emulated, several times slower than fp32: not worth a measurement.
        return False
    return _seconds(torch.bfloat16) * 1.2 < _seconds(torch.float32)


def _cpu_has_bf16() -> bool:
    """AMX tiles or AVX-512 bf16; torch has no public question for it, so ask its private one where it exists."""
    asked = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(question() for question in asked if question is not None)


@torch.no_grad()
def _seconds(kind: torch.dtype) -> float:
    """Best of three of a typical convolution; about 10 ms in all."""
    conv = nn.Conv2d(64, 64, 3, padding=1).to(kind).to(memory_format=torch.channels_last)
    picture = torch.zeros(1, 64, 64, 64, dtype=kind).contiguous(memory_format=torch.channels_last)
    conv(picture)
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        conv(picture)
        taken.append(time.perf_counter() - begin)
    return min(taken)
