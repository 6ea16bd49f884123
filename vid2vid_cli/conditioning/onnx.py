"""ONNX networks, run by onnxruntime; for plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


def create_onnx_session(path: Path) -> Any:
    """Create onnxruntime's session of the network in a file, on a CUDA GPU if onnxruntime supports it.

    Raises: ImportError (onnxruntime is missing or broken), ValueError (the file cannot be loaded; one line).
    """
    import onnxruntime

    available_providers = onnxruntime.get_available_providers()
    providers = [name for name in PROVIDERS if name in available_providers]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: warnings about the graph do not help the user
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime raises non-public exception classes
        raise ValueError(next(iter(str(error).splitlines()), type(error).__name__)) from error
