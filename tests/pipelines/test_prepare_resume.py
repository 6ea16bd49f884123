"""A killed `prepare` leaves nothing corrupt, and the same command again ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import fake_conditioners
from helpers.fake_conditioners import Bright, Bytes, Marks, film, picture

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.core.errors import DiskFullError, ExistsError
from vid2vid_cli.data.chunk_store import PART
from vid2vid_cli.data.dataset import Dataset, newest_dataset
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.dataset_builder import job as prepare_job
from vid2vid_cli.dataset_builder.output_folder import Claim, choose_place
from vid2vid_cli.engine.events import Advanced, Event, Noticed, silent
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines import prepare as prepare_module
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with

COUNT = 2 * PART + 20


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("v") / "v.mov", [picture(index, 32, 48) for index in range(COUNT)])


@pytest.fixture(scope="module")
def whole(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of a run in one go."""
    out = tmp_path_factory.mktemp("whole") / "x"
    return prepare_with(PrepareRequest((video,), (), out), [Marks(), Bright()], silent).path


def begin_and_kill(video: Path, out: Path, ripe: Callable[[Path], bool]) -> None:
    """Start `prepare` in a process of its own and kill it once the unfinished folder looks as wanted."""
    command = [sys.executable, str(fake_conditioners.__file__), str(video), str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    partial = out.with_name(out.name + ".partial")
    limit = time.monotonic() + 600
    while process.poll() is None and not ripe(partial) and time.monotonic() < limit:
        time.sleep(0.002)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert partial.is_dir()


def same_content(one: Path, other: Path) -> None:
    """The same files with the same bytes, points aside: those of the same values; pictures for people aside."""
    names = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in (one, other)]
    assert names[0] == names[1]
    manifests = [json.loads((folder / "dataset.json").read_text()) for folder in (one, other)]
    for name in ("name", "identity"):
        manifests[0].pop(name), manifests[1].pop(name)
    assert manifests[0] == manifests[1]
    for png in (one / "clips").rglob("*.png"):
        assert png.read_bytes() == (other / png.relative_to(one)).read_bytes(), png
    for name in Dataset(one).manifest.conditioner_names:
        stored = [np.load(folder / "clips" / "000" / name / "points.npz") for folder in (one, other)]
        for key in stored[0]:
            np.testing.assert_allclose(stored[0][key], stored[1][key], rtol=1e-6)


@pytest.mark.parametrize(
    ("moment", "ripe", "most", "least"),
    [
        ("begin", lambda partial: (partial / ".work" / "job.json").is_file(), PART, 0),
        ("middle", lambda partial: any((partial / ".work/000/marks").glob("000048-*")), COUNT - 1, 2 * PART),
        ("preview", lambda partial: (partial / "contact_sheet.png").is_file(), COUNT, COUNT),
    ],
)
def test_killed_and_continued(
    tmp_path: Path, video: Path, whole: Path, moment: str, ripe: Callable[[Path], bool], most: int, least: int
) -> None:
    """The video has cuts, where the mark jumps back: they are those of a run in one go, too."""
    out = tmp_path / moment
    if moment == "preview":  # only one that was continued draws it at the end
        begin_and_kill(video, out, lambda partial: any((partial / ".work/000/marks").glob("000048-*")))
    begin_and_kill(video, out, ripe)
    assert newest_dataset(tmp_path, lambda _: True) is None
    drawn: list[int] = []
    events: list[Event] = []

    class Counting(Marks):
        def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
            return super().annotate(self._counted(frames))

        def _counted(self, frames: Iterable[Bytes]) -> Iterator[Bytes]:
            for frame in frames:
                drawn.append(1)
                yield frame

    prepare_with(PrepareRequest((video,), (), out), [Counting(), Bright()], events.append)
    said = [event.message for event in events if isinstance(event, Noticed) and "continuing" in event.message]
    done = int(said[0].split()[1]) if said else 0
    assert least <= done <= most
    if done:
        assert said == [f"continuing: {done} of {COUNT} frames were done"]
    assert len(drawn) == (0 if done == COUNT else COUNT - max(0, done - PART))  # one part again, to be warm
    same_content(whole, out)
    assert [clip.first for clip in read_manifest(out).clips] == [0, 28, 56]
    assert len(list(VideoReader(out / "preview.mp4"))) == COUNT
    assert os.listdir(tmp_path) == [moment]  # noqa: PTH208


