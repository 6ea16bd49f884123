"""Selects reference frames for each frame, in training and in synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.core.types import ClipReferences
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_descriptors import FAR_DISTANCE
from vid2vid_cli.data.reference_loading import SelectedReferences, stack_selections
from vid2vid_cli.data.reference_weights import (
    STATIC_PENALTY,
    SYNTHESIS_STATIC_PENALTY,
    choose_references,
    find_replacement,
    prior_log_weights,
)

FADE_FRAMES = 3
"""Frames over which a replaced reference is faded out: longer, and the eyes do not follow a blink."""


class ReferenceSelector:
    """Selects the references of successive frames without flicker: replaces one at a time, and fades it over."""

    def __init__(self, bank: ReferenceBank) -> None:
        self._bank = bank
        self._current: list[int] = []
        self._fading: tuple[int, int] | None = None
        """The index that is faded out, and the number of frames that it has left."""

    def __call__(self, annotations: Sequence[Annotation], views: Sequence[View]) -> SelectedReferences:
        """The references of the next frame: `num_per_frame`, and one more while one is faded out."""
        differences = self._bank.differences(annotations, views)
        indices, weights = self.select(differences)
        return align_references(
            self._bank, indices, weights, annotations, differences, views=views, base=self._bank.output_view
        )

    def select(self, differences: FloatArray) -> tuple[list[int], list[float]]:
        """Indices and weights of the references of the next frame, by the differences (k, p) of `differences`."""
        count = min(self._bank.num_per_frame, len(self._bank))
        if not self._current:
            self._current = choose_references(differences, count)
        elif self._fading is None:
            self._replace(differences)
        share = 1.0 / count
        if self._fading is None:
            return list(self._current), [share] * count
        fading_index, frames_left = self._fading
        self._fading = (fading_index, frames_left - 1) if frames_left > 1 else None
        fading_weight = share * frames_left / (FADE_FRAMES + 1)
        return [*self._current, fading_index], [share] * (count - 1) + [share - fading_weight, fading_weight]

    def _replace(self, differences: FloatArray) -> None:
        """Replace a current reference by a much better one, which becomes the last one, if there is one."""
        replacement = find_replacement(differences, self._current)
        if replacement is not None:
            old, new = replacement
            self._current.remove(old)
            self._current.append(new)
            self._fading = old, FADE_FRAMES


@dataclass(frozen=True)
class ReferenceSource:
    """Reference frames for the clips of a dataset."""

    bank: ReferenceBank
    gap_frames: int = 0
    """Frames around a training clip in which its references do not lie."""

    def clip_references(
        self,
        annotations_by_frame: Sequence[Sequence[Annotation]],
        clip_spec: ClipSpec,
        view: View,
        *,
        is_training: bool,
        subject_view: View | None = None,
    ) -> ClipReferences:
        """References of a clip with these annotations; views are those of the flipped frames if they are flipped.

        `subject_view`: that of the subject, if it is moved against the background.

        In training, the whole clip has the references that fit its middle frame best, without those close in time;
        otherwise they are selected as in synthesis.
        """
        bank = self.bank.mirrored if clip_spec.is_flipped else self.bank
        views = (subject_view or view,) * len(bank.conditioners)
        # The augmentation does not change the choice, and moves the background too. In synthesis, the view is that of
        # another video, and the background is that of the training frames.
        described_views, base = (bank.output_views, view) if is_training else (views, bank.output_view)
        frame_differences = [bank.differences(annotations, described_views) for annotations in annotations_by_frame]
        if is_training:
            differences = frame_differences[len(frame_differences) // 2] + self._penalties(clip_spec)[:, None]
            chosen = choose_references(differences, bank.num_per_frame)
            choices = [(chosen, [1 / len(chosen)] * len(chosen))] * len(annotations_by_frame)
        else:
            selector = ReferenceSelector(bank)
            choices = [selector.select(differences) for differences in frame_differences]
        selections = [
            align_references(
                bank,
                indices,
                weights,
                annotations,
                differences,
                views=views,
                base=base,
                static_penalty=STATIC_PENALTY if is_training else SYNTHESIS_STATIC_PENALTY,
            )
            for (indices, weights), annotations, differences in zip(
                choices, annotations_by_frame, frame_differences, strict=True
            )
        ]
        return stack_selections(bank, selections, base)

    def count_close_clips(self, ranges: Sequence[FrameRange], length: int) -> tuple[int, int]:
        """The number of clips of `length` frames with too few references outside the gap, and that of all clips."""
        num_needed, num_close, num_clips = min(self.bank.num_per_frame, len(self.bank)), 0, 0
        for clip_index, start, stop in ranges:
            starts = np.arange(start, max(stop - length, start) + 1)[:, None]
            indices = np.array([index for clip, index in self.bank.frame_ids if clip == clip_index])[None]
            is_close = (starts - self.gap_frames <= indices) & (indices < starts + length + self.gap_frames)
            num_close += int((len(self.bank) - is_close.sum(axis=1) < num_needed).sum())
            num_clips += len(starts)
        return num_close, num_clips

    def _penalties(self, clip_spec: ClipSpec) -> FloatArray:
        """(k,) distances that are added for references close to the clip in time."""
        frame_range = clip_spec.frame_range
        start, stop = frame_range.start - self.gap_frames, frame_range.stop + self.gap_frames
        is_close = [
            clip_index == frame_range.clip_index and start <= index < stop for clip_index, index in self.bank.frame_ids
        ]
        return np.where(is_close, 2 * FAR_DISTANCE, 0).astype(np.float32)


def align_references(
    bank: ReferenceBank,
    indices: Sequence[int],
    weights: Sequence[float],
    annotations: Sequence[Annotation],
    differences: FloatArray,
    *,
    views: Sequence[View],
    base: View,
    static_penalty: float = SYNTHESIS_STATIC_PENALTY,
) -> SelectedReferences:
    """References aligned with a frame; `annotations`, `views` and `base` as in `ReferenceBank.align`.

    `differences`: (k, p) of `ReferenceBank.differences`.
    """
    aligned = bank.align(indices, annotations, views, base, differences)
    return SelectedReferences(
        np.array(indices, dtype=np.int64),
        np.stack([reference.positions for reference in aligned]),
        np.array(weights, dtype=np.float32),
        prior_log_weights(aligned, weights, bank.num_per_frame, static_penalty=static_penalty),
        np.array([reference.background_share for reference in aligned], dtype=np.float32),
    )


def repeat_references(
    bank: ReferenceBank, annotations: Sequence[Annotation], views: Sequence[View], num_frames: int
) -> ClipReferences:
    """References of a clip that repeats one frame."""
    return stack_selections(bank, [ReferenceSelector(bank)(annotations, views)] * num_frames, bank.output_view)
