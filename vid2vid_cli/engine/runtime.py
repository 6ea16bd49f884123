"""Device, precision and memory format, and a description of the machine."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from vid2vid_cli import __version__
from vid2vid_cli.core.errors import ConfigError, DeviceError
from vid2vid_cli.engine.measured_choices import keep_choice, recall_choice

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Runtime:
    """Device, precision and memory format of networks."""

    device: torch.device
    precision: Precision
    channels_last: bool
    is_compiled: bool = False
    """Whether networks are compiled by torch.compile; see `engine.compilation`."""
    num_threads: int = 0
    """Of an operation of torch in `inference`; 0: torch's default."""

    @contextmanager
    def inference(self) -> Iterator[None]:
        """A context for synthesis in this thread: inference mode, precision and number of threads."""
        num_threads = torch.get_num_threads()
        if self.num_threads:
            torch.set_num_threads(self.num_threads)
        try:
            with torch.inference_mode(), self.autocast():
                yield
        finally:
            if self.num_threads:
                torch.set_num_threads(num_threads)

    @property
    def autocast_dtype(self) -> torch.dtype | None:
        """The type of mixed precision; None for fp32."""
        return None if self.precision == "fp32" else _DTYPES[self.precision]

    def autocast(self) -> AbstractContextManager[Any]:
        """A context with mixed precision for bf16 and fp16; it has no effect for fp32."""
        dtype = self.autocast_dtype
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)

    def prepare_module(self, network: nn.Module) -> nn.Module:
        """Move a network to the device and the memory format, in place."""
        if any(weight.device != self.device for weight in network.parameters()):  # fake weights cannot be moved
            network.to(self.device)
        if self.channels_last and all(weight.dim() < 5 for weight in network.parameters()):  # 2-D networks only
            network.to(memory_format=torch.channels_last)
        return network

    def to_memory_format(self, images: torch.Tensor) -> torch.Tensor:
        """Convert (b, c, h, w) to the memory format, on the device of `images`."""
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images

    def describe(self) -> str:
        """Human-readable, such as `cpu, fp32, channels_last`."""
        formats = ", channels_last" * self.channels_last + ", compiled" * self.is_compiled
        return f"{self.device}, {self.precision}{formats}"


def choose_device(requested: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda`, `cuda:1` or `mps`. Raises DeviceError if it does not exist."""
    if requested == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(requested)
    except RuntimeError:
        raise DeviceError(f"{requested!r} is not a device", "Use auto, cpu, cuda, cuda:1 or mps.") from None
    availability = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not availability.get(device.type, False):
        raise DeviceError(f"this machine has no device {requested!r}", "Use --device auto, or --device cpu.")
    return device


def choose_runtime(
    device: str = "auto", precision: str = "auto", channels_last: bool | None = None, *, is_training: bool = False
) -> Runtime:
    """Resolve `auto` and None to the fastest choice on this machine.

    Training on a CPU uses the contiguous memory format, because the gradient of GroupNorm takes eight times as long in
    channels_last there. A step of `fast` and `tiny` takes a third less time in bf16, up to a seventh less in fp32.
    """
    chosen_device = choose_device(device)
    chosen_precision = _auto_precision(chosen_device) if precision == "auto" else to_precision(precision)
    if channels_last is None:
        channels_last = chosen_device.type == "cuda" or (chosen_device.type == "cpu" and not is_training)
    return Runtime(chosen_device, chosen_precision, channels_last)


def to_precision(text: str) -> Precision:
    """A precision by its name. Raises ConfigError."""
    for precision in _DTYPES:
        if precision == text:
            return precision
    raise ConfigError(f"{text!r} is not a precision.", f"Use auto, {', '.join(_DTYPES)}.")


def cpu_runtimes() -> tuple[Runtime, ...]:
    """What a generator may be fastest with on the CPU: the default first."""
    device = torch.device("cpu")
    runtimes = (Runtime(device, "fp32", True), Runtime(device, "fp32", False))
    return (*runtimes, Runtime(device, "bf16", True)) if _has_cpu_bf16() else runtimes


def _auto_precision(device: torch.device) -> Precision:
    """The fastest precision: on a GPU by its compute capability, on a CPU with bf16 instructions by measurement."""
    if device.type == "cuda":
        return gpu_precision(torch.cuda.get_device_capability(device))
    if device.type != "cpu" or not _has_cpu_bf16():
        # Without bf16 instructions it is emulated, several times slower than fp32.
        return "fp32"
    return _fastest_cpu_precision()


def _fastest_cpu_precision() -> Precision:
    """By measurement, on a machine like this one once in a while; see `measured_choices`."""
    kept: object = recall_choice("precision", ())
    if kept == "bf16" or kept == "fp32":
        return kept
    seconds = _convolution_seconds()
    precision: Precision = "bf16" if seconds[torch.bfloat16] * 1.2 < seconds[torch.float32] else "fp32"
    keep_choice("precision", (), precision)
    return precision


def gpu_precision(compute_capability: tuple[int, int]) -> Precision:
    """The precision of NVIDIA's tensor cores: bf16 from Ampere (8.0) on, fp16 on Volta and Turing, none before.

    Volta: V100 (7.0). Turing: T4 and RTX 20 (7.5).
    """
    if compute_capability >= (8, 0):
        return "bf16"
    return "fp16" if compute_capability >= (7, 0) else "fp32"


def _has_cpu_bf16() -> bool:
    """Whether the CPU has AMX or AVX-512 bf16. torch has only private functions for it, in some versions."""
    is_amx_supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    is_avx512_bf16_supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return any(check() for check in (is_amx_supported, is_avx512_bf16_supported) if check is not None)


@functools.cache
@torch.no_grad()
def _convolution_seconds() -> dict[torch.dtype, float]:
    """Run time of a typical convolution in bf16 and fp32; measured once per process, in about 50 ms.

    The shortest of ten alternating runs: other processes disturb single runs, and the choice changes the results.
    """
    durations: dict[torch.dtype, list[float]] = {torch.bfloat16: [], torch.float32: []}
    conv = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
    image = torch.zeros(1, 64, 64, 64).contiguous(memory_format=torch.channels_last)
    for _ in range(10):
        for dtype, times in durations.items():
            typed_conv, typed_image = conv.to(dtype), image.to(dtype)
            typed_conv(typed_image)
            start = time.perf_counter()
            typed_conv(typed_image)
            times.append(time.perf_counter() - start)
    return {dtype: min(times) for dtype, times in durations.items()}


def describe_environment() -> dict[str, Any]:
    """Versions and hardware, for the run folder."""
    return {
        "vid2vid": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "platform": platform.platform(terse=True),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
