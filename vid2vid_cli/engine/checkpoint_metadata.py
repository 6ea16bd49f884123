"""The metadata of a checkpoint for synthesis (`.ckpt`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vid2vid_cli.conditioning.person import PERSON_OPTION
from vid2vid_cli.config.config import ModelName
from vid2vid_cli.config.generator import GeneratorConfig, Target
from vid2vid_cli.core.checkpoint_header import read_header
from vid2vid_cli.core.errors import ConfigError, TruncatedCheckpointError
from vid2vid_cli.core.geometry import View
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.parsing import check_file_name, check_frame_rate, check_statistics
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.engine.style_bank import StyleBank

MAX_CONDITION_CHANNELS = 4096
MAX_FRAME_PIXELS = 1 << 26
"""Limit of the generated frames, 8192 x 8192."""


class ConditionerConfig(BaseModel):
    """A conditioner of a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: dict[str, Any]
    channels: int = Field(ge=1, le=MAX_CONDITION_CHANNELS)
    statistics: Annotated[dict[str, Any], AfterValidator(check_statistics)]

    @property
    def options_for_new_source(self) -> dict[str, Any]:
        """The options for another video: without `person`, which selects in one video."""
        return {name: value for name, value in self.options.items() if name != PERSON_OPTION}


class ReferenceRecord(BaseModel):
    """The reference frames of a checkpoint, whose images are JPEG files in the tensor REFERENCE_FRAMES_KEY."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    annotations: tuple[tuple[dict[str, Any], ...], ...]
    """Per frame and conditioner, as `annotation_to_json`, in pixels of the dataset's frames."""
    file_sizes: tuple[int, ...]
    """Bytes of each JPEG file."""
    view: dict[str, Any]
    """View of the dataset's frames at the size of the stored images, as `View.to_json`."""
    motion: dict[str, Any] | None = None
    """The model that aligns the frames, as `LinearMotion.to_json`; None: they are aligned by a spline."""
    common_motion: dict[str, Any] | None = None
    """The model of all subjects of a training on several datasets, with which training on another subject starts."""
    subject_masks: dict[str, Any] | None = None
    """Masks of the body in each frame, see `ReferenceBank`, as `array_to_json`."""

    @field_validator("view")
    @classmethod
    def _check_view(cls, value: dict[str, Any]) -> dict[str, Any]:
        View.from_json(value)
        return value


