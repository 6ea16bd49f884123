"""Which classes are meant that settings name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.combine import names_of
from vid2vid_cli.conditioning.instances import instance_classes, mapped
from vid2vid_cli.config.config import Config
from vid2vid_cli.config.style import THINGS
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.suggest import did_you_mean


def channels_of(conditioners: Sequence[Conditioner], names: Sequence[str]) -> tuple[int, ...]:
    """The condition channels of classes by name, whatever their case. Raises ConfigError where there is none."""
    known: dict[str, list[int]] = {}
    below = 0
    for conditioner in conditioners:
        for name, channel in conditioner.class_channels().items():
            known.setdefault(name.casefold(), []).append(below + channel)
        below += conditioner.channels
    _check("generator.foreground", conditioners, names, known)
    return tuple(sorted({channel for name in names for channel in known[name.casefold()]}))


def things_of(conditioners: Sequence[Conditioner], config: Config) -> tuple[int, ...]:
    """The ids of the classes that `style.things` names, whatever their case; of null those that commonly are counted.

    Raises ConfigError: no such class, or no classes at all and a normalisation through which no style could be seen.
    """
    names, norm = config.style.things, config.generator.norm
    if mapped(conditioners) is None and norm != "group":
        having = names_of(conditioners)
        raise ConfigError(
            f"style.features: {having} has no classes, so the whole picture is one object, and generator.norm={norm} "
            "takes out what is the same all over a picture.",
            "Add --set generator.norm=group; or leave styles out.",
        )
    known = {one.name.casefold(): one.id for one in instance_classes(conditioners)}
    if names is None:
        return tuple(sorted(known[name] for name in THINGS if name in known))
    _check("style.things", conditioners, names, known)
    return tuple(sorted({known[name.casefold()] for name in names}))


def _check(setting: str, conditioners: Sequence[Conditioner], names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name.casefold() not in known:
            having = names_of(conditioners)
            raise ConfigError(
                f"{setting}: there is no class {name!r} in {having}.",
                did_you_mean(name, known) or f"There are: {', '.join(known) or 'none'}.",
            )
