"""Our own PNG: what any reader gets back is what was written, and it is no larger than OpenCV's."""

from __future__ import annotations

import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from makers import blob_frame
from numpy.typing import NDArray

from vid2vid_cli.media import png
from vid2vid_cli.media.drawn import drawn_face
from vid2vid_cli.media.images import load_png, save_png
from vid2vid_cli.media.png import BAND, RUN, deflated, encode_png
from vid2vid_cli.media.reader import VideoReader

Bytes = NDArray[np.uint8]
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 4 * RUN, 4 * RUN + 4, 4 * RUN + 8, 1000, 4 * BAND, 4 * BAND + 3, 300_001]


def values(kind: str, count: int) -> Bytes:
    random = np.random.default_rng(count)
    made = {
        "noise": lambda: random.integers(0, 256, count),
        "zeros": lambda: np.zeros(count),
        "constant": lambda: np.full(count, 200),
        "differences": lambda: random.laplace(0, 3, count),
        "mostly zeros": lambda: random.laplace(0, 0.2, count),
        "runs": lambda: np.repeat(random.integers(0, 2, count // 500 + 1) * 9, 500)[:count],
        "rare": lambda: np.where(random.random(count) < 1e-3, random.integers(0, 256, count), 1),
    }
    return made[kind]().astype(np.int64).astype(np.uint8)


KINDS = ["noise", "zeros", "constant", "differences", "mostly zeros", "runs", "rare"]


@pytest.mark.parametrize("kind", KINDS)
def test_zlib_undoes_it(kind: str) -> None:
    for count in SIZES:
        data = values(kind, count)
        assert zlib.decompress(deflated(data)) == data.tobytes(), count


@pytest.mark.parametrize("ends", range(1, 9))
def test_runs_of_every_length_and_place(ends: int) -> None:
    """From no zero to several runs' worth, before and after something else, at every place within a group."""
    for zeros in (*range(20), *range(4 * RUN - 5, 4 * RUN + 13), 3 * 4 * RUN + 1):
        data = np.concatenate([np.arange(1, ends + 1), np.zeros(zeros), np.arange(1, 6)]).astype(np.uint8)
        assert zlib.decompress(deflated(data)) == data.tobytes(), zeros


def test_runs_across_bands() -> None:
    for shift in range(-70, 71, 5):
        data = np.ones(4 * (BAND + 200), np.uint8)
        data[4 * (BAND + shift) : 4 * (BAND + shift + 130)] = 0
        assert zlib.decompress(deflated(data)) == data.tobytes(), shift


def test_every_table_is_a_complete_code() -> None:
    for table in png._tables():
        assert max(table.bits) <= png.LONGEST
        assert sum(2.0**-bits for bits in table.bits) == 1
        data = values("differences", 5000)
        codes, bits = table.codes_of(data.view("<u2")[:2000])
        assert codes.shape == bits.shape == (1000,)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (61, 97), (1, 1, 3), (2, 3, 3), (61, 97, 3), (300, 400, 3)])
def test_readers_get_back_what_was_written(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """libpng in OpenCV and FFmpeg's own reader."""
    count = int(np.prod(shape))
    for kind in KINDS:
        picture = values(kind, count).reshape(shape)
        save_png(tmp_path / "a.png", picture)
        assert np.array_equal(load_png(tmp_path / "a.png"), picture)
        with av.open(str(tmp_path / "a.png")) as file:
            read = next(file.decode(video=0)).to_ndarray()
        assert np.array_equal(read, picture)


def test_strided_pictures(tmp_path: Path) -> None:
    face = drawn_face(120, 160)
    for picture in (face[:, ::-1], face[::2, ::3], face.transpose(1, 0, 2), face[:, :, 1]):
        save_png(tmp_path / "a.png", picture)
        assert np.array_equal(load_png(tmp_path / "a.png"), picture)


def test_drawn_pictures_stay_small() -> None:
    for picture in (drawn_face(240, 320), blob_frame(3, 240, 320)):
        assert len(encode_png(picture)) < 1.3 * cv2.imencode(".png", picture)[1].size + 1000
    assert len(encode_png(np.zeros((500, 500, 3), np.uint8))) < 10_000


def test_photographs_are_no_larger_than_before(shared_data: Path) -> None:
    for name in ("face/talking_man", "pose/dancing_woman", "street/bikes"):
        frame = next(iter(VideoReader(shared_data / f"{name}.mp4")))
        assert len(encode_png(frame)) < 1.1 * cv2.imencode(".png", frame)[1].size