class AttributeDirection(BaseModel):
    """The direction of an attribute in the codes of model=vaegan, from the training frames."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    source: str
    """The file or the conditioner that the values are from."""
    threshold: float
    """Frames with a larger value have the attribute."""
    num_with: int = Field(ge=1)
    num_without: int = Field(ge=1)
    vector: tuple[float, ...]
    """Mean code of the frames with the attribute minus that of those without."""

    def describe(self) -> str:
        """`mouth_open (landmarks): 120 frames above 0.0812, 300 not`."""
        return f"{self.name} ({self.source}): {self.num_with} frames above {self.threshold:.4g}, {self.num_without} not"


class CheckpointMetadata(BaseModel):
    """The metadata of a `.ckpt`: everything that synthesis needs in addition to the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[2] = 2
    name: Annotated[str, AfterValidator(check_file_name)]
    """It becomes a part of the names of outputs."""
    model: ModelName = "vid2vid"
    """The model family; a file without it is of vid2vid, pix2pixhd, pix2pix or predict."""
    generator: GeneratorConfig
    conditioners: tuple[ConditionerConfig, ...]
    crop: Literal["subject", "center"]
    view: dict[str, Any]
    """View of the dataset's frames in training, as `View.to_json`."""
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    """Size of the dataset's frames in pixels."""
    fps: Annotated[str, AfterValidator(check_frame_rate)]
    training: dict[str, Any]
    """Steps, seconds, dataset, preset, measured quality, licence."""
    created_by: str
    foreground_indices: tuple[int, ...] = ()
    """Condition channels of the foreground classes."""
    initial_frames: Literal["zeros", "real"] = "zeros"
    """Past frames at the start of a clip in training."""
    has_published_start: bool = False
    """Whether synthesis begins with given frames by default (`--initial-frame published`)."""
    image_generator: Annotated[str, AfterValidator(lambda name: name and check_file_name(name))] = ""
    """File name, in the same folder, of the frame-wise checkpoint that generates these frames; "": none."""
    style_bank: StyleBank | None = None
    """None for a model without styles."""
    training_config: dict[str, Any] | None = None
    """The configuration of the training, for another one that starts from this file; None: without discriminators."""
    references: ReferenceRecord | None = None
    """None for a model without reference frames."""
    attribute_directions: tuple[AttributeDirection, ...] = ()
    """Of each of `generator.attributes`, for model=vaegan."""

    @field_validator("view")
    @classmethod
    def _check_view(cls, value: dict[str, Any]) -> dict[str, Any]:
        view = View.from_json(value)
        if view.height * view.width > MAX_FRAME_PIXELS:
            raise ValueError(f"{view.width}x{view.height} is more than {MAX_FRAME_PIXELS} pixels")
        return value

    @model_validator(mode="after")
    def _check_foreground(self) -> CheckpointMetadata:
        num_channels = sum(conditioner.channels for conditioner in self.conditioners)
        if not 1 <= num_channels <= MAX_CONDITION_CHANNELS:
            raise ValueError(f"{num_channels} condition channels are not between 1 and {MAX_CONDITION_CHANNELS}")
        if any(not 0 <= index < num_channels for index in self.foreground_indices):
            raise ValueError(f"a foreground channel is not between 0 and {num_channels - 1}")
        return self

    @model_validator(mode="after")
    def _check_references(self) -> CheckpointMetadata:
        annotations = () if self.references is None else self.references.annotations
        if bool(annotations) != bool(self.generator.num_references):
            raise ValueError(f"{len(annotations)} references for num_references={self.generator.num_references}")
        if any(len(items) != len(self.conditioners) for items in annotations):
            raise ValueError(f"a reference has no annotation of each of the {len(self.conditioners)} conditioners")
        return self

    @model_validator(mode="after")
    def _check_attributes(self) -> CheckpointMetadata:
        names = self.generator.attributes if self.model == "vaegan" else ()
        if tuple(direction.name for direction in self.attribute_directions) != names:
            raise ValueError(f"the directions are not those of the attributes {names}")
        if any(len(direction.vector) != self.generator.latent_channels for direction in self.attribute_directions):
            raise ValueError(f"a direction does not have {self.generator.latent_channels} values")
        return self

    @property
    def condition_spec(self) -> ConditionSpec:
        """The generator's condition channels: those of all conditioners, concatenated."""
        style_encoder = None if self.style_bank is None else self.style_bank.encoder_spec
        num_channels = sum(conditioner.channels for conditioner in self.conditioners)
        return ConditionSpec(num_channels, self.foreground_indices, style_encoder)

    @property
    def has_latent(self) -> bool:
        """Whether the style of a video is a latent of the generator (model=bicyclegan)."""
        return self.model == "bicyclegan"

    def crop_view(self) -> View:
        """The view of the dataset's frames."""
        return View.from_json(self.view)

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the generated frames in pixels."""
        view = self.crop_view()
        return view.height, view.width

    def require_target(self, path: Path, *targets: Target) -> None:
        """Raise ConfigError if the generator of the checkpoint at `path` has none of the targets."""
        if self.generator.target in targets:
            return
        if self.generator.target == "future_frames":
            raise ConfigError(
                f"{path} (model={self.model}) continues clips and has no conditions to generate frames from.",
                f"Use it with: {shell_command('vid2vid', 'predict', path, 'CLIP')}",
            )
        if "frames" in targets:
            raise ConfigError(
                f"{path} predicts label maps (generator.target=labels) and cannot generate frames.",
                f"Use it with: {shell_command('vid2vid', 'predict', path, 'CLIP')} --renderer CHECKPOINT",
            )
        raise ConfigError(
            f"{path} (model={self.model}) generates frames (generator.target=frames) and cannot continue a clip.",
            "Train a model that predicts label maps: vid2vid train --set model=predict; or frames: vid2vid train "
            "--preset savp",
        )


def load_metadata(path: Path) -> CheckpointMetadata:
    """The metadata of a `.ckpt`. Raises the errors of `read_header`; TruncatedCheckpointError for invalid metadata.

    The checksum, which needs all bytes of the file, is verified when the weights are loaded.
    """
    data, _ = read_header(path)
    try:
        return CheckpointMetadata.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        field_name = ".".join(map(str, problem["loc"]))
        message = f"{path} has invalid metadata: {field_name}: {problem['msg']}"
        raise TruncatedCheckpointError(message, "Copy it again, or train again.") from None
