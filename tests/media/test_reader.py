from __future__ import annotations

import gc
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.video_files import (
    RED,
    frame_number,
    frame_numbers,
    numbered_frame,
    run_ffmpeg,
    solid_frame,
    square_image,
    write_sizes,
    write_video,
)

from vid2vid_cli.core.errors import ConfigError, InputFileMismatchError, NoFramesError, NotAVideoError
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.media.decode import picture_times
from vid2vid_cli.media.frame_geometry import SIZE_CHANGE_MESSAGE
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader


def numbered_frames(num_frames: int, height: int = 64, width: int = 96) -> list[np.ndarray]:
    return [numbered_frame(index, height, width) for index in range(num_frames)]


def corner_image() -> np.ndarray:
    """An image with quadrants red, green, blue and white, clockwise from the upper left."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48, 0] = image[:32, 48:, 1] = image[32:, 48:, 2] = 220
    image[32:, :48] = 220
    return image


def corner_colours(image: np.ndarray) -> str:
    height, width = image.shape[:2]
    names = ""
    for y, x in ((1, 1), (1, 3), (3, 3), (3, 1)):
        pixel = image[y * height // 4, x * width // 4]
        names += "w" if pixel.min() > 120 else "rgb"[int(pixel.argmax())]
    return names


@pytest.mark.parametrize(
    ("matrix_options", "expected"),
    [
        ((), "rgbw"),
        (("-display_rotation", "90"), "gbwr"),  # FFmpeg's option rotates counter-clockwise
        (("-display_rotation", "180"), "bwrg"),
        (("-display_rotation", "270"), "wrgb"),
        (("-display_hflip",), "grwb"),
        (("-display_vflip",), "wbgr"),
        (("-display_rotation", "90", "-display_hflip"), "bgrw"),
        (("-display_rotation", "90", "-display_vflip"), "rwbg"),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_reader_applies_display_matrix(
    tmp_path: Path, suffix: str, matrix_options: tuple[str, ...], expected: str
) -> None:
    source = write_video(tmp_path / "plain.mp4", [corner_image()] * 3)
    path = tmp_path / f"tagged{suffix}"
    run_ffmpeg(*matrix_options, "-i", source, "-c", "copy", path)
    reader = VideoReader(path)
    frame = next(iter(reader))
    assert corner_colours(frame) == expected
    is_turned = "90" in matrix_options or "270" in matrix_options
    assert frame.shape[:2] == (reader.height, reader.width) == ((96, 64) if is_turned else (64, 96))
    # FFmpeg applies the matrix when it decodes: both results must agree.
    run_ffmpeg("-i", path, "-frames:v", "1", tmp_path / "player.png")
    assert corner_colours(next(iter(VideoReader(tmp_path / "player.png")))) == expected


def test_reader_names_angles_between_quarter_turns(tmp_path: Path) -> None:
    source = write_video(tmp_path / "plain.mp4", [corner_image()] * 3)
    run_ffmpeg("-display_rotation", "60", "-i", source, "-c", "copy", tmp_path / "tagged.mp4")
    reader = VideoReader(tmp_path / "tagged.mp4")
    assert reader.probe.rotation == 90
    assert [remark for remark in reader.remarks if "60 degrees" in remark]


def square_size(frame: np.ndarray) -> tuple[int, int]:
    """(height, width) of the white square in pixels."""
    is_white = frame.mean(axis=2) > 145
    return int(is_white.any(axis=1).sum()), int(is_white.any(axis=0).sum())


@pytest.mark.parametrize("second_size", [(96, 48), (48, 128), (192, 192), (32, 32)])
def test_reader_size_change_keeps_proportions_and_marks_frame(tmp_path: Path, second_size: tuple[int, int]) -> None:
    reader = VideoReader(write_sizes(tmp_path / "a.ts", [(96, 96), second_size]))
    frames = list(reader)
    assert {frame.shape for frame in frames} == {(96, 96, 3)}
    height, width = square_size(frames[-1])
    assert height == pytest.approx(width, abs=4)
    assert height == pytest.approx(48 * 96 / min(second_size) * second_size[0] / 96, abs=4) or height == 96
    (cut,) = reader.discontinuities
    assert cut == pytest.approx(10, abs=2)
    assert reader.warnings.count(SIZE_CHANGE_MESSAGE) == 1


def test_reader_size_change_in_rotated_video_keeps_proportions(tmp_path: Path) -> None:
    write_sizes(tmp_path / "a.ts", [(64, 96), (64, 128)])
    run_ffmpeg("-display_rotation", "90", "-i", tmp_path / "a.ts", "-c", "copy", tmp_path / "a.mkv")
    reader = VideoReader(tmp_path / "a.mkv", size=(48, 32))
    frames = list(reader)
    assert {frame.shape for frame in frames} == {(48, 32, 3)}
    assert square_size(frames[-1]) == square_size(frames[0]) == (16, 16)
    assert reader.discontinuities


def test_reader_folder_of_several_sizes_keeps_proportions(tmp_path: Path) -> None:
    for index, (height, width) in enumerate([(64, 96), (32, 48), (64, 64), (64, 64)]):
        save_png(tmp_path / f"{index}.png", square_image(height, width))
    reader = VideoReader(tmp_path)
    frames = list(reader)
    assert [square_size(frame) for frame in frames[:2]] == [(32, 32), (32, 32)]
    height, width = square_size(frames[2])
    assert height == pytest.approx(width, abs=1)
    assert height == pytest.approx(48, abs=1)
    assert reader.discontinuities == {2}  # the second image is only scaled
    assert reader.warnings == [SIZE_CHANGE_MESSAGE]


def test_reader_scales_to_square_pixels(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mp4", [corner_image()] * 3, pixel_aspect_ratio=Fraction(3, 2))
    reader = VideoReader(path)
    frame = next(iter(reader))
    assert frame.shape == (64, 144, 3) == (reader.height, reader.width, 3)
    assert corner_colours(frame) == "rgbw"
    run_ffmpeg("-display_rotation", "90", "-i", path, "-c", "copy", tmp_path / "tall.mp4")
    assert next(iter(VideoReader(tmp_path / "tall.mp4"))).shape == (144, 64, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_reader_resamples_variable_rate(tmp_path: Path, suffix: str) -> None:
    # 20 frames at 30 fps, the last of them shown for half a second, then 10 more.
    timestamps = [*range(20), *range(34, 44)]
    path = write_video(
        tmp_path / f"v{suffix}", numbered_frames(30), 30, timestamps=timestamps, time_base=Fraction(1, 30)
    )
    reader = VideoReader(path)
    assert reader.probe.is_variable_rate
    assert reader.fps == 30
    expected = [*range(19), *[19] * 15, *range(20, 30)]
    frames = list(reader)
    assert frame_numbers(frames) == expected
    assert reader.num_frames == len(expected)
    frames[20][:] = 0  # a repeated frame is a copy
    assert frame_number(frames[21]) == 19


def test_reader_keeps_exact_ntsc_rate(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    for suffix in (".mp4", ".mkv", ".avi", ".ts"):
        path = write_video(tmp_path / f"ntsc{suffix}", numbered_frames(60), rate)
        reader = VideoReader(path)
        assert reader.fps == rate, suffix
        assert not reader.probe.is_variable_rate, suffix
        assert frame_numbers(list(reader)) == list(range(60)), suffix
        assert reader.num_frames == 60, suffix


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60), Fraction(120)])
def test_reader_tolerates_rounded_matroska_timestamps(tmp_path: Path, rate: Fraction) -> None:
    reader = VideoReader(write_video(tmp_path / "ms.mkv", numbered_frames(200), rate))
    assert reader.fps == rate
    assert frame_numbers(list(reader)) == list(range(200))
    assert reader.num_frames == 200


@pytest.mark.parametrize(
    ("requested_fps", "first_indices"), [(15, [0, 2, 4]), (10, [0, 3, 6]), (60, [0, 0, 1, 1]), (20, [0, 1, 3, 4])]
)
def test_reader_resamples_to_fps(tmp_path: Path, requested_fps: int, first_indices: list[int]) -> None:
    for suffix in (".mp4", ".mkv"):
        path = write_video(tmp_path / f"thirty{suffix}", numbered_frames(30), 30)
        reader = VideoReader(path, fps=Fraction(requested_fps))
        frame_indices = frame_numbers(list(reader))
        assert frame_indices[: len(first_indices)] == first_indices, suffix
        assert len(frame_indices) == requested_fps == reader.num_frames, suffix


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
def test_reader_start_end_and_max_frames(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"long{suffix}", numbered_frames(150), 25)
    for options, expected in (
        ({"start": 1.0}, range(25, 150)),
        ({"end": 1.0}, range(25)),
        ({"start": 4.52, "end": 5.0}, range(113, 125)),
        ({"start": 3.0, "max_frames": 4}, range(75, 79)),
        ({"max_frames": 7}, range(7)),
        ({"end": 99.0}, range(150)),
    ):
        reader = VideoReader(path, **options)
        assert frame_numbers(list(reader)) == list(expected), options
        assert reader.num_frames == len(expected), options
        assert frame_numbers(list(reader)) == list(expected), "a reader can be iterated again"


def test_reader_first_frame_is_time_zero(tmp_path: Path) -> None:
    timestamps = [tick + 40 for tick in range(50)]
    path = write_video(tmp_path / "late.mkv", numbered_frames(50), 25, timestamps=timestamps, time_base=Fraction(1, 25))
    reader = VideoReader(path)
    assert reader.probe.start_time > 1
    assert frame_numbers(list(reader)) == list(range(50))
    assert frame_numbers(list(VideoReader(path, start=1.0, max_frames=2))) == [25, 26]


def test_reader_rejects_invalid_values(tmp_path: Path) -> None:
    path = write_video(tmp_path / "short.mp4", numbered_frames(10), 25)
    with pytest.raises(NoFramesError, match=r"short\.mp4 .* 3 s.* 0\.40 s"):
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
def test_reader_guesses_matrix_of_untagged_video(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(
        tmp_path / "u.mp4", [solid_frame(RED, *size)] * 2, matrix=1 if size[0] >= 720 else 5, is_tagged=False
    )
    reader = VideoReader(path)
    assert np.abs(next(iter(reader))[5, 5].astype(int) - RED).max() <= 2
    assert reader.probe.colour_space == ("bt709" if size[0] >= 720 else "bt601") + " (not tagged)"
    (remark,) = reader.remarks
    assert reader.probe.colour_space.split()[0] in remark
    assert not reader.warnings


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("is_full_range", [False, True])
def test_reader_applies_colour_tags(tmp_path: Path, matrix: int, is_full_range: bool) -> None:
    for height in (144, 720):
        path = write_video(
            tmp_path / "t.mp4", [solid_frame(RED, height, 96)] * 2, matrix=matrix, is_full_range=is_full_range
        )
        reader = VideoReader(path)
        assert np.abs(next(iter(reader))[5, 5].astype(int) - RED).max() <= 2, (height, reader.probe.colour_space)
        assert not reader.warnings + reader.remarks


def test_reader_supports_odd_sizes(tmp_path: Path) -> None:
    odd_frames = [numbered_frame(index, 61, 97) for index in range(4)]
    path = write_video(tmp_path / "odd.mkv", odd_frames, codec="ffv1", pixel_format="bgr0")
    frames = list(VideoReader(path))
    assert all(np.array_equal(a, b) for a, b in zip(frames, odd_frames, strict=True))


def test_reader_resizes_to_height_and_width(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_frames(2))
    assert next(iter(VideoReader(path, size=(33, 47)))).shape == (33, 47, 3)


def test_reader_reads_image_folder_in_natural_order(tmp_path: Path) -> None:
    for index in range(12):
        save_png(tmp_path / f"frame{index}.png", numbered_frame(index))
    save_png(tmp_path / "frame12.png", numbered_frame(12, 128, 192))
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._frame0.png").write_bytes(b"metadata of another system")
    reader = VideoReader(tmp_path)
    frames = list(reader)
    assert frame_numbers(frames) == list(range(13))
    assert {frame.shape for frame in frames} == {(64, 96, 3)}
    assert (reader.fps, reader.probe.kind, reader.num_frames) == (25, "images", 13)
    assert len(reader.warnings) == 2
    assert "notes.txt" in reader.warnings[0]
    ten_fps_reader = VideoReader(tmp_path, fps=Fraction(10), start=0.2, end=0.5)
    assert frame_numbers(list(ten_fps_reader)) == [2, 3, 4]
    assert ten_fps_reader.num_frames == 3


def test_reader_finds_gaps_in_image_numbers(tmp_path: Path) -> None:
    for index in (12, 13, 14, 35, 36):
        save_png(tmp_path / f"{index}.png", numbered_frame(index))
    reader = VideoReader(tmp_path)
    assert reader.discontinuities == {3}
    assert reader.select_range(2, 5).discontinuities == {1}
    assert reader.select_range(3, 5).discontinuities == set()
    assert "14.png and 35.png" in reader.warnings[0]


def test_reader_rejects_two_images_of_one_number(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "02.jpg"):
        save_png(tmp_path / name, numbered_frame(1))
    with pytest.raises(InputFileMismatchError, match=r"2\.(png|jpg)"):
        VideoReader(tmp_path)


def test_picture_times_of_variable_rate_video(tmp_path: Path) -> None:
    timestamps = [0, 1, 2, 6, 7, 8, 12, 13, 14, 15]
    path = write_video(tmp_path / "v.mp4", numbered_frames(10), 30, timestamps=timestamps, time_base=Fraction(1, 30))
    assert picture_times(path, VideoReader(path).probe) == tuple(Fraction(time, 30) for time in timestamps)
    constant = write_video(tmp_path / "c.mp4", numbered_frames(10), 30)
    assert picture_times(constant, VideoReader(constant).probe) == ()


def test_reader_reads_single_image(tmp_path: Path) -> None:
    save_png(tmp_path / "one.png", numbered_frame(5))
    reader = VideoReader(tmp_path / "one.png")
    assert frame_numbers(list(reader)) == [5]
    assert reader.probe.kind == "image"


def test_reader_reads_gif(tmp_path: Path) -> None:
    source = write_video(tmp_path / "plain.mkv", numbered_frames(10), 10, codec="ffv1", pixel_format="bgr0")
    run_ffmpeg("-i", source, tmp_path / "a.gif")
    reader = VideoReader(tmp_path / "a.gif")
    assert frame_numbers(list(reader)) == list(range(10))
    assert (reader.fps, reader.probe.kind) == (10, "gif")


def test_reader_truncated_file_yields_frames_and_one_warning(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise_frames = [rng.integers(0, 255, (64, 96, 3)).astype(np.uint8) for _ in range(100)]
    for name, options in (("a.mp4", {"movflags": "+faststart"}), ("a.mkv", {})):
        complete_path = write_video(tmp_path / name, noise_frames, options=options)
        data = complete_path.read_bytes()
        truncated_path = tmp_path / f"truncated_{name}"
        truncated_path.write_bytes(data[: len(data) // 2])
        reader = VideoReader(truncated_path)
        num_frames = len(list(reader))
        assert 35 <= num_frames <= 60, name
        assert len(reader.warnings) == 1, reader.warnings
        assert f"truncated_{name}" in reader.warnings[0]
        assert len(list(VideoReader(complete_path))) == 100
        assert len(list(reader)) == num_frames
        assert len(reader.warnings) == 1


def test_reader_skips_damaged_packets(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_frames(100), 25, options={"movflags": "+faststart"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = os.urandom(300)
    path.write_bytes(data)
    assert len(list(VideoReader(path))) == 100


def count_open_files(path: Path) -> int:
    gc.collect()
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except OSError:
            continue
    return links.count(str(path))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_reader_closing_iterator_closes_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_frames(100))
    frames = iter(VideoReader(path))
    next(frames)
    assert count_open_files(path) == 1
    frames.close()
    assert count_open_files(path) == 0
    prefetched_frames = prefetch(VideoReader(path))
    next(prefetched_frames)
    prefetched_frames.close()
    assert count_open_files(path) == 0


def test_reader_memory_is_constant(tmp_path: Path) -> None:
    """The peak memory of reading 200 frames is below that of ten frames."""
    import tracemalloc

    path = write_video(tmp_path / "a.mp4", [solid_frame(RED, 240, 320)] * 200)
    reader = VideoReader(path)
    tracemalloc.start()
    for _ in reader:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 240 * 320 * 3


def test_reader_reads_real_video(shared_data: Path) -> None:
    path = shared_data / "face" / "talking_man.mp4"
    video_probe = probe(path)
    assert (video_probe.width, video_probe.height, video_probe.fps, video_probe.num_frames) == (480, 480, 30, 587)
    frame = next(iter(VideoReader(path, start=10.0, max_frames=1)))
    assert frame.shape == (480, 480, 3)


def test_gap_that_would_repeat_a_picture_millions_of_times_is_rejected(tmp_path: Path) -> None:
    """A clock that was set during the recording: 347 days would be 750 million frames."""
    frames = [np.zeros((32, 32, 3), np.uint8)] * 8
    times = [*range(0, 160, 40), *(30_000_000_000 + time for time in range(0, 160, 40))]
    path = write_video(tmp_path / "a.mkv", frames, timestamps=times, time_base=Fraction(1, 1000))
    with pytest.raises(NotAVideoError, match=r"8 pictures.* 75000000\d frames .*8333\.3 hours"):
        VideoReader(path)
    assert len(list(VideoReader(path, max_frames=4))) == 4
