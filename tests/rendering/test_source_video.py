"""The driving video of a transfer: shots, memory, options, and which view each conditioner is seen through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.dots_conditioner import PLUGINS, DotOptions, Dots
from helpers.factories import blob_frame, make_film
from helpers.video_files import make_clip

from vid2vid_cli.conditioning import Annotation, Conditioner, View
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.errors import ConfigError, MissingFileError, NothingFoundError
from vid2vid_cli.data.cropping import frame_view
from vid2vid_cli.engine.checkpoint import CheckpointInfo, ConditionerUse
from vid2vid_cli.engine.events import silent
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering.source_video import (
    Driver,
    Found,
    Look,
    Source,
    check_named,
    shots,
    source_conditioners,
    source_reader,
)


@pytest.fixture(autouse=True)
def _dots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", PLUGINS)


TARGET = {"mean": [30.0, 20.0], "focus": [20.0, 5.0, 40.0, 35.0], "height": 40, "width": 56}


def info_of(*uses: ConditionerUse, picture: tuple[int, int] = (24, 18)) -> CheckpointInfo:
    """A checkpoint that learned from frames of 40 x 56."""
    return CheckpointInfo(
        name="ada",
        generator=GeneratorConfig(),
        conditioners=uses,
        crop="focus",
        view=frame_view(40, 56, picture, "focus", TARGET).to_json(),
        height=40,
        width=56,
        fps="25",
        training={},
        created_by="a test",
    )


def dots(**options: Any) -> ConditionerUse:
    return ConditionerUse(name="dots", options=options, channels=1, statistics=TARGET)


EDGES = ConditionerUse(name="edges", options={}, channels=1, statistics={})


def one(number: int, *, cut: bool = False, found: bool = True, conditioners: int = 1) -> Found:
    """Frame `number`, on which every conditioner found a dot at (number, number + its place among them)."""
    annotations = [
        Annotation(40, 56, float(found), {"dot": np.array([[number, number + place]], np.float32)})
        for place in range(conditioners)
    ]
    return Found(np.full((40, 56, 3), number, np.uint8), cut, tuple(annotations))


def driver(conditioners: Sequence[Conditioner], uses: Sequence[ConditionerUse], **changes: Any) -> Driver:
    """Of a source whose dots have their mean at (10, 20)."""
    reader = VideoReader(make_film(changes.pop("folder") / "a.mp4", 2))
    source = Source(Path("a.mp4"), reader, tuple(conditioners))
    statistics = {"mean": [10.0, 20.0], "focus": [2.0, 12.0, 18.0, 28.0], "height": 40, "width": 56}
    first = tuple(one(10, conditioners=len(conditioners)).annotations)
    look = Look((statistics,) * len(conditioners), first)
    return Driver(source, look, info_of(*uses), **{"retarget": True, **changes})


# Shots


def test_shots_are_split_at_cuts_and_lose_nothing() -> None:
    cuts = (3, 4, 7)
    frames = [one(number, cut=number in cuts) for number in range(9)]
    split = [[int(found.frame[0, 0, 0]) for found in shot] for shot in shots(iter(frames))]
    assert split == [[0, 1, 2], [3], [4, 5, 6], [7, 8]]
    assert list(shots(iter([]))) == []


def test_shots_are_drawn_frame_by_frame() -> None:
    drawn: list[int] = []

    def endless() -> Iterator[Found]:
        for number in count():
            drawn.append(number)
            yield one(number % 200, cut=number % 5 == 0)

    split = shots(endless())
    for _ in range(50):
        assert len(list(next(split))) == 5
    assert len(drawn) == 251
    list(islice(next(split), 2))
    assert len(drawn) == 252


# Bringing to the target


def test_retargeting_begins_anew_with_each_shot(tmp_path: Path) -> None:
    """The dots' own memory: half of what was before, and at the beginning of a shot nothing."""
    drive = driver([Dots()], [dots()], folder=tmp_path)

    def xs(numbers: Sequence[int]) -> list[float]:
        return [float(seen.annotations[0].points["dot"][0, 0]) for seen in drive.shot(one(n) for n in numbers)]

    assert xs([10, 20, 20]) == [30, 35, 37.5]
    assert xs([50, 50]) == [70, 70]
    assert drive.frames == 5


