"""The conditioners that `prepare` is measured with, and clips in which they detect something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from vid2vid_cli.media.label_images import save_indexed_png
from vid2vid_cli.media.looped_clip import write_looped_clip
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.media.writer import VideoWriter

Content = Literal["face", "body", "street"]
REAL_CLIPS: dict[Content, str] = {
    "face": "face/talking_man",
    "body": "pose/dancing_woman",
    "street": "street/bikes",
}
"""Clips of the development data."""
NUM_CLASSES = 8


@dataclass(frozen=True)
class PrepareCase:
    """A conditioner to measure, on footage in which it detects something."""

    name: str
    content: Content = "face"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.name} {self.options.get('backend', '')}".strip()


CASES = (
    PrepareCase("landmarks", options={"backend": "mediapipe"}),
    PrepareCase("landmarks", options={"backend": "dlib"}),
    PrepareCase("pose", "body"),
    PrepareCase("segmentation", options={"backend": "selfie"}),
    PrepareCase("edges", "street"),
    PrepareCase("labels", options={"classes": str(NUM_CLASSES)}),
)


def find_clip(content: Content, folder: Path, *, data: Path | None, num_frames: int, short_side: int) -> Path | None:
    """A clip of at least `num_frames` frames, of the folder `data` or drawn in `folder`; None if there is none."""
    real = data / f"{REAL_CLIPS[content]}.mp4" if data is not None else None
    if real is not None and real.is_file():
        num_real_frames = VideoReader(real).num_frames
        is_long_enough = num_real_frames is not None and num_real_frames >= num_frames
        return real if is_long_enough else write_looped_clip(real, num_frames, folder / "looped.mp4")
    if content == "body":
        return None
    with VideoWriter(folder / "short.mp4", Fraction(25)) as writer:
        for frame in synthetic_clip(min(num_frames, 40), short_side, short_side * 4 // 3):
            writer.write(frame)
    return write_looped_clip(folder / "short.mp4", num_frames, folder / "synthetic.mp4")


def write_labels(clip: Path, folder: Path) -> Path:
    """A label map for each frame: its brightness, quantised."""
    folder.mkdir()
    for index, frame in enumerate(VideoReader(clip)):
        blurred = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (0, 0), 4)
        labels = (np.asarray(blurred) // (256 // NUM_CLASSES)).astype(np.uint8)
        save_indexed_png(folder / f"{index:06d}.png", labels)
    return folder
