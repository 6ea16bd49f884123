"""`prepare` with existing annotation files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.fake_conditioners import Brightness, Notes, NotesOptions, mark_frame, write_notes, write_png_video

from vid2vid_cli.core.errors import InputFileMismatchError, MissingFileError, MissingPackageError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.dataset_builder.job import make_job
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.images import save_png
from vid2vid_cli.pipelines.prepare import (
    PrepareRequest,
    PrepareResult,
    plan_prepare,
    prepare,
    prepare_with_conditioners,
)

FPS = Fraction(30)


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_clip(name: str, count: int = 12) -> Path:
    return write_png_video(Path(name), [mark_frame(index) for index in range(count)], FPS)


def run_prepare(*videos: Path, notes: Path | None, **settings: Any) -> PrepareResult:
    conditioners = [Notes(NotesOptions(folder=notes)), Brightness()]
    return prepare_with_conditioners(
        PrepareRequest(videos, (), split_shots=False, **settings), conditioners, ignore_events
    )


def read_notes(result: PrepareResult, clip_index: int = 0) -> list[float]:
    data = Dataset(result.path)
    frames = range(data.manifest.clips[clip_index].num_frames)
    return [float(data.load_annotation(clip_index, index, "notes").points["note"][0, 0]) for index in frames]


def test_prepare_reads_a_file_per_frame_without_detector() -> None:
    result = run_prepare(write_clip("a.mov"), notes=write_notes(Path("n"), range(12)))
    assert read_notes(result) == list(range(12))
    assert "folder" not in Dataset(result.path).manifest.conditioner_record("notes").options
    with pytest.raises(MissingPackageError, match="not_there"):
        run_prepare(write_clip("a.mov"), notes=None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"start": 0.1}, range(3, 12)),
        ({"fps": Fraction(15)}, range(0, 12, 2)),
        ({"fps": Fraction(20)}, [0, 1, 3, 4, 6, 7, 9, 10]),
        ({"start": 0.2, "fps": Fraction(10), "max_frames": 2}, [6, 9]),
    ],
)
def test_prepare_files_follow_time_range_and_fps(changes: dict[str, Any], expected: Any) -> None:
    assert read_notes(run_prepare(write_clip("a.mov"), notes=write_notes(Path("n"), range(12)), **changes)) == list(
        expected
    )


def test_prepare_image_folder_sets_fps_without_resampling() -> None:
    folder = Path("shots")
    folder.mkdir()
    for index in range(12):
        save_png(folder / f"{index}.png", mark_frame(index))
    notes = write_notes(Path("n"), range(12))
    result = run_prepare(folder, notes=notes, fps=Fraction(12))
    assert (read_notes(result), Dataset(result.path).fps) == (list(range(12)), 12)
    # 0.3 s at 12 fps is between two images; the range starts with the second one.
    assert read_notes(run_prepare(folder, notes=notes, fps=Fraction(12), start=0.3)) == list(range(4, 12))
    assert np.array_equal(Dataset(Path("datasets/shots-2")).load_frame(0, 0), mark_frame(4))


def test_prepare_matches_files_to_each_video() -> None:
    videos = [write_clip("a.mov"), write_clip("x/b.c.mov", 10)]
    write_notes(Path("n/a"), range(12))
    write_notes(Path("n/b.c"), range(100, 110))
    result = run_prepare(*videos, notes=Path("n"))
    assert (read_notes(result, 0), read_notes(result, 1)) == (list(range(12)), list(range(100, 110)))
    second_result = run_prepare(videos[1], notes=Path("n"))  # the folder also contains the files of other videos
    assert read_notes(second_result) == list(range(100, 110))
    with pytest.raises(InputFileMismatchError, match=r"n \(notes\.folder\).* d.*d\.mov") as error:
        run_prepare(videos[0], write_clip("d.mov"), notes=Path("n"))
    assert str(Path("n/d")) in error.value.hint
    write_notes(Path("n/a.txt"), range(12))
    Path("n/b.c.mkv").touch()
    with pytest.raises(InputFileMismatchError, match=r"b\.c and b\.c\.mkv"):
        run_prepare(*videos, notes=Path("n"))
    with pytest.raises(InputFileMismatchError, match="name a"):
        run_prepare(videos[0], write_clip("x/a.mov"), notes=Path("n"))


def test_prepare_changed_files_make_new_dataset() -> None:
    video, notes = write_clip("a.mov"), write_notes(Path("n"), range(12))
    first = run_prepare(video, notes=notes)
    assert run_prepare(video, notes=notes).elapsed_seconds == 0
    Path("n").rename("m")
    assert run_prepare(video, notes=Path("m")).path == first.path  # the path of the files is not part of the identity
    (Path("m") / "3.txt").write_text("33")
    changed = run_prepare(video, notes=Path("m"))
    assert (changed.path.name, read_notes(changed)[3], read_notes(first)[3]) == ("a-2", 33, 3)


def test_prepare_rejects_missing_or_mismatched_files() -> None:
    video = write_clip("a.mov")
    with pytest.raises(MissingFileError, match=r"nowhere.*notes\.folder") as caught:
        run_prepare(video, notes=Path("nowhere"))
    assert caught.value.hint == "--conditioner-option notes.folder=PATH"
    with pytest.raises(InputFileMismatchError, match="11 notes for 12 frames"):
        run_prepare(video, notes=write_notes(Path("n"), range(11)))
    assert not list(Path("datasets").iterdir())


def test_prepare_job_bind_conditioners_offsets_files() -> None:
    job = make_job(
        PrepareRequest((write_clip("a.mov"),), ()), [Notes(NotesOptions(folder=write_notes(Path("n"), range(12))))]
    )
    (conditioner,) = job.bind_conditioners(job.inputs[0], first_index=7)
    assert conditioner.video_context is not None
    assert conditioner.video_context.source_frame_index(2) == 9


def test_plan_prepare_checks_annotation_files() -> None:
    video, folder = write_clip("a.mov"), Path("edges")
    folder.mkdir()
    for index in range(11):
        save_png(folder / f"{index}.png", mark_frame(index))
    request = PrepareRequest((video,), ("edges",), options={"edges": {"input_dir": str(folder)}})
    with pytest.raises(InputFileMismatchError, match=r"11 files.*12 frames"):
        plan_prepare(request)
    assert not Path("datasets").exists()


def test_prepare_requires_files_without_detector() -> None:
    with pytest.raises(MissingFileError, match="labels") as error:
        prepare(PrepareRequest((write_clip("a.mov"),), ("labels",)), ignore_events)
    assert "labels.input_dir=PATH" in error.value.hint
    assert not Path("datasets").exists()
