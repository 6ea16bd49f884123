"""Which frames are read, how they are cropped, and how clips are augmented."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from vid2vid_cli.config.base import ConfigSection, nvidia

ASPECT_RATIO_LIMITS = (0.1, 10.0)
SUBJECT_ASPECT_RATIO_LIMITS = (0.5, 2.0)
"""Limits of the shape that `aspect_ratio=subject` takes from the detected subject."""
MAX_RESIZE = 16.0


class DataConfig(ConfigSection):
    """Size and crop of the frames, and how they are loaded.

    Pixels are always square: NVIDIA's `--resize_or_crop resize`, which squeezes frames into a square, has no
    counterpart. `scaleWidth` and `scaleHeight` are crop=center with aspect_ratio=null and size_rule=height;
    `randomScaleWidth`, `randomScaleHeight` and `scaledCrop` are crop=random with
    random_resize=[1, loadSize / fineSize].

    The shape follows the subject and the number of pixels stays the same by default, so that nothing of a wide or tall
    subject is cut off and every shape takes the same time and memory. Presets with a published size set
    size_rule=height.
    """

    height: int = Field(
        256,
        ge=16,
        le=16384,
        description="Size of the generated frames in pixels. size_rule defines whether it is their height, or the side "
        "of a square with as many pixels.",
        json_schema_extra=nvidia("loadSize, fineSize"),
    )
    size_rule: Literal["area", "height"] = Field(
        "area",
        description="area: the generated frames have about height² pixels, whatever their aspect ratio, and even "
        "sides; height: data.height is exactly their height.",
    )
    aspect_ratio: float | str | None = Field(
        "subject",
        description="Width divided by height of the generated frames. subject: that of the detected subject, from 1/2 "
        "to 2; without one, as null; null: that of the dataset's frames.",
    )
    crop: Literal["subject", "center", "random"] = Field(
        "subject",
        description="subject: around the detected subject; center: the largest centred crop; random: a random crop per "
        "clip in training, the full frame in synthesis.",
        json_schema_extra=nvidia("resize_or_crop"),
    )
    random_resize: tuple[float, float] = Field(
        (1.0, 1.0),
        description="With crop=random: range of the random scale of a frame, relative to the smallest frame that "
        "covers the crop. Synthesis uses the middle of the range.",
        json_schema_extra=nvidia("loadSize / fineSize"),
    )
    num_workers: int = Field(
        2,
        ge=1,
        le=64,
        description="Threads that load clips in advance. Memory holds one clip more than this.",
        json_schema_extra=nvidia("nThreads"),
    )

    weights: tuple[float, ...] | None = Field(
        None,
        description="With several datasets (--data A --data B): shares in which their clips are drawn, in the same "
        "order. null: by their numbers of training frames.",
    )
    attributes_file: str | None = Field(
        None,
        description="model=fader, vaegan: CSV file with attributes of the frames: a header such as "
        "frame,glasses,smile, and a row per frame of the dataset, counted from 0. Without the column frame, each "
        "column lists the frames with the attribute: 12, or 30-75. null: attributes are measured by the conditioners.",
    )
    reference_bank_size: int = Field(
        512,
        ge=1,
        le=4096,
        description="With generator.num_references: training frames among which the references of each frame are "
        "selected, at most. They cover the different poses, and are stored in the .ckpt: up to 64 MB of images and 20 "
        "MB of annotations.",
    )
    reference_gap: float = Field(
        1.5,
        ge=0,
        description="With generator.num_references: seconds around a training frame in which its references must not "
        "lie, so that training meets differences as large as synthesis does; at most a tenth of the training frames.",
    )

    @field_validator("aspect_ratio")
    @classmethod
    def _check_aspect_ratio(cls, value: float | str | None) -> float | str | None:
        low, high = ASPECT_RATIO_LIMITS
        if value not in (None, "subject") and not (isinstance(value, float) and low <= value <= high):
            raise ValueError(f"should be a number from {low:g} to {high:g}, subject or null")
        return value

    @field_validator("weights")
    @classmethod
    def _check_weights(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not (value and all(0 < weight < math.inf for weight in value)):
            raise ValueError("should be a number greater than 0 per dataset")
        return value

    @field_validator("random_resize")
    @classmethod
    def _check_random_resize(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 1 <= value[0] <= value[1] <= MAX_RESIZE:
            raise ValueError(f"should be two numbers from 1 to {MAX_RESIZE:g}, the smaller one first")
        return value

    @model_validator(mode="after")
    def _check_resize_needs_random_crop(self) -> DataConfig:
        if self.random_resize != (1.0, 1.0) and self.crop != "random":
            raise ValueError(f"data.random_resize needs data.crop=random, and data.crop is {self.crop}")
        return self

    def output_size(self, height: int, width: int, subject_box: Sequence[float] | None = None) -> tuple[int, int]:
        """(height, width) of the generated frames for dataset frames of a size and a subject box (x0, y0, x1, y1)."""
        aspect_ratio = self.aspect_ratio if isinstance(self.aspect_ratio, float) else width / height
        if self.aspect_ratio == "subject" and subject_box:
            x0, y0, x1, y1 = subject_box
            low, high = SUBJECT_ASPECT_RATIO_LIMITS
            aspect_ratio = min(max((x1 - x0) / max(y1 - y0, 1e-6), low), high)
        if self.size_rule == "area":
            root = math.sqrt(aspect_ratio)
            return _nearest_even(self.height / root), _nearest_even(self.height * root)
        if isinstance(self.aspect_ratio, float):  # as given, also if it is odd
            return self.height, max(1, round(self.height * aspect_ratio))
        return self.height, _nearest_even(self.height * aspect_ratio)


def _nearest_even(length: float) -> int:
    """The nearest even number of pixels, at least 2: H.264 yuv420p needs even sides."""
    return max(2, 2 * round(length / 2))


class AugmentationConfig(ConfigSection):
    """Random changes, sampled once per training clip."""

    max_translate: float = Field(
        0.0, ge=0, le=0.5, description="Largest random shift, as a fraction of the frame size."
    )
    max_zoom: float = Field(0.0, ge=0, le=0.5, description="Largest random relative change of scale.")
    subject_translate_prob: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability with which the body is moved against its background, for poses at other places than "
        "in the footage. Only with reference frames and a conditioner that finds bodies, such as pose.",
    )
    max_subject_translate: float = Field(
        0.4, ge=0, le=1, description="Largest such displacement, as a fraction of the frame size."
    )
    hflip_prob: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability of a horizontal flip. Left and right joints, parts and classes are exchanged. Do not "
        "use it with drawings whose colours distinguish left from right.",
        json_schema_extra=nvidia("no_flip (0.5 without it)"),
    )
    max_frame_stride: int = Field(
        1,
        ge=1,
        le=16,
        description="Largest random frame stride of a clip.",
        json_schema_extra=nvidia("max_t_step"),
    )
