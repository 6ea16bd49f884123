"""Clips: a draw depends on the step alone, keeps to what was found, and moves frame and condition as one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.factories import COUNT, FPS, tiny_sampler
from helpers.fake_conditioners import Bright, film, picture
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, ConditionerSpec, View, view_image
from vid2vid_cli.core.errors import TooShortError
from vid2vid_cli.data.augmentation import Variation
from vid2vid_cli.data.clip_sampler import ClipSampler, frame_tensor, render_conditions, usable_runs
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.engine.events import silent
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with


class Copy(Conditioner):
    """The frame itself as its condition, so that both can be compared; blind on frames without the mark."""

    spec = ConditionerSpec("copy", "the frame itself", "drawing", "nowhere:Copy")

    @property
    def channels(self) -> int:
        return 3

    def annotate(self, frames: Sequence[NDArray[np.uint8]]) -> Iterator[Annotation]:  # type: ignore[override]
        for frame in frames:
            marked = (frame[:, :, 0] > 200).any()
            yield Annotation(*frame.shape[:2], float(marked), images={"copy": frame.copy()})

    def render(self, annotation: Annotation, view: View) -> NDArray[np.float32]:
        return frame_tensor(view_image(annotation.images["copy"], view)).numpy()

    def picture(self, annotation: Annotation, view: View) -> NDArray[np.uint8]:
        return view_image(annotation.images["copy"], view)


MISSING = (3, 10, 11, 12, 20)
MOVED = Variation(shift=0.2, zoom=0.2)


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """50 frames; 40 of them for training; nothing is found on five of those."""
    folder = tmp_path_factory.mktemp("marked")
    path = film(folder / "a.mov", [picture(index, mark=index not in MISSING) for index in range(50)])
    return Dataset(prepare_with(PrepareRequest((path,), (), folder / "set"), [Copy(), Bright()], silent).path)


def sampler(data: Dataset, *, view: View | None = None, **changes: object) -> ClipSampler:
    settings = {"seed": 0, "batch": 2, **changes}
    view = view or View.of_box((18, 0, 79, 61), 32, 32)
    return ClipSampler(data, [Copy()], view, **settings)  # type: ignore[arg-type]


def test_runs_avoid_frames_where_nothing_was_found(marked: Dataset) -> None:
    assert usable_runs(marked, ["copy"], "train") == [Span(0, 0, 3), Span(0, 4, 10), Span(0, 13, 20), Span(0, 21, 40)]
    assert usable_runs(marked, ["copy", "bright"], "train") == usable_runs(marked, ["copy"], "train")
    assert usable_runs(marked, ["bright"], "train") == [Span(0, 0, 40)]
    assert usable_runs(marked, ["copy"], "holdout") == [Span(0, 40, 50)]
    assert sampler(marked).longest == 19


def test_every_clip_lies_in_a_run_and_every_frame_is_reached(marked: Dataset) -> None:
    """The picture's colour says which frame it is."""
    draws = sampler(marked, batch=1)
    whole = [draws.span(Span(0, index, index + 1)).frames[0, 0] for index in range(50)]
    reached = set()
    for step in range(300):
        frames = draws.draw(step, 3).frames[0]
        indices = [next(i for i, real in enumerate(whole) if torch.equal(real, frame)) for frame in frames]
        assert indices == list(range(indices[0], indices[0] + 3))
        reached.update(indices)
    assert reached == set(range(40)) - set(MISSING)


def test_a_draw_is_a_pure_function_of_the_step(dataset: Path) -> None:
    first, other = tiny_sampler(dataset, vary=MOVED), tiny_sampler(dataset, vary=MOVED)
    expected = first.draw(7, 4)
    for step in (3, 9, 7):
        drawn = other.draw(step, 4)
    assert torch.equal(drawn.frames, expected.frames)
    assert torch.equal(drawn.conditions, expected.conditions)
    assert not torch.equal(first.draw(8, 4).frames, expected.frames)
    assert not torch.equal(tiny_sampler(dataset, vary=MOVED, seed=1).draw(7, 4).frames, expected.frames)


def test_processes_draw_together_what_one_draws(dataset: Path) -> None:
    """Also where drawing one clip takes more or fewer random numbers than drawing another."""
    draws = tiny_sampler(dataset, vary=Variation(shift=0.1, zoom=0.1, flip=0.5, frame_step=3), batch=4)
    whole = draws.draw(7, 4)
    parts = [draws.draw(7, 4, range(rank, 4, 2)) for rank in range(2)]
    for rank, part in enumerate(parts):
        assert torch.equal(part.frames, whole.frames[rank::2])
        assert torch.equal(part.conditions, whole.conditions[rank::2])
    assert not torch.equal(parts[0].frames[0], parts[0].frames[1])
    (own,) = (batch for batch, _ in zip(draws.stream(7, lambda step: 4, [3]), range(1), strict=False))
    assert torch.equal(own.frames, whole.frames[3:])


def test_several_clips_may_stand_in_place_of_one(dataset: Path) -> None:
    """All others than each other, and the same whoever draws them."""
    draws = tiny_sampler(dataset, vary=Variation(shift=0.1, zoom=0.1), batch=2)
    whole = draws.draw(7, 1, each=3)
    assert whole.frames.shape[:2] == (6, 1)
    assert len({frame.mean().item() for frame in whole.frames}) == 6
    for place in range(2):
        stream = draws.stream(7, lambda _: 1, [place], each=lambda _: 3)
        (own,) = (batch for batch, _ in zip(stream, range(1), strict=False))
        assert torch.equal(own.frames, whole.frames[3 * place : 3 * place + 3])


