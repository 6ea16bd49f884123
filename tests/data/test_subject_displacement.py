"""Masks of the subject, and the augmentation that moves it against the background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.body_conditioner import DiscBody, is_disc
from helpers.extremes_conditioner import Extremes
from helpers.factories import NUM_FRAMES, blob_frame
from helpers.fake_conditioners import write_png_video
from helpers.reference_banks import SIZE, blob_annotation, full_view

from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.conditioning.annotation_json import array_to_json
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data import subject_displacement
from vid2vid_cli.data.augmentation import NO_AUGMENTATION, ClipAugmentation, ClipSpec
from vid2vid_cli.data.clip_sampler import ClipSampler, load_clip
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_selection import ReferenceSource
from vid2vid_cli.data.subject_masks import (
    MAX_BYTES,
    MAX_SIDE,
    grow_mask,
    mask_size,
    masks_from_json,
    sample_mask,
    subject_conditioner,
)
from vid2vid_cli.engine.events import Event, ProgressEvent, ignore_events
from vid2vid_cli.networks.reference_blend import upsample_positions
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with_conditioners
from vid2vid_cli.training_data.reference_collection import collect_references
from vid2vid_cli.training_data.several_datasets import complete_references

OFFSET = (0.4, 0.1)
"""Displacement of the disc, in widths and heights."""
RANGE = FrameRange(0, 4, 7)


class PlainDisc(DiscBody):
    """Without bones."""

    def bones(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        return {}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("body")
    video = write_png_video(folder / "a.mov", [blob_frame(index) for index in range(NUM_FRAMES)])
    return Dataset(
        prepare_with_conditioners(PrepareRequest((video,), (), folder / "set"), [DiscBody()], ignore_events).path
    )


def displacing_sampler(dataset: Dataset, bank: ReferenceBank) -> ClipSampler:
    """Half of the clips are displaced."""
    return ClipSampler(
        dataset,
        [DiscBody()],
        full_view(),
        seed=0,
        batch_size=1,
        augmentation=ClipAugmentation(subject_translate_prob=0.5, max_subject_translate=0.3),
        reference_source=ReferenceSource(bank),
    )


@pytest.fixture(scope="module")
def sampler(dataset: Dataset) -> ClipSampler:
    """All training frames are references."""
    ranges = [FrameRange(0, 0, 19)]
    bank = collect_references(dataset, (DiscBody(),), full_view(), ranges, bank_size=100, num_per_frame=2)
    sampler = displacing_sampler(dataset, bank)
    events: list[Event] = []
    (notice,) = complete_references([sampler], events.append)
    assert "50%" in notice
    assert events == [ProgressEvent("segment", number, len(bank)) for number in range(1, len(bank) + 1)]
    assert sampler.displacer is not None
    return sampler


def load(sampler: ClipSampler, spec: ClipSpec) -> ClipBatch:
    return load_clip(
        sampler.dataset,
        sampler.conditioners,
        spec,
        rng=np.random.default_rng(0),
        reference_source=sampler.reference_source,
        displacer=sampler.displacer,
    )


def to_image(frame: torch.Tensor) -> UInt8Array:
    return ((frame.permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)


def disc_centre(index: int) -> np.ndarray:
    """In pixels of the generated frame."""
    return full_view().transform_points(blob_annotation(index).points["disc"][:1])[0]


def pixel(image: np.ndarray, position: np.ndarray) -> np.ndarray:
    column, row = np.rint(position).astype(int)
    return np.asarray(image[row, column]).astype(int)


def test_subject_and_condition_are_moved_and_the_background_is_not(sampler: ClipSampler) -> None:
    plain = load(sampler, ClipSpec(full_view(), RANGE))
    moved = load(sampler, ClipSpec(full_view(), RANGE, subject_offset=OFFSET))
    shift = np.array(OFFSET) * SIZE
    for number, index in enumerate(range(RANGE.start, RANGE.stop)):
        before, after = (to_image(clip.frames[0, number]) for clip in (plain, moved))
        old, new = disc_centre(index), disc_centre(index) + shift
        assert np.abs(pixel(after, new) - pixel(before, old)).max() <= 6
        assert not is_disc(pixel(after, old).astype(np.uint8))
        far = np.hypot(*(np.indices((SIZE, SIZE))[::-1] - old[:, None, None])) > 8
        far &= np.hypot(*(np.indices((SIZE, SIZE))[::-1] - new[:, None, None])) > 8
        assert np.abs(after.astype(int) - before)[far].max() <= 12
        dots, moved_dots = (np.argwhere(clip.conditions[0, number, 0].numpy() > 0) for clip in (plain, moved))
        assert moved_dots.mean(axis=0) - dots.mean(axis=0) == pytest.approx(shift[::-1], abs=0.7)


def test_references_follow_the_subject_in_front_of_an_empty_background(sampler: ClipSampler) -> None:
    moved = load(sampler, ClipSpec(full_view(), RANGE, subject_offset=OFFSET))
    plain = load(sampler, ClipSpec(full_view(), RANGE))
    assert moved.references is not None
    new = disc_centre(RANGE.start) + np.array(OFFSET) * SIZE
    for clip, position in ((plain, disc_centre(RANGE.start)), (moved, new)):
        assert clip.references is not None
        references = next(iter(clip.references.to("cpu").unbind()))
        grid = upsample_positions(references.positions[0], SIZE, SIZE)
        aligned = F.grid_sample(references.images[0], grid, padding_mode="border", align_corners=True)
        assert all(is_disc(pixel(to_image(image), position).astype(np.uint8)) for image in aligned)
    assert not any(is_disc(frame.permute(1, 2, 0).numpy()).any() for frame in moved.references.static_images[0])


def test_aligned_reference_is_hidden_where_it_shows_the_body_at_its_old_place(sampler: ClipSampler) -> None:
    assert sampler.reference_source is not None
    bank = sampler.reference_source.bank
    index, (annotation,) = 0, bank.annotations[0]
    moved_view = bank.output_view.compose(np.array([[1, 0, 20.0], [0, 1, 2.0]]))
    aligned = bank.align([index], (annotation,), (moved_view,), bank.output_view)[0]
    assert bank.subject_masks is not None
    positions = (aligned.positions.transpose(1, 2, 0) + 1) / 2 * (bank.view.width - 1)
    shows_disc = sample_mask(bank.subject_masks[index], positions.astype(np.float32), bank.view) > 0.9
    nodes = grid_nodes(SIZE, SIZE)
    new_place = moved_view.transform_points(annotation.points["disc"][:1])[0]
    is_far = np.linalg.norm(nodes - new_place, axis=-1) > 15
    assert (shows_disc & is_far).any()
    assert aligned.log_visibility[shows_disc & is_far].max() < -5
    nearest = np.unravel_index(np.linalg.norm(nodes - new_place, axis=-1).argmin(), shows_disc.shape)
    assert aligned.log_visibility[nearest] > -0.5


def test_flipped_displacement_is_the_mirror_image(sampler: ClipSampler) -> None:
    view = full_view().compose(np.array([[1.1, 0, 1.0], [0, 1.1, -2.0]]))
    clips = [load(sampler, ClipSpec(view, RANGE, 1, is_flipped, OFFSET)) for is_flipped in (False, True)]
    assert torch.allclose(clips[1].frames, clips[0].frames.flip(-1), atol=0.05)
    assert torch.equal(clips[1].conditions, clips[0].conditions.flip(-1))


def test_masks_are_kept(sampler: ClipSampler) -> None:
    spec = ClipSpec(full_view(), RANGE, subject_offset=OFFSET)
    load(sampler, spec)
    before = DiscBody.num_masks
    load(sampler, spec)
    assert DiscBody.num_masks == before


def test_unknown_background_is_interpolated(sampler: ClipSampler) -> None:
    """A frame of another scene: the disc's old place gets the colour around it."""
    assert sampler.displacer is not None
    frame = np.full_like(sampler.dataset.load_frame(0, 4), 250)
    cv2.circle(frame, tuple(blob_annotation(5).points["disc"][0].round().astype(int).tolist()), 6, (230, 100, 40), -1)
    spec = ClipSpec(full_view(), FrameRange(0, 18, 19), subject_offset=OFFSET)
    (image,) = sampler.displacer.displace([frame], [(blob_annotation(5),)], spec).frames
    assert is_disc(pixel(image, disc_centre(5) + np.array(OFFSET) * SIZE).astype(np.uint8))
    assert pixel(image, disc_centre(5)).min() > 225


