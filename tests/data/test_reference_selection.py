"""The references of each frame: fades without flicker in synthesis, the gap and the augmentation in training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.extremes_conditioner import Extremes
from helpers.factories import NUM_FRAMES, blob_frame
from helpers.fake_conditioners import write_png_video
from helpers.reference_banks import blob_annotation, blob_bank, full_view

from vid2vid_cli.conditioning import View
from vid2vid_cli.core.types import ClipReferences, FrameReferences
from vid2vid_cli.data.augmentation import ClipAugmentation, ClipSpec
from vid2vid_cli.data.clip_sampler import ClipSampler, load_clip
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_loading import ReferenceLoader
from vid2vid_cli.data.reference_selection import FADE_FRAMES, ReferenceSelector, ReferenceSource
from vid2vid_cli.data.reference_weights import STATIC_PENALTY, SWITCH_RATIO, SYNTHESIS_STATIC_PENALTY, AlignedReference
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.networks.reference_blend import upsample_positions
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with_conditioners
from vid2vid_cli.training_data.reference_collection import collect_references

NUM_TRAIN_FRAMES = 19


@pytest.fixture(scope="module")
def blob_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two clips of 24 frames, 19 of each for training, lossless; the second is half a pixel ahead."""
    folder = tmp_path_factory.mktemp("references")
    paths = tuple(
        write_png_video(folder / f"{name}.mov", [blob_frame(index, offset=offset) for index in range(NUM_FRAMES)])
        for name, offset in (("a", 0.0), ("b", 0.4))
    )
    request = PrepareRequest(paths, (), folder / "set")
    dataset = Dataset(prepare_with_conditioners(request, [Extremes()], ignore_events).path)
    assert [clip.num_frames for clip in dataset.manifest.clips] == [NUM_FRAMES] * 2
    return dataset


def weights_of_frames(selector: ReferenceSelector, distances: Sequence[Sequence[float]]) -> list[dict[int, float]]:
    """The weight of each selected reference, for frames with these distances."""
    frames = []
    for row in distances:
        indices, weights = selector.select(np.array(row, np.float32)[:, None])
        assert len(set(indices)) == len(indices) == len(weights)
        frames.append(dict(zip(indices, weights, strict=True)))
    return frames


def test_selector_takes_the_nearest_first() -> None:
    frames = weights_of_frames(ReferenceSelector(blob_bank((0, 4, 8, 12))), [(5, 1, 3, 2)] * 3)
    assert frames == [{1: 0.5, 3: 0.5}] * 3


def test_selector_replaces_one_at_a_time_with_small_changes() -> None:
    """Two references are replaced after another, although both are far at once."""
    selector, num_references = ReferenceSelector(blob_bank((0, 4, 8, 12))), 2
    frames = weights_of_frames(selector, [(1, 1, 9, 9)] + [(9, 8, 1, 1.1)] * 20)
    for weights in frames:
        assert sum(weights.values()) == pytest.approx(1, abs=1e-6)
        assert min(weights.values()) > 0
        assert len(weights) <= num_references + 1
    largest_change = 1 / (num_references * (FADE_FRAMES + 1))
    for before, after in itertools.pairwise(frames):
        for index in before.keys() | after.keys():
            assert abs(after.get(index, 0) - before.get(index, 0)) <= largest_change + 1e-6
        assert len(after.keys() - before.keys()) <= 1
    assert frames[FADE_FRAMES].keys() == {0, 1, 2}
    assert frames[FADE_FRAMES + 1].keys() == {1, 2, 3}
    assert frames[2 * FADE_FRAMES + 1] == frames[-1] == {2: 0.5, 3: 0.5}


def test_selector_does_not_flicker() -> None:
    """Two references whose distances alternate within SWITCH_RATIO: neither replaces the other."""
    selector = ReferenceSelector(blob_bank((0, 4), num_per_frame=1))
    near = SWITCH_RATIO + 0.01
    frames = weights_of_frames(selector, [(1, near), (near, 1)] * 10)
    assert frames == [{1: 1.0}] * 20
    just_nearer = SWITCH_RATIO - 0.01
    assert 0 in weights_of_frames(selector, [(just_nearer, 1)])[0]


def test_selector_uses_small_banks() -> None:
    """Fewer references than requested: all of them, with equal weights."""
    frames = weights_of_frames(ReferenceSelector(blob_bank((0, 4), num_per_frame=4)), [(1, 5), (5, 1)] * 5)
    assert all(weights == {0: 0.5, 1: 0.5} for weights in frames)


def collected_source(dataset: Dataset, gap_frames: int = 0, clips: Sequence[int] = (0, 1)) -> ReferenceSource:
    """All training frames of these clips that have different annotations."""
    ranges = [FrameRange(clip, 0, NUM_TRAIN_FRAMES) for clip in clips]
    bank = collect_references(dataset, (Extremes(),), full_view(), ranges, bank_size=100, num_per_frame=2)
    assert {clip for clip, _ in bank.frame_ids} == set(clips)
    return ReferenceSource(bank, gap_frames)


