"""The source of a transfer: shots, scan, retargeting, views and options."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.dots_conditioner import DOTS_PLUGIN, Dots, DotsOptions
from helpers.factories import NUM_FRAMES, blob_frame, make_blob_video
from helpers.synthetic_people import hand_keypoints, person_keypoints
from helpers.video_files import write_video

from vid2vid_cli.conditioning import Annotation, Conditioner, VideoFrame, View
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.errors import ConfigError, MissingFileError, NoDetectionError
from vid2vid_cli.data.cropping import crop_view
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, ConditionerConfig
from vid2vid_cli.engine.events import Event, EventHandler, InfoEvent, ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering import source_video
from vid2vid_cli.rendering.frames import AnnotatedFrame
from vid2vid_cli.rendering.render_source import report_omitted_parts, scan_sources
from vid2vid_cli.rendering.retargeter import Retargeter, is_mostly_outside
from vid2vid_cli.rendering.source_conditioners import load_source_conditioners, require_input_files
from vid2vid_cli.rendering.source_reader import open_source_reader
from vid2vid_cli.rendering.source_scan import SCAN_FRAMES, SourceScan, scan_windows
from vid2vid_cli.rendering.source_video import SourceVideo, split_shots


@pytest.fixture(autouse=True)
def _dots_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)


TARGET_STATISTICS = {"mean": [30.0, 20.0], "subject_box": [20.0, 5.0, 40.0, 35.0], "height": 40, "width": 56}


def make_metadata(*conditioners: ConditionerConfig, image_size: tuple[int, int] = (24, 18)) -> CheckpointMetadata:
    """Metadata of a checkpoint whose dataset has frames of 40 x 56 pixels."""
    return CheckpointMetadata(
        name="ada",
        generator=GeneratorConfig(),
        conditioners=conditioners,
        crop="subject",
        view=crop_view(40, 56, image_size, "subject", TARGET_STATISTICS).to_json(),
        height=40,
        width=56,
        fps="25",
        training={},
        created_by="a test",
    )


def dots_config(**options: Any) -> ConditionerConfig:
    return ConditionerConfig(name="dots", options=options, channels=1, statistics=TARGET_STATISTICS)


EDGES_CONFIG = ConditionerConfig(name="edges", options={}, channels=1, statistics={})


def make_annotated_frame(
    number: int, *, is_cut: bool = False, is_detected: bool = True, num_conditioners: int = 1
) -> AnnotatedFrame:
    """Frame `number`; conditioner i has a dot at (number, number + i)."""
    annotations = [
        Annotation(40, 56, float(is_detected), {"dot": np.array([[number, number + index]], np.float32)})
        for index in range(num_conditioners)
    ]
    return AnnotatedFrame(np.full((40, 56, 3), number, np.uint8), is_cut, tuple(annotations))


def make_retargeter(
    conditioners: Sequence[Conditioner], conditioner_configs: Sequence[ConditionerConfig], **changes: Any
) -> Retargeter:
    """A retargeter of a source whose dots have their mean at (10, 20)."""
    reader = VideoReader(make_blob_video(changes.pop("folder") / "a.mp4", 2))
    source = SourceVideo(Path("a.mp4"), reader, tuple(conditioners))
    statistics = {"mean": [10.0, 20.0], "subject_box": [2.0, 12.0, 18.0, 28.0], "height": 40, "width": 56}
    first_annotations = tuple(make_annotated_frame(10, num_conditioners=len(conditioners)).annotations)
    scan = SourceScan((statistics,) * len(conditioners), first_annotations)
    return Retargeter(source, scan, make_metadata(*conditioner_configs), **{"retarget": True, **changes})


# Shots


def test_split_shots_keeps_all_frames() -> None:
    cuts = (3, 4, 7)
    frames = [make_annotated_frame(number, is_cut=number in cuts) for number in range(9)]
    shot_numbers = [[int(frame.frame[0, 0, 0]) for frame in shot] for shot in split_shots(iter(frames))]
    assert shot_numbers == [[0, 1, 2], [3], [4, 5, 6], [7, 8]]
    assert list(split_shots(iter([]))) == []


def test_split_shots_is_lazy() -> None:
    read_numbers: list[int] = []

    def endless_frames() -> Iterator[AnnotatedFrame]:
        for number in count():
            read_numbers.append(number)
            yield make_annotated_frame(number % 200, is_cut=number % 5 == 0)

    shot_iterator = split_shots(endless_frames())
    for _ in range(50):
        assert len(list(next(shot_iterator))) == 5
    assert len(read_numbers) == 251
    list(islice(next(shot_iterator), 2))
    assert len(read_numbers) == 252


# Retargeting


def test_retargeter_resets_at_each_shot(tmp_path: Path) -> None:
    """Dots averages each point with the previous one; the first frame of a shot has no previous one."""
    retargeter = make_retargeter([Dots()], [dots_config()], folder=tmp_path)

    def dot_positions(numbers: Sequence[int]) -> list[float]:
        return [
            float(frame.annotations[0].points["dot"][0, 0])
            for frame in retargeter.retarget_shot(make_annotated_frame(n) for n in numbers)
        ]

    assert dot_positions([10, 20, 20]) == [30, 35, 37.5]
    assert dot_positions([50, 50]) == [70, 70]
    assert retargeter.gaps[0].num_frames == 5


def test_retargeter_counts_frames_with_points_outside_the_picture(tmp_path: Path) -> None:
    """The target's view is 18 pixels wide around x = 30; dots move 20 pixels to the right."""
    retargeter = make_retargeter([Dots()], [dots_config()], folder=tmp_path)
    for numbers in ([10, 10], [50], [50]):
        list(retargeter.retarget_shot(map(make_annotated_frame, numbers)))
    assert (retargeter.outside[0].num_missing, retargeter.outside[0].num_frames) == (2, 4)


