"""Keeps stdout for the JSON lines of `--json`."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from vid2vid_cli.conditioning.plugin_calls import current_plugin_call, plugin_fault


class _OtherOutput(io.TextIOBase):
    """Stands for stdout: plugins must not write to it, and what other libraries write goes to stderr."""

    def write(self, text: str) -> int:
        """Raises PluginError within a call of a plugin."""
        call = current_plugin_call()
        if call is not None:
            raise plugin_fault(
                *call, f"it writes to stdout, which --json reserves for JSON lines: {text.strip()[:60]!r}"
            )
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush stderr."""
        sys.stderr.flush()


@contextmanager
def reserve_stdout() -> Iterator[TextIO]:
    """The stream of stdout for the caller alone; native libraries and child processes write to stderr instead."""
    stdout = sys.stdout
    descriptor = _copy_descriptor(stdout)
    stream = stdout if descriptor is None else open(descriptor, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stdout = _OtherOutput()
    try:
        yield stream
    finally:
        sys.stdout = stdout
        if descriptor is not None:
            os.dup2(descriptor, 1)
            with suppress(OSError):  # the reader of the pipe has ended
                stream.close()


def _copy_descriptor(stdout: TextIO) -> int | None:
    """A copy of the file descriptor of stdout, which then writes to stderr; None if stdout has no descriptor."""
    try:
        if stdout.fileno() != 1:
            return None
        stdout.flush()
        descriptor = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError, AttributeError):
        return None
    return descriptor