def test_subject_is_not_moved_away_from_a_border_that_cuts_it_off(sampler: ClipSampler) -> None:
    assert sampler.displacer is not None
    frame = sampler.dataset.load_frame(0, 17).copy()
    frame[:, :6] = (230, 200, 40)  # a subject at the left border, over the whole height
    spec = ClipSpec(full_view(), FrameRange(0, 17, 18), subject_offset=OFFSET)
    clip = sampler.displacer.displace([frame], [(blob_annotation(17),)], spec)
    moved = clip.subject_view.array - spec.view.array
    assert moved[:, 2] == pytest.approx([-OFFSET[0] * SIZE, 0])


def test_offsets_are_sampled_without_changing_other_augmentations() -> None:
    """A probability of 0 takes no random numbers; otherwise this share of the clips is displaced within the limit."""
    frame_range = FrameRange(0, 0, 20)

    def sample(augmentation: ClipAugmentation, seed: int) -> ClipSpec:
        return augmentation.sample_clip(frame_range, 3, full_view(), (40, 55), np.random.default_rng(seed))

    displacing = ClipAugmentation(subject_translate_prob=0.25, max_subject_translate=0.3)
    specs = [sample(displacing, seed) for seed in range(400)]
    offsets = np.array([spec.subject_offset for spec in specs if any(spec.subject_offset)])
    assert 70 <= len(offsets) <= 130
    assert 0.25 < np.abs(offsets).max() <= 0.3
    without_offsets = [spec._replace(subject_offset=(0.0, 0.0)) for spec in specs]
    assert without_offsets == [sample(NO_AUGMENTATION, seed) for seed in range(400)]


