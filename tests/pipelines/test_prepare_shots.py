"""Shots: `prepare` makes one clip per shot; training clips and rendered videos respect the cuts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.factories import tiny_config
from helpers.fake_conditioners import Brightness, Marks, write_png_video
from helpers.video_files import click_track, find_clicks, write_sizes, write_video
from numpy.typing import NDArray

from vid2vid_cli.conditioning import View, detect_cuts
from vid2vid_cli.core.errors import TooFewFramesError
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.dataset import Dataset, FrameRange, valid_ranges
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.engine.events import Event, InfoEvent, WarningEvent, ignore_events
from vid2vid_cli.media.frame_geometry import SIZE_CHANGE_MESSAGE
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.prepare import (
    PrepareRequest,
    PrepareResult,
    plan_prepare,
    prepare,
    prepare_with_conditioners,
)
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.tools.inspect import inspect_path

ImageArray = NDArray[np.uint8]
SHOT_LENGTHS = [12, 1, 30, 4, 20]
"""Lengths of the shots; one is a single frame, one is too short to be divided."""
SHOT_STARTS = [0, 12, 13, 43, 47]
FPS = Fraction(30000, 1001)


def scene_frame(scene_index: int, frame_index: int, height: int = 48, width: int = 64) -> ImageArray:
    """A textured background with a moving red mark; the blue value of the top left corner encodes `scene_index`."""
    rng = np.random.default_rng(scene_index)
    texture = rng.integers(20, 180, (6, 8, 3)).astype(np.uint8)
    frame = cv2.resize(texture, (width, height), interpolation=cv2.INTER_CUBIC)
    frame[10:18, 5 + frame_index : 13 + frame_index] = (255, 10, 10)
    frame[:4, :4] = (0, 0, 20 * scene_index + 20)
    return np.ascontiguousarray(frame)


def identify_scene(frame: ImageArray) -> int:
    """The `scene_index` of a frame."""
    return round((float(frame[1, 1, 2]) - 20) / 20)


FRAMES = [scene_frame(number, time) for number, length in enumerate(SHOT_LENGTHS) for time in range(length)]


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_png_video(tmp_path_factory.mktemp("v") / "v.mov", FRAMES)


@pytest.fixture(scope="module")
def prepared_dataset(video: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, list[Event]]:
    events: list[Event] = []
    request = PrepareRequest((video,), (), tmp_path_factory.mktemp("made") / "d")
    return Dataset(prepare_with_conditioners(request, [Marks(), Brightness()], events.append).path), events


def run_prepare(*videos: Path, **settings: Any) -> PrepareResult:
    return prepare_with_conditioners(PrepareRequest(videos, (), **settings), [Marks(), Brightness()], ignore_events)


def test_prepare_makes_a_clip_per_shot(prepared_dataset: tuple[Dataset, list[Event]]) -> None:
    data, events = prepared_dataset
    clips = data.manifest.clips
    assert [(clip.name, clip.start_index, clip.num_frames, clip.source_index) for clip in clips] == [
        ("000", first, length, 0) for first, length in zip(SHOT_STARTS, SHOT_LENGTHS, strict=True)
    ]
    assert [clip.start_seconds for clip in clips] == pytest.approx([float(first / FPS) for first in SHOT_STARTS])
    assert data.manifest.num_frames == len(FRAMES)
    assert [path.name for path in (data.folder / "clips").iterdir()] == ["000"]
    messages = [event.message for event in events if isinstance(event, InfoEvent)]
    assert any("5 shots" in message and "0.40, 0.43, 1.43, 1.57 s" in message for message in messages)


def test_prepare_shot_clips_hold_their_frames(prepared_dataset: tuple[Dataset, list[Event]]) -> None:
    data, _ = prepared_dataset
    mark_points = [annotation.points["mark"] for annotation in Marks().annotate(detect_cuts(FRAMES))]
    for span, first in zip(data.frame_ranges(), SHOT_STARTS, strict=True):
        assert (span.start, span.num_frames) == (0, SHOT_LENGTHS[span.clip_index])
        assert data.quality(span.clip_index, "marks").shape == (span.num_frames,)
        for index in (0, span.stop - 1):
            assert np.array_equal(data.load_frame(span.clip_index, index), FRAMES[first + index])
            annotation = data.load_annotation(span.clip_index, index, "marks")
            assert np.array_equal(annotation.points["mark"], mark_points[first + index].astype(np.float32))
            assert annotation.images["ids"][1, 1] == FRAMES[first + index][1, 1, 2]
        for outside_index in (-1, span.stop):
            with pytest.raises(IndexError):
                data.load_annotation(span.clip_index, outside_index, "marks")
            with pytest.raises(IndexError):
                data.frame_path(span.clip_index, outside_index)


def test_prepare_size_change_begins_clip(tmp_path: Path) -> None:
    """The picture itself hardly changes, so that no cut is detected; --no-split-shots keeps one clip."""
    video = write_sizes(tmp_path / "v.ts", [(48, 64), (96, 128)], num_frames=12)
    events: list[Event] = []
    conditioners = [Brightness()]
    split = prepare_with_conditioners(PrepareRequest((video,), (), tmp_path / "split"), conditioners, events.append)
    assert len(read_manifest(split.path).clips) == 2
    assert any(isinstance(event, WarningEvent) and SIZE_CHANGE_MESSAGE in event.message for event in events)
    request = PrepareRequest((video,), (), tmp_path / "whole", split_shots=False)
    whole = prepare_with_conditioners(request, conditioners, ignore_events)
    assert len(read_manifest(whole.path).clips) == 1


def test_prepare_holds_out_end_of_each_shot(prepared_dataset: tuple[Dataset, list[Event]]) -> None:
    data, _ = prepared_dataset
    assert data.frame_ranges("train") == [
        FrameRange(0, 0, 10),
        FrameRange(1, 0, 1),
        FrameRange(2, 0, 24),
        FrameRange(3, 0, 4),
        FrameRange(4, 0, 16),
    ]
    assert data.frame_ranges("val") == [FrameRange(0, 10, 12), FrameRange(2, 24, 30), FrameRange(4, 16, 20)]
    assert data.manifest.conditioner_record("bright").statistics == {"num_frames": 10 + 1 + 24 + 4 + 16}
    annotations = data.annotations([FrameRange(2, 28, 30), FrameRange(4, 0, 1)], "marks")
    assert [int(annotation.images["ids"][1, 1]) for annotation in annotations] == [60, 60, 100]


def test_clip_sampler_never_spans_a_cut(prepared_dataset: tuple[Dataset, list[Event]]) -> None:
    """Each sampled clip is from one shot, and all shots of two or more frames are sampled."""
    data, _ = prepared_dataset
    view = View.from_box((0, 0, data.width, data.height), data.height, data.width)
    conditioners = [Marks()]
    assert valid_ranges(data, ["marks"], "train") == data.frame_ranges("train")
    sampler = ClipSampler(data, conditioners, view, seed=0, batch_size=1)
    assert sampler.max_range_length == 24
    sampled_scenes = set()
    for step in range(90):
        frames = sampler.sample_batch(step, length=2 + step % 5).frames[0]
        scenes = {identify_scene(((frame + 1) * 127.5).permute(1, 2, 0).numpy()) for frame in frames}
        assert len(scenes) == 1
        sampled_scenes |= scenes
    assert sampled_scenes == {0, 2, 3, 4}


def test_prepare_without_shot_splitting(video: Path) -> None:
    dataset = Dataset(run_prepare(video, split_shots=False).path)
    assert dataset.frame_ranges() == [FrameRange(0, 0, len(FRAMES))]
    assert dataset.manifest.content_hash != read_manifest(run_prepare(video).path).content_hash
    assert (
        dict(plan_prepare(PrepareRequest((video,), ("edges",), split_shots=False)).rows)["shots"] == "no cut detection"
    )


def test_prepare_splits_shots_of_each_video(tmp_path: Path, video: Path) -> None:
    second_video = write_png_video(
        tmp_path / "b.mov", [scene_frame(7, time) for time in range(10)] + [scene_frame(8, time) for time in range(10)]
    )
    data = Dataset(run_prepare(video, second_video).path)
    assert [(clip.name, clip.start_index, clip.source_index) for clip in data.manifest.clips[-2:]] == [
        ("001", 0, 1),
        ("001", 10, 1),
    ]
    assert len(list(VideoReader(data.folder / "preview.mp4"))) == len(FRAMES) + 20
    rows = dict(inspect_path(data.folder).rows)
    assert rows["clips"] == "7 shots of 2 videos"


def test_prepare_rejects_single_frame_shots(tmp_path: Path) -> None:
    slides = write_png_video(tmp_path / "slides.mov", [scene_frame(number, 3) for number in range(6)])
    with pytest.raises(TooFewFramesError, match=r"slides\.mov") as caught:
        run_prepare(slides)
    assert "--no-split-shots" in caught.value.hint
    assert run_prepare(slides, split_shots=False).num_frames == 6


def test_prepare_splits_real_video(shared_data: Path) -> None:
    video_path = shared_data / "street" / "bikes.mp4"
    data = Dataset(
        prepare(PrepareRequest((video_path,), ("edges",), max_short_side=64, max_frames=140), ignore_events).path
    )
    assert [clip.start_index for clip in data.manifest.clips] == [0, 30, 76, 137]
    assert [clip.num_frames for clip in data.manifest.clips] == [30, 46, 61, 3]
    assert dict(inspect_path(data.folder).rows)["clips"] == "4 shots of 1 video"


def test_synthesize_renders_all_shots_with_audio(tmp_path: Path) -> None:
    frames = [scene_frame(number, time) for number in range(3) for time in range(10)]
    clip = write_video(tmp_path / "s.mp4", frames, FPS, audio=click_track(1.0, [0.5]))
    dataset = prepare(PrepareRequest((clip,), ("edges",)), ignore_events).path
    assert len(read_manifest(dataset).clips) == 3
    train_result = train(TrainRequest(tiny_config(), "tiny", dataset, Path("run"), device="cpu"), ignore_events)
    settings: dict[str, Any] = {"device": "cpu", "precision": "fp32", "compare": False}
    result = synthesize(SynthesizeRequest(train_result.path, dataset, out=Path("whole.mp4"), **settings), ignore_events)
    assert result.num_frames == 30
    assert find_clicks(result.path) == pytest.approx([0.5], abs=0.03)
    val_result = synthesize(
        SynthesizeRequest(train_result.path, dataset, out=Path("h.mp4"), split="val", **settings), ignore_events
    )
    assert val_result.num_frames == 6
    assert find_click_times(val_result.path) == []


def find_click_times(path: Path) -> list[float]:
    """Times of clicks in the audio of a video; [] without audio."""
    try:
        return find_clicks(path)
    except (IndexError, ValueError, StopIteration):
        return []
