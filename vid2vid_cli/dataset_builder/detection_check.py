"""Checks that the conditioners of a prepared dataset have detected something."""

from __future__ import annotations

import re

import numpy as np

from vid2vid_cli.conditioning import ConditionerSpec
from vid2vid_cli.core.errors import NoDetectionError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.dataset_builder.job import PrepareJob
from vid2vid_cli.engine.events import EventHandler, WarningEvent

MIN_DETECTION_RATE = 0.9
"""Share of frames with a detection below which a warning is emitted."""
SUBJECT_KEYWORDS = {
    "face": {"face", "faces", "facial"},
    "person": {"person", "people", "body", "bodies", "skeleton"},
    "hand": {"hand", "hands"},
}
"""Subject named in a message -> words in a plugin's name or summary."""


def check_detections(job: PrepareJob, dataset: Dataset, emit: EventHandler) -> None:
    """Raise NoDetectionError for a video without any detection of a conditioner; warn if there are few."""
    for source_index, input_video in enumerate(job.inputs):
        clip_indices = [index for index, clip in enumerate(dataset.manifest.clips) if clip.source_index == source_index]
        for conditioner in job.conditioners:
            spec = conditioner.spec
            quality = np.concatenate([dataset.quality(clip, spec.name) for clip in clip_indices])
            num_detected, num_frames = int((quality > 0).sum()), len(quality)
            if not num_detected:
                raise NoDetectionError(
                    f"{no_detection_message(spec)} on any of the {num_frames} frames of {input_video.path}.",
                    f"Check the video, or change the options listed by `vid2vid plugins show {spec.name}`.",
                )
            if num_detected < MIN_DETECTION_RATE * num_frames:
                counts = f"{num_detected} of {num_frames} frames"
                emit(WarningEvent(f"{spec.name} has detections on only {counts} of {input_video.path}."))


def no_detection_message(spec: ConditionerSpec) -> str:
    """`No face was detected` if the plugin's name or summary mentions a face; otherwise the conditioner is named."""
    summary_words = set(re.findall(r"[a-z]+", f"{spec.name} {spec.summary}".lower()))
    for subject, keywords in SUBJECT_KEYWORDS.items():
        if summary_words & keywords:
            return f"No {subject} was detected"
    return f"The conditioner {spec.name} has no detection"