def test_only_bodies_are_moved() -> None:
    assert subject_conditioner([Extremes(), DiscBody()]) == 1
    assert subject_conditioner([Extremes()]) is None


def test_number_of_kept_masks_is_limited(sampler: ClipSampler, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sampler.displacer is not None
    monkeypatch.setattr(subject_displacement, "MAX_MASKS", 4)
    for start in (0, 5, 10):
        load(sampler, ClipSpec(full_view(), FrameRange(0, start, start + 3), subject_offset=OFFSET))
    assert list(sampler.displacer._masks) == [(0, 7), (0, 10), (0, 11), (0, 12)]


def test_body_beside_other_points_is_not_moved(dataset: Dataset) -> None:
    """References are aligned by the points of the first conditioner, which has no bones."""
    conditioners = [PlainDisc(), DiscBody()]
    bank = collect_references(dataset, (DiscBody(),), full_view(), [RANGE], bank_size=9, num_per_frame=2)
    doubled = replace(bank, conditioners=tuple(conditioners), annotations=tuple(item * 2 for item in bank.annotations))
    sampler = displacing_sampler(dataset, doubled)
    assert complete_references([sampler], ignore_events) == []
    assert sampler.displacer is None


def test_masks_are_stored_exactly_and_checked() -> None:
    masks = np.random.default_rng(0).integers(0, 255, (3, *mask_size(full_view(300))), dtype=np.uint8)
    data = array_to_json(masks)
    assert max(masks.shape[1:]) == MAX_SIDE
    assert np.array_equal(masks_from_json(data, 3, full_view(300)), masks)
    bad: list[tuple[Any, int, int]] = [(data, 4, 300), (data, 3, 100), ({}, 3, 300), ({**data, "data": "AAAA"}, 3, 300)]
    for item, num_frames, size in bad:
        with pytest.raises(ValueError, match="mask"):
            masks_from_json(item, num_frames, full_view(size))


def test_masks_of_the_largest_bank_can_be_read() -> None:
    largest_bank = resolve_config("fast", None, ("data.reference_bank_size=4096",), {}).config.data.reference_bank_size
    assert largest_bank * MAX_SIDE**2 <= MAX_BYTES


def test_grow_mask_moves_the_outline() -> None:
    mask = np.zeros((41, 41), np.float32)
    cv2.circle(mask, (20, 20), 8, 1.0, -1)
    grown = grow_mask(mask, 3)
    assert grown[20, 20] == 1
    assert grown[20, 20 + 8 + 3] > 0.9
    assert grown[20, 20 + 8 + 10] == 0
