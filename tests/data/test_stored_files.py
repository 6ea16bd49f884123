"""Datasets of unknown origin: links, devices, and files that declare more than they contain."""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from vid2vid_cli.core.errors import DatasetError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.stored_files import load_arrays, save_arrays


@pytest.fixture
def own_dataset(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "own"))


def first_frame(folder: Path) -> Path:
    return Dataset(folder).frame_path(0, 0)


def test_arrays_round_trip(tmp_path: Path) -> None:
    arrays = {"a/b": np.arange(6.0).reshape(2, 3), "empty": np.zeros((0, 3)), "names": np.array(["x", "yy"])}
    save_arrays(tmp_path / "a.npz", arrays)
    loaded = load_arrays(tmp_path / "a.npz")
    assert list(loaded) == list(arrays)
    assert all(np.array_equal(loaded[name], arrays[name]) for name in arrays)


def write_bomb(path: Path) -> None:
    """4 MB of zeros in 4 kB."""
    np.savez_compressed(path, quality=np.zeros(1 << 20, np.float32))


def write_false_header(path: Path) -> None:
    """A header that declares 4 TB, and no data."""
    content = BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("quality.npy", content.getvalue())


def write_objects(path: Path) -> None:
    np.savez(path, quality=np.array([{}], dtype=object))


def write_truncated(path: Path) -> None:
    save_arrays(path, {"quality": np.zeros(100)})
    path.write_bytes(path.read_bytes()[:300])


@pytest.mark.parametrize("write", [write_bomb, write_false_header, write_objects, write_truncated, os.mkfifo])
def test_load_arrays_rejects_what_it_did_not_write(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "a.npz")
    with pytest.raises(DatasetError, match=r"a\.npz"):
        load_arrays(tmp_path / "a.npz")


def test_links_out_of_the_dataset_are_rejected(own_dataset: Path, tmp_path: Path) -> None:
    frame_path = first_frame(own_dataset)
    shutil.copy(frame_path, tmp_path / "outside.png")
    frame_path.unlink()
    frame_path.symlink_to(tmp_path / "outside.png")
    with pytest.raises(DatasetError, match=r"outside\.png"):
        Dataset(own_dataset).load_frame(0, 0)


@pytest.mark.parametrize("name", ["frames", "edges"])
def test_linked_folders_out_of_the_dataset_are_rejected(own_dataset: Path, tmp_path: Path, name: str) -> None:
    folder = first_frame(own_dataset).parent.with_name(name)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    dataset = Dataset(own_dataset)
    with pytest.raises(DatasetError, match="moved"):
        _ = dataset.load_frame(0, 0) if name == "frames" else dataset.load_annotation(0, 0, "edges")


def test_links_inside_the_dataset_and_to_it_are_read(own_dataset: Path, tmp_path: Path) -> None:
    expected = Dataset(own_dataset).load_frame(0, 0)
    frame_path = first_frame(own_dataset)
    frame_path.rename(frame_path.with_name("first"))
    frame_path.symlink_to("first")
    (tmp_path / "link").symlink_to(own_dataset)
    assert np.array_equal(Dataset(tmp_path / "link").load_frame(0, 0), expected)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_frames_that_are_no_files_are_rejected(own_dataset: Path, make: Callable[[Path], None]) -> None:
    frame_path = first_frame(own_dataset)
    frame_path.unlink()
    make(frame_path)
    with pytest.raises(DatasetError, match="regular file"):
        Dataset(own_dataset).load_frame(0, 0)


def test_frames_with_too_many_pixels_are_rejected(own_dataset: Path) -> None:
    frame_path = first_frame(own_dataset)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    frame_path.write_bytes(content)
    with pytest.raises(DatasetError, match="900000000 pixels"):
        Dataset(own_dataset).load_frame(0, 0)
