"""Clip sampling: a function of the step, within ranges of detections, equal views of frames and conditions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.factories import FPS, NUM_FRAMES, tiny_sampler
from helpers.fake_conditioners import Brightness, mark_frame, write_png_video
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, ConditionerSpec, VideoFrame, View, view_image
from vid2vid_cli.core.errors import TooFewFramesError
from vid2vid_cli.data.augmentation import ClipAugmentation
from vid2vid_cli.data.clip_sampler import ClipSampler, render_conditions
from vid2vid_cli.data.dataset import Dataset, FrameRange, valid_ranges
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with_conditioners


class Copy(Conditioner):
    """Its condition is the frame itself, for comparisons; frames without a mark are no detections."""

    spec = ConditionerSpec("copy", "the frame itself", "drawing", "nowhere:Copy")

    @property
    def num_channels(self) -> int:
        return 3

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        for frame in (video_frame.rgb for video_frame in frames):
            has_mark = (frame[:, :, 0] > 200).any()
            yield Annotation(*frame.shape[:2], float(has_mark), images={"copy": frame.copy()})

    def render(self, annotation: Annotation, view: View) -> NDArray[np.float32]:
        return frame_to_tensor(view_image(annotation.images["copy"], view)).numpy()

    def visualize(self, annotation: Annotation, view: View) -> NDArray[np.uint8]:
        return view_image(annotation.images["copy"], view)


MISSING = (3, 10, 11, 12, 20)
JITTER = ClipAugmentation(max_translate=0.2, max_zoom=0.2)


@pytest.fixture(scope="module")
def marked_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """50 frames, 40 of them for training; 5 of these have no detection."""
    folder = tmp_path_factory.mktemp("marked")
    path = write_png_video(folder / "a.mov", [mark_frame(index, has_mark=index not in MISSING) for index in range(50)])
    return Dataset(
        prepare_with_conditioners(
            PrepareRequest((path,), (), folder / "set"), [Copy(), Brightness()], ignore_events
        ).path
    )


def make_sampler(data: Dataset, *, view: View | None = None, **changes: object) -> ClipSampler:
    settings = {"seed": 0, "batch_size": 2, **changes}
    view = view or View.from_box((18, 0, 79, 61), 32, 32)
    return ClipSampler(data, [Copy()], view, **settings)  # type: ignore[arg-type]


def test_valid_ranges_exclude_frames_without_detection(marked_dataset: Dataset) -> None:
    assert valid_ranges(marked_dataset, ["copy"], "train") == [
        FrameRange(0, 0, 3),
        FrameRange(0, 4, 10),
        FrameRange(0, 13, 20),
        FrameRange(0, 21, 40),
    ]
    assert valid_ranges(marked_dataset, ["copy", "bright"], "train") == valid_ranges(marked_dataset, ["copy"], "train")
    assert valid_ranges(marked_dataset, ["bright"], "train") == [FrameRange(0, 0, 40)]
    assert valid_ranges(marked_dataset, ["copy"], "val") == [FrameRange(0, 40, 50)]
    assert make_sampler(marked_dataset).max_range_length == 19


def test_clips_are_within_ranges_and_reach_all_frames(marked_dataset: Dataset) -> None:
    """Frames are identified by their content."""
    sampler = make_sampler(marked_dataset, batch_size=1)
    all_frames = [sampler.load_range(FrameRange(0, index, index + 1)).frames[0, 0] for index in range(50)]
    reached = set()
    for step in range(300):
        frames = sampler.sample_batch(step, 3).frames[0]
        indices = [next(i for i, real in enumerate(all_frames) if torch.equal(real, frame)) for frame in frames]
        assert indices == list(range(indices[0], indices[0] + 3))
        reached.update(indices)
    assert reached == set(range(40)) - set(MISSING)


def test_sample_batch_depends_on_step_only(dataset: Path) -> None:
    first, second = tiny_sampler(dataset, augmentation=JITTER), tiny_sampler(dataset, augmentation=JITTER)
    expected = first.sample_batch(7, 4)
    for step in (3, 9, 7):
        batch = second.sample_batch(step, 4)
    assert torch.equal(batch.frames, expected.frames)
    assert torch.equal(batch.conditions, expected.conditions)
    assert not torch.equal(first.sample_batch(8, 4).frames, expected.frames)
    assert not torch.equal(
        tiny_sampler(dataset, augmentation=JITTER, seed=1).sample_batch(7, 4).frames, expected.frames
    )


def test_sample_batch_indices_share_a_batch(dataset: Path) -> None:
    """Also if the clips of a batch need different numbers of random numbers."""
    sampler = tiny_sampler(
        dataset,
        augmentation=ClipAugmentation(max_translate=0.1, max_zoom=0.1, hflip_prob=0.5, max_frame_stride=3),
        batch_size=4,
    )
    batch = sampler.sample_batch(7, 4)
    parts = [sampler.sample_batch(7, 4, range(rank, 4, 2)) for rank in range(2)]
    for rank, part in enumerate(parts):
        assert torch.equal(part.frames, batch.frames[rank::2])
        assert torch.equal(part.conditions, batch.conditions[rank::2])
    assert not torch.equal(parts[0].frames[0], parts[0].frames[1])
    (single,) = (batch for batch, _ in zip(sampler.iter_batches(7, lambda step: 4, [3]), range(1), strict=False))
    assert torch.equal(single.frames, batch.frames[3:])


def test_sample_batch_repeats_gives_different_clips(dataset: Path) -> None:
    """All clips differ, and they do not depend on the other indices of the call."""
    sampler = tiny_sampler(dataset, augmentation=ClipAugmentation(max_translate=0.1, max_zoom=0.1), batch_size=2)
    batch = sampler.sample_batch(7, 1, repeats=3)
    assert batch.frames.shape[:2] == (6, 1)
    assert len({frame.mean().item() for frame in batch.frames}) == 6
    for index in range(2):
        stream = sampler.iter_batches(7, lambda _: 1, [index], repeats=lambda _: 3)
        (single,) = (batch for batch, _ in zip(stream, range(1), strict=False))
        assert torch.equal(single.frames, batch.frames[3 * index : 3 * index + 3])


def test_iter_batches_equals_sample_batch(dataset: Path) -> None:
    sampler = tiny_sampler(dataset)
    lengths = {5: 2, 6: 3, 7: 4}
    for step, batch in zip(lengths, sampler.iter_batches(5, lambda step: lengths.get(step, 1)), strict=False):
        assert torch.equal(batch.frames, sampler.sample_batch(step, lengths[step]).frames)
        assert batch.frames.shape[1] == lengths[step]


def test_iter_batches_with_threads_keeps_the_order(dataset: Path) -> None:
    sampler = tiny_sampler(dataset, augmentation=ClipAugmentation(0.2, 0.2, hflip_prob=0.5, max_frame_stride=2))
    expected_batches = list(zip(range(12), sampler.iter_batches(3, lambda step: 2 + step % 3), strict=False))
    with closing(sampler.iter_batches(3, lambda step: 2 + step % 3, num_threads=3)) as stream:
        for (_, expected), batch in zip(expected_batches, stream, strict=False):
            assert torch.equal(batch.frames, expected.frames)
            assert torch.equal(batch.conditions, expected.conditions)


@pytest.mark.parametrize(
    "augmentation",
    [
        ClipAugmentation(),
        ClipAugmentation(max_translate=0.2),
        ClipAugmentation(max_zoom=0.3),
        ClipAugmentation(max_translate=0.1, max_zoom=0.2, hflip_prob=0.5),
        ClipAugmentation(hflip_prob=1),
        ClipAugmentation(crop_size=(24, 40), random_resize=(1.2, 2), hflip_prob=0.5),
    ],
)
def test_conditions_and_frames_have_the_same_view(marked_dataset: Dataset, augmentation: ClipAugmentation) -> None:
    sampler = make_sampler(marked_dataset, augmentation=augmentation)
    plain_sampler = make_sampler(marked_dataset)
    has_changed = False
    for step in range(5):
        batch = sampler.sample_batch(step, 3)
        assert torch.equal(batch.conditions, batch.frames)
        has_changed |= not torch.equal(batch.frames, plain_sampler.sample_batch(step, 3).frames)
    assert has_changed is (augmentation != ClipAugmentation())


def test_augmentation_bounds_are_reached(marked_dataset: Dataset) -> None:
    """Zoom and shift are within the configured bounds and cover them."""
    sampler = make_sampler(
        marked_dataset,
        view=View.from_box((18, 0, 66, 61), 61, 48),
        augmentation=ClipAugmentation(max_translate=0.25, max_zoom=0.1),
    )
    rng = np.random.default_rng(0)
    scales, shifts = [], []
    for _ in range(300):
        view = sampler.sample_clip(2, rng).view
        assert (view.height, view.width) == (61, 48)
        scales.append(view.scale / sampler.view.scale)
        # The zoom keeps the centre of the image; the shift is a fraction of the width and height.
        centre = np.linalg.inv(np.vstack([sampler.view.array, [0, 0, 1]])) @ [23.5, 30, 1]
        shifts.append((view.transform_points(centre[None, :2])[0] - (23.5, 30)) / (48, 61))
    assert 0.9 <= min(scales) < 0.92
    assert 1.08 < max(scales) <= 1.1
    assert np.abs(shifts).max() <= 0.25 + 1e-5
    assert (np.max(shifts, axis=0) > 0.23).all()
    assert (np.min(shifts, axis=0) < -0.23).all()


def test_load_range_is_not_augmented(marked_dataset: Dataset) -> None:
    sampler = make_sampler(
        marked_dataset,
        augmentation=ClipAugmentation(
            0.5, 0.5, crop_size=(16, 16), random_resize=(2, 2), max_frame_stride=3, hflip_prob=1
        ),
    )
    clip = sampler.load_range(FrameRange(0, 41, 44))
    for index, frame in zip((41, 42, 43), clip.frames[0], strict=True):
        assert torch.equal(frame, frame_to_tensor(view_image(marked_dataset.load_frame(0, index), sampler.view)))


def test_render_conditions_keeps_conditioner_order(marked_dataset: Dataset) -> None:
    class Ones(Copy):
        @property
        def num_channels(self) -> int:
            return 1

        def render(self, annotation: Annotation, view: View) -> NDArray[np.float32]:
            return np.ones((1, view.height, view.width), np.float32)

    annotation, view = marked_dataset.load_annotation(0, 0, "copy"), View.from_box((0, 0, 61, 61), 8, 8)
    rendered = render_conditions([Ones(), Copy()], [annotation, annotation], [view, view])
    assert rendered.shape == (4, 8, 8)
    assert rendered.dtype == np.float32
    assert (rendered[0] == 1).all()
    assert np.array_equal(rendered[1:], Copy().render(annotation, view))


def test_frame_to_tensor_range() -> None:
    frame = np.array([[[0, 255, 51]]], np.uint8)
    assert frame_to_tensor(frame).flatten().tolist() == pytest.approx([-1.0, 1.0, -0.6])


def test_clip_sampler_requires_two_consecutive_frames(tmp_path: Path) -> None:
    path = write_png_video(tmp_path / "a.mov", [mark_frame(index, has_mark=index % 2 == 0) for index in range(8)])
    data = Dataset(
        prepare_with_conditioners(PrepareRequest((path,), (), tmp_path / "set"), [Copy()], ignore_events).path
    )
    with pytest.raises(TooFewFramesError, match="set"):
        make_sampler(data)


def test_clip_starts_are_uniform_over_all_ranges(marked_dataset: Dataset) -> None:
    """Ranges of 6, 7 and 19 frames have 2, 3 and 15 starts of clips of 5 frames."""
    sampler = make_sampler(marked_dataset, batch_size=1)
    frames = [sampler.load_range(FrameRange(0, index, index + 1)).frames[0, 0].mean().item() for index in range(40)]
    starts = [frames.index(sampler.sample_batch(step, 5).frames[0, 0].mean().item()) for step in range(200)]
    shares = [np.mean([a <= start < b for start in starts]) for a, b in ((4, 10), (13, 20), (21, 40))]
    assert np.allclose(shares, [2 / 20, 3 / 20, 15 / 20], atol=0.08)
    assert set(starts) == set(itertools.chain(range(4, 6), range(13, 16), range(21, 36)))


def test_dataset_fixture_properties(dataset: Path) -> None:
    data = Dataset(dataset)
    assert (data.manifest.num_frames, data.fps, data.manifest.conditioner_names) == (NUM_FRAMES, FPS, ("edges",))
    assert tiny_sampler(dataset).max_range_length == 19
