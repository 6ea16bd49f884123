"""`prepare` over real little videos: what it stores, where, and what it says when it cannot."""

from __future__ import annotations

import dataclasses
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers.fake_conditioners import Bright, MarkOptions, Marks, film, picture
from helpers.video_files import make_clip

from vid2vid_cli.conditioning import Annotation, Requirement
from vid2vid_cli.core.errors import (
    ConfigError,
    ExistsError,
    MissingFileError,
    MissingPackageError,
    NotAVideoError,
    NothingFoundError,
    PermissionDeniedError,
    PluginError,
    TooShortError,
)
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.dataset_builder.manifest_entries import split_of
from vid2vid_cli.dataset_builder.previews import preview_view
from vid2vid_cli.engine.events import Advanced, Event, Noticed, Warned, Wrote, silent
from vid2vid_cli.media.images import load_picture, save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.prepare import Prepared, PrepareRequest, plan_prepare, prepare, prepare_with

COUNT = 60


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """97x61, 60 frames, 30000/1001; the mark is absent from frames 10 to 12. The name is no simple one."""
    frames = [picture(index, mark=index not in (10, 11, 12)) for index in range(COUNT)]
    return film(tmp_path_factory.mktemp("mit Leerzeichen") / "zwei Köpfe 人.mov", frames)


def run(*videos: Path, **changes: Any) -> Prepared:
    conditioners = changes.pop("with_", [Marks(), Bright()])
    tell = changes.pop("tell", silent)
    return prepare_with(PrepareRequest(videos, (), **changes), conditioners, tell)


class Made(NamedTuple):
    """A dataset of `video` with two conditioners, made once and only read."""

    prepared: Prepared
    data: Dataset
    events: list[Event]


