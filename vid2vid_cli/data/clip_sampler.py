"""Training clips of a dataset."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch

from vid2vid_cli.conditioning import Annotation, ConditionArray, Conditioner, View, view_image
from vid2vid_cli.conditioning.instances import InstanceReader
from vid2vid_cli.core.errors import TooFewFramesError
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.augmentation import NO_AUGMENTATION, ClipAugmentation, ClipSpec
from vid2vid_cli.data.batch_sampler import BatchSampler
from vid2vid_cli.data.dataset import Dataset, FrameRange, valid_ranges
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.data.reference_selection import ReferenceSource
from vid2vid_cli.data.regions import clip_region_boxes
from vid2vid_cli.data.subject_displacement import ClipFrames, SubjectDisplacer


def render_conditions(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation], views: Sequence[View]
) -> ConditionArray:
    """Render and concatenate the channels of all conditioners for one frame, (c, h, w) in [-1, 1], float32 or int8.

    Each conditioner has its own view; all views have the same size. Retargeted annotations are in pixels of the
    target's frames, the others in pixels of the source's frames.
    """
    rendered = [c.render(a, view) for c, a, view in zip(conditioners, annotations, views, strict=True)]
    return rendered[0] if len(rendered) == 1 else np.concatenate(rendered)


def load_clip(
    dataset: Dataset,
    conditioners: Sequence[Conditioner],
    clip_spec: ClipSpec,
    *,
    rng: np.random.Generator | None = None,
    region_names: Sequence[str] = (),
    thing_class_ids: Collection[int] | None = None,
    reference_source: ReferenceSource | None = None,
    displacer: SubjectDisplacer | None = None,
) -> ClipBatch:
    """Load a clip of a dataset as a batch of one; with `rng`, the conditioners augment their annotations.

    With `thing_class_ids`, the batch contains instance maps in which the regions of these classes are separate. With
    `reference_source`, it contains reference frames; with `rng`, none of them is close to the clip in time. Without
    `displacer`, `clip_spec.subject_offset` has no effect.
    """
    frame_ranges = [FrameRange(clip_spec.frame_range.clip_index, index, index + 1) for index in clip_spec.frame_indices]
    annotations_by_conditioner: list[Sequence[Annotation]] = [
        dataset.annotations(frame_ranges, c.spec.name) for c in conditioners
    ]
    clip_frames, view = _load_frames(dataset, annotations_by_conditioner, clip_spec, displacer), clip_spec.view
    if clip_spec.is_flipped:
        annotations_by_conditioner = [
            list(map(c.hflip, annotations))
            for c, annotations in zip(conditioners, annotations_by_conditioner, strict=True)
        ]
        clip_frames, view = _flip(clip_frames, dataset.width), view.hflip(dataset.width)
    boxes = clip_region_boxes(conditioners, annotations_by_conditioner, clip_frames.subject_view, region_names)
    if rng is not None:
        annotations_by_conditioner = [
            c.augment(annotations, rng) for c, annotations in zip(conditioners, annotations_by_conditioner, strict=True)
        ]
    views = [clip_frames.subject_view] * len(conditioners)
    read_instances = None if thing_class_ids is None else InstanceReader(conditioners, views, thing_class_ids)
    frame_conditions, frame_tensors, frame_instances = [], [], []
    for frame, annotations_of_frame in zip(
        clip_frames.frames, zip(*annotations_by_conditioner, strict=True), strict=True
    ):
        frame_conditions.append(torch.from_numpy(render_conditions(conditioners, annotations_of_frame, views)))
        if read_instances is not None:
            frame_instances.append(torch.from_numpy(read_instances(annotations_of_frame)))
        frame_tensors.append(frame_to_tensor(view_image(frame, clip_frames.view)))
    instance_maps = torch.stack(frame_instances)[None] if frame_instances else None
    references = None
    if reference_source is not None:
        references = reference_source.clip_references(
            list(zip(*annotations_by_conditioner, strict=True)),
            clip_spec,
            view,
            subject_view=clip_frames.subject_view,
            is_training=rng is not None,
        )
    return ClipBatch(
        torch.stack(frame_conditions)[None],
        torch.stack(frame_tensors)[None],
        regions=boxes,
        instances=instance_maps,
        references=references,
    )


def _load_frames(
    dataset: Dataset,
    annotations_by_conditioner: Sequence[Sequence[Annotation]],
    clip_spec: ClipSpec,
    displacer: SubjectDisplacer | None,
) -> ClipFrames:
    """The frames of a clip before a flip; loaded one by one, as a long clip of large frames would take much memory."""
    frames = (dataset.load_frame(clip_spec.frame_range.clip_index, index) for index in clip_spec.frame_indices)
    if displacer is None or not any(clip_spec.subject_offset):
        return ClipFrames(frames, dataset.width, clip_spec.view, clip_spec.view)
    return displacer.displace(frames, list(zip(*annotations_by_conditioner, strict=True)), clip_spec)


def _flip(clip: ClipFrames, frame_width: int) -> ClipFrames:
    """The clip of the mirrored frames; `frame_width`: of the dataset's frames."""
    return ClipFrames(
        (np.ascontiguousarray(frame[:, ::-1]) for frame in clip.frames),
        clip.width,
        clip.view.hflip(clip.width),
        clip.subject_view.hflip(frame_width),
    )


