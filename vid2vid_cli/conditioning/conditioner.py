"""The conditioner API: annotate, render, retarget."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.description import describe_annotation
from vid2vid_cli.conditioning.mirroring import flipped_id_table, hflip_images, hflip_points
from vid2vid_cli.conditioning.options import Options as BaseOptions
from vid2vid_cli.conditioning.spec import ConditionerSpec
from vid2vid_cli.conditioning.video_context import VideoContext
from vid2vid_cli.conditioning.video_frame import VideoFrame
from vid2vid_cli.core.geometry import FloatArray, UInt8Array, View

LABELS_KEY, INSTANCES_KEY = "labels", "instances"
"""Keys of `Annotation.images` for class ids and instance ids."""

Self = TypeVar("Self", bound="Conditioner")
ConditionArray: TypeAlias = "NDArray[np.float32 | np.int8]"
Statistics = dict[str, Any]
"""Statistics of a clip as JSON data. Optional common keys: `subject_box`, the box (x0, y0, x1, y1) of the subject in
pixels of the annotated frame, used for cropping; `class_shares`, the share of the pixels of each class, by name."""


@dataclass(frozen=True)
class LabelClass:
    """One class of a label map."""

    id: int
    name: str
    colour: tuple[int, int, int]
    """RGB colour for visualisations."""


@dataclass(frozen=True)
class Annotation:
    """The result of a conditioner for one frame.

    `points`: name -> (n, 2) or (n, 3) float32; x and y in pixels of a frame of `height` x `width`, and optionally a
    confidence. Rows of undetected points are NaN. The shape for each name is the same on every frame.
    `images`: name -> (height, width) or (height, width, 3) uint8, or (height, width) uint16.
    `quality`: 0 = no detection, 1 = certain.
    """

    height: int
    width: int
    quality: float
    points: Mapping[str, FloatArray] = field(default_factory=dict)
    images: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class SubjectImage:
    """An image for `Conditioner.subject_masks`, what it shows, and where."""

    image: UInt8Array
    """(h, w, 3) RGB."""
    annotation: Annotation
    view: View
    """From the frame of the annotation to the image."""


class Conditioner(ABC):
    """Converts frames to condition channels. The constructor is cheap: it loads no heavy library and no weights."""

    spec: ClassVar[ConditionerSpec]
    Options: ClassVar[type[BaseOptions]] = BaseOptions
    supports_retargeting: ClassVar[bool] = False
    """Whether `retarget` fits annotations to the target's frame; if False, they keep the source's coordinates."""
    input_option: ClassVar[str] = ""
    """Name of the `input_path_option` from which existing labels are read instead of detected; "" if there is none."""
    reads_drawings: ClassVar[bool] = False
    """For conditioners of points: whether `input_option` also accepts a video or images in which points are drawn."""
    has_detector: ClassVar[bool] = True
    """Whether the conditioner can annotate any video; False: it only reads existing labels."""
    uses_torch: ClassVar[bool] = False
    """Whether `annotate` imports torch; then `transfer` calls it in the process of the generator."""
    flip_indices: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    """Point name -> source row for each row after a horizontal flip, of one person (left eye <-> right eye); not needed
    for points without sides, nor for sides that the names express, such as `left_hand` and `right_hand`."""
    shape_parts: ClassVar[Mapping[str, Mapping[str, tuple[int, ...]]]] = {}
    """Parts that change their shape by themselves, such as the mouth: name -> point name -> rows."""
    context_points: ClassVar[tuple[str, ...]] = ()
    """Names of points outside the subject, which do not define its place, such as those on the torso below a face."""
    region_names: ClassVar[tuple[str, ...]] = ()
    """Names of the boxes that `region_boxes` may return, such as face, eyes, mouth, hands."""
    part_names: ClassVar[tuple[str, ...]] = ()
    """Names of the parts of the subject that `missing_parts` may return, such as head, torso, left leg."""
    error_units: ClassVar[Mapping[str, str]] = {}
    """Units of the metrics of `errors`, such as {"landmark_error": "%"}, for tables; those left out have none."""
    subject: ClassVar[Literal["", "face", "person"]] = ""
    """What `subject_masks` covers; "": it has no subject, and its results have no other background."""
    mask_install_command: str = ""
    """The pip command of what `subject_masks` lacks to segment images, which it approximates; "": nothing."""

    def __init__(self, options: BaseOptions | None = None) -> None:
        self.options = options if options is not None else type(self).Options()
        self.video_context: VideoContext | None = None
        """The video and frame range that `annotate` receives, if known."""
        self.remarks: tuple[str, ...] = ()
        """Assumptions about the input files, as sentences for the user."""

    def bind(self: Self, video_context: VideoContext) -> Self:
        """Return a copy for one video; `annotate` of the copy reads input files that belong to this video."""
        bound = copy(self)
        bound.video_context = video_context
        return bound

    def report(self, notices: Iterable[str]) -> None:
        """Add sentences for the user about the video; for `annotate`. Without a `video_context` they are dropped."""
        if self.video_context is not None:
            self.video_context.notices.extend(notices)

    def input_paths(self) -> list[Path]:
        """Return the files and folders that are set by the input path options."""
        paths = [getattr(self.options, name) for name in self.options.names_with_role("input")]
        return [value for value in paths if value is not None]

    @property
    def runs_on_one_core(self) -> bool:
        """Whether `prepare` binds `annotate` and its threads to one CPU core: MediaPipe is 12 to 15 % faster on one."""
        return False

    @property
    @abstractmethod
    def num_channels(self) -> int:
        """Number of condition channels that `render` returns."""

    @abstractmethod
    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield one annotation per frame, in order; a few frames may be read ahead.

        All state (trackers, smoothing) is local to the call; state of the previous shot is discarded at a frame with
        `is_cut`. A frame without a detection yields an annotation of quality 0.

        Raises: MissingPackageError, MissingWeightsError.
        """

    @abstractmethod
    def render(self, annotation: Annotation, view: View) -> ConditionArray:
        """Return the condition (num_channels, view.height, view.width): float32 in [-1, 1], or int8 of -1, 0 and 1.

        Use int8 for label maps with many channels: a clip then takes a quarter of the memory.

        Must be fast, exact and thread-safe, and use only NumPy and OpenCV, not the library that `annotate` needs. Line
        widths are a share of `view.full_size`, so that a crop shows lines of the same width as the full frame.
        """

    @abstractmethod
    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """Return an RGB image of the condition, (view.height, view.width, 3) uint8, for contact sheets and samples."""

    def augment(self, annotations: Sequence[Annotation], rng: np.random.Generator) -> Sequence[Annotation]:
        """Return the annotations of one training clip with the random changes that the options set; default: none.

        The random values are sampled once per clip: changes from frame to frame would train the model to flicker.
        """
        return annotations

    def hflip(self, annotation: Annotation) -> Annotation:
        """Return the annotation of the horizontally flipped frame. Two flips give the original.

        Points are swapped by `flip_indices`; names of points, images and classes are swapped where both a `left` and
        a `right` name exist. Override this method if other data depends on the side.
        """
        id_table = flipped_id_table(tuple((label_class.id, label_class.name) for label_class in self.classes()))
        points = hflip_points(annotation.points, annotation.width, self.flip_indices)
        return replace(annotation, points=points, images=hflip_images(annotation.images, id_table))

    def region_boxes(self, annotation: Annotation, view: View) -> dict[str, FloatArray]:
        """Return boxes (n, 4) float32 for each of `region_names`, for region discriminators; default: {}.

        Boxes are (x0, y0, x1, y1) in pixels of the view and may lie partly outside it; NaN where nothing is detected.
        n is constant for each name. Options that omit parts from the condition do not change the boxes.
        """
        return {}

    def missing_parts(self, annotation: Annotation) -> tuple[str, ...]:
        """Return those of `part_names` that an annotation with a detection lacks; default: ()."""
        return ()

    def subject_masks(self, images: Iterable[SubjectImage]) -> Iterator[FloatArray]:
        """Yield the share of each pixel of each image, in order, that the `subject` covers: (h, w) float32, 0 to 1."""
        raise NotImplementedError(f"{self.spec.name} has no subject")

    def describe(self, annotation: Annotation, view: View) -> FloatArray:
        """Return a vector (d,), close to those of the frames that can be reference frames of this one.

        NaN: not detected. Default: points in multiples of the image's height, or the condition at a low resolution.
        """
        return describe_annotation(annotation.points, view, lambda small_view: self.render(annotation, small_view))

    def bones(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """Return point name -> pairs of rows that move as rigid parts, by which reference frames are aligned; or {}.

        Without bones, all points are aligned, and the rest of the picture as it moved with them in the footage.
        """
        return {}

    def classes(self) -> tuple[LabelClass, ...]:
        """Return the classes of the label maps; () if the conditioner has none."""
        return ()

    def class_channels(self) -> dict[str, int]:
        """Return class name -> channel of `render`, in channel order; without classes that share a channel."""
        return {label_class.name: index for index, label_class in enumerate(self.classes())}

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Return the statistics of a clip that `retarget` and cropping need, as JSON data; {} without any detection.

        `annotations` may contain annotations of quality 0. Each one is read from disk on access: see `subsample`.
        """
        return {}

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """Yield the source's annotations, fitted to the target's position and proportions; default: unchanged."""
        yield from annotations

    def errors(self, detected: Annotation, reference: Annotation) -> dict[str, float]:
        """Return the errors of a detection on a generated image against its reference, by metric name; for `evaluate`.

        Both annotations are in pixels of the same image. Metric names are unique among conditioners; the override's
        docstring explains them, and `error_units` gives their units. Smaller is better, except for names that end in
        `_iou` or `_pck`. {} if there is no detection or (the default) no metric.
        """
        return {}

    def measure(self, annotation: Annotation) -> dict[str, float]:
        """Return values of the subject by name, such as mouth_open, which can be attributes of frames; default: {}.

        All annotations have the same names; NaN where nothing is detected. The override's docstring gives their units.
        """
        return {}

    def fingerprint(self) -> dict[str, Any]:
        """Return what annotations depend on, as JSON: detection options, backend, versions; not the input files."""
        excluded_names = {*self.options.names_with_role("input"), *self.options.names_with_role("rendering")}
        options = self.options.model_dump(mode="json", exclude=excluded_names)
        return {"name": self.spec.name, "api_version": self.spec.api_version, "options": options}