@pytest.mark.parametrize(("target_parts", "omitted"), [(["body"], ["left_hand"]), (["body", "left_hand"], [])])
def test_retargeter_names_the_parts_that_the_target_lacks(
    tmp_path: Path, target_parts: list[str], omitted: list[str]
) -> None:
    """A hand that is never detected is not named, nor one that is missing on some frames."""
    statistics = {"height": 240, "width": 320}
    pose = load_conditioner("pose")
    target = ConditionerConfig(
        name="pose", options={}, channels=3, statistics={**statistics, "point_names": target_parts}
    )
    annotations = [
        Annotation(
            240,
            320,
            1.0,
            {"body": person_keypoints(), "left_hand": hand, "right_hand": np.full((21, 3), np.nan, np.float32)},
        )
        for hand in (hand_keypoints(50, 60), np.full((21, 3), np.nan, np.float32))
    ]
    reader = VideoReader(make_blob_video(tmp_path / "a.mp4", 2))
    source = SourceVideo(Path("a.mp4"), reader, (pose,))
    scan = SourceScan((statistics,), (annotations[0],))
    retargeter = Retargeter(source, scan, make_metadata(target), retarget=True)
    list(retargeter.retarget_shot(AnnotatedFrame(None, False, (annotation,)) for annotation in annotations))
    assert retargeter.omitted_parts() == [omitted]
    events: list[Event] = []
    report_omitted_parts(retargeter, events.append)
    assert ["left hand" in event.message for event in events if isinstance(event, InfoEvent)] == [True] * len(omitted)


def test_is_mostly_outside_ignores_missing_points() -> None:
    view = View.from_box((10, 10, 20, 20), 30, 30)
    inside, outside, missing = [15, 15, 1], [9, 15, 1], [np.nan, np.nan, 0]
    cases = [([inside, outside], False), ([inside, outside, outside], True), ([inside, missing, missing], False)]
    cases += [([outside, missing], True), ([missing], False), ([], False)]
    for points, expected in cases:
        annotation = Annotation(40, 40, 1.0, {"body": np.array(points, np.float32).reshape(-1, 3)})
        assert is_mostly_outside(annotation, view) is expected
    assert not is_mostly_outside(Annotation(40, 40, 1.0, {}), view)


