from __future__ import annotations

import gc
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.video_files import RED, ffmpeg, flat, make_clip, number_of, numbered, numbers

from vid2vid_cli.core.errors import ConfigError, NoFramesError
from vid2vid_cli.core.prefetch import ahead
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader


def bars(count: int, height: int = 64, width: int = 96) -> list[np.ndarray]:
    return [numbered(index, height, width) for index in range(count)]


def corners() -> np.ndarray:
    """Red, green, blue, white, clockwise from the upper left."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48, 0] = image[:32, 48:, 1] = image[32:, 48:, 2] = 220
    image[32:, :48] = 220
    return image


def corner_names(image: np.ndarray) -> str:
    height, width = image.shape[:2]
    names = ""
    for y, x in ((1, 1), (1, 3), (3, 3), (3, 1)):
        pixel = image[y * height // 4, x * width // 4]
        names += "w" if pixel.min() > 120 else "rgb"[int(pixel.argmax())]
    return names


@pytest.mark.parametrize(("degrees", "expected"), [(0, "rgbw"), (90, "gbwr"), (180, "bwrg"), (270, "wrgb")])
def test_rotation_is_applied_as_players_do(tmp_path: Path, degrees: int, expected: str) -> None:
    plain = make_clip(tmp_path / "plain.mp4", [corners()] * 3)
    # FFmpeg's option turns the picture counter-clockwise.
    ffmpeg("-display_rotation", str(degrees), "-i", plain, "-c", "copy", tmp_path / "turned.mp4")
    reader = VideoReader(tmp_path / "turned.mp4")
    frame = next(iter(reader))
    assert corner_names(frame) == expected
    assert frame.shape[:2] == (reader.height, reader.width) == ((96, 64) if degrees % 180 else (64, 96))
    # FFmpeg turns the picture itself when it decodes: the two must agree.
    ffmpeg("-i", tmp_path / "turned.mp4", "-frames:v", "1", tmp_path / "player.png")
    assert corner_names(next(iter(VideoReader(tmp_path / "player.png")))) == expected


def test_oblong_pixels_become_square(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "wide.mp4", [corners()] * 3, aspect=Fraction(3, 2))
    reader = VideoReader(path)
    frame = next(iter(reader))
    assert frame.shape == (64, 144, 3) == (reader.height, reader.width, 3)
    assert corner_names(frame) == "rgbw"
    ffmpeg("-display_rotation", "90", "-i", path, "-c", "copy", tmp_path / "tall.mp4")
    assert next(iter(VideoReader(tmp_path / "tall.mp4"))).shape == (144, 64, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_becomes_the_picture_shown_at_each_time(tmp_path: Path, suffix: str) -> None:
    # 20 pictures at 30 fps, one that stays for half a second, 10 more.
    ticks = [*range(20), *range(34, 44)]
    path = make_clip(tmp_path / f"v{suffix}", bars(30), 30, ticks=ticks, clock=Fraction(1, 30))
    reader = VideoReader(path)
    assert reader.probe.variable
    assert reader.fps == 30
    expected = [*range(19), *[19] * 15, *range(20, 30)]
    frames = list(reader)
    assert numbers(frames) == expected
    assert reader.expected == len(expected)
    frames[20][:] = 0  # a repeated frame is an array of its own
    assert number_of(frames[21]) == 19


def test_29_97_is_exact_and_constant(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    for suffix in (".mp4", ".mkv", ".avi", ".ts"):
        path = make_clip(tmp_path / f"ntsc{suffix}", bars(60), rate)
        reader = VideoReader(path)
        assert reader.fps == rate, suffix
        assert not reader.probe.variable, suffix
        assert numbers(list(reader)) == list(range(60)), suffix
        assert reader.expected == 60, suffix


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60), Fraction(120)])
def test_rounded_matroska_times_neither_lose_nor_double_frames(tmp_path: Path, rate: Fraction) -> None:
    reader = VideoReader(make_clip(tmp_path / "ms.mkv", bars(200), rate))
    assert reader.fps == rate
    assert numbers(list(reader)) == list(range(200))
    assert reader.expected == 200


@pytest.mark.parametrize(("wanted", "step"), [(15, [0, 2, 4]), (10, [0, 3, 6]), (60, [0, 0, 1, 1]), (20, [0, 1, 3, 4])])
def test_another_rate_takes_the_picture_on_screen(tmp_path: Path, wanted: int, step: list[int]) -> None:
    for suffix in (".mp4", ".mkv"):
        path = make_clip(tmp_path / f"thirty{suffix}", bars(30), 30)
        reader = VideoReader(path, fps=Fraction(wanted))
        seen = numbers(list(reader))
        assert seen[: len(step)] == step, suffix
        assert len(seen) == wanted == reader.expected, suffix


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
def test_start_end_and_count(tmp_path: Path, suffix: str) -> None:
    path = make_clip(tmp_path / f"long{suffix}", bars(150), 25)
    for options, expected in (
        ({"start": 1.0}, range(25, 150)),
        ({"end": 1.0}, range(25)),
        ({"start": 4.52, "end": 5.0}, range(113, 125)),
        ({"start": 3.0, "max_frames": 4}, range(75, 79)),
        ({"max_frames": 7}, range(7)),
        ({"end": 99.0}, range(150)),
    ):
        reader = VideoReader(path, **options)
        assert numbers(list(reader)) == list(expected), options
        assert reader.expected == len(expected), options
        assert numbers(list(reader)) == list(expected), "a reader may be read again"


def test_a_late_begin_of_the_pictures_is_time_zero(tmp_path: Path) -> None:
    ticks = [tick + 40 for tick in range(50)]
    path = make_clip(tmp_path / "late.mkv", bars(50), 25, ticks=ticks, clock=Fraction(1, 25))
    reader = VideoReader(path)
    assert reader.probe.begin > 1
    assert numbers(list(reader)) == list(range(50))
    assert numbers(list(VideoReader(path, start=1.0, max_frames=2))) == [25, 26]


def test_values_that_fit_no_video_are_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "short.mp4", bars(10), 25)
    with pytest.raises(NoFramesError, match=r"short\.mp4 holds no frame from 3 s on: it is 0\.40 s long"):
        VideoReader(path, start=3.0)
    for options in (
        {"start": -1.0},
        {"start": 0.2, "end": 0.1},
        {"fps": Fraction(0)},
        {"max_frames": 0},
        {"size": (0, 9)},
    ):
        with pytest.raises(ConfigError, match=r"short\.mp4"):
            VideoReader(path, **options)


@pytest.mark.parametrize("size", [(144, 96), (720, 96)])
def test_untagged_colour_is_709_from_720_lines_and_601_below(tmp_path: Path, size: tuple[int, int]) -> None:
    path = make_clip(tmp_path / "u.mp4", [flat(RED, *size)] * 2, matrix=1 if size[0] >= 720 else 5, tagged=False)
    reader = VideoReader(path)
    assert np.abs(next(iter(reader))[5, 5].astype(int) - RED).max() <= 2
    assert reader.probe.colour == ("bt709" if size[0] >= 720 else "bt601") + " (not tagged)"
    assert [remark for remark in reader.remarks if "does not say how its colours" in remark] == reader.remarks != []
    assert not reader.warnings


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("full", [False, True])
def test_tags_are_honoured_against_the_custom_of_the_size(tmp_path: Path, matrix: int, full: bool) -> None:
    for height in (144, 720):
        path = make_clip(tmp_path / "t.mp4", [flat(RED, height, 96)] * 2, matrix=matrix, full=full)
        reader = VideoReader(path)
        assert np.abs(next(iter(reader))[5, 5].astype(int) - RED).max() <= 2, (height, reader.probe.colour)
        assert not reader.warnings + reader.remarks


def test_odd_sizes_are_read(tmp_path: Path) -> None:
    odd = [numbered(index, 61, 97) for index in range(4)]
    path = make_clip(tmp_path / "odd.mkv", odd, codec="ffv1", pixels="bgr0")
    frames = list(VideoReader(path))
    assert all(np.array_equal(a, b) for a, b in zip(frames, odd, strict=True))


def test_size_is_height_and_width(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", bars(2))
    assert next(iter(VideoReader(path, size=(33, 47)))).shape == (33, 47, 3)


def test_a_folder_of_pictures_is_a_video_in_the_order_people_mean(tmp_path: Path) -> None:
    for index in range(12):
        save_png(tmp_path / f"frame{index}.png", numbered(index))
    save_png(tmp_path / "frame12.png", numbered(12, 128, 192))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._frame0.png").write_bytes(b"rubbish of another system")
    reader = VideoReader(tmp_path)
    frames = list(reader)
    assert numbers(frames) == list(range(13))
    assert {frame.shape for frame in frames} == {(64, 96, 3)}
    assert (reader.fps, reader.probe.kind, reader.expected) == (25, "images", 13)
    assert any("differ in size" in warning for warning in reader.warnings)
    slow = VideoReader(tmp_path, fps=Fraction(10), start=0.2, end=0.5)
    assert numbers(list(slow)) == [2, 3, 4]
    assert slow.expected == 3


def test_one_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    save_png(tmp_path / "one.png", numbered(5))
    reader = VideoReader(tmp_path / "one.png")
    assert numbers(list(reader)) == [5]
    assert reader.probe.kind == "image"


def test_gif(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "plain.mkv", bars(10), 10, codec="ffv1", pixels="bgr0")
    ffmpeg("-i", plain, tmp_path / "a.gif")
    reader = VideoReader(tmp_path / "a.gif")
    assert numbers(list(reader)) == list(range(10))
    assert (reader.fps, reader.probe.kind) == (10, "gif")


def test_a_file_cut_in_its_middle_yields_what_is_left_and_one_warning(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 255, (64, 96, 3)).astype(np.uint8) for _ in range(100)]
    for name, options in (("a.mp4", {"movflags": "+faststart"}), ("a.mkv", {})):
        whole = make_clip(tmp_path / name, noisy, options=options)
        data = whole.read_bytes()
        cut = tmp_path / f"cut_{name}"
        cut.write_bytes(data[: len(data) // 2])
        reader = VideoReader(cut)
        count = len(list(reader))
        assert 35 <= count <= 60, name
        assert len(reader.warnings) == 1, reader.warnings
        assert "cut off" in reader.warnings[0]
        assert len(list(VideoReader(whole))) == 100
        assert len(list(reader)) == count
        assert len(reader.warnings) == 1


def test_damage_in_the_middle_does_not_stop_the_reading(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", bars(100), 25, options={"movflags": "+faststart"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = os.urandom(300)
    path.write_bytes(data)
    assert len(list(VideoReader(path))) == 100


def open_files(path: Path) -> int:
    gc.collect()
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except OSError:
            continue
    return links.count(str(path))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_closing_early_closes_the_file(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", bars(100))
    frames = iter(VideoReader(path))
    next(frames)
    assert open_files(path) == 1
    frames.close()
    assert open_files(path) == 0
    early = ahead(VideoReader(path))
    next(early)
    early.close()
    assert open_files(path) == 0


def test_frames_are_not_held(tmp_path: Path) -> None:
    """The peak of memory while 200 frames pass stays near that of one frame."""
    import tracemalloc

    path = make_clip(tmp_path / "a.mp4", [flat(RED, 240, 320)] * 200)
    reader = VideoReader(path)
    tracemalloc.start()
    for _ in reader:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 240 * 320 * 3


def test_real_face(shared_data: Path) -> None:
    path = shared_data / "face" / "talking_man.mp4"
    known = probe(path)
    assert (known.width, known.height, known.fps, known.frames) == (480, 480, 30, 587)
    frame = next(iter(VideoReader(path, start=10.0, max_frames=1)))
    assert frame.shape == (480, 480, 3)
