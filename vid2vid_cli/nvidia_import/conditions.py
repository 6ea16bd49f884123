"""What the published networks are driven by, and which of our conditioners gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.checkpoint import ConditionerUse
from vid2vid_cli.nvidia_import.architecture import Architecture
from vid2vid_cli.nvidia_import.convert import Channels

Preset = Literal["street", "face", "pose"]
PUBLISHED_CHANNELS: Mapping[Preset, tuple[int, ...]] = {"street": (36, 35), "face": (15, 1), "pose": (6, 3)}
"""Per frame; street with and without instances, face with and without distance maps, pose with one of its halves."""
CITYSCAPES = 35
"""Ids 0 to 34 as published; our list of Cityscapes' classes ends at 33."""
LABELS, EDGE = tuple(range(CITYSCAPES)), CITYSCAPES
FACE_DRAWN = (
    "Curves and distance maps are drawn as published (landmarks.drawing=vid2vid), on the frames of the dataset: "
    "prepare these as large as the source. The edges behind the face that the network learned too "
    "(landmarks.background_edges=true) are Canny's, with thresholds of our own."
)
POSE_DRAWN = (
    "Colours and order of pose are OpenPose's, as published; its lines are as wide as published on 720 lines of frame, "
    "and smooth. The picture is the middle of the frame at its full height, as published."
)


@dataclass(frozen=True)
class Material:
    """The conditions of a published network, as ours."""

    uses: tuple[ConditionerUse, ...]
    channels: Channels
    foreground: tuple[str, ...]
    """The published class of that branch."""
    foreground_channels: tuple[int, ...]
    crop: Literal["focus", "whole"]
    fps: str
    remarks: tuple[str, ...]
    """Where what our conditioners draw differs from what the network learned from."""


def material(preset: Preset, architecture: Architecture) -> Material:
    """The conditions of a published network.

    Raises ConfigError where its channels are another preset's or nobody's; PluginError.
    """
    channels = architecture.channels
    if channels == CITYSCAPES and architecture.single:
        preset_fits = preset == "street"
    else:
        preset_fits = channels in PUBLISHED_CHANNELS[preset]
    if not preset_fits:
        right = next((name for name, known in PUBLISHED_CHANNELS.items() if channels in known), None)
        known = " or ".join(map(str, PUBLISHED_CHANNELS[preset]))
        raise ConfigError(
            f"These files are not of {preset}: they see {channels} channels a frame, and {preset} has {known}.",
            f"--preset {right}" if right else "Only the published street, face and pose can be driven.",
        )
    if preset == "street":
        return _street(channels, architecture)
    return _face(channels) if preset == "face" else _pose(channels, flow=architecture.flow)


def picture(preset: Preset, architecture: Architecture) -> tuple[int, int]:
    """(height, width) in pixels that the published network of this shape was trained at."""
    finer = architecture.scales - 1
    if preset == "street":
        if architecture.single:
            width = {(1, 3): 512, (1, 4): 1024}.get((architecture.scales, architecture.downsamples), 2048)
        else:
            width = (512 if architecture.downsamples > 2 else 256) << finer
        return width // 2, width
    if preset == "face":
        side = 512 if finer or architecture.width >= 128 else 256
        return side, side
    return ((256, 192), (512, 448), (1024, 896))[min(finer, 2)]


def _use(name: str, **options: Any) -> ConditionerUse:
    conditioner = load_conditioner(name, options)
    return ConditionerUse(
        name=name, options=conditioner.options.lasting(), channels=conditioner.channels, statistics={}
    )


def _street(channels: int, architecture: Architecture) -> Material:
    """One-hot labels in 0 and 1, and last of each frame the outlines of instances.

    Of a generator of single images, which sees labels alone, outlines are a channel that it does not look at: the same
    labels drive both.
    """
    known = load_conditioner("labels", {"kind": "ids", "classes": "cityscapes"}).classes()
    rows = [{"id": one.id, "name": one.name, "colour": list(one.colour)} for one in known]
    rows += [{"id": label, "name": f"id {label}", "colour": [0, 0, 0]} for label in range(len(rows), CITYSCAPES)]
    outlined = channels > CITYSCAPES or architecture.single
    use = _use("labels", kind="ids", classes=rows, edges=outlined)
    places = (*LABELS, EDGE) if channels > CITYSCAPES else LABELS
    remarks = ["Labels are Cityscapes' ids, 0 to 34 (not the 19 of training)"]
    if outlined and not architecture.single:
        remarks.append("with instance ids beside them (--option labels.instances=FOLDER): exactly as published")
    return Material(
        uses=(use,),
        channels=Channels(places, use.channels, zero_to_one=True),
        foreground=("car",),
        foreground_channels=(26,),
        crop="whole",
        fps="17",
        remarks=("; ".join(remarks) + ".",),
    )


def _face(channels: int) -> Material:
    """The drawing and its fourteen distance maps, all in [0, 1]."""
    use = _use("landmarks", distance_maps=channels > 1, background_edges=True, drawing="vid2vid")
    return Material(
        uses=(use,),
        channels=Channels(tuple(range(channels)), use.channels, zero_to_one=True),
        foreground=(),
        foreground_channels=(),
        crop="focus",
        fps="30",
        remarks=(FACE_DRAWN,),
    )


def _pose(channels: int, *, flow: bool) -> Material:
    """DensePose, read from pictures of V, U, I in that order, before OpenPose's red, green and blue; all in [-1, 1].

    With half of the channels: DensePose, which has flow, or OpenPose alone, which has none.
    """
    names = ("densepose", "pose") if channels == 6 else ("densepose",) if flow else ("pose",)
    places = tuple(3 * index + row for index, name in enumerate(names) for row in _ROWS[name])
    return Material(
        uses=tuple(_use(name, **({"least": 0.01} if name == "pose" else {})) for name in names),
        channels=Channels(places, channels, zero_to_one=False),
        foreground=(),
        foreground_channels=(),
        crop="whole",
        fps="30",
        remarks=(POSE_DRAWN,),
    )


_ROWS = {"densepose": (2, 1, 0), "pose": (0, 1, 2)}
"""The published channels by ours: I, U, V there are V, U, I."""
