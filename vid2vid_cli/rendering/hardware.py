"""What runs a checkpoint: torch, or onnxruntime for an exported file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.engine.compilation import check_compilable
from vid2vid_cli.engine.onnx_files import is_exported
from vid2vid_cli.engine.onnx_generator import choose_provider
from vid2vid_cli.engine.runtime import Runtime, choose_runtime


@dataclass(frozen=True)
class Hardware:
    """What runs a checkpoint."""

    runtime: Runtime
    provider: str = ""
    """Execution provider of onnxruntime, for an exported file; "": torch."""

    def describe(self) -> str:
        """Human-readable, such as `cpu, fp32, channels_last`."""
        return f"onnxruntime, {self.provider}" if self.provider else self.runtime.describe()


def choose_hardware(
    path: Path, device: str, precision: str, *, backend: str = "auto", provider: str = "auto", compiled_model: str = ""
) -> Hardware:
    """Resolve `auto`. `compiled_model`: the value of `model` of a checkpoint to be compiled; "": it is not compiled.

    Raises ConfigError for options that do not fit the file, DeviceError, MissingPackageError.
    """
    if not is_exported(path):
        if backend == "onnxruntime" or provider != "auto":
            option = "--backend onnxruntime" if backend == "onnxruntime" else f"--provider {provider}"
            raise ConfigError(
                f"{option}: {path} is not an exported file.",
                f"Export it, and use that file: {shell_command('vid2vid', 'export', path)}",
            )
        runtime = choose_runtime(device, precision)
        if compiled_model:
            check_compilable(compiled_model, runtime.device)
        return Hardware(replace(runtime, is_compiled=bool(compiled_model)))
    if compiled_model:
        raise ConfigError(f"--compile: {path} is an exported file, which onnxruntime runs.", "Leave it out.")
    if backend == "torch":
        raise ConfigError(f"--backend torch: {path} is an exported file.", "Use the .ckpt that it was made of.")
    if precision in ("bf16", "fp16"):
        raise ConfigError(
            f"--precision {precision}: the precision of {path} is part of the file.",
            "Leave it out, or export with --half.",
        )
    return Hardware(choose_runtime("cpu", "fp32", False), choose_provider(provider, device))
