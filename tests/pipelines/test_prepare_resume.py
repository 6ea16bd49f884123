"""A killed `prepare` leaves no corrupt files, and a second run completes the same dataset."""

from __future__ import annotations

import json
import os
import shutil
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
from helpers.fake_conditioners import Brightness, ImageArray, Marks, mark_frame, write_png_video

from vid2vid_cli.conditioning import Annotation, VideoFrame
from vid2vid_cli.core.errors import DiskFullError, OutputExistsError
from vid2vid_cli.data.chunk_store import CHUNK_FRAMES
from vid2vid_cli.data.dataset import Dataset, find_newest_dataset
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.dataset_builder import job as prepare_job
from vid2vid_cli.dataset_builder.output_folder import DatasetFolderLock, choose_dataset_folder
from vid2vid_cli.engine.events import Event, InfoEvent, ProgressEvent, WarningEvent, ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with_conditioners

NUM_FRAMES = 2 * CHUNK_FRAMES + 20


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_png_video(
        tmp_path_factory.mktemp("v") / "v.mov", [mark_frame(index, 32, 48) for index in range(NUM_FRAMES)]
    )


@pytest.fixture(scope="module")
def uninterrupted_dataset(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "x"
    return prepare_with_conditioners(PrepareRequest((video,), (), out), [Marks(), Brightness()], ignore_events).path


def start_and_kill(video: Path, out: Path, is_ready: Callable[[Path], bool]) -> None:
    """Start `prepare` in a process and kill it as soon as `is_ready` holds for the unfinished folder."""
    command = [sys.executable, str(fake_conditioners.__file__), str(video), str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    partial_folder = out.with_name(out.name + ".partial")
    deadline = time.monotonic() + 600
    while process.poll() is None and not is_ready(partial_folder) and time.monotonic() < deadline:
        time.sleep(0.002)
    assert process.poll() is None, "the process ended before it was killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert partial_folder.is_dir()


def assert_same_datasets(first: Path, second: Path) -> None:
    """Compare file names, manifests, images (bit-exact) and points (values)."""
    names = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in (first, second)]
    assert names[0] == names[1]
    manifests = [json.loads((folder / "dataset.json").read_text()) for folder in (first, second)]
    for name in ("name", "content_hash"):
        manifests[0].pop(name), manifests[1].pop(name)
    assert manifests[0] == manifests[1]
    for image_path in (first / "clips").rglob("*.png"):
        assert image_path.read_bytes() == (second / image_path.relative_to(first)).read_bytes(), image_path
    for name in Dataset(first).manifest.conditioner_names:
        point_files = [np.load(folder / "clips" / "000" / name / "points.npz") for folder in (first, second)]
        for key in point_files[0]:
            np.testing.assert_allclose(point_files[0][key], point_files[1][key], rtol=1e-6)


@pytest.mark.parametrize(
    ("stage", "is_ready", "max_done", "min_done"),
    [
        ("begin", lambda partial: (partial / ".work" / "job.json").is_file(), CHUNK_FRAMES, 0),
        (
            "middle",
            lambda partial: any((partial / ".work/000/marks").glob("000048-*")),
            NUM_FRAMES - 1,
            2 * CHUNK_FRAMES,
        ),
        ("preview", lambda partial: (partial / "contact_sheet.png").is_file(), NUM_FRAMES, NUM_FRAMES),
    ],
)
def test_prepare_resumes_after_kill(
    tmp_path: Path,
    video: Path,
    uninterrupted_dataset: Path,
    stage: str,
    is_ready: Callable[[Path], bool],
    max_done: int,
    min_done: int,
) -> None:
    """The video has cuts; a resumed run detects the same ones as an uninterrupted run."""
    out = tmp_path / stage
    if stage == "preview":
        start_and_kill(video, out, lambda partial: any((partial / ".work/000/marks").glob("000048-*")))
    start_and_kill(video, out, is_ready)
    assert find_newest_dataset(tmp_path, lambda _: True) is None
    read_frames: list[int] = []
    events: list[Event] = []

    class CountingMarks(Marks):
        def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
            return super().annotate(self._count_frames(frames))

        def _count_frames(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
            for frame in frames:
                read_frames.append(1)
                yield frame

    prepare_with_conditioners(PrepareRequest((video,), (), out), [CountingMarks(), Brightness()], events.append)
    messages = [event.message for event in events if isinstance(event, InfoEvent) and "continuing" in event.message]
    num_done = int(messages[0].split()[1]) if messages else 0
    assert min_done <= num_done <= max_done
    if num_done:
        assert messages == [f"continuing: {num_done} of {NUM_FRAMES} frames were done"]
    assert len(read_frames) == (
        0 if num_done == NUM_FRAMES else NUM_FRAMES - max(0, num_done - CHUNK_FRAMES)
    )  # the last complete chunk is annotated again to warm up
    assert_same_datasets(uninterrupted_dataset, out)
    assert [clip.start_index for clip in read_manifest(out).clips] == [0, 28, 56]
    assert len(list(VideoReader(out / "preview.mp4"))) == NUM_FRAMES
    assert os.listdir(tmp_path) == [stage]  # noqa: PTH208


def test_prepare_resumes_after_full_disk(tmp_path: Path, video: Path, uninterrupted_dataset: Path) -> None:
    """The temporary file of frame 60 is a link to /dev/full."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    out = tmp_path / "x"
    full_disk_link = tmp_path / "x.partial/clips/000/frames" / f".000060.png.{os.getpid()}.partial"

    def create_full_disk_link(event: Event) -> None:
        if isinstance(event, ProgressEvent) and not full_disk_link.is_symlink() and event.done < 10:
            full_disk_link.symlink_to("/dev/full")

    request = PrepareRequest((video,), (), out)
    with pytest.raises(DiskFullError, match=r"000060\.png") as caught:
        prepare_with_conditioners(request, [Marks(), Brightness()], create_full_disk_link)
    assert caught.value.hint
    assert not out.exists()
    full_disk_link.unlink(missing_ok=True)
    events: list[Event] = []
    prepare_with_conditioners(request, [Marks(), Brightness()], events.append)
    assert f"continuing: {CHUNK_FRAMES} of {NUM_FRAMES} frames were done" in [
        getattr(event, "message", "") for event in events
    ]
    assert_same_datasets(uninterrupted_dataset, out)


def flip_middle_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_clip_record(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_frames": 5, "cuts": [2]}))


@pytest.fixture(scope="module")
def unfinished_dataset(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.partial` folder: all frames and annotations are complete, and the preview is missing."""
    out = tmp_path_factory.mktemp("unfinished") / "x"

    def stop_at_preview(event: Event) -> None:
        if isinstance(event, ProgressEvent) and event.stage == "preview":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_with_conditioners(PrepareRequest((video,), (), out), [Marks(), Brightness()], stop_at_preview)
    return out.with_name("x.partial")


@pytest.mark.parametrize(
    ("damaged_file", "damage", "num_done"),
    [
        ("clips/000/frames/000060.png", lambda path: path.write_bytes(b""), CHUNK_FRAMES),
        ("clips/000/frames/000060.png", flip_middle_byte, CHUNK_FRAMES),
        ("clips/000/marks/mask/000003.png", lambda path: path.unlink(), 0),
        (".work/000/frames/000000-000048.npz", lambda path: path.write_bytes(b""), 0),
        (".work/000/marks/000048-000096.npz", flip_middle_byte, CHUNK_FRAMES),
        (".work/000/bright/000048-000096.npz", lambda path: path.write_bytes(b"PK nothing"), CHUNK_FRAMES),
        (".work/000/marks/000096-000116.npz", lambda path: path.write_bytes(b""), 2 * CHUNK_FRAMES),
        (".work/000/clip.json", change_clip_record, 2 * CHUNK_FRAMES),
        (".work/000/clip.json", lambda path: path.write_bytes(b"{"), 2 * CHUNK_FRAMES),
        ("clips/000/marks/points.npz", flip_middle_byte, 2 * CHUNK_FRAMES),
    ],
)
def test_prepare_makes_damaged_parts_again(
    tmp_path: Path,
    video: Path,
    uninterrupted_dataset: Path,
    unfinished_dataset: Path,
    damaged_file: str,
    damage: Callable[[Path], None],
    num_done: int,
) -> None:
    out = tmp_path / "x"
    shutil.copytree(unfinished_dataset, tmp_path / "x.partial")
    damage(tmp_path / "x.partial" / damaged_file)
    events: list[Event] = []
    prepare_with_conditioners(PrepareRequest((video,), (), out), [Marks(), Brightness()], events.append)
    warnings = [event.message for event in events if isinstance(event, WarningEvent)]
    assert len(warnings) == 1
    assert damaged_file in warnings[0]
    continued = [event.message for event in events if "continuing" in getattr(event, "message", "")]
    assert continued == ([f"continuing: {num_done} of {NUM_FRAMES} frames were done"] if num_done else [])
    assert_same_datasets(uninterrupted_dataset, out)


def test_prepare_annotates_nothing_again_for_a_damaged_frame(
    tmp_path: Path, video: Path, unfinished_dataset: Path
) -> None:
    shutil.copytree(unfinished_dataset, tmp_path / "x.partial")
    (tmp_path / "x.partial/clips/000/frames/000003.png").write_bytes(b"")
    chunk_files = sorted((tmp_path / "x.partial/.work/000").glob("*/*.npz"))
    times = {path: path.stat().st_mtime_ns for path in chunk_files}
    rewritten: list[Path] = []

    def find_rewritten_chunks(event: Event) -> None:
        if isinstance(event, ProgressEvent) and event.stage == "preview" and not rewritten:
            rewritten.extend(path for path in chunk_files if path.stat().st_mtime_ns != times[path])

    request = PrepareRequest((video,), (), tmp_path / "x")
    prepare_with_conditioners(request, [Marks(), Brightness()], find_rewritten_chunks)
    names = [f"{path.parent.name}/{path.name}" for path in rewritten]
    last = "000096-000116.npz"
    assert names == [f"bright/{last}", "frames/000000-000048.npz", f"frames/{last}", f"marks/{last}"]


def test_prepare_overwrite_discards_unfinished_dataset(tmp_path: Path, video: Path, unfinished_dataset: Path) -> None:
    out = tmp_path / "x"
    shutil.copytree(unfinished_dataset, tmp_path / "x.partial")
    (tmp_path / "x.partial/.work/000/clip.json").write_text("5")
    events: list[Event] = []
    request = PrepareRequest((video,), (), out, overwrite=True)
    prepare_with_conditioners(request, [Marks(), Brightness()], events.append)
    assert not any(isinstance(event, WarningEvent) or "continuing" in str(event) for event in events)
    assert read_manifest(out).num_frames == NUM_FRAMES


def test_choose_dataset_folder_continues_unfinished_replacement(tmp_path: Path) -> None:
    """`--overwrite` was interrupted; the same command without it continues and still replaces the dataset."""
    out = tmp_path / "x"
    out.mkdir()
    (out / "dataset.json").write_text("{}")
    with DatasetFolderLock(choose_dataset_folder(out, "abc", overwrite=True), "abc"):
        pass
    continued = choose_dataset_folder(out, "abc", overwrite=False)
    assert (continued.path, continued.state, continued.replaces_existing) == (out, "continue", True)
    assert choose_dataset_folder(out, "other", overwrite=False).path == tmp_path / "x-2"
    assert choose_dataset_folder(out, "abc", overwrite=True).state == "new"


@pytest.mark.parametrize("content", ["", "[]", "{}", "5"])
def test_choose_dataset_folder_leaves_unfinished_folder_with_damaged_record(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.partial/.work").mkdir(parents=True)
    (tmp_path / "x.partial/.work/job.json").write_text(content)
    assert choose_dataset_folder(tmp_path / "x", "abc", overwrite=False).path == tmp_path / "x-2"


def test_prepare_keeps_unfinished_dataset_of_other_settings(tmp_path: Path, video: Path) -> None:
    out = tmp_path / "x"
    start_and_kill(video, out, lambda partial: (partial / ".work" / "job.json").is_file())
    result = prepare_with_conditioners(PrepareRequest((video,), (), out, max_frames=5), [Marks()], ignore_events)
    assert result.path.name == "x-2"
    assert (tmp_path / "x.partial").is_dir()
    result = prepare_with_conditioners(
        PrepareRequest((video,), (), out, max_frames=5, overwrite=True), [Marks()], ignore_events
    )
    assert result.path.name == "x"
    assert not (tmp_path / "x.partial").exists()


def test_dataset_folder_lock_excludes_second_process(tmp_path: Path, video: Path) -> None:
    out = tmp_path / "x"
    dataset_folder = choose_dataset_folder(out, "abc", overwrite=False)
    with (
        DatasetFolderLock(dataset_folder, "abc"),
        pytest.raises(OutputExistsError, match=r"x\.partial"),
        DatasetFolderLock(dataset_folder, "abc"),
    ):
        pass
    with DatasetFolderLock(dataset_folder, "abc"):
        pass


def test_dataset_folder_lock_waits_for_inherited_lock(tmp_path: Path) -> None:
    """A child process holds the lock of its terminated parent between fork and exec."""
    dataset_folder = choose_dataset_folder(tmp_path / "x", "abc", overwrite=False)
    inherited_lock = DatasetFolderLock(dataset_folder, "abc")
    inherited_lock.__enter__()
    threading.Timer(0.3, inherited_lock.__exit__, (None, None, None)).start()
    with DatasetFolderLock(dataset_folder, "abc"):
        pass


def test_prepare_completes_interrupted_replacement(tmp_path: Path, video: Path) -> None:
    """Overwriting renames the old dataset first; if the process is killed then, the next run completes it."""
    out = tmp_path / "x"
    request = PrepareRequest((video,), (), out, max_frames=5)
    prepare_with_conditioners(request, [Marks()], ignore_events)
    out.rename(tmp_path / "x.replaced")
    second_request = PrepareRequest((video,), (), out, max_frames=6, overwrite=True)
    assert prepare_with_conditioners(second_request, [Marks()], ignore_events).path == out
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_prepare_decoder_waits_for_slowest_conditioner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder is at most a few frames ahead of the slowest conditioner, so memory is bounded."""
    num_read, max_lead = [0], [0]

    class CountingReader(VideoReader):
        def __iter__(self) -> Iterator[ImageArray]:
            for frame in super().__iter__():
                num_read[0] += 1
                yield frame

    class DelayedMarks(Marks):
        def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
            for number, annotation in enumerate(super().annotate(frames)):
                time.sleep(0.004)
                max_lead[0] = max(max_lead[0], num_read[0] - number)
                yield annotation

    monkeypatch.setattr(prepare_job, "VideoReader", CountingReader)
    clip = write_png_video(tmp_path / "v.mov", [mark_frame(index, 32, 48) for index in range(100)])
    prepare_with_conditioners(
        PrepareRequest((clip,), (), tmp_path / "x"), [DelayedMarks(), Brightness()], ignore_events
    )
    assert num_read[0] == 100
    assert 0 < max_lead[0] < 16