class ClipSampler(BatchSampler):
    """Samples clips of a dataset."""

    def __init__(
        self,
        dataset: Dataset,
        conditioners: Sequence[Conditioner],
        view: View,
        *,
        seed: int,
        batch_size: int,
        augmentation: ClipAugmentation = NO_AUGMENTATION,
        region_names: Sequence[str] = (),
        thing_class_ids: Collection[int] | None = None,
        is_label_prediction: bool = False,
        reference_source: ReferenceSource | None = None,
        attributes: Sequence[FloatArray] | None = None,
    ) -> None:
        self.dataset = dataset
        self.conditioners = tuple(conditioners)
        self.view = view
        self.seed = seed
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.region_names = tuple(region_names)
        """Names of the regions whose boxes are in the batches."""
        self.thing_class_ids = thing_class_ids
        """Classes whose regions are separate instances in the batches' instance maps; None: no instance maps."""
        self.is_label_prediction = is_label_prediction
        """Whether the target frames are the rendered conditions."""
        self.reference_source = reference_source
        self.displacer: SubjectDisplacer | None = None
        """Moves the subject of clips that have a `subject_offset`."""
        self.attributes = attributes
        """Attributes (frames, k) of each clip of the dataset; None: no attributes in the batches. Frames with NaN are
        left out."""
        is_usable = None if attributes is None else [np.array(np.isfinite(values).all(1)) for values in attributes]
        self.ranges = valid_ranges(dataset, [c.spec.name for c in conditioners], "train", is_usable)
        self.max_range_length = max((frame_range.num_frames for frame_range in self.ranges), default=0)
        """Number of frames of the longest range."""
        if self.max_range_length < 2:
            raise TooFewFramesError(
                f"{dataset.folder} has no two consecutive training frames with detections.",
                "Prepare a longer video, or a video in which the subject is visible in more frames.",
            )

    def load_random_clip(self, length: int, rng: np.random.Generator) -> ClipBatch:
        """A random training clip as a batch of one."""
        return self._load_clip(self.sample_clip(length, rng), rng, self.region_names)

    def sample_clip(self, length: int, rng: np.random.Generator) -> ClipSpec:
        """Sample the frames and the view of a clip; all start frames are equally likely."""
        ranges = [frame_range for frame_range in self.ranges if frame_range.num_frames >= length]
        num_starts = np.array([frame_range.num_frames - length + 1 for frame_range in ranges], dtype=np.float64)
        frame_range = ranges[rng.choice(len(ranges), p=num_starts / num_starts.sum())]
        return self.augmentation.sample_clip(
            frame_range, length, self.view, (self.dataset.height, self.dataset.width), rng
        )

    def load_range(self, frame_range: FrameRange) -> ClipBatch:
        """Load a range without augmentation as a batch of one."""
        return self._load_clip(ClipSpec(self.view, frame_range))

    def _load_clip(
        self, clip_spec: ClipSpec, rng: np.random.Generator | None = None, region_names: Sequence[str] = ()
    ) -> ClipBatch:
        clip = load_clip(
            self.dataset,
            self.conditioners,
            clip_spec,
            rng=rng,
            region_names=region_names,
            thing_class_ids=self.thing_class_ids,
            reference_source=self.reference_source,
            displacer=self.displacer,
        )
        if self.attributes is not None:
            values = self.attributes[clip_spec.frame_range.clip_index][list(clip_spec.frame_indices)]
            clip = replace(clip, attributes=torch.from_numpy(values)[None])
        return clip.as_label_prediction() if self.is_label_prediction else clip
