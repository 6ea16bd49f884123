"""Which condition channels the classes are that settings name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import ConfigError


def channels_of(conditioners: Sequence[Conditioner], names: Sequence[str]) -> tuple[int, ...]:
    """The condition channels of classes by name, whatever their case. Raises ConfigError where there is none."""
    known: dict[str, list[int]] = {}
    below = 0
    for conditioner in conditioners:
        for name, channel in conditioner.class_channels().items():
            known.setdefault(name.casefold(), []).append(below + channel)
        below += conditioner.channels
    for name in names:
        if name.casefold() not in known:
            near = difflib.get_close_matches(name.casefold(), known, 3)
            having = " and ".join(conditioner.spec.name for conditioner in conditioners)
            raise ConfigError(
                f"generator.foreground: there is no class {name!r} in {having}.",
                f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known) or 'none'}.",
            )
    return tuple(sorted({channel for name in names for channel in known[name.casefold()]}))