def test_each_conditioner_has_its_own_view(tmp_path: Path) -> None:
    """Dots are brought into the target's frames, edges stay in the source's: 20 pixels to the right."""
    (edges,) = load_conditioners([("edges", {})])
    drive = driver([Dots(), edges], [dots(), EDGES], folder=tmp_path)
    target, own = drive.views
    assert target == info_of(dots()).frame_view()
    assert own == frame_view(40, 56, (24, 18), "focus", {"focus": [2.0, 12.0, 18.0, 28.0]})
    assert own != target
    (seen,) = drive.shot([one(10, conditioners=2)])
    assert seen.annotations[0].points["dot"].tolist() == [[30, 10]]
    assert seen.annotations[1].points["dot"].tolist() == [[10, 11]], "each conditioner keeps to its own annotations"
    assert seen.picture.shape == (24, 18, 3)


def test_without_retargeting_all_keep_the_sources_view(tmp_path: Path) -> None:
    drive = driver([Dots()], [dots()], folder=tmp_path, retarget=False)
    assert drive.views == (drive.own,)
    (seen,) = drive.shot([one(10)])
    assert seen.annotations[0].points["dot"].tolist() == [[10, 10]]


def test_who_leaves_is_held_until_they_return(tmp_path: Path) -> None:
    """Over hundreds of frames, over a cut too, and before the first frame that shows anything."""
    drive = driver([Dots()], [dots()], folder=tmp_path, retarget=False)
    gone = [one(99, found=False)] * 300
    shots_ = [[one(99, found=False), one(4), *gone], [one(99, cut=True, found=False), one(6)]]
    held = [float(seen.annotations[0].points["dot"][0, 0]) for shot in shots_ for seen in drive.shot(shot)]
    assert held == [10, 4, *[4] * 300, 4, 6]
    assert (drive.missed, drive.frames) == (302, 304)


# The video


def test_what_was_found_comes_frame_by_frame_with_its_cuts(tmp_path: Path) -> None:
    frames = [blob_frame(number) for number in range(4)]
    other = [255 - blob_frame(number) for number in range(5)]
    make_clip(tmp_path / "cut.mov", [*frames, *other, *frames], 25, codec="png", pixels="rgb24")
    conditioners = (*load_conditioners([("edges", {})]), Dots())
    source = Source(tmp_path / "cut.mov", VideoReader(tmp_path / "cut.mov"), conditioners)
    found = list(source.found())
    assert [one.cut for one in found] == [number in (4, 9) for number in range(13)]
    for one_, frame in zip(found, [*frames, *other, *frames], strict=True):
        assert np.array_equal(one_.frame, frame)
    assert [one.annotations[1].quality for one in found] == [*[1] * 4, *[0] * 5, *[1] * 4]


def test_files_beside_the_source_are_read_by_the_videos_own_frames(tmp_path: Path) -> None:
    """Decoded smaller and from a moment on: row 5 is still frame 5, in the pixels that are looked at."""
    path = make_film(tmp_path / "a.mp4", 20)
    rows = np.stack([np.arange(20) * 2.0, np.full(20, 19.5)], axis=1)
    np.savetxt(tmp_path / "rows.txt", rows)
    (conditioner,) = source_conditioners(info_of(dots()), {"dots": {"file": str(tmp_path / "rows.txt")}})
    start = 5 * 1001 / 30000
    source = Source(path, VideoReader(path, size=(20, 28), start=start), (conditioner,))
    found = [one.annotations[0].points["dot"][0] for one in source.found()]
    assert len(found) == 15
    expected = View.of_box((0, 0, 56, 40), 20, 28).points(rows[5:])
    assert np.allclose(found, expected, atol=1e-4)
    assert np.allclose([one.points["dot"][0] for one in source.look(silent).first], expected[0], atol=1e-4)


