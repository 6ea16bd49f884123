"""Weights that come with a plugin."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from vid2vid_cli.conditioning.spec import WeightFile
from vid2vid_cli.core.errors import MissingWeightsError

REPAIR = "pip install --force-reinstall vid2vid-cli"


def own_weights(path: Path, published: WeightFile, what: str) -> bytes:
    """The bytes of a file that lies in a plugin's folder, checked; `what` it is, such as `face model`.

    Raises: MissingWeightsError (absent, or not the published file).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingWeightsError(f"The {what} is missing: {path.name}.", REPAIR) from error
    if sha256(data).hexdigest() != published.sha256:
        raise MissingWeightsError(f"The {what} is damaged: {path.name} has not the published sha256.", REPAIR)
    return data
