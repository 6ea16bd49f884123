"""The parser of `--replace` and `--remove`."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vid2vid_cli.conditioning.label_editing import EditRegion
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.rendering.parse_edits import parse_edits

FPS = Fraction(25)


def parse_region(location: str, height: int = 100, width: int = 200, fps: Fraction = FPS) -> EditRegion:
    (edit,) = parse_edits([], [f"person{location}"])
    assert (edit.old_class, edit.new_class) == ("person", None)
    return edit.edit_region(height, width, fps)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("", EditRegion()),
        ("@50-120", EditRegion(start_frame=50, end_frame=121)),
        ("@7-7", EditRegion(start_frame=7, end_frame=8)),
        ("@50-", EditRegion(start_frame=50)),
        ("@-120", EditRegion(end_frame=121)),
        ("@2s-5s", EditRegion(start_frame=50, end_frame=125)),
        ("@2.02s-", EditRegion(start_frame=51)),
        ("@-0:05", EditRegion(end_frame=125)),
        ("@1:30-1:00:02.5s", EditRegion(start_frame=2250, end_frame=90063)),
        ("@0,25,50,100", EditRegion((0, 0.25, 0.25, 1))),
        ("@25%,0%,100%,12.5%", EditRegion((0.25, 0, 1, 0.125))),
        (" @ 0%, 0%, 50%, 40 @ 1s-2s", EditRegion((0, 0, 0.5, 0.4), 25, 50)),
        ("@1s-2s@0%,0%,50%,40", EditRegion((0, 0, 0.5, 0.4), 25, 50)),
    ],
)
def test_parse_edits_locations(location: str, expected: EditRegion) -> None:
    assert parse_region(location) == expected


def test_parse_edits_rounds_time_up_to_next_frame() -> None:
    """At 30000/1001 fps, frame 30 is at 1.001 s."""
    assert parse_region("@1s-2s", fps=Fraction(30000, 1001)) == EditRegion(start_frame=30, end_frame=60)


def test_parse_edits_class_names() -> None:
    edits = parse_edits(["traffic light = pole", "7=8@1-2"], ["rider"])
    assert [(edit.old_class, edit.new_class) for edit in edits] == [
        ("rider", None),
        ("traffic light", "pole"),
        ("7", "8"),
    ]
    assert edits[2].text == "--replace 7=8@1-2"


@pytest.mark.parametrize("replace", ["car", "car=", "=bus", "car=bus=tram", "car=Car"])
def test_parse_edits_rejects_invalid_replacement(replace: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_edits([replace], [])
    assert caught.value.message.startswith(f"--replace {replace}")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("remove", "setting"),
    [
        ("@1-2", ""),
        ("car=bus", "--replace"),
        ("car@", "''"),
        ("car@-", "'-'"),
        ("car@5", "'5'"),
        ("car@2-5s", "'2-5s'"),
        ("car@left", "'left'"),
        ("car@5-2", "@50-120"),
        ("car@5s-5s", "@10s-20s"),
        ("car@1,2,3", "1,2,3"),
        ("car@1,2,3,x", "1,2,3,x"),
        ("car@0%,0%,101%,50%", "100 %"),
        ("car@1-2@3-4", "Repeat --remove"),
        ("car@0,0,1,1@0,0,2,2", "Repeat --remove"),
    ],
)
def test_parse_edits_rejects_invalid_removal(remove: str, setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_edits([], [remove])
    assert caught.value.message.startswith(f"--remove {remove}")
    assert setting in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.hint


@pytest.mark.parametrize("location", ["@0,0,201,50", "@50%,0,100,50"])
def test_parsed_edit_region_rejects_box_outside_frame(location: str) -> None:
    with pytest.raises(ConfigError, match="200x100"):
        parse_region(location)
