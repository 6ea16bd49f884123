"""Checks that the conditioners of a prepared dataset have detected something."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import ConditionerSpec, subsample
from vid2vid_cli.conditioning.combine import describe_missing_parts
from vid2vid_cli.core.errors import NoDetectionError
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.data.detection_gaps import MIN_USABLE_RATE, DetectionGaps
from vid2vid_cli.dataset_builder.clip_files import ClipResult
from vid2vid_cli.dataset_builder.job import PrepareJob
from vid2vid_cli.engine.events import EventHandler, WarningEvent

SUBJECT_KEYWORDS = {
    "face": {"face", "faces", "facial"},
    "person": {"person", "people", "body", "bodies", "skeleton"},
    "hand": {"hand", "hands"},
}
"""Subject named in a message -> words in a plugin's name or summary."""


def check_detections(job: PrepareJob, dataset: Dataset, clip_results: Sequence[ClipResult], emit: EventHandler) -> None:
    """Report what the conditioners did not detect in each video. Raises NoDetectionError if one detected nothing."""
    for source_index, (input_video, clip_result) in enumerate(zip(job.inputs, clip_results, strict=True)):
        clip_indices = [index for index, clip in enumerate(dataset.manifest.clips) if clip.source_index == source_index]
        frame_ranges = [FrameRange(index, 0, dataset.manifest.clips[index].num_frames) for index in clip_indices]
        for conditioner in job.conditioners:
            spec, path = conditioner.spec, input_video.path
            quality = np.concatenate([dataset.quality(clip, spec.name) for clip in clip_indices])
            gaps = DetectionGaps(job.fps, job.request.start)
            gaps.add_frames(quality <= 0)
            if gaps.num_missing == gaps.num_frames:
                notices = [notice for notice in clip_result.notices if notice.startswith(f"{spec.name}.")]
                raise _no_detection_error(spec, path, gaps.num_frames, notices)
            if gaps.is_notable:
                emit(WarningEvent(_describe_gaps(spec, path, gaps)))
            missing_parts = describe_missing_parts(conditioner, subsample(dataset.annotations(frame_ranges, spec.name)))
            if missing_parts:
                emit(WarningEvent(f"{path}: {spec.name} did not detect most of the body: {missing_parts} missing."))


def _describe_gaps(spec: ConditionerSpec, path: Path, gaps: DetectionGaps) -> str:
    num_detected = gaps.num_frames - gaps.num_missing
    text = f"{spec.name} has detections on only {num_detected} of {gaps.num_frames} frames of {path}"
    if gaps.detection_rate < MIN_USABLE_RATE:
        return (
            f"{text}: too few to train on. Check the video and contact_sheet.png; `vid2vid plugins show {spec.name}` "
            "lists options that may help."
        )
    return f"{text}; training leaves out the others{gaps.describe_times()}."


def _no_detection_error(spec: ConditionerSpec, path: Path, num_frames: int, notices: Sequence[str]) -> NoDetectionError:
    hint = f"Check the video, or change the options listed by `vid2vid plugins show {spec.name}`."
    if notices:
        return NoDetectionError(
            f"{spec.name} annotated none of the {num_frames} frames of {path}. {' '.join(notices)}", hint
        )
    return NoDetectionError(f"{no_detection_message(spec)} on any of the {num_frames} frames of {path}.", hint)


def no_detection_message(spec: ConditionerSpec) -> str:
    """`No face was detected` if the plugin's name or summary mentions a face; otherwise the conditioner is named."""
    summary_words = set(re.findall(r"[a-z]+", f"{spec.name} {spec.summary}".lower()))
    for subject, keywords in SUBJECT_KEYWORDS.items():
        if summary_words & keywords:
            return f"No {subject} was detected"
    return f"The conditioner {spec.name} has no detection"
