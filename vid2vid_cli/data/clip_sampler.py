"""Training clips, sampled as a function of the step, so that a resumed run gets the same batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from itertools import count

import numpy as np
import torch

from vid2vid_cli.conditioning import Annotation, ConditionArray, Conditioner, View, view_image
from vid2vid_cli.conditioning.instances import InstanceReader
from vid2vid_cli.core.errors import TooFewFramesError
from vid2vid_cli.core.prefetch import prefetch_map
from vid2vid_cli.core.types import ClipBatch, ClipReferences
from vid2vid_cli.data.augmentation import NO_AUGMENTATION, ClipAugmentation, ClipSpec
from vid2vid_cli.data.dataset import Dataset, FrameRange, valid_ranges
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.data.reference_selection import ReferenceSource
from vid2vid_cli.data.regions import clip_region_boxes


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
) -> ClipBatch:
    """Load a clip of a dataset as a batch of one; with `rng`, the conditioners augment their annotations.

    With `thing_class_ids`, the batch contains instance maps in which the regions of these classes are separate. With
    `reference_source`, it contains reference frames; with `rng`, none of them is close to the clip in time.
    """
    view = clip_spec.view.hflip(dataset.width) if clip_spec.is_flipped else clip_spec.view
    frame_ranges = [FrameRange(clip_spec.frame_range.clip_index, index, index + 1) for index in clip_spec.frame_indices]
    annotations_by_conditioner: list[Sequence[Annotation]] = [
        dataset.annotations(frame_ranges, c.spec.name) for c in conditioners
    ]
    if clip_spec.is_flipped:
        annotations_by_conditioner = [
            list(map(c.hflip, annotations))
            for c, annotations in zip(conditioners, annotations_by_conditioner, strict=True)
        ]
    boxes = clip_region_boxes(conditioners, annotations_by_conditioner, view, region_names)
    if rng is not None:
        annotations_by_conditioner = [
            c.augment(annotations, rng) for c, annotations in zip(conditioners, annotations_by_conditioner, strict=True)
        ]
    views = [view] * len(conditioners)
    read_instances = None if thing_class_ids is None else InstanceReader(conditioners, views, thing_class_ids)
    frame_conditions, frame_tensors, frame_instances = [], [], []
    for index, annotations_of_frame in zip(
        clip_spec.frame_indices, zip(*annotations_by_conditioner, strict=True), strict=True
    ):
        frame_conditions.append(torch.from_numpy(render_conditions(conditioners, annotations_of_frame, views)))
        if read_instances is not None:
            frame_instances.append(torch.from_numpy(read_instances(annotations_of_frame)))
        frame = dataset.load_frame(clip_spec.frame_range.clip_index, index)
        flipped_frame = np.ascontiguousarray(frame[:, ::-1]) if clip_spec.is_flipped else frame
        frame_tensors.append(frame_to_tensor(view_image(flipped_frame, view)))
    instance_maps = torch.stack(frame_instances)[None] if frame_instances else None
    references = None
    if reference_source is not None:
        references = reference_source.clip_references(
            list(zip(*annotations_by_conditioner, strict=True)), clip_spec, view, is_training=rng is not None
        )
    return ClipBatch(
        torch.stack(frame_conditions)[None],
        torch.stack(frame_tensors)[None],
        regions=boxes,
        instances=instance_maps,
        references=references,
    )


class ClipSampler:
    """Samples batches of clips from a dataset; a batch depends on the seed, the step and the length only."""

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
        self.ranges = valid_ranges(dataset, [c.spec.name for c in conditioners], "train")
        self.max_range_length = max((frame_range.num_frames for frame_range in self.ranges), default=0)
        """Number of frames of the longest range."""
        if self.max_range_length < 2:
            raise TooFewFramesError(
                f"{dataset.folder} has no two consecutive training frames with detections.",
                "Prepare a longer video, or a video in which the subject is visible in more frames.",
            )

    def sample_batch(self, step: int, length: int, indices: Sequence[int] | None = None, repeats: int = 1) -> ClipBatch:
        """The batch of `step` with clips of `length` frames; (b, t, c, h, w) and (b, t, 3, h, w).

        `indices` selects clips of the batch; clips are sampled independently, so several processes can share a batch.
        `repeats` is the number of clips sampled per index.
        """
        clips = []
        for batch_index in range(self.batch_size) if indices is None else indices:
            for clip_index in range(batch_index * repeats, (batch_index + 1) * repeats):
                rng = np.random.default_rng([self.seed, step, clip_index])
                clips.append(self._load_clip(self.sample_clip(length, rng), rng, self.region_names))
        return collate(clips)

    def iter_batches(
        self,
        start_step: int,
        length: Callable[[int], int],
        indices: Sequence[int] | None = None,
        *,
        repeats: Callable[[int], int] = lambda step: 1,
        num_threads: int = 0,
    ) -> Generator[ClipBatch, None, None]:
        """Yield the batches of `start_step`, `start_step` + 1, ... without end; other parameters as in `sample_batch`.

        With `num_threads`, threads prefetch up to `num_threads` + 1 batches; with 0, batches are loaded on demand.
        """

        def sample_step(step: int) -> ClipBatch:
            return self.sample_batch(step, length(step), indices, repeats(step))

        if num_threads:
            yield from prefetch_map(sample_step, count(start_step), num_threads, num_threads + 1)
        yield from map(sample_step, count(start_step))

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
        )
        return clip.as_label_prediction() if self.is_label_prediction else clip


def collate(clips: Sequence[ClipBatch]) -> ClipBatch:
    """Concatenate clips of equal length to one batch."""
    if len(clips) == 1:
        return clips[0]
    boxes = {name: torch.cat([clip.regions[name] for clip in clips]) for name in clips[0].regions}
    instances = [clip.instances for clip in clips if clip.instances is not None]
    rgb_frames = [clip.rgb_frames for clip in clips if clip.rgb_frames is not None]
    references = [clip.references for clip in clips if clip.references is not None]
    return ClipBatch(
        torch.cat([clip.conditions for clip in clips]),
        torch.cat([clip.frames for clip in clips]),
        regions=boxes,
        instances=torch.cat(instances) if instances else None,
        rgb_frames=torch.cat(rgb_frames) if rgb_frames else None,
        references=ClipReferences.concatenate(references) if references else None,
    )