def test_a_second_process_writes_the_same(
    tmp_path: Path, video: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And `whole`, of so many frames, was made with one."""
    assert prepare_module.LONG <= COUNT
    monkeypatch.setattr(prepare_module, "LONG", COUNT + 1)
    same_content(whole, prepare_with(PrepareRequest((video,), (), tmp_path / "x"), [Marks(), Bright()], silent).path)


def test_a_full_disk_loses_nothing(tmp_path: Path, video: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file of frame 60 leads to /dev/full, which is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    monkeypatch.setattr(prepare_module, "LONG", COUNT + 1)  # so that the name of the temporary file is known
    out = tmp_path / "x"
    trap = tmp_path / "x.partial/clips/000/frames" / f".000060.png.{os.getpid()}.partial"

    def set_trap(event: Event) -> None:
        if isinstance(event, Advanced) and not trap.is_symlink() and event.done < 10:
            trap.symlink_to("/dev/full")

    request = PrepareRequest((video,), (), out)
    with pytest.raises(DiskFullError, match=r"000060\.png") as caught:
        prepare_with(request, [Marks(), Bright()], set_trap)
    assert "continues" in caught.value.hint
    assert not out.exists()
    trap.unlink(missing_ok=True)
    events: list[Event] = []
    prepare_with(request, [Marks(), Bright()], events.append)
    assert f"continuing: {PART} of {COUNT} frames were done" in [getattr(event, "message", "") for event in events]
    same_content(whole, out)


def test_begun_with_other_settings_is_left_alone(tmp_path: Path, video: Path) -> None:
    out = tmp_path / "x"
    begin_and_kill(video, out, lambda partial: (partial / ".work" / "job.json").is_file())
    made = prepare_with(PrepareRequest((video,), (), out, max_frames=5), [Marks()], silent)
    assert made.path.name == "x-2"
    assert (tmp_path / "x.partial").is_dir()
    made = prepare_with(PrepareRequest((video,), (), out, max_frames=5, overwrite=True), [Marks()], silent)
    assert made.path.name == "x"
    assert not (tmp_path / "x.partial").exists()


def test_two_at_once_do_not_meet(tmp_path: Path, video: Path) -> None:
    out = tmp_path / "x"
    place = choose_place(out, "abc", overwrite=False)
    with Claim(place, "abc"), pytest.raises(ExistsError, match="Another vid2vid"), Claim(place, "abc"):
        pass
    with Claim(place, "abc"):
        pass


def test_what_a_killed_process_was_just_starting_is_waited_for(tmp_path: Path) -> None:
    """Between its fork and its program a child holds the lock of a parent that is gone."""
    place = choose_place(tmp_path / "x", "abc", overwrite=False)
    dying = Claim(place, "abc")
    dying.__enter__()
    threading.Timer(0.3, dying.__exit__, (None, None, None)).start()
    with Claim(place, "abc"):
        pass


def test_a_replacement_interrupted_between_two_names_is_completed(tmp_path: Path, video: Path) -> None:
    """Overwriting moves the old dataset aside first; if the process dies right there, the next run completes it."""
    out = tmp_path / "x"
    request = PrepareRequest((video,), (), out, max_frames=5)
    prepare_with(request, [Marks()], silent)
    out.rename(tmp_path / "x.replaced")
    again = PrepareRequest((video,), (), out, max_frames=6, overwrite=True)
    assert prepare_with(again, [Marks()], silent).path == out
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_nothing_runs_far_ahead_of_the_slowest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays constant because the decoder waits: it is never more than a few frames ahead of a conditioner."""
    read, ahead = [0], [0]

    class Watched(VideoReader):
        def __iter__(self) -> Iterator[Bytes]:
            for frame in super().__iter__():
                read[0] += 1
                yield frame

    class Waiting(Marks):
        def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
            for number, found in enumerate(super().annotate(frames)):
                time.sleep(0.004)
                ahead[0] = max(ahead[0], read[0] - number)
                yield found

    monkeypatch.setattr(prepare_job, "VideoReader", Watched)
    clip = film(tmp_path / "v.mov", [picture(index, 32, 48) for index in range(100)])
    prepare_with(PrepareRequest((clip,), (), tmp_path / "x"), [Waiting(), Bright()], silent)
    assert read[0] == 100
    assert 0 < ahead[0] < 16