@pytest.mark.parametrize(("side", "size"), [(40, (512, 597)), (560, (560, 653)), (900, (600, 700))])
def test_a_source_is_looked_at_as_large_as_the_targets_frames(tmp_path: Path, side: int, size: tuple[int, int]) -> None:
    """At 512 at least, as `prepare` does, and never enlarged."""
    make_clip(tmp_path / "a.mov", [np.zeros((600, 700, 3), np.uint8)], 25, codec="png", pixels="rgb24")
    reader = source_reader(tmp_path / "a.mov", info_of(dots()).model_copy(update={"height": side, "width": 2 * side}))
    assert (reader.height, reader.width) == size


def test_a_long_video_is_looked_at_here_and_there_and_files_follow(tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.mp4", 200)
    np.savetxt(tmp_path / "rows.txt", np.stack([np.arange(200), np.arange(200)], axis=1))
    (conditioner,) = source_conditioners(info_of(dots()), {"dots": {"file": str(tmp_path / "rows.txt")}})
    look = Source(path, VideoReader(path), (conditioner,)).look(silent)
    assert look.statistics[0]["mean"] == [99, 99], "every second frame of 200: 0, 2, ... 198"


def test_nothing_anywhere_is_told(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mov", [np.full((40, 56, 3), 90, np.uint8)] * 3, 25, codec="png", pixels="rgb24")
    source = Source(tmp_path / "a.mov", VideoReader(tmp_path / "a.mov"), (Dots(),))
    with pytest.raises(NothingFoundError, match=r"dots: nothing was found on any of 3 frames of .*a\.mov") as caught:
        source.look(silent)
    assert "vid2vid plugins show dots" in caught.value.hint


# Options


def test_options_for_the_source_go_over_those_of_the_checkpoint() -> None:
    (made,) = source_conditioners(info_of(dots(bright=100, radius=5.0)), {"dots": {"bright": "200", "file": "a.txt"}})
    assert made.options == DotOptions(bright=200, radius=5.0, file=Path("a.txt"))
    (plain,) = source_conditioners(info_of(dots(bright=100)), {})
    assert plain.options.bright == 100  # type: ignore[attr-defined]


def test_whom_a_checkpoint_followed_is_nobody_elsewhere() -> None:
    """The second from the left of the training footage: the source has its own people."""
    (plain,) = source_conditioners(info_of(dots(person="2")), {})
    assert plain.options.person == "largest"  # type: ignore[attr-defined]
    (named,) = source_conditioners(info_of(dots(person="2")), {"dots": {"person": "3"}})
    assert named.options.person == "3"  # type: ignore[attr-defined]


def test_labels_that_are_only_read_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dots, "finds", False)
    with pytest.raises(MissingFileError, match="ada is driven by dots that exist already, and none were") as caught:
        check_named(info_of(dots()), source_conditioners(info_of(dots()), {}))
    assert "--option dots.file=" in caught.value.hint
    assert "vid2vid synthesize" in caught.value.hint
    check_named(info_of(dots()), source_conditioners(info_of(dots()), {"dots": {"file": "a.txt"}}))


@pytest.mark.parametrize(
    ("options", "words", "hint"),
    [
        ({"dots": {"radius": "9"}}, "dots.radius says how the condition is drawn", "conditioner_options.dots.radius=9"),
        ({"dots": {"twice": "true"}}, "With dots.twice=true dots gives 2 channels, and ada needs 1", "Leave"),
        ({"dots": {"brigt": "9"}}, "dots.brigt: not an option of dots", "dots.bright"),
        ({"pose": {"drop": "9"}}, "Options were given for pose, and ada was trained with dots", "dots.OPTION=VALUE"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, dict[str, str]], words: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source_conditioners(info_of(dots()), options)
    assert words in caught.value.message
    assert hint in caught.value.hint
