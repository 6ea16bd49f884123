"""Scene cuts: `prepare` makes a clip of each shot, and nothing that is drawn or rendered spans one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.factories import tiny_config
from helpers.fake_conditioners import Bright, Marks, film
from helpers.video_files import click_times, clicks, make_clip
from numpy.typing import NDArray

from vid2vid_cli.conditioning import View
from vid2vid_cli.core.errors import TooShortError
from vid2vid_cli.data.clip_sampler import ClipSampler, usable_runs
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.engine.events import Event, Noticed, silent
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.prepare import Prepared, PrepareRequest, plan_prepare, prepare, prepare_with
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.tools.inspect import inspect

Frame = NDArray[np.uint8]
LENGTHS = [12, 1, 30, 4, 20]
"""Of the shots of the film; one is a single frame, one too short to be divided."""
FIRST = [0, 12, 13, 43, 47]
RATE = Fraction(30000, 1001)


def scene(number: int, time: int, height: int = 48, width: int = 64) -> Frame:
    """A textured place with a red mark that moves; the blue of its top left corner says which place it is."""
    random = np.random.default_rng(number)
    coarse = random.integers(20, 180, (6, 8, 3)).astype(np.uint8)
    frame = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    frame[10:18, 5 + time : 13 + time] = (255, 10, 10)
    frame[:4, :4] = (0, 0, 20 * number + 20)
    return np.ascontiguousarray(frame)


def place_of(frame: Frame) -> int:
    """Which `scene` a frame shows."""
    return round((float(frame[1, 1, 2]) - 20) / 20)


FILM = [scene(number, time) for number, length in enumerate(LENGTHS) for time in range(length)]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("v") / "v.mov", FILM)


@pytest.fixture(scope="module")
def made(video: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, list[Event]]:
    events: list[Event] = []
    request = PrepareRequest((video,), (), tmp_path_factory.mktemp("made") / "d")
    return Dataset(prepare_with(request, [Marks(), Bright()], events.append).path), events


def run(*videos: Path, **changes: Any) -> Prepared:
    return prepare_with(PrepareRequest(videos, (), **changes), [Marks(), Bright()], silent)


def test_every_shot_is_a_clip_of_one_folder(made: tuple[Dataset, list[Event]]) -> None:
    data, events = made
    clips = data.manifest.clips
    assert [(clip.name, clip.first, clip.frames, clip.source) for clip in clips] == [
        ("000", first, length, 0) for first, length in zip(FIRST, LENGTHS, strict=True)
    ]
    assert [clip.start for clip in clips] == pytest.approx([float(first / RATE) for first in FIRST])
    assert data.manifest.frames == len(FILM)
    assert [path.name for path in (data.folder / "clips").iterdir()] == ["000"]
    said = [event.message for event in events if isinstance(event, Noticed)]
    assert any(": 5 shots, cut at 0.40, 0.43, 1.43, 1.57 s" in message for message in said)


def test_frames_and_annotations_are_those_of_the_shot(made: tuple[Dataset, list[Event]]) -> None:
    data, _ = made
    marks = [annotation.points["mark"] for annotation in Marks().annotate(FILM)]
    for span, first in zip(data.clips(), FIRST, strict=True):
        assert (span.first, span.frames) == (0, LENGTHS[span.clip])
        assert data.quality(span.clip, "marks").shape == (span.frames,)
        for index in (0, span.last - 1):
            assert np.array_equal(data.frame(span.clip, index), FILM[first + index])
            found = data.annotation(span.clip, index, "marks")
            assert np.array_equal(found.points["mark"], marks[first + index].astype(np.float32))
            assert found.images["ids"][1, 1] == FILM[first + index][1, 1, 2]
        for past in (-1, span.last):
            with pytest.raises(IndexError):
                data.annotation(span.clip, past, "marks")
            with pytest.raises(IndexError):
                data.frame_path(span.clip, past)


def test_the_end_of_each_shot_is_held_out(made: tuple[Dataset, list[Event]]) -> None:
    data, _ = made
    assert data.clips("train") == [Span(0, 0, 10), Span(1, 0, 1), Span(2, 0, 24), Span(3, 0, 4), Span(4, 0, 16)]
    assert data.clips("holdout") == [Span(0, 10, 12), Span(2, 24, 30), Span(4, 16, 20)]
    assert data.manifest.conditioner("bright").statistics == {"seen": 10 + 1 + 24 + 4 + 16}
    found = data.annotations([Span(2, 28, 30), Span(4, 0, 1)], "marks")
    assert [int(one.images["ids"][1, 1]) for one in found] == [60, 60, 100]


def test_no_training_clip_spans_a_cut(made: tuple[Dataset, list[Event]]) -> None:
    """Clips of every length, drawn many times; each shows one place, and every shot of two frames is among them."""
    data, _ = made
    view = View.of_box((0, 0, data.width, data.height), data.height, data.width)
    conditioners = [Marks()]
    assert usable_runs(data, ["marks"], "train") == data.clips("train")
    sampler = ClipSampler(data, conditioners, view, seed=0, batch=1)
    assert sampler.longest == 24
    seen = set()
    for step in range(90):
        frames = sampler.draw(step, length=2 + step % 5).frames[0]
        places = {place_of(((frame + 1) * 127.5).permute(1, 2, 0).numpy()) for frame in frames}
        assert len(places) == 1
        seen |= places
    assert seen == {0, 2, 3, 4}


def test_no_cuts_when_they_are_not_wanted(video: Path) -> None:
    whole = Dataset(run(video, cuts=False).path)
    assert whole.clips() == [Span(0, 0, len(FILM))]
    assert whole.manifest.identity != read_manifest(run(video).path).identity
    assert dict(plan_prepare(PrepareRequest((video,), ("edges",), cuts=False)).rows)["cuts"] == "not looked for"


def test_shots_of_several_videos(tmp_path: Path, video: Path) -> None:
    other = film(tmp_path / "b.mov", [scene(7, time) for time in range(10)] + [scene(8, time) for time in range(10)])
    data = Dataset(run(video, other).path)
    assert [(clip.name, clip.first, clip.source) for clip in data.manifest.clips[-2:]] == [
        ("001", 0, 1),
        ("001", 10, 1),
    ]
    assert len(list(VideoReader(data.folder / "preview.mp4"))) == len(FILM) + 20
    rows = dict(inspect(data.folder).rows)
    assert rows["clips"] == "7, the shots of 2 videos"


def test_a_flicker_of_pictures_has_nothing_to_learn_from(tmp_path: Path) -> None:
    slides = film(tmp_path / "slides.mov", [scene(number, 3) for number in range(6)])
    with pytest.raises(TooShortError, match="a shot of its own") as caught:
        run(slides)
    assert "--no-cuts" in caught.value.hint
    assert run(slides, cuts=False).frames == 6


def test_real_footage(shared_data: Path) -> None:
    bikes = shared_data / "street" / "bikes.mp4"
    data = Dataset(prepare(PrepareRequest((bikes,), ("edges",), size=64, max_frames=140), silent).path)
    assert [clip.first for clip in data.manifest.clips] == [0, 30, 76, 137]
    assert [clip.frames for clip in data.manifest.clips] == [30, 46, 61, 3]
    assert dict(inspect(data.folder).rows)["clips"] == "4, the shots of 1 video"


def test_a_model_of_shots_is_trained_and_renders_them_all_with_their_sound(tmp_path: Path) -> None:
    frames = [scene(number, time) for number in range(3) for time in range(10)]
    clip = make_clip(tmp_path / "s.mp4", frames, RATE, sound=clicks(1.0, [0.5]))
    dataset = prepare(PrepareRequest((clip,), ("edges",)), silent).path
    assert len(read_manifest(dataset).clips) == 3
    made = train(TrainRequest(tiny_config(), "tiny", dataset, Path("run"), device="cpu"), silent)
    settings: dict[str, Any] = {"device": "cpu", "precision": "fp32", "compare": False}
    whole = synthesize(SynthesizeRequest(made.path, dataset, out=Path("whole.mp4"), **settings), silent)
    assert whole.frames == 30
    assert click_times(whole.path) == pytest.approx([0.5], abs=0.03)
    held_out = synthesize(SynthesizeRequest(made.path, dataset, out=Path("h.mp4"), split="holdout", **settings), silent)
    assert held_out.frames == 6
    assert click_times_or_none(held_out.path) == []


def click_times_or_none(path: Path) -> list[float]:
    """Stretches with gaps between them have no sound."""
    try:
        return click_times(path)
    except (IndexError, ValueError, StopIteration):
        return []
