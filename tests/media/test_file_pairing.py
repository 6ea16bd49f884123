"""Pairing of files by name or number, gaps in numbers, and names that occur twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from vid2vid_cli.core.errors import InputFileMismatchError
from vid2vid_cli.media.file_pairing import find_gaps, frame_numbers, pair_files, sort_files


def paths(folder: str, names: Sequence[str]) -> list[Path]:
    return sort_files(Path(folder) / name for name in names)


def numbered(folder: str, pattern: str, numbers: Sequence[int]) -> list[Path]:
    return paths(folder, [pattern.format(number) for number in numbers])


@pytest.mark.parametrize(
    ("frame_pattern", "file_pattern"),
    [
        ("{:05d}.png", "{:05d}.json"),
        ("frame{}.jpg", "frame{:06d}.png"),
        ("frame{:06d}.jpg", "frame{:06d}_keypoints.json"),
        ("aachen_000000_{:06d}_leftImg8bit.png", "aachen_000000_{:06d}_gtFine_labelIds.png"),
        ("IMG_{}.jpg", "{:04d}.txt"),
        ("walk-{}-a.png", "labels_{}.png"),
    ],
)
def test_pair_files_by_name_or_number(frame_pattern: str, file_pattern: str) -> None:
    frames = numbered("a", frame_pattern, [1, 2, 4, 9, 10])
    pairs = pair_files(frames, numbered("b", file_pattern, [1, 2, 3, 4, 9, 10, 11]))
    assert pairs.file_indices == (0, 1, 3, 4, 5)
    (remark,) = pairs.remarks
    assert file_pattern.format(3) in remark
    assert file_pattern.format(11) in remark
    assert pair_files(frames, numbered("b", file_pattern, [1, 2, 4, 9, 10])).remarks == ()


def test_pair_files_by_text() -> None:
    frames, files = paths("a", ["cat.jpg", "dog.jpg"]), paths("b", ["bird_seg.png", "cat_seg.png", "dog_seg.png"])
    assert pair_files(frames, files).file_indices == (1, 2)


def test_pair_files_with_equal_counts_names_missing_partners() -> None:
    numbers = range(12)
    frames = numbered("images", "{:05d}.png", [n for n in numbers if n != 3])
    files = numbered("labels", "{:05d}.png", [n for n in numbers if n != 9])
    with pytest.raises(InputFileMismatchError, match=r"00009\.png; 00003\.png") as caught:
        pair_files(frames, files, hint="an empty file")
    assert caught.value.hint == "an empty file"


def test_pair_files_renumbered_by_another_program() -> None:
    """FFmpeg counts images from 1, OpenPose counts the frames of a video from 0."""
    frames = numbered("a", "img_{:04d}.png", range(1, 11))
    pairs = pair_files(frames, numbered("b", "walk_{:012d}_keypoints.json", range(10)))
    assert pairs.file_indices == tuple(range(10))
    assert "img_0001.png with walk_000000000000_keypoints.json" in pairs.remarks[0]
    with pytest.raises(InputFileMismatchError):  # the same kind of names: image 10 has no file
        pair_files(numbered("a", "{}.png", range(1, 11)), numbered("b", "{}.json", range(10)))
    with pytest.raises(InputFileMismatchError):  # other frames of the same video
        pair_files(numbered("a", "img_{}.png", range(100, 110)), numbered("b", "x_{}.json", range(105, 115)))


def test_pair_files_without_common_names_in_order() -> None:
    frames, files = paths("a", ["x.png", "y.png", "z.png"]), paths("b", ["p.png", "q.png", "r.png"])
    pairs = pair_files(frames, files)
    assert pairs.file_indices == (0, 1, 2)
    assert len(pairs.remarks) == 1
    with pytest.raises(InputFileMismatchError, match=r"3 images.*2 files"):
        pair_files(frames, files[:2])
    assert pair_files(frames[:1], files[1:2]).remarks == ()


@pytest.mark.parametrize(
    ("names", "gaps"),
    [
        (["12.png", "13.png", "14.png", "35.png", "36.png"], (3,)),
        (["a5.png", "a10.png", "a15.png", "a20.png"], ()),
        (["a5.png", "a10.png", "a15.png", "a25.png", "a30.png"], (3,)),
        (["1700000033.png", "1700000066.png", "1700000100.png", "1700000133.png", "1700000166.png"], ()),
        (["1700000033.png", "1700000074.png", "1700000103.png", "1700000159.png", "1700000162.png"], ()),
        (["x_1_v2.png", "x_2_v2.png", "x_4_v2.png"], (2,)),
        (["a_1.png", "b_7.png", "c_9.png"], ()),
        (["1.png", "9.png"], ()),
        ([], ()),
    ],
)
def test_find_gaps_compares_with_the_usual_step(names: list[str], gaps: tuple[int, ...]) -> None:
    assert find_gaps(paths("a", names)) == gaps


def test_frame_numbers_need_a_single_number() -> None:
    assert frame_numbers(paths("a", ["s1_f03.png", "s1_f4.png"])) == [3, 4]
    assert frame_numbers(paths("a", ["s1_f3.png", "s2_f4.png"])) is None


@pytest.mark.parametrize("names", [["1.png", "1.jpg"], ["1.png", "001.png"], ["a_2.txt", "a_2.json"]])
def test_sort_files_rejects_two_files_of_one_name(names: list[str]) -> None:
    with pytest.raises(InputFileMismatchError) as caught:
        paths("a", ["0.png", *names])
    assert all(name in caught.value.message for name in names)
