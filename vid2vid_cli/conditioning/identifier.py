"""What tells subjects apart, for `evaluate --metric identity`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vid2vid_cli.conditioning.conditioner import Annotation
from vid2vid_cli.core.geometry import FloatArray, UInt8Array


@dataclass(frozen=True)
class Identifier:
    """A network whose vectors are close for images of one subject, and far for those of two."""

    name: str
    """With implementation and version, for the name of the metric."""
    describe: Callable[[UInt8Array, Annotation], FloatArray]
    """Image (h, w, 3) uint8 RGB and annotation of quality > 0 in pixels of it -> vector (n,)."""
