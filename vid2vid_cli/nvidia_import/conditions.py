"""Condition channels of the published networks, and the conditioners that produce them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.checkpoint_metadata import ConditionerConfig
from vid2vid_cli.nvidia_import.architecture import Architecture
from vid2vid_cli.nvidia_import.convert import ChannelMapping

ReleasePreset = Literal["street", "face", "pose"]
PUBLISHED_CHANNELS: Mapping[ReleasePreset, tuple[int, ...]] = {"street": (36, 35), "face": (15, 1), "pose": (6, 3)}
"""Channels per frame: street with and without instance edges, face with and without distance maps, pose with both
conditioners or one of them."""
NUM_CITYSCAPES_IDS = 35
"""Published networks have ids 0 to 34; our list of Cityscapes classes ends at 33."""
LABEL_CHANNELS, EDGE_CHANNEL = tuple(range(NUM_CITYSCAPES_IDS)), NUM_CITYSCAPES_IDS
PUBLISHED_FOREGROUND_IDS = (26,)
"""Default of the published option fg_labels: cars."""
FACE_REMARK = (
    "Curves and distance maps are rendered as published (landmarks.drawing=published) at the size of the dataset's "
    "frames: prepare them at the size of the source. The background edges that the network was trained with "
    "(landmarks.background_edges=true) come from Canny with different thresholds."
)
POSE_REMARK = (
    "Colours and drawing order of pose are OpenPose's, as published. The line width equals the published one for "
    "frames 720 pixels high; lines are antialiased. The crop is the centre of the frame at full height, as published."
)


@dataclass(frozen=True, kw_only=True)
class PublishedConditions:
    """Conditioners and channel mapping that reproduce the conditions of a published network."""

    conditioners: tuple[ConditionerConfig, ...]
    channel_mapping: ChannelMapping
    foreground_classes: tuple[str, ...]
    """Classes of the published foreground branch."""
    foreground_indices: tuple[int, ...]
    crop: Literal["subject", "center"]
    fps: str
    remarks: tuple[str, ...]
    """Differences between our conditions and the published ones."""


def published_conditions(
    preset: ReleasePreset, architecture: Architecture, foreground_ids: Sequence[int] | None = None
) -> PublishedConditions:
    """The conditions of a published network; `foreground_ids`: class ids of its foreground branch, None: the default.

    Raises ConfigError if the number of channels is not that of the preset, and for foreground ids without a foreground
    branch or out of range; PluginError.
    """
    if foreground_ids is not None:
        _check_foreground_ids(foreground_ids, architecture)
    num_channels = architecture.condition_channels
    if num_channels == NUM_CITYSCAPES_IDS and architecture.is_image_generator:
        is_match = preset == "street"
    else:
        is_match = num_channels in PUBLISHED_CHANNELS[preset]
    if not is_match:
        matching_preset = next((name for name, counts in PUBLISHED_CHANNELS.items() if num_channels in counts), None)
        expected_text = " or ".join(map(str, PUBLISHED_CHANNELS[preset]))
        raise ConfigError(
            f"These files do not match preset {preset}: they have {num_channels} condition channels per frame, and "
            f"{preset} has {expected_text}.",
            f"--preset {matching_preset}"
            if matching_preset
            else "Only the published street, face and pose networks are supported.",
        )
    if preset == "street":
        return _street_conditions(num_channels, architecture, foreground_ids)
    return (
        _face_conditions(num_channels)
        if preset == "face"
        else _pose_conditions(num_channels, has_flow=architecture.has_flow)
    )


def published_image_size(preset: ReleasePreset, architecture: Architecture) -> tuple[int, int]:
    """(height, width) of the images that the published network of this architecture was trained on."""
    num_finer_scales = architecture.num_scales - 1
    if preset == "street":
        if architecture.is_image_generator:
            width = {(1, 3): 512, (1, 4): 1024}.get((architecture.num_scales, architecture.num_downsamples), 2048)
        else:
            width = (512 if architecture.num_downsamples > 2 else 256) << num_finer_scales
        return width // 2, width
    if preset == "face":
        side = 512 if num_finer_scales or architecture.base_channels >= 128 else 256
        return side, side
    return ((256, 192), (512, 448), (1024, 896))[min(num_finer_scales, 2)]


def _conditioner_config(name: str, **options: Any) -> ConditionerConfig:
    (conditioner,) = load_conditioners([(name, options)])
    return ConditionerConfig(
        name=name, options=conditioner.options.persistent_values(), channels=conditioner.num_channels, statistics={}
    )


def _check_foreground_ids(foreground_ids: Sequence[int], architecture: Architecture) -> None:
    text = ",".join(map(str, foreground_ids))
    if not architecture.has_foreground:
        raise ConfigError(f"--foreground-ids {text}: the network has no foreground branch.", "Remove --foreground-ids.")
    if max(foreground_ids) >= NUM_CITYSCAPES_IDS:
        raise ConfigError(
            f"--foreground-ids {text}: ids of the street networks are 0 to {NUM_CITYSCAPES_IDS - 1}.",
            "Set the ids of fg_labels in the training of the network.",
        )


def _street_conditions(
    num_channels: int, architecture: Architecture, foreground_ids: Sequence[int] | None
) -> PublishedConditions:
    """One-hot labels in {0, 1}, followed by an instance edge channel.

    The image generator has no edge channel. Its checkpoint has one with zero weights, so that the same labels drive the
    image and the video generator.
    """
    cityscapes_classes = load_conditioner("labels", {"format": "ids", "classes": "cityscapes"}).classes()
    class_rows = [
        {"id": label_class.id, "name": label_class.name, "colour": list(label_class.colour)}
        for label_class in cityscapes_classes
    ]
    class_rows += [
        {"id": label, "name": f"id {label}", "colour": [0, 0, 0]}
        for label in range(len(class_rows), NUM_CITYSCAPES_IDS)
    ]
    has_edges = num_channels > NUM_CITYSCAPES_IDS or architecture.is_image_generator
    labels_config = _conditioner_config("labels", format="ids", classes=class_rows, instance_edges=has_edges)
    channel_indices = (*LABEL_CHANNELS, EDGE_CHANNEL) if num_channels > NUM_CITYSCAPES_IDS else LABEL_CHANNELS
    remarks = ["Labels are Cityscapes ids 0 to 34, not the 19 train ids."]
    if has_edges and not architecture.is_image_generator:
        remarks.append(
            "The instance edges need instance ids: --conditioner-option labels.instances=FOLDER. The conditions are "
            "then exactly the published ones."
        )
    foreground_indices = tuple(PUBLISHED_FOREGROUND_IDS if foreground_ids is None else foreground_ids)
    foreground_classes = tuple(str(row["name"]) for row in class_rows if row["id"] in foreground_indices)
    if architecture.has_foreground and foreground_ids is None:
        remarks.append(
            f"The files do not contain the classes of the foreground branch; {foreground_classes[0]} (id "
            f"{foreground_indices[0]}) is assumed, the default of fg_labels. Set others with --foreground-ids."
        )
    return PublishedConditions(
        conditioners=(labels_config,),
        channel_mapping=ChannelMapping(channel_indices, labels_config.channels, condition_range=(0, 1)),
        foreground_classes=foreground_classes,
        foreground_indices=foreground_indices,
        crop="center",
        fps="17",
        remarks=(" ".join(remarks),),
    )


def _face_conditions(num_channels: int) -> PublishedConditions:
    """The rendered curves and fourteen distance maps, all in [0, 1]."""
    landmarks_config = _conditioner_config(
        "landmarks", distance_maps=num_channels > 1, background_edges=True, drawing="published"
    )
    return PublishedConditions(
        conditioners=(landmarks_config,),
        channel_mapping=ChannelMapping(tuple(range(num_channels)), landmarks_config.channels, condition_range=(0, 1)),
        foreground_classes=(),
        foreground_indices=(),
        crop="subject",
        fps="30",
        remarks=(FACE_REMARK,),
    )


def _pose_conditions(num_channels: int, *, has_flow: bool) -> PublishedConditions:
    """DensePose as V, U, I (the channel order of the published images), then OpenPose's RGB; all in [-1, 1].

    A network with three channels uses only DensePose if it has flow, and only OpenPose otherwise.
    """
    conditioner_names = ("densepose", "pose") if num_channels == 6 else ("densepose",) if has_flow else ("pose",)
    channel_indices = tuple(
        3 * index + row for index, name in enumerate(conditioner_names) for row in _CHANNEL_ORDERS[name]
    )
    return PublishedConditions(
        conditioners=tuple(
            _conditioner_config(name, **({"min_confidence": 0.01} if name == "pose" else {}))
            for name in conditioner_names
        ),
        channel_mapping=ChannelMapping(channel_indices, num_channels, condition_range=(-1, 1)),
        foreground_classes=(),
        foreground_indices=(),
        crop="center",
        fps="30",
        remarks=(POSE_REMARK,),
    )


_CHANNEL_ORDERS = {"densepose": (2, 1, 0), "pose": (0, 1, 2)}
"""Published channel order: our I, U, V is published as V, U, I."""
