"""torch.compile: kernels that are generated and compiled for a network and its input sizes.

Networks are compiled as one graph (fullgraph): what cannot be compiled is an error, and nothing runs uncompiled
unnoticed. The mode is torch's default one on all devices. CUDA graphs (mode "reduce-overhead") are not used: each
replay writes its outputs into the same memory, which would overwrite the past frames of the rollout.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from vid2vid_cli.core.errors import ConfigError, DeviceError, MissingPackageError
from vid2vid_cli.networks.translation import TranslationGenerator

BACKEND = "inductor"
MAX_GRAPHS = 64
"""Graphs of one network: one per combination of weights that are trained, gradients and number of images."""
UNSUPPORTED_MODELS = ("bicyclegan", "fader", "savp", "vaegan")
"""Models that call parts of their networks, which are not compiled."""


def check_compilable(model: str, device: torch.device) -> None:
    """Raise an error if `--compile` cannot work for a model or on this machine.

    Raises ConfigError, DeviceError (no C++ compiler), MissingPackageError (no triton, for a GPU).
    """
    if model in UNSUPPORTED_MODELS:
        raise ConfigError(f"--compile: model={model} cannot be compiled.", "Leave it out.")
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"--compile: it is not supported on {device.type}.", "Leave it out, or use --device cpu.")
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise MissingPackageError("--compile on a GPU needs triton, which is not installed.", "pip install triton")
    if device.type == "cuda":
        compilers = [os.environ["CC"]] if os.environ.get("CC") else ["gcc", "clang"]
        variable = "CC"
    else:
        default = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
        compilers, variable = [os.environ.get("CXX") or default], "CXX"
    if not any(map(shutil.which, compilers)):
        raise DeviceError(
            f"--compile: the compiler {' or '.join(compilers)} was not found.",
            f"Install it (Debian and Ubuntu: apt install g++), name another one in the variable {variable}, or leave "
            "out --compile.",
        )


def compile_networks(networks: Iterable[nn.Module]) -> None:
    """Compile networks in place: each at its first call with inputs of a size, and again for other sizes."""
    import torch._dynamo
    import torch._functorch.config

    torch._dynamo.config.recompile_limit = MAX_GRAPHS
    # Two losses of one pass have a backward pass each, and donated buffers would be overwritten in the first.
    torch._functorch.config.donated_buffer = False
    for part in (part for network in networks for part in _called_parts(network)):
        part.compile(fullgraph=True, backend=BACKEND)


def _called_parts(network: nn.Module) -> Iterable[nn.Module]:
    """The modules of a network that are called: the discriminators of a dictionary, the generators of both domains."""
    if isinstance(network, nn.ModuleDict):
        return network.values()
    return (network.a2b, network.b2a) if isinstance(network, TranslationGenerator) else (network,)


@contextmanager
def compile_errors() -> Iterator[None]:
    """Convert errors of torch.compile to DeviceError."""
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    try:
        yield
    except (TorchDynamoException, FailOnRecompileLimitHit) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DeviceError(
            f"--compile: torch {torch.__version__} cannot compile a network: {reason}", "Leave out --compile."
        ) from error
