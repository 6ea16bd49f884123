"""Requirements of conditioners: installed packages, bundled weights, or existing input files."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from vid2vid_cli.conditioning.conditioner import Conditioner
from vid2vid_cli.conditioning.registry import is_installed, missing_requirements
from vid2vid_cli.conditioning.spec import Requirement, WeightFile
from vid2vid_cli.core.errors import (
    ConfigError,
    MissingFileError,
    MissingPackageError,
    MissingWeightsError,
    PluginError,
)

REINSTALL_COMMAND = "pip install --force-reinstall vid2vid-cli"


def has_input_files(conditioner: Conditioner) -> bool:
    """Return whether the conditioner reads existing labels, so that `annotate` needs no detector."""
    return bool(conditioner.input_option) and getattr(conditioner.options, conditioner.input_option) is not None


def check_conditioners(conditioners: Sequence[Conditioner]) -> None:
    """Check that the conditioners are distinct and can annotate. A conditioner that reads labels needs no package.

    Raises: ConfigError (no conditioner, or a duplicate), MissingPackageError, MissingFileError, PluginError.
    """
    names = [conditioner.spec.name for conditioner in conditioners]
    if not names:
        raise ConfigError("No conditioner is set.", "vid2vid plugins list shows the available conditioners.")
    if len(set(names)) < len(names):
        raise ConfigError(f"Duplicate conditioner: {', '.join(names)}.", "Name each conditioner once.")
    if "frames" in names:
        raise PluginError("A conditioner cannot be named frames: datasets store their frames under this name.")
    for conditioner in conditioners:
        if not conditioner.has_detector and not has_input_files(conditioner):
            name = conditioner.spec.name
            raise MissingFileError(
                f"The conditioner {name} reads existing label files, but no path is set.",
                f"--conditioner-option {name}.{conditioner.input_option}=PATH, with one file for each frame",
            )
        missing = [] if has_input_files(conditioner) else missing_requirements(conditioner.spec)
        if missing:
            raise _missing_package_error(conditioner, missing)
        if not has_input_files(conditioner):
            _check_option_packages(conditioner)


def _check_option_packages(conditioner: Conditioner) -> None:
    """Raise MissingPackageError if an option that is turned on needs a package that is not installed."""
    for requirement in conditioner.spec.requires:
        option = requirement.option
        if option and getattr(conditioner.options, option) and not is_installed(requirement.module):
            name = f"{conditioner.spec.name}.{option}"
            raise MissingPackageError(
                f"{name} requires {requirement.module}, which is not installed.",
                f"{requirement.install_command}. Or turn it off: --conditioner-option {name}=false",
            )


def load_bundled_weights(path: Path, weight_file: WeightFile, description: str) -> bytes:
    """Read a weight file that is part of a plugin and verify its sha256; `description` is e.g. `face model`.

    Raises: MissingWeightsError (the file is missing or its sha256 differs).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingWeightsError(f"The {description} is missing: {path.name}.", REINSTALL_COMMAND) from error
    if sha256(data).hexdigest() != weight_file.sha256:
        raise MissingWeightsError(
            f"The {description} is damaged: {path.name} does not have the published sha256.", REINSTALL_COMMAND
        )
    return data


def _missing_package_error(conditioner: Conditioner, missing: Sequence[Requirement]) -> MissingPackageError:
    name, modules = conditioner.spec.name, ", ".join(requirement.module for requirement in missing)
    has_alternatives = len(missing) > 1 and all(requirement.is_optional for requirement in missing)
    hint = (
        missing[0].install_command
        if has_alternatives
        else " && ".join(dict.fromkeys(requirement.install_command for requirement in missing))
    )
    if conditioner.input_option:
        hint += f". Or read existing labels: --conditioner-option {name}.{conditioner.input_option}=PATH"
    missing_text = f"one of {modules}; none is installed" if has_alternatives else f"{modules}, which is not installed"
    return MissingPackageError(f"The conditioner {name} requires {missing_text}.", hint)