def test_the_stream_is_the_draws_from_a_step_on(dataset: Path) -> None:
    draws = tiny_sampler(dataset)
    lengths = {5: 2, 6: 3, 7: 4}
    for step, batch in zip(lengths, draws.stream(5, lambda step: lengths.get(step, 1)), strict=False):
        assert torch.equal(batch.frames, draws.draw(step, lengths[step]).frames)
        assert batch.frames.shape[1] == lengths[step]


def test_threads_draw_the_same_clips_in_the_same_order(dataset: Path) -> None:
    draws = tiny_sampler(dataset, vary=Variation(0.2, 0.2, flip=0.5, frame_step=2))
    plain = list(zip(range(12), draws.stream(3, lambda step: 2 + step % 3), strict=False))
    with closing(draws.stream(3, lambda step: 2 + step % 3, threads=3)) as stream:
        for (_, one), other in zip(plain, stream, strict=False):
            assert torch.equal(one.frames, other.frames)
            assert torch.equal(one.conditions, other.conditions)


@pytest.mark.parametrize(
    "vary",
    [
        Variation(),
        Variation(shift=0.2),
        Variation(zoom=0.3),
        Variation(shift=0.1, zoom=0.2, flip=0.5),
        Variation(flip=1),
        Variation(crop=(24, 40), scale=(1.2, 2), flip=0.5),
    ],
)
def test_condition_and_frame_move_as_one(marked: Dataset, vary: Variation) -> None:
    draws = sampler(marked, vary=vary)
    still = sampler(marked)
    moved = False
    for step in range(5):
        batch = draws.draw(step, 3)
        assert torch.equal(batch.conditions, batch.frames)
        moved |= not torch.equal(batch.frames, still.draw(step, 3).frames)
    assert moved is (vary != Variation())


def test_how_far_a_clip_is_moved(marked: Dataset) -> None:
    """At most the part of the size that was asked for, both ways, and as one for a whole clip."""
    draws = sampler(marked, view=View.of_box((18, 0, 66, 61), 61, 48), vary=Variation(shift=0.25, zoom=0.1))
    random = np.random.default_rng(0)
    scales, shifts = [], []
    for _ in range(300):
        view = draws.take(2, random).view
        assert (view.height, view.width) == (61, 48)
        scales.append(view.scale / draws.view.scale)
        # The centre of the picture, which zoom leaves where it is; a shift is a part of its own side.
        centre = np.linalg.inv(np.vstack([draws.view.array, [0, 0, 1]])) @ [23.5, 30, 1]
        shifts.append((view.points(centre[None, :2])[0] - (23.5, 30)) / (48, 61))
    assert 0.9 <= min(scales) < 0.92
    assert 1.08 < max(scales) <= 1.1
    assert np.abs(shifts).max() <= 0.25 + 1e-5
    assert (np.max(shifts, axis=0) > 0.23).all()
    assert (np.min(shifts, axis=0) < -0.23).all()


def test_a_span_is_as_it_is(marked: Dataset) -> None:
    draws = sampler(marked, vary=Variation(0.5, 0.5, crop=(16, 16), scale=(2, 2), frame_step=3, flip=1))
    clip = draws.span(Span(0, 41, 44))
    for index, frame in zip((41, 42, 43), clip.frames[0], strict=True):
        assert torch.equal(frame, frame_tensor(view_image(marked.frame(0, index), draws.view)))


def test_channels_are_in_the_order_of_the_conditioners(marked: Dataset) -> None:
    class Ones(Copy):
        @property
        def channels(self) -> int:
            return 1

        def render(self, annotation: Annotation, view: View) -> NDArray[np.float32]:
            return np.ones((1, view.height, view.width), np.float32)

    annotation, view = marked.annotation(0, 0, "copy"), View.of_box((0, 0, 61, 61), 8, 8)
    drawn = render_conditions([Ones(), Copy()], [annotation, annotation], [view, view])
    assert drawn.shape == (4, 8, 8)
    assert drawn.dtype == np.float32
    assert (drawn[0] == 1).all()
    assert np.array_equal(drawn[1:], Copy().render(annotation, view))


def test_frames_are_from_minus_one_to_one() -> None:
    frame = np.array([[[0, 255, 51]]], np.uint8)
    assert frame_tensor(frame).flatten().tolist() == pytest.approx([-1.0, 1.0, -0.6])


def test_nothing_consecutive_is_too_short(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mov", [picture(index, mark=index % 2 == 0) for index in range(8)])
    data = Dataset(prepare_with(PrepareRequest((path,), (), tmp_path / "set"), [Copy()], silent).path)
    with pytest.raises(TooShortError, match="no two consecutive frames"):
        sampler(data)


def test_long_runs_are_drawn_as_often_as_they_are_long(marked: Dataset) -> None:
    """Each start of a clip is as likely as any other: runs of 6, 7 and 19 frames have 2, 3 and 15 starts of 5."""
    draws = sampler(marked, batch=1)
    frames = [draws.span(Span(0, index, index + 1)).frames[0, 0].mean().item() for index in range(40)]
    starts = [frames.index(draws.draw(step, 5).frames[0, 0].mean().item()) for step in range(200)]
    shares = [np.mean([a <= start < b for start in starts]) for a, b in ((4, 10), (13, 20), (21, 40))]
    assert np.allclose(shares, [2 / 20, 3 / 20, 15 / 20], atol=0.08)
    assert set(starts) == set(itertools.chain(range(4, 6), range(13, 16), range(21, 36)))


def test_the_dataset_of_the_tests_is_what_they_think(dataset: Path) -> None:
    data = Dataset(dataset)
    assert (data.manifest.frames, data.fps, data.manifest.conditioner_names) == (COUNT, FPS, ("edges",))
    assert tiny_sampler(dataset).longest == 19
