"""MediaPipe's mask of a person in a close-up as a backend: the vendored model through the Tasks API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import Bytes, MissingPackageError, own_weights, quietly
from vid2vid_segmentation import INSTALL, SELFIE
from vid2vid_segmentation.backend import Look, Looks, Segmenter, resized
from vid2vid_segmentation.classes import PERSON

MODEL = Path(__file__).parent / "models" / SELFIE.name
SIDE = 256  # of the model's input
NOISE = (b"XNNPACK delegate", b"absl::InitializeLog", b"inference_feedback_manager")


class SelfieSegmenter(Segmenter):
    """Background and person; sees people who fill much of the frame, loses those who are far away."""

    ids = (0, PERSON)

    def __init__(self, threshold: float) -> None:
        self._bias = np.float32(_logit(threshold))
        self._segmenter = _segmenter(own_weights(MODEL, SELFIE, "person model"))

    def look(self, frames: Sequence[Bytes]) -> list[Looks]:
        """The whole frame at once."""
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Bytes) -> Looks:
        picture = np.ascontiguousarray(resized(frame, SIDE, SIDE), dtype=np.uint8)
        mask = self._segmenter.segment(_image(picture)).confidence_masks[0].numpy_view()
        person = np.clip(mask.reshape(SIDE, SIDE).astype(np.float32), 1e-6, 1 - 1e-6)
        # Such scores that the person is the likelier one exactly where the mask is above the threshold.
        scores = np.stack([np.zeros_like(person), np.log(person / (1 - person)) - self._bias])
        return Looks(SIDE, SIDE, (Look(0, 0, scores),))

    def close(self) -> None:
        """End MediaPipe's threads; left to its destructor it complains at exit."""
        if self._segmenter is not None:
            self._segmenter.close()
        self._segmenter = None


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _image(picture: Bytes) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)


def _segmenter(model: bytes) -> Any:
    """An ImageSegmenter that has already seen a picture, so that its start-up messages are over."""
    try:
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision import ImageSegmenter, ImageSegmenterOptions
    except ImportError as error:
        raise MissingPackageError(
            f"segmentation.backend=person needs mediapipe, which cannot be imported: {error}.", INSTALL
        ) from error
    options = ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_buffer=model), output_confidence_masks=True, output_category_mask=False
    )
    with quietly(NOISE):
        segmenter = ImageSegmenter.create_from_options(options)
        segmenter.segment(_image(np.zeros((SIDE, SIDE, 3), dtype=np.uint8)))
    return segmenter
