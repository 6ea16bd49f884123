"""The background that a generated subject is shown on: the option --background."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.core.geometry import ImageArray, View
from vid2vid_cli.media.blank_reader import FrameSource
from vid2vid_cli.media.images import load_image, view_image

_COLOUR_PATTERN = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_NAMES: tuple[Literal["target", "source", "alpha"], ...] = ("target", "source", "alpha")


@dataclass(frozen=True)
class Background:
    """What surrounds the subject."""

    kind: Literal["target", "source", "alpha", "image"] = "target"
    """target: the generated frame as it is. image: a picture or a colour."""
    image: ImageArray | None = None
    """(h, w, 3), of any size; a colour is one pixel."""

    def fill(self, height: int, width: int) -> ImageArray:
        """The picture or colour as (height, width, 3): scaled to cover the frame, and cropped around its centre."""
        assert self.image is not None, "of kind image"
        image_height, image_width = self.image.shape[:2]
        crop_height = min(image_height, image_width * height / width)
        crop_width = crop_height * width / height
        left, top = (image_width - crop_width) / 2, (image_height - crop_height) / 2
        view = View.from_box((left, top, left + crop_width, top + crop_height), height, width)
        return np.asarray(view_image(self.image, view), dtype=np.uint8)


@dataclass(frozen=True)
class PasteOptions:
    """How a generated subject is composited."""

    background: Background
    keep_size: bool = False
    """Whether the frames have the full size of the source's, and the subject its place there."""
    match_colours: bool = True
    """Whether a face on the source takes the source's colours."""

    def describe(self, reader: FrameSource) -> str:
        """The background and the size, for --dry-run; `reader`: that of the source."""
        if not self.keep_size:
            return self.background.kind
        return f"{self.background.kind}, {reader.width}x{reader.height} as the source"


def parse_background(text: str | None, *, keep_size: bool) -> Background:
    """The background of `target`, `source`, `alpha`, a colour #rrggbb, or the path of a picture; None: the default.

    Raises ConfigError, MissingFileError, and the errors of `load_image`.
    """
    text = ("source" if keep_size else "target") if text is None else text
    if text == "target" and keep_size:
        raise ConfigError(
            "--keep-size: the generated background has the size of the target's frames.",
            "Set --background source, alpha, a colour or a picture, or remove --keep-size.",
        )
    for kind in _NAMES:
        if text == kind:
            return Background(kind)
    if text.startswith("#"):
        if not _COLOUR_PATTERN.fullmatch(text):
            raise ConfigError(f"--background {text} is not a colour.", "Use #rrggbb, such as '#00ff00'.")
        digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
        return Background("image", np.frombuffer(bytes.fromhex(digits), dtype=np.uint8).reshape(1, 1, 3))
    path = Path(text).expanduser()
    if not path.is_file():
        raise MissingFileError(
            f"--background {text} does not exist.",
            "Use target, source, alpha, a colour such as '#00ff00', or a picture.",
        )
    return Background("image", load_image(path))


def subject_index(conditioners: Sequence[Conditioner], option: str) -> int:
    """The index of the first conditioner with a subject. Raises ConfigError if there is none; `option` needs one."""
    for index, conditioner in enumerate(conditioners):
        if conditioner.subject:
            return index
    names = ", ".join(conditioner.spec.name for conditioner in conditioners)
    raise ConfigError(
        f"{option}: the target's conditioner ({names}) does not tell the subject from its background.",
        "Remove the option, or use a target with landmarks or poses.",
    )
