"""TFLite networks, run by LiteRT (ai-edge-litert) on the CPU; for plugins."""

from __future__ import annotations

from typing import Any

from vid2vid_cli.conditioning.stderr_filter import suppress_stderr

IGNORED_STDERR = (b"XNNPACK delegate",)


def create_tflite_interpreter(model: bytes, *, num_threads: int = 1) -> Any:
    """Create LiteRT's interpreter of a TFLite network with its tensors allocated.

    Raises: ImportError (ai-edge-litert is missing or broken), ValueError (not a TFLite network; one line).
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        with suppress_stderr(IGNORED_STDERR):
            interpreter = Interpreter(model_content=model, num_threads=num_threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ValueError(next(iter(str(error).strip().splitlines()), type(error).__name__)) from error
    return interpreter
