"""Painting as a stream is what the rollout would collect, and nothing unfinished is left."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.factories import CPU, Counting, tiny_sampler

from vid2vid_cli.conditioning import Annotation, view_image
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.events import Advanced, Event
from vid2vid_cli.engine.inference import generate, to_picture
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering.frame_renderer import Output, Painter, Seen, compare_path, hold_last, write_video


@pytest.fixture
def painter(dataset: Path, run_folder: Path) -> Painter:
    generator, info = load_checkpoint(run_folder / "blob.ckpt", CPU)
    conditioners = load_conditioners([(use.name, use.options) for use in info.conditioners])
    return Painter(generator, conditioners, (info.frame_view(),), CPU)


def seen(dataset: Path, first: int, last: int) -> Iterator[Seen]:
    data = Dataset(dataset)
    for index in range(first, last):
        yield Seen(data.frame(0, index), (data.annotation(0, index, "edges"),))


def test_streaming_is_collecting(dataset: Path, painter: Painter) -> None:
    clip = tiny_sampler(dataset).span(Span(0, 3, 15))
    collected = [to_picture(output.image[0]) for output in generate(painter.generator, clip.conditions, CPU)]
    painted = list(painter.paint(seen(dataset, 3, 15)))
    assert len(painted) == 12
    data = Dataset(dataset)
    for index, ((source, picture), expected) in enumerate(zip(painted, collected, strict=True)):
        assert np.array_equal(picture, expected)
        assert np.array_equal(source.picture, data.frame(0, 3 + index))
    assert not np.array_equal(painted[0][1], painted[-1][1])


def test_painting_asks_only_a_few_frames_ahead(dataset: Path, painter: Painter) -> None:
    asked = 0

    def endless() -> Iterator[Seen]:
        nonlocal asked
        (one,) = seen(dataset, 0, 1)
        while True:
            asked += 1
            yield one

    stream = painter.paint(endless())
    for _ in range(20):
        next(stream)
    assert 20 <= asked <= 27
    stream.close()  # type: ignore[attr-defined]


def test_between_two_frames_the_thread_is_the_consumers_own(dataset: Path, painter: Painter) -> None:
    """A layer made between two frames can be taught, and is not cast."""
    half = Painter(painter.generator, painter.conditioners, painter.views, dataclasses.replace(CPU, precision="bf16"))
    count = 0
    for _ in half.paint(seen(dataset, 0, 3)):
        assert not torch.is_inference_mode_enabled()
        assert not torch.is_autocast_enabled("cpu")
        torch.ones(2, requires_grad=True).square().sum().backward()
        count += 1
    assert count == 3


def test_the_past_is_forgotten_between_clips(dataset: Path, painter: Painter, tmp_path: Path) -> None:
    """A stub that counts says where its counting began anew."""
    counting = Painter(Counting(), painter.conditioners, painter.views, CPU)
    pictures = [int(picture.max()) for clip in (3, 2) for _, picture in counting.paint(seen(dataset, 0, clip))]
    alone = [int(to_picture(o.image[0]).max()) for o in rollout(Counting(), torch.zeros(3, 1, 1, 24, 24))]
    assert pictures == [*alone, *alone[:2]]
    events: list[Event] = []
    clips = (seen(dataset, 0, count) for count in (3, 2))
    output = Output(tmp_path / "a.mp4", tmp_path / "b.mp4", Fraction(30000, 1001))
    done = write_video([(painter, clip) for clip in clips], output, 5, events.append, "paint")
    assert (done.path, done.compare, done.frames) == (tmp_path / "a.mp4", tmp_path / "b.mp4", 5)
    assert events == [Advanced("paint", index + 1, 5) for index in range(5)]
    assert probe(done.path).fps == Fraction(30000, 1001)
    written = list(VideoReader(done.path))
    again = [picture for count in (3, 2) for _, picture in painter.paint(seen(dataset, 0, count))]
    assert len(written) == len(list(VideoReader(tmp_path / "b.mp4"))) == 5
    for a, b in zip(written, again, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 12


def test_the_comparison_shows_source_condition_and_result(dataset: Path, painter: Painter) -> None:
    (one,) = seen(dataset, 0, 1)
    source = Seen(view_image(one.picture, painter.views[0]), one.annotations)
    beside = painter.comparison(source, np.full((24, 24, 3), 200, np.uint8))
    assert beside.shape[0] >= 24
    assert beside.shape[1] >= 3 * 24
    below = beside[-24:]
    assert np.array_equal(below[:, :24], source.picture)
    assert np.array_equal(below[:, 28:52], painter.conditioners[0].picture(one.annotations[0], painter.views[0]))
    assert (below[:, 56:80] == 200).all()


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_window_of_one_arrives_in_the_memory_format_of_the_machine(
    dataset: Path, painter: Painter, channels_last: bool
) -> None:
    """As the thread that draws laid it out, so that the generator's has nothing to copy."""
    generator, machine = Counting(), dataclasses.replace(CPU, channels_last=channels_last)
    generator.window = 1
    twice = (Seen(one.picture, one.annotations * 2) for one in seen(dataset, 0, 2))  # of one channel nobody can tell
    list(Painter(generator, painter.conditioners * 2, painter.views * 2, machine).paint(twice))
    for window in generator.windows:
        shown = window[:, 0]
        assert shown.shape[1] == 2
        assert shown.is_contiguous(memory_format=torch.channels_last) is channels_last


@pytest.mark.parametrize("where", ["source", "listener"])
def test_an_error_leaves_nothing_behind(dataset: Path, painter: Painter, tmp_path: Path, where: str) -> None:
    before = threading.active_count()

    def broken() -> Iterator[Seen]:
        yield from seen(dataset, 0, 3)
        if where == "source":
            raise ZeroDivisionError

    def tell(event: Event) -> None:
        if where == "listener":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_video([(painter, broken())], Output(tmp_path / "a.mp4", tmp_path / "b.mp4", Fraction(25)), 3, tell, "x")
    assert os.listdir(tmp_path) == []  # noqa: PTH208
    assert threading.active_count() == before


def test_what_was_found_last_is_held() -> None:
    found, lost = Annotation(4, 4, 0.5), Annotation(4, 4, 0.0)
    other = Annotation(4, 4, 1.0)
    held, points = [found, found], [load_conditioner("edges"), load_conditioner("landmarks")]
    assert hold_last([lost, other], held, points) == (found, other)
    assert hold_last([lost, lost], held, points) == (found, other)
    assert hold_last([other, lost], held, points) == (other, other)


def test_a_label_map_without_anybody_is_not_held_back() -> None:
    found, nobody = Annotation(4, 4, 0.5), Annotation(4, 4, 0.0)
    who = [load_conditioner("segmentation", {"backend": "person"}), load_conditioner("pose")]
    assert hold_last([nobody, nobody], [found, found], who) == (nobody, found)


def test_where_the_comparison_goes() -> None:
    assert compare_path(Path("a/clip.v2.mp4")) == Path("a/clip.v2_compare.mp4")
