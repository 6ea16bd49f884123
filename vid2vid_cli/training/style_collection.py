"""Collects the style bank of a checkpoint: encoded styles of the objects in the training frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vid2vid_cli.conditioning.annotation_json import annotation_to_json
from vid2vid_cli.conditioning.combine import instance_classes
from vid2vid_cli.conditioning.instances import instance_class
from vid2vid_cli.config.style import StyleConfig
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.style_bank import ClassStyles, StyleBank, group_by_class
from vid2vid_cli.engine.styles import pool_styles
from vid2vid_cli.networks.style_encoder import StyleEncoder
from vid2vid_cli.training_data.training_data import TrainingData

MAX_CLIPS = 64
"""Largest number of short clips, spread over the training frames, that are encoded."""
CLIP_FRAMES = 4
MIN_OBJECT_SHARE = 1 / 1024
"""Smallest share of the image area of an object; published: 1 / 64, which leaves out most cars at 512 px."""


@torch.inference_mode()
def collect_styles(
    training_data: TrainingData, sampler: ClipSampler, config: StyleConfig, *, encoder: StyleEncoder, runtime: Runtime
) -> StyleBank:
    """Encode the objects of the training frames, and fit clusters and mixtures to their features."""
    observations: list[tuple[int, float, NDArray[np.float64]]] = []
    richest_clip: tuple[int, FrameRange] = (0, sampler.ranges[0])
    for clip_range in _spread_clips(sampler.ranges):
        clip = sampler.load_range(clip_range).to(runtime.device)
        with runtime.autocast():
            instance_features = pool_styles(encoder, clip)
        class_ids = instance_class(instance_features.instance_ids.cpu().numpy())
        area_shares = instance_features.num_pixels.cpu().numpy() / clip.frames[0, :, 0].numel()
        vectors = instance_features.means.cpu().numpy().astype(np.float64)
        observations += [
            (class_id, area_share, vector)
            for class_id, area_share, vector in zip(class_ids.tolist(), area_shares.tolist(), vectors, strict=True)
            if class_id >= 0
        ]
        num_classes = len(set(class_ids[area_shares >= MIN_OBJECT_SHARE].tolist()))
        richest_clip = max(richest_clip, (num_classes, clip_range), key=lambda entry: entry[0])
    class_names = {entry.id: entry.name for entry in instance_classes(training_data.conditioners)}
    observations_by_class = group_by_class(observations, MIN_OBJECT_SHARE, config.num_clusters)
    example_range = richest_clip[1]
    example_annotations = [
        training_data.dataset.load_annotation(example_range.clip_index, example_range.start, conditioner.spec.name)
        for conditioner in training_data.conditioners
    ]
    return StyleBank(
        feature_channels=config.feature_channels,
        base_channels=config.base_channels,
        num_downsamples=config.num_downsamples,
        thing_class_ids=tuple(sorted(sampler.thing_class_ids or ())),
        classes=tuple(
            ClassStyles.from_features(id_, class_names[id_], vectors, config.num_clusters)
            for id_, vectors in observations_by_class.items()
        ),
        example_annotations=tuple(annotation_to_json(annotation) for annotation in example_annotations),
    )


def _spread_clips(ranges: Sequence[FrameRange]) -> list[FrameRange]:
    """Up to MAX_CLIPS short clips, spread over all frame ranges."""
    clip_ranges = [
        FrameRange(frame_range.clip_index, start, min(frame_range.stop, start + CLIP_FRAMES))
        for frame_range in ranges
        for start in range(frame_range.start, frame_range.stop, CLIP_FRAMES)
    ]
    return [clip_ranges[index] for index in evenly_spaced(len(clip_ranges), MAX_CLIPS)]
