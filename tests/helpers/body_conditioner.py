"""The disc of `factories.blob_frame` as a body with bones and masks.

It is found like a third-party plugin: VID2VID_PLUGINS="disc_body=helpers.body_conditioner:SPEC".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Literal

import numpy as np
from helpers.extremes_conditioner import Extremes
from numpy.typing import NDArray

from vid2vid_cli.conditioning import ConditionerSpec, SubjectImage
from vid2vid_cli.core.geometry import FloatArray, UInt8Array

SPEC = ConditionerSpec("disc_body", "The red disc as a body.", "points", "helpers.body_conditioner:DiscBody")
BODY_PLUGIN = "disc_body=helpers.body_conditioner:SPEC"


class DiscBody(Extremes):
    """The disc is a body with two bones."""

    spec: ClassVar[ConditionerSpec] = SPEC
    subject: ClassVar[Literal["", "face", "person"]] = "person"
    num_masks: ClassVar[int] = 0
    """Masks that all instances have found."""

    def bones(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        return {"disc": ((1, 2), (3, 4))}

    def subject_masks(self, images: Iterable[SubjectImage]) -> Iterator[FloatArray]:
        for subject in images:
            DiscBody.num_masks += 1
            yield is_disc(subject.image).astype(np.float32)


def is_disc(image: UInt8Array) -> NDArray[np.bool_]:
    """Which pixels (..., 3) of an image have the colour of the disc."""
    is_red: NDArray[np.bool_] = image[..., 0].astype(int) - image[..., 2] > 60
    return is_red