def test_retargeter_has_a_view_per_conditioner(tmp_path: Path) -> None:
    """Dots move 20 pixels to the right, into the target's frame; edges stay in the source's."""
    (edges,) = load_conditioners([("edges", {})])
    retargeter = make_retargeter([Dots(), edges], [dots_config(), EDGES_CONFIG], folder=tmp_path)
    target_view, source_view = retargeter.views
    assert target_view == make_metadata(dots_config()).crop_view()
    assert source_view == crop_view(40, 56, (24, 18), "subject", {"subject_box": [2.0, 12.0, 18.0, 28.0]})
    assert source_view != target_view
    (annotated_frame,) = retargeter.retarget_shot([make_annotated_frame(10, num_conditioners=2)])
    assert annotated_frame.annotations[0].points["dot"].tolist() == [[30, 10]]
    assert annotated_frame.annotations[1].points["dot"].tolist() == [[10, 11]], (
        "conditioners do not exchange annotations"
    )
    assert annotated_frame.cropped_frame is not None
    assert annotated_frame.cropped_frame.shape == (24, 18, 3)


def test_retargeter_disabled_uses_source_view(tmp_path: Path) -> None:
    retargeter = make_retargeter([Dots()], [dots_config()], folder=tmp_path, retarget=False)
    assert retargeter.views == (retargeter.source_view,)
    (annotated_frame,) = retargeter.retarget_shot([make_annotated_frame(10)])
    assert annotated_frame.annotations[0].points["dot"].tolist() == [[10, 10]]


def test_retargeter_repeats_last_annotation_when_missing(tmp_path: Path) -> None:
    """Over 300 frames, over a cut, and before the first detection."""
    retargeter = make_retargeter([Dots()], [dots_config()], folder=tmp_path, retarget=False)
    missing_frames = [make_annotated_frame(99, is_detected=False)] * 300
    frames_by_shot = [
        [make_annotated_frame(99, is_detected=False), make_annotated_frame(4), *missing_frames],
        [make_annotated_frame(99, is_cut=True, is_detected=False), make_annotated_frame(6)],
    ]
    positions = [
        float(frame.annotations[0].points["dot"][0, 0])
        for shot in frames_by_shot
        for frame in retargeter.retarget_shot(shot)
    ]
    assert positions == [10, 4, *[4] * 300, 4, 6]
    assert (retargeter.gaps[0].num_missing, retargeter.gaps[0].num_frames) == (302, 304)


# The video


def test_source_video_annotate_yields_frames_and_cuts(tmp_path: Path) -> None:
    frames = [blob_frame(number) for number in range(4)]
    inverted_frames = [255 - blob_frame(number) for number in range(5)]
    write_video(tmp_path / "cut.mov", [*frames, *inverted_frames, *frames], 25, codec="png", pixel_format="rgb24")
    conditioners = (*load_conditioners([("edges", {})]), Dots())
    source = SourceVideo(tmp_path / "cut.mov", VideoReader(tmp_path / "cut.mov"), conditioners)
    annotated_frames = list(source.annotate())
    assert [frame.is_cut for frame in annotated_frames] == [number in (4, 9) for number in range(13)]
    for annotated_frame, frame in zip(annotated_frames, [*frames, *inverted_frames, *frames], strict=True):
        assert np.array_equal(annotated_frame.frame, frame)
    assert [frame.annotations[1].quality for frame in annotated_frames] == [*[1] * 4, *[0] * 5, *[1] * 4]


def test_source_video_annotate_reads_input_files_by_frame_index(tmp_path: Path) -> None:
    """A reduced video that starts at frame 5: row 5 of the file belongs to frame 5, in pixels of the reduced frame."""
    path = make_blob_video(tmp_path / "a.mp4", 20)
    rows = np.stack([np.arange(20) * 2.0, np.full(20, 19.5)], axis=1)
    np.savetxt(tmp_path / "rows.txt", rows)
    (conditioner,) = load_source_conditioners(
        make_metadata(dots_config()), {"dots": {"input_path": str(tmp_path / "rows.txt")}}
    )
    start = 5 * 1001 / 30000
    source = SourceVideo(path, VideoReader(path, size=(20, 28), start=start), (conditioner,))
    points = [frame.annotations[0].points["dot"][0] for frame in source.annotate()]
    assert len(points) == 15
    expected = View.from_box((0, 0, 56, 40), 20, 28).transform_points(rows[5:])
    assert np.allclose(points, expected, atol=1e-4)
    assert np.allclose(
        [first.points["dot"][0] for first in source.scan(ignore_events).first_annotations], expected[0], atol=1e-4
    )


