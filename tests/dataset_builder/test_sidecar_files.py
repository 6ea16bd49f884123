"""`prepare` with labels that exist already beside the videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.fake_conditioners import Bright, NoteOptions, Notes, film, picture, write_notes

from vid2vid_cli.core.errors import FilesMismatchError, MissingFileError, MissingPackageError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.dataset_builder.job import make_job
from vid2vid_cli.engine.events import silent
from vid2vid_cli.media.images import save_png
from vid2vid_cli.pipelines.prepare import Prepared, PrepareRequest, prepare, prepare_with

FPS = Fraction(30)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def clip(name: str, count: int = 12) -> Path:
    return film(Path(name), [picture(index) for index in range(count)], FPS)


def run(*videos: Path, notes: Path | None, **changes: Any) -> Prepared:
    conditioners = [Notes(NoteOptions(folder=notes)), Bright()]
    return prepare_with(PrepareRequest(videos, (), cuts=False, **changes), conditioners, silent)


def noted(made: Prepared, number: int = 0) -> list[float]:
    data = Dataset(made.path)
    frames = range(data.manifest.clips[number].frames)
    return [float(data.annotation(number, index, "notes").points["note"][0, 0]) for index in frames]


def test_each_frame_gets_its_file_and_no_package_is_asked_for() -> None:
    made = run(clip("a.mov"), notes=write_notes(Path("n"), range(12)))
    assert noted(made) == list(range(12))
    assert "folder" not in Dataset(made.path).manifest.conditioner("notes").options
    with pytest.raises(MissingPackageError, match="not_there"):
        run(clip("a.mov"), notes=None)


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({"start": 0.1}, range(3, 12)),
        ({"fps": Fraction(15)}, range(0, 12, 2)),
        ({"fps": Fraction(20)}, [0, 1, 3, 4, 6, 7, 9, 10]),
        ({"start": 0.2, "fps": Fraction(10), "max_frames": 2}, [6, 9]),
    ],
)
def test_files_follow_stretch_and_rate(changes: dict[str, Any], numbers: Any) -> None:
    assert noted(run(clip("a.mov"), notes=write_notes(Path("n"), range(12)), **changes)) == list(numbers)


def test_pictures_are_given_a_rate_and_not_resampled() -> None:
    folder = Path("shots")
    folder.mkdir()
    for index in range(12):
        save_png(folder / f"{index}.png", picture(index))
    notes = write_notes(Path("n"), range(12))
    made = run(folder, notes=notes, fps=Fraction(12))
    assert (noted(made), Dataset(made.path).fps) == (list(range(12)), 12)
    # 0.3 s at 12 a second lies between two pictures: the next one is the first.
    assert noted(run(folder, notes=notes, fps=Fraction(12), start=0.3)) == list(range(4, 12))
    assert np.array_equal(Dataset(Path("datasets/shots-2")).frame(0, 0), picture(4))


def test_of_several_videos_each_has_its_own() -> None:
    videos = [clip("a.mov"), clip("x/b.c.mov", 10)]
    write_notes(Path("n/a"), range(12))
    write_notes(Path("n/b.c"), range(100, 110))
    made = run(*videos, notes=Path("n"))
    assert (noted(made, 0), noted(made, 1)) == (list(range(12)), list(range(100, 110)))
    alone = run(videos[1], notes=Path("n"))  # kept together with those of others
    assert noted(alone) == list(range(100, 110))
    with pytest.raises(
        FilesMismatchError, match=r"n \(notes\.folder\) holds nothing called d, and of several"
    ) as error:
        run(videos[0], clip("d.mov"), notes=Path("n"))
    assert str(Path("n/d")) in error.value.hint
    with pytest.raises(FilesMismatchError, match="Two of the videos are called a"):
        run(videos[0], clip("x/a.mov"), notes=Path("n"))


def test_other_files_make_another_dataset() -> None:
    video, notes = clip("a.mov"), write_notes(Path("n"), range(12))
    first = run(video, notes=notes)
    assert run(video, notes=notes).seconds == 0
    Path("n").rename("m")
    assert run(video, notes=Path("m")).path == first.path  # the same files elsewhere
    (Path("m") / "3.txt").write_text("33")
    other = run(video, notes=Path("m"))
    assert (other.path.name, noted(other)[3], noted(first)[3]) == ("a-2", 33, 3)


def test_what_does_not_exist_or_belong_is_said_and_leaves_nothing() -> None:
    video = clip("a.mov")
    with pytest.raises(MissingFileError, match=r"nowhere does not exist \(notes\.folder\)") as caught:
        run(video, notes=Path("nowhere"))
    assert caught.value.hint == "--option notes.folder=PATH"
    with pytest.raises(FilesMismatchError, match="11 notes for 12 frames"):
        run(video, notes=write_notes(Path("n"), range(11)))
    assert not list(Path("datasets").iterdir())


def test_a_run_that_goes_on_reads_on_where_it_was() -> None:
    job = make_job(PrepareRequest((clip("a.mov"),), ()), [Notes(NoteOptions(folder=write_notes(Path("n"), range(12))))])
    (conditioner,) = job.conditioners_of(job.inputs[0], first=7)
    assert conditioner.footage is not None
    assert conditioner.footage.number(2) == 9


def test_a_conditioner_that_finds_nothing_itself_is_told_at_once() -> None:
    with pytest.raises(MissingFileError, match="labels reads what exists already beside a video, and nothing") as error:
        prepare(PrepareRequest((clip("a.mov"),), ("labels",)), silent)
    assert error.value.hint.startswith("--option labels.dir=PATH")
    assert not Path("datasets").exists()
