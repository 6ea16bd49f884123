"""Selects reference frames for each frame, in training and in synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.core.types import ClipReferences, FrameReferences
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_descriptors import FAR_DISTANCE
from vid2vid_cli.data.reference_weights import (
    MIN_LOG_WEIGHT,
    STATIC_PENALTY,
    SYNTHESIS_STATIC_PENALTY,
    choose_references,
    find_replacement,
    prior_log_weights,
)

FADE_FRAMES = 3
"""Frames over which a replaced reference is faded out: longer, and the eyes do not follow a blink."""


@dataclass(frozen=True)
class SelectedReferences:
    """The references of one frame."""

    indices: NDArray[np.int64]
    """(n,) rows of the bank."""
    positions: FloatArray
    """(n, 2, gh, gw) as in `FrameReferences`."""
    weights: FloatArray
    """(n,) with the sum 1."""
    log_weights: FloatArray
    """(n, 2, gh, gw) as in `FrameReferences`."""

    def padded(self, count: int) -> SelectedReferences:
        """With `count` references: the first one is repeated with the weight 0, which removes it."""
        missing = count - len(self.indices)
        return SelectedReferences(
            np.concatenate([self.indices, np.repeat(self.indices[:1], missing)]),
            np.concatenate([self.positions, np.repeat(self.positions[:1], missing, axis=0)]),
            np.concatenate([self.weights, np.zeros(missing, np.float32)]),
            np.concatenate(
                [self.log_weights, np.full((missing, *self.log_weights.shape[1:]), MIN_LOG_WEIGHT, np.float32)]
            ),
        )


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


class ReferenceLoader:
    """Loads selected references to a device; loads and stacks them only when they change."""

    def __init__(self, bank: ReferenceBank, device: torch.device) -> None:
        self._bank, self._device = bank, device
        self._static_frames: dict[int, UInt8Array] = {}
        """By index. To find the background of a body takes 5 ms, and bodies change their references often."""
        self._loaded: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._batch: tuple[torch.Tensor, torch.Tensor] | None = None
        """Images and static images of the references in `_loaded`, each (1, n, 3, height, width)."""

    def load(self, selected: SelectedReferences) -> FrameReferences:
        """The selected references of a frame as a batch of one."""
        indices = selected.indices.tolist()
        if self._batch is None or indices != list(self._loaded):
            self._loaded = {
                index: self._loaded[index] if index in self._loaded else self._load_images(index) for index in indices
            }
            images, static_images = zip(*(self._loaded[index] for index in indices), strict=True)
            self._batch = torch.stack(images)[None], torch.stack(static_images)[None]
        return FrameReferences(
            *self._batch,
            torch.from_numpy(selected.positions)[None].to(self._device),
            torch.from_numpy(selected.weights)[None].to(self._device),
            torch.from_numpy(selected.log_weights)[None].to(self._device),
        )

    def _load_images(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = frame_to_tensor(self._bank.frames[index])
        if index not in self._static_frames:
            self._static_frames[index] = self._bank.static_frame(index, self._bank.output_view)
        return image.to(self._device), frame_to_tensor(self._static_frames[index]).to(self._device)


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
    ) -> ClipReferences:
        """References of a clip with these annotations; `view` is that of the flipped frames if they are flipped.

        In training, the whole clip has the references that fit its middle frame best, without those close in time;
        otherwise they are selected as in synthesis.
        """
        bank = self.bank.mirrored if clip_spec.is_flipped else self.bank
        views = (view,) * len(bank.conditioners)
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
        return _stack_selections(bank, selections, base)

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
    aligned = [bank.align(index, annotations, views, base, differences[index]) for index in indices]
    return SelectedReferences(
        np.array(indices, dtype=np.int64),
        np.stack([reference.positions for reference in aligned]),
        np.array(weights, dtype=np.float32),
        prior_log_weights(aligned, weights, bank.num_per_frame, static_penalty=static_penalty),
    )


def repeat_references(
    bank: ReferenceBank, annotations: Sequence[Annotation], views: Sequence[View], num_frames: int
) -> ClipReferences:
    """References of a clip that repeats one frame."""
    return _stack_selections(bank, [ReferenceSelector(bank)(annotations, views)] * num_frames, bank.output_view)


def _stack_selections(bank: ReferenceBank, selections: Sequence[SelectedReferences], view: View) -> ClipReferences:
    """The references of a clip with this view as a batch of one."""
    num_slots = max(len(selected.indices) for selected in selections)
    padded = [selected.padded(num_slots) for selected in selections]
    used = np.unique([selected.indices for selected in padded])
    frames = np.stack([bank.frames[int(index)] for index in used])
    static_frames = np.stack([bank.static_frame(int(index), view) for index in used])
    return ClipReferences(
        torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))[None],
        torch.from_numpy(np.ascontiguousarray(static_frames.transpose(0, 3, 1, 2)))[None],
        torch.from_numpy(np.stack([np.searchsorted(used, selected.indices) for selected in padded]))[None],
        torch.from_numpy(np.stack([selected.positions for selected in padded]))[None],
        torch.from_numpy(np.stack([selected.weights for selected in padded]))[None],
        torch.from_numpy(np.stack([selected.log_weights for selected in padded]))[None],
    )