@pytest.mark.parametrize(("target_height", "size"), [(40, (512, 597)), (560, (560, 653)), (900, (600, 700))])
def test_open_source_reader_scales_to_target_size(tmp_path: Path, target_height: int, size: tuple[int, int]) -> None:
    """The short side is at least 512 pixels, as in `prepare`; the video is never enlarged."""
    write_video(tmp_path / "a.mov", [np.zeros((600, 700, 3), np.uint8)], 25, codec="png", pixel_format="rgb24")
    reader = open_source_reader(
        tmp_path / "a.mov",
        make_metadata(dots_config()).model_copy(update={"height": target_height, "width": 2 * target_height}),
    )
    assert (reader.height, reader.width) == size


def scan_rows(path: Path, num_frames: int, emit: EventHandler = ignore_events) -> list[float]:
    """The scan's mean of a file in which row i is (i, i)."""
    np.savetxt(path.with_suffix(".txt"), np.stack([np.arange(num_frames)] * 2, axis=1))
    options = {"dots": {"input_path": str(path.with_suffix(".txt"))}}
    conditioners = load_source_conditioners(make_metadata(dots_config()), options)
    mean: list[float] = SourceVideo(path, VideoReader(path), conditioners).scan(emit).statistics[0]["mean"]
    return mean


def test_source_video_scan_seeks_to_keyframes(tmp_path: Path) -> None:
    """PNG frames are all keyframes: 16 windows of 6 frames; the last one starts at the last frame."""
    frames = [blob_frame(index % NUM_FRAMES) for index in range(200)]
    path = write_video(tmp_path / "a.mov", frames, 25, codec="png", pixel_format="rgb24")
    windows = scan_windows(200, VideoReader(path).seekable_indices)
    assert [len(window) for window in windows] == [*[6] * 15, 1]
    events: list[Event] = []
    mean = scan_rows(path, 200, events.append)
    assert mean == pytest.approx([np.mean([index for window in windows for index in window])] * 2)
    assert 85 < mean[0] < 110
    assert not [event for event in events if isinstance(event, InfoEvent)]


def test_source_video_scan_reads_first_part_without_keyframes(tmp_path: Path) -> None:
    """x264 writes one keyframe in 250 frames."""
    path = make_blob_video(tmp_path / "a.mp4", 200)
    assert VideoReader(path).seekable_indices == [0]
    events: list[Event] = []
    assert scan_rows(path, 200, events.append) == pytest.approx([(SCAN_FRAMES - 1) / 2] * 2)
    assert len([event for event in events if isinstance(event, InfoEvent)]) == 1


def test_source_video_scan_reads_short_videos_completely(tmp_path: Path) -> None:
    path = make_blob_video(tmp_path / "a.mp4", SCAN_FRAMES)
    events: list[Event] = []
    assert scan_rows(path, SCAN_FRAMES, events.append) == pytest.approx([(SCAN_FRAMES - 1) / 2] * 2)
    assert not [event for event in events if isinstance(event, InfoEvent)]


def test_scan_windows_do_not_overlap() -> None:
    windows = scan_windows(1000, [0, 10, 500])
    assert windows == [range(0, 10), range(10, 42), range(500, 532)]


