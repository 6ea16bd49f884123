"""`prepare` on small videos: stored content, file names and errors."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers.fake_conditioners import Brightness, Marks, MarksOptions, mark_frame, write_png_video
from helpers.video_files import write_video

from vid2vid_cli.conditioning import Annotation, Conditioner, Requirement, UInt8Array, VideoFrame, View, detect_cuts
from vid2vid_cli.core.errors import (
    ConfigError,
    DiskFullError,
    MissingFileError,
    MissingPackageError,
    NoDetectionError,
    NotAVideoError,
    OutputExistsError,
    PermissionDeniedError,
    PluginError,
    TooFewFramesError,
)
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.dataset_builder.job import make_job
from vid2vid_cli.dataset_builder.manifest_entries import num_training_frames
from vid2vid_cli.dataset_builder.previews import preview_view, write_preview
from vid2vid_cli.engine.events import (
    ArtifactEvent,
    Event,
    EventHandler,
    InfoEvent,
    ProgressEvent,
    WarningEvent,
    ignore_events,
)
from vid2vid_cli.media.images import load_image, save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.prepare import (
    PrepareRequest,
    PrepareResult,
    plan_prepare,
    prepare,
    prepare_with_conditioners,
)

NUM_FRAMES = 60


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """97x61, 60 frames, 30000/1001 fps, with a file name in Unicode; frames 10 to 12 have no mark."""
    frames = [mark_frame(index, has_mark=index not in (10, 11, 12)) for index in range(NUM_FRAMES)]
    return write_png_video(tmp_path_factory.mktemp("mit Leerzeichen") / "zwei Köpfe 人.mov", frames)


def run_prepare(
    *videos: Path,
    conditioners: Sequence[Conditioner] | None = None,
    on_event: EventHandler = ignore_events,
    **settings: Any,
) -> PrepareResult:
    conditioners = [Marks(), Brightness()] if conditioners is None else conditioners
    return prepare_with_conditioners(PrepareRequest(videos, (), **settings), conditioners, on_event)


class PreparedDataset(NamedTuple):
    """A dataset of `video` with two conditioners; tests do not modify it."""

    result: PrepareResult
    dataset: Dataset
    events: list[Event]


@pytest.fixture(scope="module")
def prepared_dataset(video: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    events: list[Event] = []
    result = run_prepare(video, out=tmp_path_factory.mktemp("made") / "a b", on_event=events.append)
    return PreparedDataset(result, Dataset(result.path), events)


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def list_names(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_prepare_stores_frames_and_annotations_exactly(video: Path, prepared_dataset: PreparedDataset) -> None:
    data = prepared_dataset.dataset
    assert (prepared_dataset.result.num_frames, prepared_dataset.result.detection_counts) == (
        NUM_FRAMES,
        {"marks": (57, 60), "bright": (60, 60)},
    )
    assert (data.height, data.width, data.fps) == (61, 97, Fraction(30000, 1001))
    frames = [data.load_frame(0, index) for index in range(NUM_FRAMES)]
    assert all(np.array_equal(a, b) for a, b in zip(frames, VideoReader(video), strict=True))
    assert np.array_equal(frames[7], mark_frame(7))
    expected = list(Marks().annotate(detect_cuts(frames)))
    for index in range(NUM_FRAMES):
        annotation = data.load_annotation(0, index, "marks")
        assert np.array_equal(annotation.points["mark"], expected[index].points["mark"], equal_nan=True)
        assert annotation.quality == expected[index].quality
        for name in ("mask", "ids"):
            assert annotation.images[name].dtype == expected[index].images[name].dtype
            assert np.array_equal(annotation.images[name], expected[index].images[name])
    assert data.load_annotation(0, 3, "bright").points["level"][0, 0] == np.float32(frames[3].mean())


def test_prepare_writes_only_documented_files(prepared_dataset: PreparedDataset) -> None:
    folder = prepared_dataset.result.path
    assert list_names(folder) == ["clips", "contact_sheet.png", "dataset.json", "preview.mp4", "report.html"]
    assert list_names(folder / "clips" / "000") == ["bright", "frames", "marks"]
    assert not list(folder.rglob(".*"))
    assert list_names(folder.parent) == ["a b"]


def test_prepare_manifest_records_sources_and_conditioners(video: Path, prepared_dataset: PreparedDataset) -> None:
    data = json.loads((prepared_dataset.result.path / "dataset.json").read_text(encoding="utf-8"))
    assert data["schema_version"] == 2
    assert data["fps"] == "30000/1001"
    assert data["sources"][0]["path"] == str(video.resolve())
    assert len(data["sources"][0]["sha256"]) == 64
    assert data["sources"][0]["probe"]["codec"] == "png"
    marks_record, brightness_record = data["conditioners"]
    assert (marks_record["name"], marks_record["num_channels"], brightness_record["name"]) == ("marks", 2, "bright")
    assert marks_record["options"] == {"smooth": 0.5, "dark": 200}
    assert marks_record["fingerprint"] == Marks().fingerprint()
    assert marks_record["image_names"] == ["ids", "mask"]
    assert marks_record["quality"] == {"mean": 0.95, "num_detected": 57, "num_frames": 60}
    assert data["splits"] == {"train": [[0, 0, 48]], "val": [[0, 48, 60]]}


def test_prepare_statistics_use_training_frames_only(video: Path, prepared_dataset: PreparedDataset) -> None:
    assert prepared_dataset.dataset.manifest.conditioner_record("marks").statistics["count"] == 48
    statistics = (
        Dataset(run_prepare(video, max_frames=30, val_fraction=0.5).path)
        .manifest.conditioner_record("marks")
        .statistics
    )
    annotations = Marks().annotate(
        VideoFrame(mark_frame(index, has_mark=index not in (10, 11, 12))) for index in range(15)
    )
    assert statistics["count"] == 15
    assert statistics["right"] == max(
        annotation.points["mark"][0, 0] for annotation in annotations if annotation.quality > 0
    )
    assert isinstance(statistics["mean"], list)


@pytest.mark.parametrize(
    ("num_frames", "val_fraction", "num_train"),
    [(1, 0.2, 1), (2, 0.2, 2), (4, 0.9, 4), (5, 0.01, 4), (5, 0.9, 2), (100, 0.2, 80), (10, 0.0, 10)],
)
def test_num_training_frames_excludes_end(num_frames: int, val_fraction: float, num_train: int) -> None:
    assert num_training_frames(num_frames, val_fraction) == num_train


def test_prepare_two_videos_gives_same_size_clips(tmp_path: Path, video: Path) -> None:
    second_video = write_png_video(
        tmp_path / "b.mov", [mark_frame(index, 80, 120) for index in range(10)], Fraction(30000, 1001)
    )
    result = run_prepare(video, second_video, max_frames=20)
    assert result.path == Path("datasets/zwei Köpfe 人_and_b")
    data = Dataset(result.path)
    assert data.frame_ranges("all") == [FrameRange(0, 0, 20), FrameRange(1, 0, 10)]
    assert data.frame_ranges("val") == [FrameRange(0, 16, 20), FrameRange(1, 8, 10)]
    assert data.load_frame(1, 9).shape == data.load_frame(0, 19).shape == (61, 97, 3)
    assert np.array_equal(data.load_frame(0, 19), mark_frame(19))
    assert data.manifest.conditioner_record("bright").statistics == {"num_frames": 24}
    assert data.load_annotation(1, 9, "marks").quality == 1
    mark_position = data.load_annotation(1, 0, "marks").points["mark"][0]
    assert mark_position == pytest.approx(
        [(9.5 + 0.5) * 61 / 80, (24.5 + 0.5) * 61 / 80], abs=2
    )  # the aspect ratio is kept


def test_prepare_folder_of_videos_gives_clip_per_video_once(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    Path("clips/b2.mp4").write_bytes(video.read_bytes())
    write_png_video(Path("clips/b10.mov"), [mark_frame(index) for index in range(5)], Fraction(30000, 1001))
    events: list[Event] = []
    request = PrepareRequest((Path("clips"), Path("clips/b2.mp4")), ("edges",), Path("data"), max_frames=10)
    result = prepare(request, events.append)
    assert Dataset(result.path).frame_ranges("all") == [FrameRange(0, 0, 10), FrameRange(1, 0, 5)]
    messages = [event.message for event in events if isinstance(event, InfoEvent)]
    assert [("2 videos: b2.mp4, b10.mov" in message, "used once" in message) for message in messages[:2]] == [
        (True, False),
        (False, True),
    ]
    pattern = dict(plan_prepare(PrepareRequest((Path("clips/*.mov"),), ("edges",))).rows)
    assert (pattern["video"], pattern["dataset"]) == ("clips/b10.mov", "datasets/b10")
    assert dict(plan_prepare(PrepareRequest((Path("clips"),), ("edges",))).rows)["dataset"] == "datasets/clips"


def test_prepare_downscales_large_frames_only(video: Path) -> None:
    reduced_result, unscaled_result = (
        run_prepare(video, max_short_side=40, max_frames=5),
        run_prepare(video, max_short_side=200, max_frames=5, out=Path("same")),
    )
    assert Dataset(reduced_result.path).load_frame(0, 0).shape == (40, 64, 3)
    assert Dataset(unscaled_result.path).load_frame(0, 0).shape == (61, 97, 3)
    mark_position = Dataset(reduced_result.path).load_annotation(0, 0, "marks").points["mark"][0]
    assert mark_position == pytest.approx([9.5 * 40 / 61, 24.5 * 40 / 61], abs=1)


def test_prepare_jpeg_frames_stay_close(video: Path) -> None:
    result = run_prepare(video, frame_format="jpeg", max_frames=5)
    data = Dataset(result.path)
    assert data.frame_path(0, 0).suffix == ".jpg"
    assert np.abs(data.load_frame(0, 0).astype(int) - mark_frame(0)).mean() < 5


def test_prepare_frame_format_follows_source(tmp_path: Path, video: Path) -> None:
    lossy_video = write_video(tmp_path / "a.mp4", [mark_frame(index, 32, 48) for index in range(6)])
    results = {
        name: run_prepare(path, max_frames=5, out=Path(name))
        for name, path in {"lossy": lossy_video, "exact": video}.items()
    }
    both_result = run_prepare(lossy_video, video, max_frames=5, out=Path("both"), split_shots=False)
    png_result = run_prepare(lossy_video, max_frames=5, out=Path("lossy"), frame_format="png")
    assert png_result.path == Path("lossy-2")  # another dataset than `lossy`
    assert run_prepare(lossy_video, max_frames=5, out=Path("lossy"), frame_format="jpeg").elapsed_seconds == 0
    suffixes = {
        result.path.name: Dataset(result.path).frame_path(0, 0).suffix
        for result in (*results.values(), both_result, png_result)
    }
    assert suffixes == {"lossy": ".jpg", "exact": ".png", "both": ".png", "lossy-2": ".png"}
    mask_suffixes = {path.suffix for path in (Path("lossy/clips/000/marks")).rglob("0*")}
    assert mask_suffixes == {".png"}
    label_images = [
        Dataset(result.path).load_annotation(0, 3, "marks").images for result in (results["lossy"], png_result)
    ]
    assert all(np.array_equal(label_images[0][name], label_images[1][name]) for name in ("mask", "ids"))


def test_prepare_accepts_image_folder(tmp_path: Path) -> None:
    folder = tmp_path / "shots.v2"
    folder.mkdir()
    for index in range(6):
        save_png(folder / f"{index}.png", mark_frame(index))
    result = run_prepare(folder, fps=Fraction(12))
    assert result.path == Path("datasets/shots.v2")
    assert Dataset(result.path).fps == 12
    assert np.array_equal(Dataset(result.path).load_frame(0, 5), mark_frame(5))


def test_prepare_start_and_end_select_range(video: Path) -> None:
    fps = Fraction(30000, 1001)
    data = Dataset(run_prepare(video, start=float(20 / fps), end=float(30 / fps)).path)
    assert data.manifest.num_frames == 10
    assert np.array_equal(data.load_frame(0, 0), mark_frame(20))
    assert data.manifest.clips[0].start_seconds == pytest.approx(20 * 1001 / 30000)


def test_prepare_emits_progress_events(prepared_dataset: PreparedDataset) -> None:
    result, _, events = prepared_dataset
    steps = [event for event in events if isinstance(event, ProgressEvent) and event.stage == "prepare"]
    progress = [event.done for event in steps]
    assert progress == sorted(progress)
    assert (progress[-1], steps[-1].total) == (NUM_FRAMES, NUM_FRAMES)
    assert events[-1] == ArtifactEvent(str(result.path / "report.html"), "report")
    assert events[-2] == ArtifactEvent(
        str(result.path), "dataset", {"num_frames": 60, "detections": result.detection_counts}
    )


def test_prepare_warns_about_few_detections(tmp_path: Path) -> None:
    clip = write_png_video(tmp_path / "v.mov", [mark_frame(index, has_mark=index < 5) for index in range(10)])
    events: list[Event] = []
    run_prepare(clip, on_event=events.append)
    warnings = [event.message for event in events if isinstance(event, WarningEvent)]
    assert len([message for message in warnings if "marks" in message and "5 of 10" in message]) == 1


def test_prepare_writes_preview_and_contact_sheet(prepared_dataset: PreparedDataset) -> None:
    folder = prepared_dataset.result.path
    preview = VideoReader(folder / "preview.mp4")
    frames = list(preview)
    assert len(frames) == NUM_FRAMES
    assert preview.fps == Fraction(30000, 1001)
    assert preview.width > 3 * 97
    sheet = load_image(folder / "contact_sheet.png")
    is_red = (sheet[:, :, 0] > 230) & (abs(sheet[:, :, 1].astype(int) - 64) < 20)
    assert is_red.sum() > 500  # the frame without a detection is shown with a red border


def test_prepare_skips_identical_request(video: Path) -> None:
    first = run_prepare(video, max_frames=20)
    assert first.path == Path("datasets/zwei Köpfe 人")
    events: list[Event] = []
    mtime_ns = (first.path / "dataset.json").stat().st_mtime_ns
    second = run_prepare(video, max_frames=20, on_event=events.append)
    assert (second.path, second.num_frames, second.detection_counts, second.elapsed_seconds) == (
        first.path,
        20,
        first.detection_counts,
        0.0,
    )
    assert [type(event) for event in events] == [InfoEvent, ArtifactEvent]
    assert (first.path / "dataset.json").stat().st_mtime_ns == mtime_ns


def test_prepare_different_request_gets_new_name(video: Path) -> None:
    first, second = run_prepare(video, max_frames=5), run_prepare(video, max_frames=6)
    third = run_prepare(video, max_frames=5, conditioners=[Marks(MarksOptions(dark=150))])
    assert [result.path.name for result in (first, second, third)] == [
        f"zwei Köpfe 人{suffix}" for suffix in ("", "-2", "-3")
    ]
    assert run_prepare(video, max_frames=6).path == second.path
    assert Dataset(first.path).manifest.num_frames == 5


def test_prepare_overwrite_replaces_only_datasets(tmp_path: Path, video: Path) -> None:
    first = run_prepare(video, max_frames=5)
    second = run_prepare(video, max_frames=6, overwrite=True)
    assert second.path == first.path
    assert Dataset(first.path).manifest.num_frames == 6
    assert run_prepare(video, max_frames=6, overwrite=True).elapsed_seconds > 0
    assert list_names("datasets") == [first.path.name]
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("x")
    with pytest.raises(OutputExistsError, match="letters"):
        run_prepare(video, out=tmp_path / "letters", overwrite=True)
    assert run_prepare(video, out=tmp_path / "letters", max_frames=5).path.name == "letters-2"
    assert (tmp_path / "letters" / "dear.txt").read_text() == "x"


def test_prepare_accepts_empty_output_folder(tmp_path: Path, video: Path) -> None:
    (tmp_path / "new").mkdir()
    assert run_prepare(video, out=tmp_path / "new", max_frames=5).path == tmp_path / "new"


def test_prepare_uses_readable_part_of_truncated_video(tmp_path: Path) -> None:
    video_path = tmp_path / "v.mp4"
    with VideoWriter(video_path, Fraction(25)) as writer:
        for index in range(80):
            writer.write(np.random.default_rng(index).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    content = video_path.read_bytes()
    video_path.write_bytes(content[: len(content) * 6 // 10])
    events: list[Event] = []
    result = run_prepare(video_path, conditioners=[Brightness()], split_shots=False, on_event=events.append)
    assert 20 < result.num_frames < 60
    assert any(isinstance(event, WarningEvent) and str(video_path) in event.message for event in events)


def test_prepare_parses_conditioner_options(video: Path) -> None:
    result = prepare(
        PrepareRequest((video,), ("edges",), options={"edges": {"method": "scharr"}}, max_frames=6), ignore_events
    )
    record = Dataset(result.path).manifest.conditioner_record("edges")
    assert record.options["method"] == "scharr"
    assert Dataset(result.path).load_annotation(0, 5, "edges").images
    with pytest.raises(ConfigError, match="methd"):
        prepare(PrepareRequest((video,), ("edges",), options={"edges": {"methd": "scharr"}}), ignore_events)


def test_prepare_raises_without_detections(tmp_path: Path) -> None:
    clip = write_png_video(tmp_path / "v.mov", [mark_frame(index, has_mark=False) for index in range(12)])
    with pytest.raises(NoDetectionError, match=r"marks.* 12 .*v\.mov"):
        run_prepare(clip)
    assert not list_names("datasets")


class PersonMarks(Marks):
    """Marks with a warning about the video."""

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        yield from super().annotate(frames)
        self.report(["marks.person=3: at most 2 people were detected on one frame."])


def test_prepare_warns_with_times_of_missing_detections(tmp_path: Path) -> None:
    frames = [mark_frame(index, has_mark=not 10 <= index < 30) for index in range(40)]
    events: list[Event] = []
    run_prepare(
        write_png_video(tmp_path / "v.mov", frames, Fraction(25)), conditioners=[PersonMarks()], on_event=events.append
    )
    warnings = [event.message for event in events if isinstance(event, WarningEvent)]
    assert any("person=3" in warning for warning in warnings)
    assert any("20 of 40 frames" in warning and "(0.40 to 1.20 s)" in warning for warning in warnings)


def test_prepare_without_detections_reports_warnings_of_conditioner(tmp_path: Path) -> None:
    clip = write_png_video(tmp_path / "v.mov", [mark_frame(index, has_mark=False) for index in range(12)])
    with pytest.raises(NoDetectionError, match=r"marks .*v\.mov\. marks\.person=3: at most 2 people"):
        run_prepare(clip, conditioners=[PersonMarks()])


def test_prepare_warns_of_too_few_detections(tmp_path: Path) -> None:
    frames = [mark_frame(index, has_mark=index < 3) for index in range(40)]
    events: list[Event] = []
    run_prepare(write_png_video(tmp_path / "v.mov", frames), on_event=events.append)
    (warning,) = [event.message for event in events if isinstance(event, WarningEvent)]
    assert "3 of 40 frames" in warning
    assert "too few to train on" in warning


def test_prepare_rejects_single_frame(tmp_path: Path) -> None:
    save_png(tmp_path / "one.png", mark_frame(0))
    for path in (tmp_path / "one.png", write_png_video(tmp_path / "one.mov", [mark_frame(0)])):
        with pytest.raises(TooFewFramesError, match="one"):
            run_prepare(path)
    assert not list_names("datasets")


def test_prepare_rejects_bad_input(tmp_path: Path, video: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(MissingFileError, match="nowhere"):
        run_prepare(tmp_path / "nowhere.mp4")
    with pytest.raises(NotAVideoError, match=r"text\.mp4"):
        run_prepare(tmp_path / "text.mp4")
    for changes in (
        {"val_fraction": 1.0},
        {"max_short_side": 3},
        {"start": 2.0, "end": 1.0},
        {"max_frames": 1},
        {"fps": Fraction(0)},
    ):
        with pytest.raises(ConfigError):
            run_prepare(video, **changes)
    with pytest.raises(ConfigError, match="marks"):
        run_prepare(video, conditioners=[Marks(), Marks()])
    with pytest.raises(ConfigError):
        run_prepare(video, conditioners=[])
    with pytest.raises(ConfigError):
        run_prepare()
    with pytest.raises(PluginError, match="edgse"):
        prepare(PrepareRequest((video,), ("edgse",)), ignore_events)
    with pytest.raises(ConfigError, match="pose"):
        prepare(PrepareRequest((video,), ("edges",), options={"pose": {"a": "1"}}), ignore_events)
    assert not Path("datasets").exists()


def test_prepare_checks_packages_before_decoding(tmp_path: Path, video: Path) -> None:
    class MissingPackageMarks(Marks):
        spec = dataclasses.replace(Marks.spec, requires=(Requirement("not_there_at_all", "pip install not-there"),))

    with pytest.raises(MissingPackageError, match="not_there_at_all") as caught:
        run_prepare(video, conditioners=[MissingPackageMarks()])
    assert caught.value.hint == "pip install not-there"
    assert not Path("datasets").exists()


def test_prepare_rejects_wrong_annotation_count(video: Path) -> None:
    class SkippingMarks(Marks):
        def annotate(self, frames: Any) -> Any:
            for index, annotation in enumerate(super().annotate(frames)):
                if index % 2:
                    yield annotation

    class StoppingMarks(Marks):
        def annotate(self, frames: Any) -> Any:
            for index, annotation in enumerate(super().annotate(frames)):
                if index == 3:
                    return
                yield annotation

    class WrongSizeMarks(Marks):
        def annotate(self, frames: Any) -> Any:
            for _ in frames:
                yield Annotation(5, 5, 1.0)

    for conditioner_class, value in ((SkippingMarks, "marks"), (StoppingMarks, "marks"), (WrongSizeMarks, "5 x 5")):
        with pytest.raises(PluginError, match=value):
            run_prepare(video, conditioners=[conditioner_class()])


def test_prepare_reports_annotate_errors(video: Path) -> None:
    class FailingMarks(Marks):
        def annotate(self, frames: Any) -> Any:
            yield from []
            raise ZeroDivisionError("in the plugin")

    with pytest.raises(PluginError, match=r"marks failed in annotate: ZeroDivisionError: in the plugin"):
        run_prepare(video, conditioners=[Brightness(), FailingMarks()])
    assert not list_names("datasets")  # no chunk was complete


def test_prepare_reports_unwritable_folder(video: Path) -> None:
    if not os.access("/sys", os.F_OK):
        pytest.skip("needs Linux: /sys refuses even root")
    with pytest.raises(PermissionDeniedError, match="/sys/dataset"):
        run_prepare(video, out=Path("/sys/dataset"))


def test_plan_prepare_writes_nothing(video: Path) -> None:
    plan = dict(plan_prepare(PrepareRequest((video,), ("edges",))).rows)
    assert plan["size"] == "97x61"
    assert plan["frames"] == "about 60"
    assert plan["dataset"] == "datasets/zwei Köpfe 人"
    assert not Path("datasets").exists()


def test_prepare_warns_once_about_truncated_video(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    complete_path = write_video(
        tmp_path / "w.mkv", [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(40)], 25
    )
    truncated_path = tmp_path / "cut.mkv"
    truncated_path.write_bytes(complete_path.read_bytes()[: complete_path.stat().st_size * 6 // 10])
    events: list[Event] = []
    result = prepare(PrepareRequest((truncated_path,), ("edges",), tmp_path / "d"), events.append)
    assert 2 <= result.num_frames < 40
    (message,) = [event.message for event in events if isinstance(event, WarningEvent)]
    assert message.startswith(f"{truncated_path} ")


@pytest.mark.parametrize(
    ("size", "expected_size"),
    [((480, 480), (240, 240)), ((768, 512), (256, 170)), ((1080, 1920), (270, 480)), ((61, 97), (192, 305))],
)
def test_preview_view_scales_by_integer_factor(size: tuple[int, int], expected_size: tuple[int, int]) -> None:
    view = preview_view(*size)
    assert (view.height, view.width) == expected_size
    assert expected_size[0] > size[0] or 1 / view.scale == pytest.approx(round(1 / view.scale))
    for odd_size in ((16, 5000), (5000, 1), (3, 3), (289, 2)):
        assert 0 < preview_view(*odd_size).width <= 1920
        assert preview_view(*odd_size).height > 0


class FailingVisualizeMarks(Marks):
    """Raises in `visualize`."""

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        raise ZeroDivisionError("in the plugin")


def test_prepare_reports_visualize_errors(tmp_path: Path, video: Path) -> None:
    with pytest.raises(PluginError, match=r"marks failed in visualize: ZeroDivisionError: in the plugin"):
        run_prepare(video, conditioners=[FailingVisualizeMarks()], out=tmp_path / "d", max_frames=5)
    assert not list(tmp_path.rglob("*.mp4"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def test_write_preview_reports_full_disk(tmp_path: Path, prepared_dataset: PreparedDataset, video: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    job = make_job(PrepareRequest((video,), (), tmp_path), [Marks(), Brightness()])
    (tmp_path / f".p.{os.getpid()}.partial.mp4").symlink_to("/dev/full")
    with pytest.raises(DiskFullError, match=r"p\.mp4"):
        write_preview(prepared_dataset.dataset, job, tmp_path / "p.mp4", ignore_events)
