"""What is typed after `--replace` and `--remove`."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vid2vid_cli.conditioning.label_editing import Part
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.rendering.parse_edits import understand_edits

RATE = Fraction(25)


def part(place: str, height: int = 100, width: int = 200, fps: Fraction = RATE) -> Part:
    (wanted,) = understand_edits([], [f"person{place}"])
    assert (wanted.old, wanted.new) == ("person", None)
    return wanted.part(height, width, fps)


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        ("", Part()),
        ("@50-120", Part(first=50, end=121)),
        ("@7-7", Part(first=7, end=8)),
        ("@50-", Part(first=50)),
        ("@-120", Part(end=121)),
        ("@2s-5s", Part(first=50, end=125)),
        ("@2.02s-", Part(first=51)),
        ("@-0:05", Part(end=125)),
        ("@1:30-1:00:02.5s", Part(first=2250, end=90063)),
        ("@0,25,50,100", Part((0, 0.25, 0.25, 1))),
        ("@25%,0%,100%,12.5%", Part((0.25, 0, 1, 0.125))),
        (" @ 0%, 0%, 50%, 40 @ 1s-2s", Part((0, 0, 0.5, 0.4), 25, 50)),
        ("@1s-2s@0%,0%,50%,40", Part((0, 0, 0.5, 0.4), 25, 50)),
    ],
)
def test_places(place: str, meant: Part) -> None:
    assert part(place) == meant


def test_a_moment_is_the_first_frame_that_is_not_before_it() -> None:
    """At 30000/1001 frame 30 stands at 1.001 s."""
    assert part("@1s-2s", fps=Fraction(30000, 1001)) == Part(first=30, end=60)


def test_classes() -> None:
    wanted = understand_edits(["traffic light = pole", "7=8@1-2"], ["rider"])
    assert [(one.old, one.new) for one in wanted] == [("rider", None), ("traffic light", "pole"), ("7", "8")]
    assert wanted[2].text == "--replace 7=8@1-2"


@pytest.mark.parametrize(
    ("replace", "remove", "said"),
    [
        ("car", "", "does not name two classes"),
        ("car=", "", "does not name two classes"),
        ("=bus", "", "does not name two classes"),
        ("car=bus=tram", "", "does not name two classes"),
        ("car=Car", "", "becomes itself"),
        ("", "@1-2", "does not name a class"),
        ("", "car=bus", "what is removed becomes no other class"),
        ("", "car@", "'' is neither frames, nor moments, nor a box"),
        ("", "car@-", "'-' is neither"),
        ("", "car@5", "'5' is neither"),
        ("", "car@2-5s", "'2-5s' is neither"),
        ("", "car@left", "'left' is neither"),
        ("", "car@5-2", "ends before it begins"),
        ("", "car@5s-5s", "ends before it begins"),
        ("", "car@1,2,3", "is not a box"),
        ("", "car@1,2,3,x", "is not a box"),
        ("", "car@0%,0%,101%,50%", "sticks out"),
        ("", "car@1-2@3-4", "names two stretches of time"),
        ("", "car@0,0,1,1@0,0,2,2", "names two boxes"),
    ],
)
def test_what_cannot_be_read(replace: str, remove: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        understand_edits([replace] if replace else [], [remove] if remove else [])
    assert caught.value.message.startswith(f"--replace {replace}" if replace else f"--remove {remove}")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("place", "said"), [("@0,0,201,50", "sticks out of the frames, which are 200x100"), ("@50%,0,100,50", "nothing")]
)
def test_boxes_that_do_not_fit_the_frames(place: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        part(place)