def test_source_video_scan_raises_without_detection(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mov", [np.full((40, 56, 3), 90, np.uint8)] * 3, 25, codec="png", pixel_format="rgb24")
    source = SourceVideo(tmp_path / "a.mov", VideoReader(tmp_path / "a.mov"), (Dots(),))
    with pytest.raises(NoDetectionError, match=r"dots.*a\.mov") as caught:
        source.scan(ignore_events)
    assert "vid2vid plugins show dots" in caught.value.hint


class CountingDots(Dots):
    """Reads three frames ahead; the x of each dot is the mean of its frame, the y the number of frames before it."""

    num_read: ClassVar[int] = 0

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        pending: deque[tuple[int, VideoFrame]] = deque()

        def take() -> Annotation:
            index, frame = pending.popleft()
            return Annotation(
                *frame.rgb.shape[:2],
                1.0,
                {"dot": np.array([[frame.rgb.mean() + 256 * frame.is_cut, index]], np.float32)},
            )

        for numbered_frame in enumerate(frames):
            CountingDots.num_read += 1
            pending.append(numbered_frame)
            if len(pending) > 3:
                yield take()
        while pending:
            yield take()


@pytest.mark.parametrize(
    ("num_frames", "is_reduced"),
    [(SCAN_FRAMES + 20, False), (SCAN_FRAMES + 2, True), (SCAN_FRAMES, False), (2, True)],
)
def test_source_video_annotates_scanned_frames_once(tmp_path: Path, num_frames: int, is_reduced: bool) -> None:
    """As if the video had not been scanned, also if the conditioner reads frames ahead."""
    path = make_blob_video(tmp_path / "a.mp4", num_frames)
    full_reader = VideoReader(path) if is_reduced else None

    def open_source() -> SourceVideo:
        reader = VideoReader(path, size=(20, 28)) if is_reduced else VideoReader(path)
        return SourceVideo(path, reader, (CountingDots(), Dots()), full_reader=full_reader)

    scanned, other = open_source(), open_source()
    scanned.scan(ignore_events)
    CountingDots.num_read = 0
    frames = list(scanned.annotate())
    assert CountingDots.num_read == max(0, num_frames - SCAN_FRAMES - 3)
    expected = list(other.annotate())
    assert len(frames) == len(expected) == num_frames
    for frame, expected_frame in zip(frames, expected, strict=True):
        assert np.array_equal(frame.frame, expected_frame.frame)
        for annotation, expected_annotation in zip(frame.annotations, expected_frame.annotations, strict=True):
            np.testing.assert_array_equal(annotation.points["dot"], expected_annotation.points["dot"])
    assert len(list(scanned.annotate())) == num_frames, "once more, without what the scan has kept"


class OpenDots(Dots):
    """Counts the streams that are not closed."""

    num_open: ClassVar[int] = 0

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        OpenDots.num_open += 1
        try:
            yield from super().annotate(frames)
        finally:
            OpenDots.num_open -= 1


@pytest.mark.parametrize(("num_sources", "num_open"), [(1, 1), (3, 0)])
def test_scan_sources_leaves_no_detectors_of_several_sources(tmp_path: Path, num_sources: int, num_open: int) -> None:
    """Those of one source are used again by `annotate`; a second scan closes those of the first."""
    path = make_blob_video(tmp_path / "a.mp4", SCAN_FRAMES + 2)
    sources = [SourceVideo(path, VideoReader(path), (OpenDots(),)) for _ in range(num_sources)]
    for _ in range(2):
        assert len(scan_sources(sources, ignore_events)) == num_sources
        assert OpenDots.num_open == num_open
    assert [len(list(source.annotate())) for source in sources] == [SCAN_FRAMES + 2] * num_sources
    assert OpenDots.num_open == 0


def test_source_video_releases_detectors_when_dropped(tmp_path: Path) -> None:
    """Without the garbage collector, which could run within another call of a detector."""
    path = make_blob_video(tmp_path / "a.mp4", SCAN_FRAMES + 2)
    gc.disable()
    try:
        source = SourceVideo(path, VideoReader(path), (OpenDots(), OpenDots()))
        source.scan(ignore_events)
        assert OpenDots.num_open == 2
        del source
        assert OpenDots.num_open == 0
    finally:
        gc.enable()


def test_source_video_is_scanned_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is the same; a scan that is not read ends with the block, also with an error."""
    monkeypatch.setattr(source_video, "can_fork", lambda: False)
    path = make_blob_video(tmp_path / "a.mp4", SCAN_FRAMES + 2)
    ahead, plain = (SourceVideo(path, VideoReader(path), (OpenDots(),)) for _ in range(2))
    num_threads = threading.active_count()
    with ahead.scanned_ahead():
        assert threading.active_count() > num_threads
        scan = ahead.scan(ignore_events)
    expected = plain.scan(ignore_events)
    assert scan.statistics == expected.statistics
    assert [len(list(source.annotate())) for source in (ahead, plain)] == [SCAN_FRAMES + 2] * 2
    with suppress(ZeroDivisionError), ahead.scanned_ahead():
        raise ZeroDivisionError
    with suppress(ZeroDivisionError), ahead.scanned_ahead():
        ahead.scan(ignore_events)
        raise ZeroDivisionError
    assert threading.active_count() == num_threads
    assert OpenDots.num_open == 0


def test_source_video_annotate_does_not_keep_scanned_annotations(tmp_path: Path) -> None:
    path = make_blob_video(tmp_path / "a.mp4", 6)
    source = SourceVideo(path, VideoReader(path), (Dots(),))
    source.scan(ignore_events)
    annotated_frames = source.annotate()
    second = weakref.ref(list(islice(annotated_frames, 2))[1].annotations[0])
    next(annotated_frames)
    assert second() is None
    annotated_frames.close()


# Options


def test_load_source_conditioners_overrides_checkpoint_options() -> None:
    (overridden,) = load_source_conditioners(
        make_metadata(dots_config(min_red=100, radius=5.0)), {"dots": {"min_red": "200", "input_path": "a.txt"}}
    )
    assert overridden.options == DotsOptions(min_red=200, radius=5.0, input_path=Path("a.txt"))
    (default,) = load_source_conditioners(make_metadata(dots_config(min_red=100)), {})
    assert default.options.min_red == 100  # type: ignore[attr-defined]


def test_load_source_conditioners_resets_person_option() -> None:
    """A number selects a person of the training video; another source has other people."""
    (default,) = load_source_conditioners(make_metadata(dots_config(person="2")), {})
    assert default.options.person == "largest"  # type: ignore[attr-defined]
    (chosen,) = load_source_conditioners(make_metadata(dots_config(person="2")), {"dots": {"person": "3"}})
    assert chosen.options.person == "3"  # type: ignore[attr-defined]


def test_require_input_files_raises_without_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dots, "has_detector", False)
    with pytest.raises(MissingFileError, match="dots") as caught:
        require_input_files(make_metadata(dots_config()), load_source_conditioners(make_metadata(dots_config()), {}))
    assert "--conditioner-option dots.input_path=" in caught.value.hint
    assert "vid2vid synthesize" in caught.value.hint
    require_input_files(
        make_metadata(dots_config()),
        load_source_conditioners(make_metadata(dots_config()), {"dots": {"input_path": "a.txt"}}),
    )


@pytest.mark.parametrize(
    ("options", "setting", "hint"),
    [
        ({"dots": {"radius": "9"}}, "dots.radius", "conditioner_options.dots.radius=9"),
        ({"dots": {"two_channels": "true"}}, "dots.two_channels=true", "Remove"),
        ({"dots": {"min_rad": "9"}}, "dots.min_rad", "dots.min_red"),
        ({"pose": {"joint_dropout": "9"}}, "pose", "dots.KEY=VALUE"),
    ],
)
def test_load_source_conditioners_rejects_bad_options(
    options: dict[str, dict[str, str]], setting: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_source_conditioners(make_metadata(dots_config()), options)
    assert setting in caught.value.message
    assert hint in caught.value.hint


def test_threads_switch_promptly_until_the_scan_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports, in the main thread, do not delay the thread that annotates; rendering has the usual interval."""
    monkeypatch.setattr(source_video, "can_fork", lambda: False)
    usual = sys.getswitchinterval()
    path = make_blob_video(tmp_path / "a.mp4", 6)
    video = SourceVideo(path, VideoReader(path), (Dots(),))
    with video.scanned_ahead():
        assert sys.getswitchinterval() < usual / 10
        video.scan(ignore_events)
        assert sys.getswitchinterval() == usual
    with suppress(ZeroDivisionError), video.scanned_ahead():
        assert sys.getswitchinterval() < usual / 10
        raise ZeroDivisionError
    assert sys.getswitchinterval() == usual