def frame_ids(references: ClipReferences, source: ReferenceSource) -> set[tuple[int, int]]:
    """Clip and index of the references, found by their images."""
    return {
        source.bank.frame_ids[index]
        for index, frame in enumerate(source.bank.frames)
        for image in references.images[0].numpy()
        if np.array_equal(image.transpose(1, 2, 0), frame)
    }


def training_ids(dataset: Dataset, source: ReferenceSource, frame_range: FrameRange) -> set[tuple[int, int]]:
    """Clip and index of the references of a training clip."""
    rng = np.random.default_rng(0)
    clip = load_clip(dataset, [Extremes()], ClipSpec(full_view(), frame_range), rng=rng, reference_source=source)
    assert clip.references is not None
    return frame_ids(clip.references, source)


@pytest.mark.parametrize("clips", [(0,), (0, 1)])
@pytest.mark.parametrize("gap_frames", [0, 3])
def test_training_references_keep_the_gap(blob_dataset: Dataset, gap_frames: int, clips: tuple[int, ...]) -> None:
    """Frames near the clip in time are no references; those of the other clip, which are as similar, are."""
    source = collected_source(blob_dataset, gap_frames, clips)
    used_from_other_clip = 0
    for start in range(NUM_TRAIN_FRAMES - 4):
        used = training_ids(blob_dataset, source, FrameRange(0, start, start + 4))
        assert len(used) == 2
        assert not any(clip == 0 and start - gap_frames <= index < start + 4 + gap_frames for clip, index in used)
        used_from_other_clip += any(clip == 1 and start <= index < start + 4 for clip, index in used)
    assert (used_from_other_clip > 10) is (clips == (0, 1))


def test_sampled_batches_keep_the_gap(blob_dataset: Dataset) -> None:
    source = collected_source(blob_dataset, 2)
    sampler = ClipSampler(
        blob_dataset,
        [Extremes()],
        full_view(),
        seed=0,
        batch_size=2,
        reference_source=source,
        augmentation=ClipAugmentation(max_frame_stride=2),
    )
    batch = sampler.sample_batch(0, 3)
    assert batch.references is not None
    assert batch.references.images.dtype == torch.uint8
    assert batch.references.indices.shape == batch.references.weights.shape == (2, 3, 2)
    assert torch.allclose(batch.references.weights.sum(2), torch.ones(2, 3))
    moved = batch.to("cpu").references
    assert torch.equal(moved.images, batch.references.images / 127.5 - 1)
    assert moved.static_images.abs().max() <= 1


def test_close_clips_are_counted(blob_dataset: Dataset) -> None:
    source = collected_source(blob_dataset, clips=(0,))
    ranges = [FrameRange(0, 0, NUM_TRAIN_FRAMES)]
    assert source.count_close_clips(ranges, 4) == (0, 16)
    # Outside the clip and three frames on both sides there are at least 9 of the 19 frames.
    assert replace(source, gap_frames=3).count_close_clips(ranges, 4) == (0, 16)
    assert replace(source, gap_frames=100).count_close_clips(ranges, 4) == (16, 16)
    # Only clips that begin at 7, 8 or 9 have no frames outside on both sides.
    num_close, _ = replace(source, gap_frames=7).count_close_clips(ranges, 4)
    starts = range(16)
    assert num_close == sum(sum(not s - 7 <= i < s + 11 for i in range(19)) < 2 for s in starts) > 0
    assert source.count_close_clips([FrameRange(1, 0, NUM_TRAIN_FRAMES)], 4) == (0, 16)


def test_short_dataset_uses_references_within_the_gap(blob_dataset: Dataset) -> None:
    source = collected_source(blob_dataset, 1000, (0,))
    assert len(training_ids(blob_dataset, source, FrameRange(0, 5, 8))) == 2


def resample(references: FrameReferences, size: int) -> torch.Tensor:
    """The aligned references (n, 3, size, size)."""
    grid = upsample_positions(references.positions[0], size, size)
    return F.grid_sample(references.images[0], grid, padding_mode="border", align_corners=True)


def unbind(references: ClipReferences | None) -> Iterator[FrameReferences]:
    assert references is not None
    return references.to("cpu").unbind()


