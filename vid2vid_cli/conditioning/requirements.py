"""What conditioners need before they can begin: packages, or files that exist already."""

from __future__ import annotations

from collections.abc import Sequence

from vid2vid_cli.conditioning.conditioner import Conditioner
from vid2vid_cli.conditioning.registry import check_requirements
from vid2vid_cli.conditioning.spec import Requirement
from vid2vid_cli.core.errors import ConfigError, MissingFileError, MissingPackageError, PluginError


def is_reading(conditioner: Conditioner) -> bool:
    """Whether it reads labels that exist already, so that `annotate` needs no detector."""
    return bool(conditioner.reads) and getattr(conditioner.options, conditioner.reads) is not None


def check_conditioners(conditioners: Sequence[Conditioner]) -> None:
    """Raise MissingPackageError or MissingFileError where one lacks what it needs, ConfigError for none or twice one.

    One that reads labels which exist already needs no package for it.
    """
    names = [conditioner.spec.name for conditioner in conditioners]
    if not names:
        raise ConfigError("No conditioner was named.", "vid2vid plugins list shows which there are.")
    if len(set(names)) < len(names):
        raise ConfigError(f"A conditioner was named twice: {', '.join(names)}.", "Name each one once.")
    if "frames" in names:
        raise PluginError("A conditioner cannot be called frames: a dataset keeps its frames under that name.")
    for conditioner in conditioners:
        if not conditioner.finds and not is_reading(conditioner):
            name = conditioner.spec.name
            raise MissingFileError(
                f"The conditioner {name} reads what exists already beside a video, and nothing was named.",
                f"--option {name}.{conditioner.reads}=PATH, with one file for each frame",
            )
        missing = [] if is_reading(conditioner) else check_requirements(conditioner.spec)
        if missing:
            raise _missing(conditioner, missing)


def _missing(conditioner: Conditioner, missing: Sequence[Requirement]) -> MissingPackageError:
    """What is missing and how to install it, or how to do without."""
    name, modules = conditioner.spec.name, ", ".join(requirement.module for requirement in missing)
    one = len(missing) > 1 and all(requirement.optional for requirement in missing)
    hint = missing[0].install if one else " && ".join(dict.fromkeys(item.install for item in missing))
    if conditioner.reads:
        hint += f". Or read what exists already: --option {name}.{conditioner.reads}=PATH"
    words = f"one of {modules}, and has none" if one else f"{modules}, not installed here"
    return MissingPackageError(f"The conditioner {name} needs {words}.", hint)