@pytest.fixture(scope="module")
def made(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    events: list[Event] = []
    prepared = run(video, out=tmp_path_factory.mktemp("made") / "a b", tell=events.append)
    return Made(prepared, Dataset(prepared.path), events)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def names(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_frames_and_annotations_are_stored_exactly(video: Path, made: Made) -> None:
    data = made.data
    assert (made.prepared.frames, made.prepared.found) == (COUNT, {"marks": (57, 60), "bright": (60, 60)})
    assert (data.height, data.width, data.fps) == (61, 97, Fraction(30000, 1001))
    stored = [data.frame(0, index) for index in range(COUNT)]
    assert all(np.array_equal(a, b) for a, b in zip(stored, VideoReader(video), strict=True))
    assert np.array_equal(stored[7], picture(7))
    expected = list(Marks().annotate(stored))
    for index in range(COUNT):
        read = data.annotation(0, index, "marks")
        assert np.array_equal(read.points["mark"], expected[index].points["mark"], equal_nan=True)
        assert read.quality == expected[index].quality
        for name in ("mask", "ids"):
            assert read.images[name].dtype == expected[index].images[name].dtype
            assert np.array_equal(read.images[name], expected[index].images[name])
    assert data.annotation(0, 3, "bright").points["level"][0, 0] == np.float32(stored[3].mean())


def test_the_folder_holds_what_is_promised_and_no_more(made: Made) -> None:
    folder = made.prepared.path
    assert names(folder) == ["clips", "contact_sheet.png", "dataset.json", "preview.mp4"]
    assert names(folder / "clips" / "000") == ["bright", "frames", "marks"]
    assert not list(folder.rglob(".*"))
    assert names(folder.parent) == ["a b"]


def test_the_manifest_says_where_it_all_comes_from(video: Path, made: Made) -> None:
    data = json.loads((made.prepared.path / "dataset.json").read_text(encoding="utf-8"))
    assert data["schema_version"] == 1
    assert data["fps"] == "30000/1001"
    assert data["source"][0]["path"] == str(video.resolve())
    assert len(data["source"][0]["sha256"]) == 64
    assert data["source"][0]["probe"]["codec"] == "png"
    marks, bright = data["conditioners"]
    assert (marks["name"], marks["channels"], bright["name"]) == ("marks", 2, "bright")
    assert marks["options"] == {"smooth": 0.5, "dark": 200}
    assert marks["fingerprint"] == Marks().fingerprint()
    assert marks["images"] == ["ids", "mask"]
    assert marks["quality"] == {"mean": 0.95, "found": 57, "total": 60}
    assert data["splits"] == {"train": [[0, 0, 48]], "holdout": [[0, 48, 60]]}


def test_statistics_see_the_training_frames_alone(video: Path, made: Made) -> None:
    assert made.data.manifest.conditioner("marks").statistics["count"] == 48
    statistics = Dataset(run(video, max_frames=30, holdout=0.5).path).manifest.conditioner("marks").statistics
    last = Marks().annotate(picture(index, mark=index not in (10, 11, 12)) for index in range(15))
    assert statistics["count"] == 15
    assert statistics["right"] == max(found.points["mark"][0, 0] for found in last if found.quality > 0)
    assert isinstance(statistics["mean"], list)


@pytest.mark.parametrize(
    ("frames", "part", "train"),
    [(1, 0.2, 1), (2, 0.2, 2), (4, 0.9, 4), (5, 0.01, 4), (5, 0.9, 2), (100, 0.2, 80), (10, 0.0, 10)],
)
def test_the_end_is_held_out(frames: int, part: float, train: int) -> None:
    assert split_of(frames, part) == (train, frames)


def test_two_videos_become_two_clips_of_one_size(tmp_path: Path, video: Path) -> None:
    other = film(tmp_path / "b.mov", [picture(index, 80, 120) for index in range(10)], Fraction(30000, 1001))
    made = run(video, other, max_frames=20)
    assert made.path == Path("datasets/zwei Köpfe 人_and_1_more")
    data = Dataset(made.path)
    assert data.clips("all") == [Span(0, 0, 20), Span(1, 0, 10)]
    assert data.clips("holdout") == [Span(0, 16, 20), Span(1, 8, 10)]
    assert data.frame(1, 9).shape == data.frame(0, 19).shape == (61, 97, 3)
    assert np.array_equal(data.frame(0, 19), picture(19))
    assert data.manifest.conditioner("bright").statistics == {"seen": 24}
    assert data.annotation(1, 9, "marks").quality == 1
    mark = data.annotation(1, 0, "marks").points["mark"][0]
    assert mark == pytest.approx([(9.5 + 0.5) * 61 / 80, (24.5 + 0.5) * 61 / 80], abs=2)  # not stretched


def test_large_frames_are_reduced_and_small_ones_left(video: Path) -> None:
    reduced, same = run(video, size=40, max_frames=5), run(video, size=200, max_frames=5, out=Path("same"))
    assert Dataset(reduced.path).frame(0, 0).shape == (40, 64, 3)
    assert Dataset(same.path).frame(0, 0).shape == (61, 97, 3)
    mark = Dataset(reduced.path).annotation(0, 0, "marks").points["mark"][0]
    assert mark == pytest.approx([9.5 * 40 / 61, 24.5 * 40 / 61], abs=1)


def test_jpeg_takes_less_room_and_stays_close(video: Path) -> None:
    made = run(video, jpeg=True, max_frames=5)
    data = Dataset(made.path)
    assert data.frame_path(0, 0).suffix == ".jpg"
    assert np.abs(data.frame(0, 0).astype(int) - picture(0)).mean() < 5


def test_nothing_is_lost_that_was_not_lost_before(tmp_path: Path, video: Path) -> None:
    lossy = make_clip(tmp_path / "a.mp4", [picture(index, 32, 48) for index in range(6)])
    made = {name: run(path, max_frames=5, out=Path(name)) for name, path in {"lossy": lossy, "exact": video}.items()}
    both = run(lossy, video, max_frames=5, out=Path("both"), cuts=False)
    asked = run(lossy, max_frames=5, out=Path("lossy"), jpeg=False)
    assert asked.path == Path("lossy-2")  # another dataset
    assert run(lossy, max_frames=5, out=Path("lossy"), jpeg=True).seconds == 0
    stored = {made.path.name: Dataset(made.path).frame_path(0, 0).suffix for made in (*made.values(), both, asked)}
    assert stored == {"lossy": ".jpg", "exact": ".png", "both": ".png", "lossy-2": ".png"}
    masks = {path.suffix for path in (Path("lossy/clips/000/marks")).rglob("0*")}
    assert masks == {".png"}
    found = [Dataset(one.path).annotation(0, 3, "marks").images for one in (made["lossy"], asked)]
    assert all(np.array_equal(found[0][name], found[1][name]) for name in ("mask", "ids"))  # exact, 16 bits and all


def test_a_folder_of_pictures_is_a_video(tmp_path: Path) -> None:
    folder = tmp_path / "shots.v2"
    folder.mkdir()
    for index in range(6):
        save_png(folder / f"{index}.png", picture(index))
    made = run(folder, fps=Fraction(12))
    assert made.path == Path("datasets/shots.v2")
    assert Dataset(made.path).fps == 12
    assert np.array_equal(Dataset(made.path).frame(0, 5), picture(5))


def test_start_and_end_choose_a_stretch(video: Path) -> None:
    fps = Fraction(30000, 1001)
    data = Dataset(run(video, start=float(20 / fps), end=float(30 / fps)).path)
    assert data.manifest.frames == 10
    assert np.array_equal(data.frame(0, 0), picture(20))
    assert data.manifest.clips[0].start == pytest.approx(20 * 1001 / 30000)


def test_events_tell_how_far_it_is(made: Made) -> None:
    prepared, _, events = made
    steps = [event for event in events if isinstance(event, Advanced) and event.stage == "prepare"]
    done = [event.done for event in steps]
    assert done == sorted(done)
    assert (done[-1], steps[-1].total) == (COUNT, COUNT)
    assert events[-1] == Wrote(str(prepared.path), "dataset", {"frames": 60, "found": prepared.found})


def test_few_frames_found_is_a_warning(tmp_path: Path) -> None:
    clip = film(tmp_path / "v.mov", [picture(index, mark=index < 5) for index in range(10)])
    events: list[Event] = []
    run(clip, tell=events.append)
    warnings = [event.message for event in events if isinstance(event, Warned)]
    assert any("marks found something on 5 of 10 frames" in message for message in warnings)


def test_what_people_look_at(made: Made) -> None:
    folder = made.prepared.path
    preview = VideoReader(folder / "preview.mp4")
    frames = list(preview)
    assert len(frames) == COUNT
    assert preview.fps == Fraction(30000, 1001)
    assert preview.width > 3 * 97
    sheet = load_picture(folder / "contact_sheet.png")
    reddish = (sheet[:, :, 0] > 230) & (abs(sheet[:, :, 1].astype(int) - 64) < 20)
    assert reddish.sum() > 500  # the frame where nothing was found is among those shown, and framed


def test_the_same_again_is_said_and_not_done(video: Path) -> None:
    first = run(video, max_frames=20)
    assert first.path == Path("datasets/zwei Köpfe 人")
    events: list[Event] = []
    stamp = (first.path / "dataset.json").stat().st_mtime_ns
    again = run(video, max_frames=20, tell=events.append)
    assert (again.path, again.frames, again.found, again.seconds) == (first.path, 20, first.found, 0.0)
    assert [type(event) for event in events] == [Noticed]
    assert "already prepared" in events[0].message  # type: ignore[union-attr]
    assert (first.path / "dataset.json").stat().st_mtime_ns == stamp


def test_other_content_gets_another_name(video: Path) -> None:
    first, second = run(video, max_frames=5), run(video, max_frames=6)
    third = run(video, max_frames=5, with_=[Marks(MarkOptions(dark=150))])
    assert [made.path.name for made in (first, second, third)] == [f"zwei Köpfe 人{end}" for end in ("", "-2", "-3")]
    assert run(video, max_frames=6).path == second.path
    assert Dataset(first.path).manifest.frames == 5


def test_overwrite_replaces_a_dataset_and_nothing_else(tmp_path: Path, video: Path) -> None:
    first = run(video, max_frames=5)
    second = run(video, max_frames=6, overwrite=True)
    assert second.path == first.path
    assert Dataset(first.path).manifest.frames == 6
    assert run(video, max_frames=6, overwrite=True).seconds > 0
    assert names("datasets") == [first.path.name]
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("x")
    with pytest.raises(ExistsError, match="not a dataset"):
        run(video, out=tmp_path / "letters", overwrite=True)
    assert run(video, out=tmp_path / "letters", max_frames=5).path.name == "letters-2"
    assert (tmp_path / "letters" / "dear.txt").read_text() == "x"


def test_an_empty_folder_is_free(tmp_path: Path, video: Path) -> None:
    (tmp_path / "new").mkdir()
    assert run(video, out=tmp_path / "new", max_frames=5).path == tmp_path / "new"


def test_a_cut_off_video_gives_what_is_left(tmp_path: Path) -> None:
    whole = tmp_path / "v.mp4"
    with VideoWriter(whole, Fraction(25)) as writer:
        for index in range(80):
            writer.write(np.random.default_rng(index).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) * 6 // 10])
    events: list[Event] = []
    made = run(whole, with_=[Bright()], cuts=False, tell=events.append)
    assert 20 < made.frames < 60
    assert any(isinstance(event, Warned) and str(whole) in event.message for event in events)


def test_a_conditioner_by_name_with_options_as_typed(video: Path) -> None:
    made = prepare(PrepareRequest((video,), ("edges",), options={"edges": {"method": "scharr"}}, max_frames=6), silent)
    record = Dataset(made.path).manifest.conditioner("edges")
    assert record.options["method"] == "scharr"
    assert Dataset(made.path).annotation(0, 5, "edges").images
    with pytest.raises(ConfigError, match="methd"):
        prepare(PrepareRequest((video,), ("edges",), options={"edges": {"methd": "scharr"}}), silent)


def test_nothing_found_anywhere(tmp_path: Path) -> None:
    clip = film(tmp_path / "v.mov", [picture(index, mark=False) for index in range(12)])
    with pytest.raises(NothingFoundError, match=r"marks found nothing on any of the 12 frames of .*v\.mov"):
        run(clip)
    assert not names("datasets")


def test_one_frame_is_too_short(tmp_path: Path) -> None:
    save_png(tmp_path / "one.png", picture(0))
    for source in (tmp_path / "one.png", film(tmp_path / "one.mov", [picture(0)])):
        with pytest.raises(TooShortError, match="only 1 frame"):
            run(source)
    assert not names("datasets")


def test_wrong_inputs(tmp_path: Path, video: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(MissingFileError, match="nowhere"):
        run(tmp_path / "nowhere.mp4")
    with pytest.raises(NotAVideoError, match=r"text\.mp4"):
        run(tmp_path / "text.mp4")
    for changes in ({"holdout": 1.0}, {"size": 3}, {"start": 2.0, "end": 1.0}, {"max_frames": 1}, {"fps": Fraction(0)}):
        with pytest.raises(ConfigError):
            run(video, **changes)
    with pytest.raises(ConfigError, match="twice"):
        run(video, with_=[Marks(), Marks()])
    with pytest.raises(ConfigError, match="No conditioner"):
        run(video, with_=[])
    with pytest.raises(ConfigError, match="No video"):
        run()
    with pytest.raises(PluginError, match="edgse"):
        prepare(PrepareRequest((video,), ("edgse",)), silent)
    with pytest.raises(ConfigError, match="not among the conditioners"):
        prepare(PrepareRequest((video,), ("edges",), options={"pose": {"a": "1"}}), silent)
    assert not Path("datasets").exists()


def test_a_missing_package_is_said_before_any_decoding(tmp_path: Path, video: Path) -> None:
    class Needy(Marks):
        spec = dataclasses.replace(Marks.spec, requires=(Requirement("not_there_at_all", "pip install not-there"),))

    with pytest.raises(MissingPackageError, match="marks needs not_there_at_all") as caught:
        run(video, with_=[Needy()])
    assert caught.value.hint == "pip install not-there"
    assert not Path("datasets").exists()


def test_a_plugin_that_miscounts_is_caught(video: Path) -> None:
    class Lazy(Marks):
        def annotate(self, frames: Any) -> Any:
            for index, found in enumerate(super().annotate(frames)):
                if index % 2:
                    yield found

    class Early(Marks):
        def annotate(self, frames: Any) -> Any:
            for index, found in enumerate(super().annotate(frames)):
                if index == 3:
                    return
                yield found

    class Wrong(Marks):
        def annotate(self, frames: Any) -> Any:
            for _ in frames:
                yield Annotation(5, 5, 1.0)

    for kind, words in ((Lazy, "one annotation for each"), (Early, "one annotation for each"), (Wrong, "one of 5x5")):
        with pytest.raises(PluginError, match=words):
            run(video, with_=[kind()])


def test_an_error_inside_a_plugin_comes_out_as_it_is(video: Path) -> None:
    class Broken(Marks):
        def annotate(self, frames: Any) -> Any:
            yield from []
            raise ZeroDivisionError("in the plugin")

    with pytest.raises(ZeroDivisionError):
        run(video, with_=[Bright(), Broken()])
    assert not names("datasets")  # nothing was done yet that could be continued


def test_a_place_that_may_not_be_written(video: Path) -> None:
    if not os.access("/sys", os.F_OK):
        pytest.skip("needs Linux: /sys refuses even root")
    with pytest.raises(PermissionDeniedError, match="/sys/dataset"):
        run(video, out=Path("/sys/dataset"))


def test_a_plan_touches_nothing(video: Path) -> None:
    plan = dict(plan_prepare(PrepareRequest((video,), ("edges",))).rows)
    assert plan["size"] == "97x61"
    assert plan["frames"] == "about 60"
    assert plan["dataset"] == "datasets/zwei Köpfe 人"
    assert not Path("datasets").exists()


def test_a_film_cut_off_is_said_once_and_what_is_left_is_used(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    whole = make_clip(tmp_path / "w.mkv", [random.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(40)], 25)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    events: list[Event] = []
    made = prepare(PrepareRequest((cut,), ("edges",), tmp_path / "d"), events.append)
    assert 2 <= made.frames < 40
    (warned,) = [event.message for event in events if isinstance(event, Warned)]
    assert warned.startswith(f"{cut} is cut off")


@pytest.mark.parametrize(
    ("size", "shown"),
    [((480, 480), (240, 240)), ((768, 512), (256, 170)), ((1080, 1920), (270, 480)), ((61, 97), (192, 305))],
)
def test_a_preview_is_a_whole_number_of_times_smaller(size: tuple[int, int], shown: tuple[int, int]) -> None:
    view = preview_view(*size)
    assert (view.height, view.width) == shown
    assert shown[0] > size[0] or 1 / view.scale == pytest.approx(round(1 / view.scale))
    for odd in ((16, 5000), (5000, 1), (3, 3), (289, 2)):
        assert 0 < preview_view(*odd).width <= 1920
        assert preview_view(*odd).height > 0