def test_flipped_clip_has_mirrored_references(blob_dataset: Dataset) -> None:
    source = collected_source(blob_dataset)
    views = full_view(), full_view().compose(np.array([[1.1, 0, 2.0], [0, 1.1, -3.0]]))
    for view in views:
        clips = [
            load_clip(
                blob_dataset,
                [Extremes()],
                ClipSpec(view, FrameRange(0, 5, 8), 1, is_flipped),
                rng=np.random.default_rng(0),
                reference_source=source,
            )
            for is_flipped in (False, True)
        ]
        assert torch.allclose(clips[1].frames, clips[0].frames.flip(-1), atol=0.05)
        for plain, flipped in zip(*(unbind(clip.references) for clip in clips), strict=True):
            assert torch.equal(flipped.images, plain.images.flip(-1))
            assert torch.allclose(flipped.static_images, plain.static_images.flip(-1), atol=0.05)
            assert torch.allclose(flipped.weights, plain.weights)
            mirrored = plain.positions.flip(-1) * torch.tensor([-1, 1])[:, None, None]
            assert torch.allclose(flipped.positions, mirrored, atol=2e-3)


@pytest.mark.parametrize("transform", [(1.0, 4.0, -3.0), (1.25, 0.0, 0.0), (0.8, -2.0, 1.5)])
def test_augmented_clip_is_reproduced_by_its_own_frame(
    blob_dataset: Dataset, transform: tuple[float, float, float]
) -> None:
    """With the frame itself as reference, aligned and static images are the augmented frame, up to interpolation."""
    scale, x, y = transform
    view = full_view().compose(np.array([[scale, 0, x], [0, scale, y]]))
    bank = collected_source(blob_dataset).bank
    assert (0, 6) in bank.frame_ids
    # As of another clip, so that it is not excluded.
    one = ReferenceSource(replace(bank, num_per_frame=1, frame_ids=((9, 0),) * len(bank)))
    clip = load_clip(
        blob_dataset,
        [Extremes()],
        ClipSpec(view, FrameRange(0, 6, 7)),
        rng=np.random.default_rng(0),
        reference_source=one,
    )
    (references,) = unbind(clip.references)
    frame = clip.frames[0, 0]
    inside = warp_mask(view)
    for image in (references.static_images[0, 0], resample(references, 33)[0]):
        assert (image - frame).abs()[:, inside].mean() < 0.04
    unaugmented = load_clip(blob_dataset, [Extremes()], ClipSpec(full_view(), FrameRange(0, 6, 7))).frames[0, 0]
    assert (unaugmented - frame).abs()[:, inside].mean() > 0.08


def warp_mask(view: View) -> torch.Tensor:
    """The pixels of the view that lie well inside the dataset's frame."""
    matrix = np.linalg.inv(np.vstack([view.array, [0, 0, 1]]))
    y, x = np.mgrid[: view.height, : view.width]
    frame_x, frame_y, _ = (matrix @ np.stack([x, y, np.ones_like(x)]).reshape(3, -1)).reshape(3, *x.shape)
    return torch.from_numpy((frame_x > 3) & (frame_x < 52) & (frame_y > 3) & (frame_y < 36))


def test_other_dataset_is_measured_as_it_is_synthesized() -> None:
    """Another crop: the choice is by the place in the output, and the background is that of the training frames."""
    bank = blob_bank((0, 6, 12, 18), scale=2)
    other_view = full_view().compose(np.array([[1, 0, -7.0], [0, 1, 0]]))
    annotations = [(blob_annotation(index),) for index in (12, 13, 14)]
    clip_spec = ClipSpec(other_view, FrameRange(0, 0, 3))
    collected = ReferenceSource(bank).clip_references(annotations, clip_spec, other_view, is_training=False)
    selector, loader = ReferenceSelector(bank), ReferenceLoader(bank, torch.device("cpu"))
    for annotation, expected in zip(annotations, unbind(collected), strict=True):
        streamed = loader.load(selector(annotation, (other_view,)))
        for name in ("images", "static_images", "positions", "weights"):
            assert torch.equal(getattr(streamed, name), getattr(expected, name))
    assert torch.equal(
        streamed.images[0, 0], frame_to_tensor(bank.frames[int(selector(annotation, (other_view,)).indices[0])])
    )
    static_frames = [bank.static_frames.load(index, bank.output_view) for index in range(len(bank))]
    assert any(torch.equal(streamed.static_images[0, 0], frame_to_tensor(frame)) for frame in static_frames)


@pytest.mark.parametrize(("is_training", "penalty"), [(True, STATIC_PENALTY), (False, SYNTHESIS_STATIC_PENALTY)])
def test_limbs_without_alignment_have_less_weight_in_synthesis(
    is_training: bool, penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    align = ReferenceBank.align

    def align_limbs(*arguments: Any) -> list[AlignedReference]:
        return [replace(item, proximity=np.ones_like(item.proximity)) for item in align(*arguments)]

    monkeypatch.setattr(ReferenceBank, "align", align_limbs)
    collected = ReferenceSource(blob_bank((0, 6, 12, 18))).clip_references(
        [(blob_annotation(9),)], ClipSpec(full_view(), FrameRange(0, 9, 10)), full_view(), is_training=is_training
    )
    assert SYNTHESIS_STATIC_PENALTY > STATIC_PENALTY
    assert torch.allclose(collected.log_weights[..., 1, :, :], torch.tensor(-penalty))
