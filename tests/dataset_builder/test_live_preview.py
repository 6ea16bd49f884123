"""The preview that is drawn while `prepare` works: the same as one drawn afterwards, and in nobody's way."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.fake_conditioners import Bright, Bytes, Marks, film, picture

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.core.errors import DiskFullError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.dataset_builder import live_preview as live_module
from vid2vid_cli.dataset_builder.job import make_job
from vid2vid_cli.dataset_builder.live_preview import LivePreview, Meeting, Seen
from vid2vid_cli.dataset_builder.previews import write_preview
from vid2vid_cli.engine.events import Advanced, Event, silent
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines import prepare as prepare_module
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with
from vid2vid_cli.processes.priority import FEW

COUNT = 70


class Slow(Bright):
    """Behind the other one, and by fits and starts."""

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        for index, annotation in enumerate(super().annotate(frames)):
            time.sleep(0.02 if index % 7 == 0 else 0)
            yield annotation


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a cut at frame 28, where the mark jumps back."""
    return film(tmp_path_factory.mktemp("v") / "v.mov", [picture(index, 32, 48) for index in range(COUNT)])


@pytest.mark.parametrize("long", [1, 1000], ids=["beside", "here"])
def test_it_is_the_one_drawn_from_the_dataset(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch, long: int
) -> None:
    made = watched(monkeypatch, long)
    events: list[Event] = []
    request = PrepareRequest((video, video), (), tmp_path / "d")
    conditioners = [Marks(), Slow()]
    folder = prepare_with(request, conditioners, events.append).path
    assert not any(isinstance(event, Advanced) and event.stage == "preview" for event in events)
    write_preview(Dataset(folder), make_job(request, conditioners), tmp_path / "after.mp4", silent)
    live, after = (list(VideoReader(path)) for path in (folder / "preview.mp4", tmp_path / "after.mp4"))
    assert len(live) == len(after) == 2 * COUNT
    assert all(np.array_equal(one, other) for one, other in zip(live, after, strict=True))
    assert made == [live_module.DistantEasel if long == 1 else live_module.Easel]


class Ugly(Marks):
    """Cannot be drawn."""

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        raise ZeroDivisionError("in the plugin")


@pytest.mark.parametrize(("long", "local"), [(1, False), (1, True), (1000, False)], ids=["beside", "local", "here"])
def test_a_picture_that_cannot_be_drawn_comes_out_and_nothing_hangs(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch, long: int, local: bool
) -> None:
    made = watched(monkeypatch, long)

    class Nowhere(Ugly):
        """Is not found by another process."""

    with pytest.raises(ZeroDivisionError, match="in the plugin"):
        prepare_with(PrepareRequest((video,), (), tmp_path / "d"), [Nowhere() if local else Ugly()], silent)
    assert made == [live_module.DistantEasel if long == 1 and not local else live_module.Easel]
    assert not list(tmp_path.rglob("*.mp4"))
    assert "preview" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("long", [1, 1000], ids=["beside", "here"])
def test_an_error_elsewhere_leaves_no_half_of_it(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch, long: int
) -> None:
    monkeypatch.setattr(prepare_module, "LONG", long)

    class Broken(Marks):
        def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
            for index, annotation in enumerate(super().annotate(frames)):
                if index == 60:
                    raise ZeroDivisionError("in the plugin")
                yield annotation

    with pytest.raises(ZeroDivisionError):
        prepare_with(PrepareRequest((video,), (), tmp_path / "d"), [Broken()], silent)
    assert (tmp_path / "d.partial").is_dir()  # a part of it is safe
    assert not list(tmp_path.rglob("*.mp4"))
    assert "preview" not in {thread.name for thread in threading.enumerate()}


def test_a_full_disk_is_said(tmp_path: Path, video: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    job = make_job(PrepareRequest((video,), (), tmp_path), [Bright()])
    path = tmp_path / "p.mp4"
    with LivePreview(path, job) as preview:
        path.with_name(f".p.{os.getpid()}.partial.mp4").symlink_to("/dev/full")
        meeting = preview.clip()
        for frame, found in zip(frames(COUNT), Bright().annotate(frames(COUNT)), strict=True):
            meeting.frame(frame, 0)
            meeting.found_by(0)(found)
        with pytest.raises(DiskFullError, match=r"p\.mp4"):
            preview.finish()


def watched(monkeypatch: pytest.MonkeyPatch, long: int) -> list[type]:
    """Who draws; videos of `long` frames and more are given a second process."""
    made: list[type] = []
    artist = LivePreview._artist

    def noted(self: LivePreview) -> live_module.Artist:
        chosen = artist(self)
        made.append(type(chosen))
        return chosen

    monkeypatch.setattr(prepare_module, "LONG", long)
    monkeypatch.setattr(LivePreview, "_artist", noted)
    return made


def frames(count: int) -> list[Bytes]:
    return [picture(index, 32, 48) for index in range(count)]


def test_a_frame_meets_what_was_found_on_it_whoever_comes_first() -> None:
    passed: list[Seen] = []
    meeting = Meeting(2, passed.append)
    first, second = (meeting.found_by(number) for number in range(2))
    found = {name: [Annotation(1, 1, index) for index in range(3)] for name in "ab"}
    pictures: list[Any] = [np.full((1, 1, 3), index, np.uint8) for index in range(3)]
    for annotation in found["a"]:
        first(annotation)
    meeting.frame(pictures[0], 0)
    assert not passed
    second(found["b"][0])
    meeting.frame(pictures[1], 1)
    meeting.frame(pictures[2], 1)
    second(found["b"][1])
    second(found["b"][2])
    assert [(int(seen.frame[0, 0, 0]), seen.shot) for seen in passed] == [(0, 0), (1, 1), (2, 1)]
    assert all(seen.annotations == (found["a"][i], found["b"][i]) for i, seen in enumerate(passed))


class Where(Bright):
    """Says on how many cores it may work."""

    one: ClassVar[bool] = False
    cores: ClassVar[list[int]] = []

    @property
    def serial(self) -> bool:
        return self.one

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        self.cores.append(len(os.sched_getaffinity(0)))
        yield from super().annotate(frames)


@pytest.mark.skipif(sys.platform != "linux", reason="cores are chosen on Linux alone")
@pytest.mark.parametrize(("serial", "alone"), [(False, True), (True, True), (True, False)])
def test_a_serial_conditioner_stays_on_one_core_if_no_other_needs_it(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch, serial: bool, alone: bool
) -> None:
    monkeypatch.setattr(Where, "one", serial)
    monkeypatch.setattr(Where, "cores", [])
    before = os.sched_getaffinity(0)
    conditioners = [Where()] if alone else [Marks(), Where()]
    prepare_with(PrepareRequest((video,), (), tmp_path / "d"), conditioners, silent)
    assert Where.cores == [1 if serial and alone and len(before) <= FEW else len(before)]
    assert os.sched_getaffinity(0) == before
