"""DensePose as a conditioner: the published 3 channels I, U, V, found by detectron2 or read from IUV pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from vid2vid_cli.conditioning import (
    Annotation,
    Bytes,
    Conditioner,
    ConditionerSpec,
    CutDetector,
    Floats,
    Options,
    Person,
    Statistics,
    Tracker,
    View,
    digest_of,
    drawing_option,
    files_option,
    view_image,
)
from vid2vid_densepose import SPEC
from vid2vid_densepose.backend import Detectron
from vid2vid_densepose.body_boxes import Finder, drawn
from vid2vid_densepose.iuv_files import IuvFiles, Order
from vid2vid_densepose.parts import COUNT, FACE, HANDS, boxes_of, channels_of, coloured, mirrored, without
from vid2vid_densepose.retarget import describe, moved, similarity


class DensePoseOptions(Options):
    """What can be set with `--option densepose.…`."""

    iuv_dir: Path | None = files_option(
        "A folder of IUV pictures that were made elsewhere, one per frame in the order of their names."
    )
    order: Order = Field(
        "auto",
        description="What red, green and blue of those pictures are; vui: written by OpenCV as I, U, V. "
        "auto: the channel that never exceeds 24 is I.",
    )
    weights: Path | None = Field(None, description="Weights of a DensePose model (.pkl), by default R_50_FPN_s1x.")
    config: Path | None = Field(None, description="The YAML file of another model of DensePose's zoo.")
    threshold: float = Field(0.8, gt=0, lt=1, description="Least score of a person who is found.")
    person: Person = Field("largest", description="Who is followed: largest, centre, or 1, 2, ... from left to right.")
    people: int = Field(1, ge=1, le=20, description="How many are drawn, the followed one first.")
    drop: float = drawing_option(0.0, "Training: chance of each of the 24 parts to be left out of a clip.", ge=0, le=1)
    remove_face: bool = drawing_option(False, "Leave out the head (parts 23 and 24), in training and afterwards.")


class DensePose(Conditioner):
    """Parts of the body and places on them."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = DensePoseOptions
    retargets: ClassVar[bool] = True
    reads: ClassVar[str] = "iuv_dir"
    offers: ClassVar[tuple[str, ...]] = ("face", "hands")
    options: DensePoseOptions

    @property
    def channels(self) -> int:
        """Three: I, U and V."""
        return 3

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        """The image `iuv` (h, w, 3) uint8; quality is the score of the best person, 1 for files, 0 where nobody is.

        `person` and `people` choose among those who are found; files are taken with everybody in them.

        Raises: MissingPackageError, MissingWeightsError; FilesMismatchError, LabelFilesError for files.
        """
        if self.options.iuv_dir is not None:
            for iuv in IuvFiles(self.options.iuv_dir, self.options.order, self.footage).read(frames):
                yield _annotation(iuv, 1.0)
        else:
            finder = Detectron(self.options.weights, self.options.config, self.options.threshold)
            yield from self.found(frames, finder)

    def found(self, frames: Iterable[Bytes], finder: Finder) -> Iterator[Annotation]:
        """`annotate` with people from `finder`."""
        tracker, is_cut = Tracker(self.options.person, self.options.people), CutDetector()
        for frame in frames:
            height, width = frame.shape[:2]
            bodies = finder(frame)
            boxes, scores = [one.box for one in bodies], [one.score for one in bodies]
            wanted = tracker.follow(boxes, scores, height, width, cut=is_cut(frame))
            chosen = [bodies[index] for index in wanted if index is not None]
            best = max((one.score for one in chosen), default=0.0)
            yield _annotation(drawn(chosen, height, width), min(max(best, 0.0), 1.0))

    def render(self, annotation: Annotation, view: View) -> Floats:
        """(3, height, width): I with 0 to 24 over [-1, 1], U and V; the nearest pixel of each, so that none blend."""
        return channels_of(self._seen(annotation, view))

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        """A hue for each part, on black."""
        return coloured(self._seen(annotation, view))

    def _seen(self, annotation: Annotation, view: View) -> Bytes:
        iuv = annotation.images.get("iuv")
        if iuv is None:
            return np.zeros((view.height, view.width, 3), dtype=np.uint8)
        seen: Bytes = view_image(iuv, view, nearest=True)
        return without(seen, FACE) if self.options.remove_face else seen

    def augment(self, annotations: Sequence[Annotation], random: np.random.Generator) -> Sequence[Annotation]:
        """Each part is left out of the whole clip with the chance `drop`."""
        lost = 1 + np.flatnonzero(random.random(COUNT) < self.options.drop)
        if not len(lost):
            return annotations
        return [
            replace(one, images={name: without(image, lost.tolist()) for name, image in one.images.items()})
            for one in annotations
        ]

    def mirror(self, annotation: Annotation) -> Annotation:
        """See `parts.mirrored`."""
        return replace(annotation, images={name: mirrored(image) for name, image in annotation.images.items()})

    def regions(self, annotation: Annotation, view: View) -> dict[str, Floats]:
        """One box of the largest head, one for each side's largest hand; `remove_face` does not hide it here."""
        seen = np.zeros((1, 1, 3), np.uint8)
        if annotation.quality > 0:
            seen = view_image(annotation.images["iuv"], view, nearest=True)
        return {"face": boxes_of(seen, FACE), "hands": np.concatenate([boxes_of(seen, (hand,)) for hand in HANDS])}

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """See `retarget.describe`; {} where nobody was found."""
        return describe(annotations)

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """The picture moved and scaled as a whole: height, floor and median place become the target's.

        Proportions stay the source's: an image of parts cannot change them. Without statistics of both sides
        annotations pass as they are, and where nobody was found in the target's size.
        """
        if not target:
            yield from annotations
            return
        view = similarity(source, target) if source else None
        height, width = int(target["height"]), int(target["width"])
        for one in annotations:
            if view is not None and one.quality > 0 and "iuv" in one.images:
                yield replace(one, height=height, width=width, images={"iuv": moved(one.images["iuv"], view)})
            elif one.quality > 0:
                yield one
            else:
                yield _annotation(np.zeros((height, width, 3), dtype=np.uint8), 0.0)

    def fingerprint(self) -> dict[str, Any]:
        """Options; of the model's files what is in them and not where they lie."""
        found = super().fingerprint()
        for name in ("weights", "config"):
            path: Path | None = getattr(self.options, name)
            found["options"][name] = _hash(path.expanduser()) if path is not None else None
        return found


def _annotation(iuv: Bytes, quality: float) -> Annotation:
    height, width = iuv.shape[:2]
    return Annotation(height, width, quality if iuv.any() else 0.0, images={"iuv": iuv})


def _hash(path: Path) -> str:
    """sha256 of a file; "" where there is none, which `annotate` will say."""
    try:
        return digest_of(path)
    except OSError:
        return ""
