"""The conditioner `densepose`: the published channels I, U, V, detected by detectron2 or read from IUV images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    ConditionerSpec,
    FloatArray,
    Options,
    PersonOption,
    Statistics,
    Tracker,
    UInt8Array,
    VideoFrame,
    View,
    expand_home,
    input_path_option,
    render_option,
    sha256_of_files,
    view_image,
)
from vid2vid_densepose import SPEC
from vid2vid_densepose.backend import Detectron2Detector
from vid2vid_densepose.body_boxes import PersonDetector, draw_iuv
from vid2vid_densepose.iuv_files import ChannelOrder, IuvReader
from vid2vid_densepose.parts import (
    FACE_PARTS,
    HAND_PARTS,
    NUM_PARTS,
    colourise,
    condition_channels,
    hflip_iuv,
    largest_component_box,
    remove_parts,
)
from vid2vid_densepose.retarget import fit_similarity, person_statistics, warp_iuv


class DensePoseOptions(Options):
    """Options of the conditioner `densepose`."""

    input_dir: Path | None = input_path_option(
        "A folder of IUV images that replace detection, one per frame in the order of their names."
    )
    channel_order: ChannelOrder = Field(
        "auto",
        description="Meaning of red, green and blue in these images; vui: I, U, V as written by OpenCV; "
        "auto: I is the channel that never exceeds 24.",
    )
    weights: Path | None = Field(
        None, description="Weights of a DensePose model (.pkl); without config, of R_50_FPN_s1x."
    )
    config: Path | None = Field(None, description="YAML file of another model of the DensePose model zoo.")
    min_confidence: float = Field(0.8, gt=0, lt=1, description="Minimum detection score of a person.")
    person: PersonOption = Field("largest", description="Person to track: largest, centre, or a number (1 = leftmost).")
    num_people: int = Field(1, ge=1, le=20, description="Number of people to annotate, including the tracked person.")
    part_dropout: float = render_option(
        0.0, "In training, probability that each of the 24 parts is removed from a clip.", ge=0, le=1
    )
    remove_face: bool = render_option(False, "Remove the head (parts 23 and 24) from the condition.")


class DensePose(Conditioner):
    """Body parts and surface coordinates of people."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = DensePoseOptions
    uses_torch: ClassVar[bool] = True
    supports_retargeting: ClassVar[bool] = True
    input_option: ClassVar[str] = "input_dir"
    region_names: ClassVar[tuple[str, ...]] = ("face", "hands")
    options: DensePoseOptions

    @property
    def num_channels(self) -> int:
        """Three: I, U and V."""
        return 3

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield the image `iuv` (h, w, 3) uint8; quality is the best detection score, 1 for files, 0 without a person.

        `person` and `num_people` select among the detected people; files are used with all people in them.

        Raises: MissingPackageError, MissingWeightsError; InputFileMismatchError, LabelFileError for files.
        """
        if self.options.input_dir is not None:
            reader = IuvReader(self.options.input_dir, self.options.channel_order, self.video_context)
            for iuv in reader.read(frame.rgb for frame in frames):
                yield _make_annotation(iuv, 1.0)
        else:
            detector = Detectron2Detector(self.options.weights, self.options.config, self.options.min_confidence)
            yield from self.annotate_with(frames, detector)

    def annotate_with(self, frames: Iterable[VideoFrame], detector: PersonDetector) -> Iterator[Annotation]:
        """Annotate with the people that `detector` returns."""
        tracker = Tracker(self.options.person, self.options.num_people)
        for frame in frames:
            height, width = frame.rgb.shape[:2]
            people = detector(frame.rgb)
            boxes, scores = [person.box for person in people], [person.score for person in people]
            selected_indices = tracker.update(boxes, scores, frame)
            selected_people = [people[index] for index in selected_indices if index is not None]
            best_score = max((person.score for person in selected_people), default=0.0)
            yield _make_annotation(draw_iuv(selected_people, height, width), min(max(best_score, 0.0), 1.0))
        self.report(f"{SPEC.name}.{warning}" for warning in tracker.warnings)

    def render(self, annotation: Annotation, view: View) -> FloatArray:
        """Return (3, height, width): I (0 to 24), U and V, each scaled to [-1, 1]; nearest-neighbour sampling."""
        return condition_channels(self._view_iuv(annotation, view))

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """Return one hue per body part, on black."""
        return colourise(self._view_iuv(annotation, view))

    def _view_iuv(self, annotation: Annotation, view: View) -> UInt8Array:
        iuv = annotation.images.get("iuv")
        if iuv is None:
            return np.zeros((view.height, view.width, 3), dtype=np.uint8)
        viewed_iuv: UInt8Array = view_image(iuv, view, nearest=True)
        return remove_parts(viewed_iuv, FACE_PARTS) if self.options.remove_face else viewed_iuv

    def augment(self, annotations: Sequence[Annotation], rng: np.random.Generator) -> Sequence[Annotation]:
        """Remove each part from the whole clip with the probability `part_dropout`."""
        dropped_parts = 1 + np.flatnonzero(rng.random(NUM_PARTS) < self.options.part_dropout)
        if not len(dropped_parts):
            return annotations
        return [
            replace(
                annotation,
                images={name: remove_parts(image, dropped_parts.tolist()) for name, image in annotation.images.items()},
            )
            for annotation in annotations
        ]

    def hflip(self, annotation: Annotation) -> Annotation:
        """Flip the IUV images, with left and right parts exchanged; see `hflip_iuv`."""
        return replace(annotation, images={name: hflip_iuv(image) for name, image in annotation.images.items()})

    def region_boxes(self, annotation: Annotation, view: View) -> dict[str, FloatArray]:
        """Return the box of the largest head and of the largest hand of each side; `remove_face` has no effect."""
        viewed_iuv = np.zeros((1, 1, 3), np.uint8)
        if annotation.quality > 0:
            viewed_iuv = view_image(annotation.images["iuv"], view, nearest=True)
        return {
            "face": largest_component_box(viewed_iuv, FACE_PARTS),
            "hands": np.concatenate([largest_component_box(viewed_iuv, (hand,)) for hand in HAND_PARTS]),
        }

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Return `person_statistics`; {} without any detection."""
        return person_statistics(annotations)

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """Yield the IUV images moved and scaled as a whole, to the target's person height, floor and median position.

        The proportions stay those of the source. Without source statistics, annotations are unchanged; frames without
        a detection get the target's size.
        """
        if not target:
            yield from annotations
            return
        view = fit_similarity(source, target) if source else None
        height, width = int(target["height"]), int(target["width"])
        for annotation in annotations:
            if view is not None and annotation.quality > 0 and "iuv" in annotation.images:
                yield replace(
                    annotation, height=height, width=width, images={"iuv": warp_iuv(annotation.images["iuv"], view)}
                )
            elif annotation.quality > 0:
                yield annotation
            else:
                yield _make_annotation(np.zeros((height, width, 3), dtype=np.uint8), 0.0)

    def fingerprint(self) -> dict[str, Any]:
        """Return the detection options, with the sha256 of the model files instead of their paths."""
        data = super().fingerprint()
        for name in ("weights", "config"):
            path: Path | None = getattr(self.options, name)
            data["options"][name] = _file_sha256(expand_home(path)) if path is not None else None
        return data


def _make_annotation(iuv: UInt8Array, quality: float) -> Annotation:
    height, width = iuv.shape[:2]
    return Annotation(height, width, quality if iuv.any() else 0.0, images={"iuv": iuv})


def _file_sha256(path: Path) -> str:
    """Return the sha256 of a file; "" if it is missing, which `annotate` reports."""
    try:
        return sha256_of_files(path)
    except OSError:
        return ""
