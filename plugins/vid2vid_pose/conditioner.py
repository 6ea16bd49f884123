"""A body's joints as a conditioner: found or read, followed and smoothed, drawn as OpenPose's skeleton."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from vid2vid_cli.conditioning import (
    Annotation,
    Bytes,
    Conditioner,
    ConditionerSpec,
    Floats,
    Options,
    Person,
    Statistics,
    View,
    drawing_option,
    files_option,
)
from vid2vid_pose import SPEC
from vid2vid_pose.augment import vary
from vid2vid_pose.backends import Wanted, choose, digest, open_backend, open_files, own_digest, version
from vid2vid_pose.body_statistics import describe
from vid2vid_pose.distance import skeleton_distances
from vid2vid_pose.drawing import Style, draw
from vid2vid_pose.regions import NAMES, regions_of
from vid2vid_pose.retarget import BodyRetarget
from vid2vid_pose.topology import BODY, SIDES, empty
from vid2vid_pose.tracking import Follower

Layout = Annotated[Literal["25", "18"], BeforeValidator(str)]


class PoseOptions(Options):
    """What can be set with `--option pose.…`."""

    backend: Wanted = Field(
        "auto", description="auto: the model in `weights` through onnxruntime where one is given, otherwise mediapipe."
    )
    person: Person = Field(
        "largest", description="Who: largest, centre, or 1, 2, ... from left to right on the first frame with so many."
    )
    people: int = Field(1, ge=1, le=4, description="How many people are followed and drawn, beginning with `person`.")
    smooth: float | None = Field(
        None,
        ge=0,
        le=0.1,
        description="Size of the jitter to remove, in lengths of the person; 0: none; default 0.006, 0 for files.",
    )
    weights: Path | None = Field(
        None, description="A DWPose or RTMPose model (ONNX, SimCC; 17, 26 or 133 points) to find the joints with."
    )
    hands_model: Path | None = Field(
        None, description="MediaPipe's hand_landmarker.task, to find hands with the backend mediapipe."
    )
    face_model: Path | None = Field(
        None, description="MediaPipe's face_landmarker.task, to find the face with the backend mediapipe."
    )
    json_dir: Path | None = files_option("A folder of OpenPose's JSON, one file a frame, read instead of finding.")
    layout: Layout = drawing_option("25", "The drawing: 25, OpenPose's BODY_25, or 18, its COCO model's with dots.")
    basic: bool = drawing_option(False, "Draw body, arms, legs and feet alone: no eyes, ears, hands or face.")
    hands: bool = drawing_option(True, "Draw the hands, where there are any.")
    face: bool = drawing_option(True, "Draw the face, where there is one.")
    least: float = drawing_option(0.05, "Least confidence of a point that is drawn.", ge=0, le=1)
    drop: float = drawing_option(
        0.0, "Training: how likely each joint, each hand and the face is left out of a clip.", ge=0, le=1
    )
    jitter: float = drawing_option(
        0.0, "Training: by how much a clip's head and face are moved, in lengths of the person; hides whose they are.",
        ge=0, le=0.2,
    )  # fmt: skip


class Pose(Conditioner):
    """The joints of one or several bodies, with hands and face where they are known."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = PoseOptions
    retargets: ClassVar[bool] = True
    reads: ClassVar[str] = "json_dir"
    sides: ClassVar[Mapping[str, tuple[int, ...]]] = SIDES
    offers: ClassVar[tuple[str, ...]] = NAMES
    options: PoseOptions

    @property
    def channels(self) -> int:
        """Red, green and blue of the drawing."""
        return 3

    @property
    def serial(self) -> bool:
        """MediaPipe's threads take turns."""
        return self.options.json_dir is None and choose(self.options.backend, self.options.weights) == "mediapipe"

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        """Points `body` (25 p, 3), p being the option `people`; also `left_hand` and `right_hand` (21 p, 3) and `face`
        (70 p, 3) where models or files give them. Person after person, NaN where not found.

        Raises: MissingPackageError, MissingWeightsError; FilesMismatchError, LabelFilesError, MissingFileError for
        files.
        """
        own = self.options
        if own.json_dir is not None:
            opened = open_files(own.json_dir, self.footage)
        else:
            opened = open_backend(own.backend, own.people, own.weights, own.hands_model, own.face_model)
        with opened as backend:
            follower = Follower(backend, own.person, own.people, own.smooth)
            for frame in frames:
                yield follower.annotate(frame)

    def render(self, annotation: Annotation, view: View) -> Floats:
        """(3, height, width): the drawing, RGB from -1 to 1; black where there is nothing."""
        drawing = self._drawing(annotation, view)
        drawing *= np.float32(1 / 127.5)
        drawing -= 1
        return np.ascontiguousarray(np.clip(drawing, -1, 1, out=drawing).transpose(2, 0, 1))

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        """The same drawing."""
        return np.rint(self._drawing(annotation, view)).astype(np.uint8)

    def _drawing(self, annotation: Annotation, view: View) -> Floats:
        own = self.options
        whole = not own.basic
        style = Style(int(own.layout), whole, whole and own.hands, whole and own.face, own.least)
        return draw(annotation.points if annotation.quality > 0 else {}, view, style)

    def augment(self, annotations: Sequence[Annotation], random: np.random.Generator) -> Sequence[Annotation]:
        """Joints, hands and faces left out by `drop`, heads moved by `jitter`: the same throughout the clip."""
        return vary(annotations, random, self.options.drop, self.options.jitter)

    def regions(self, annotation: Annotation, view: View) -> dict[str, Floats]:
        """See `regions.regions_of`: boxes of `face` (p, 4) and `hands` (2 p, 4), p being the option `people`."""
        points = annotation.points if annotation.quality > 0 else {"body": empty(BODY * self.options.people)}
        return regions_of(points, view, self.options.least)

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """See `body.describe`; {} where nobody was found."""
        return describe(annotations)

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """The source's people in the target's place and proportions, in frames of the target's size.

        Empty annotations stay empty. Where a side's limbs are not known, what the source shows is scaled to the
        target's height; without statistics of a side the points pass unchanged.
        """
        if not (source and target):
            yield from annotations
            return
        height, width = int(target["height"]), int(target["width"])
        known = bool(source.get("limbs")) and bool(target.get("limbs"))
        change = BodyRetarget(source, target)
        for one in annotations:
            points = change(one.points) if known else _scaled(one, height, width)
            yield replace(one, height=height, width=width, points=points)

    def distances(self, found: Annotation, wanted: Annotation) -> dict[str, float]:
        """See `distance.skeleton_distances`; {} where nobody is."""
        if min(found.quality, wanted.quality) <= 0:
            return {}
        return skeleton_distances(found.points["body"], wanted.points["body"])

    def fingerprint(self) -> dict[str, Any]:
        """Options, the backend that would be used, its version, and the sha256 of the models."""
        own = self.options
        mine = super().fingerprint()
        models = {name: digest(getattr(own, name)) for name in ("weights", "hands_model", "face_model")}
        backend = choose(own.backend, own.weights)
        mine["options"] = {**mine["options"], **models}
        return {**mine, "backend": backend, "version": version(backend), "model": own_digest(backend)}


def _scaled(one: Annotation, height: int, width: int) -> dict[str, Floats]:
    """The points in a frame of another size: all of its height, middle on middle."""
    half = 0.5 * one.height * width / height
    view = View.of_box((one.width / 2 - half, 0.0, one.width / 2 + half, float(one.height)), height, width)
    return {name: np.column_stack([view.points(rows[:, :2]), rows[:, 2:]]) for name, rows in one.points.items()}
