"""MediaPipe selfie segmentation as a backend: the bundled model with the Tasks API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import MissingPackageError, UInt8Array, load_bundled_weights, suppress_stderr
from vid2vid_segmentation import INSTALL_COMMAND, SELFIE_WEIGHTS
from vid2vid_segmentation.backend import Segmenter, TiledScores, TileScores, resize
from vid2vid_segmentation.classes import PERSON_ID

MODEL_PATH = Path(__file__).parent / "models" / SELFIE_WEIGHTS.name
INPUT_SIZE = 256  # pixels
IGNORED_STDERR = (b"XNNPACK delegate", b"absl::InitializeLog", b"inference_feedback_manager")


class SelfieSegmenter(Segmenter):
    """Background and person. Detects people who fill much of the frame, but not distant people."""

    class_ids = (0, PERSON_ID)

    def __init__(self, threshold: float) -> None:
        self._logit_threshold = np.float32(_logit(threshold))
        self._segmenter = _create_segmenter(
            load_bundled_weights(MODEL_PATH, SELFIE_WEIGHTS, "selfie segmentation model")
        )

    def predict(self, frames: Sequence[UInt8Array]) -> list[TiledScores]:
        """Segment each frame in one run."""
        return [self._predict_frame(frame) for frame in frames]

    def _predict_frame(self, frame: UInt8Array) -> TiledScores:
        image = np.ascontiguousarray(resize(frame, INPUT_SIZE, INPUT_SIZE), dtype=np.uint8)
        mask = self._segmenter.segment(_to_mediapipe_image(image)).confidence_masks[0].numpy_view()
        probability = np.clip(mask.reshape(INPUT_SIZE, INPUT_SIZE).astype(np.float32), 1e-6, 1 - 1e-6)
        # The person is the more probable class exactly where the mask exceeds the threshold.
        scores = np.stack([np.zeros_like(probability), np.log(probability / (1 - probability)) - self._logit_threshold])
        return TiledScores(INPUT_SIZE, INPUT_SIZE, (TileScores(0, 0, scores),))

    def close(self) -> None:
        """Stop MediaPipe's threads; its destructor would print errors at exit."""
        if self._segmenter is not None:
            self._segmenter.close()
        self._segmenter = None


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def _to_mediapipe_image(image: UInt8Array) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)


def _create_segmenter(model: bytes) -> Any:
    """Create an ImageSegmenter and run it once, so that its start-up messages are suppressed."""
    try:
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision import ImageSegmenter, ImageSegmenterOptions
    except ImportError as error:
        raise MissingPackageError(
            f"segmentation.backend=selfie needs mediapipe, which cannot be imported: {error}.", INSTALL_COMMAND
        ) from error
    options = ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_buffer=model), output_confidence_masks=True, output_category_mask=False
    )
    with suppress_stderr(IGNORED_STDERR):
        segmenter = ImageSegmenter.create_from_options(options)
        segmenter.segment(_to_mediapipe_image(np.zeros((INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)))
    return segmenter
