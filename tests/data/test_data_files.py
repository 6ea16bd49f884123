"""Frames and annotations survive the disk exactly, and damage is named."""

from __future__ import annotations

import errno
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.core.errors import (
    DatasetError,
    DiskFullError,
    LabelFilesError,
    MissingFileError,
    PermissionDeniedError,
    PluginError,
)
from vid2vid_cli.data.annotations import AnnotationFolder, AnnotationSequence, AnnotationWriter
from vid2vid_cli.data.chunk_store import PART, Parts, WriterPool, save_arrays
from vid2vid_cli.data.frame_writer import FrameWriter
from vid2vid_cli.data.manifest import write_json
from vid2vid_cli.media.label_png import load_labels, palette, save_labels
from vid2vid_cli.processes.worker_process import Beside


def annotation(index: int, height: int = 61, width: int = 97) -> Annotation:
    rng = np.random.default_rng(index)
    quality = 0.0 if index % 7 == 3 else 0.5 + index % 2 / 4
    points = rng.normal(size=(5, 3)).astype(np.float32)
    points[index % 5] = np.nan
    images = {
        "labels": rng.integers(0, 256, (height, width), dtype=np.uint8),
        "instances": rng.integers(0, 65536, (height, width), dtype=np.uint16),
        "drawing": rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
    }
    return Annotation(height, width, quality, {"face": points}, images if quality else {})


def write(folder: Path, first: int, count: int, **options: bool) -> None:
    with WriterPool() as pool:
        writer = AnnotationWriter(folder / "a", Parts(folder / "work"), pool, (61, 97), first, **options)
        for index in range(first, first + count):
            writer.add(annotation(index))
        writer.finish()


def same(a: Annotation, b: Annotation) -> bool:
    return (
        (a.height, a.width, a.quality) == (b.height, b.width, b.quality)
        and set(a.points) == set(b.points)
        and all(np.array_equal(a.points[name], b.points[name], equal_nan=True) for name in a.points)
        and set(a.images) == set(b.images)
        and all(
            a.images[name].dtype == b.images[name].dtype and np.array_equal(a.images[name], b.images[name])
            for name in a.images
        )
    )


@pytest.mark.parametrize("labels", [False, True])
def test_annotations_come_back_exactly(tmp_path: Path, labels: bool) -> None:
    count = PART + 5
    write(tmp_path, 0, count, labels=labels)
    reader = AnnotationFolder(tmp_path / "a", count, (61, 97), ("labels", "instances", "drawing"))
    for index in range(count):
        assert same(reader.read(index), annotation(index)), index
    chosen = AnnotationSequence([(reader, index) for index in range(count)])[10:20:3]
    assert len(chosen) == 4
    assert same(chosen[1], annotation(13))
    stored = cv2.imread(str(tmp_path / "a" / "labels" / "000000.png"), cv2.IMREAD_UNCHANGED)
    assert stored.ndim == (3 if labels else 2)  # an indexed PNG looks coloured to others


def test_a_stream_taken_up_again_equals_one_in_one_go(tmp_path: Path) -> None:
    count = 2 * PART + 7
    write(tmp_path / "one", 0, count)
    write(tmp_path / "two", 0, PART + 20)  # as if killed there: the last part is short
    parts = Parts(tmp_path / "two" / "work")
    assert parts.full() == 1
    write(tmp_path / "two", PART, count - PART)
    one, two = (AnnotationFolder(tmp_path / name / "a", count, (61, 97)) for name in ("one", "two"))
    assert np.array_equal(one.points["face"], two.points["face"], equal_nan=True)
    assert np.array_equal(one.quality, two.quality)


def test_points_absent_from_a_frame_are_nan(tmp_path: Path) -> None:
    with WriterPool() as pool:
        writer = AnnotationWriter(tmp_path / "a", Parts(tmp_path / "work"), pool, (4, 4))
        for index in range(PART + 1):
            points = {} if index != 3 else {"face": np.ones((2, 2), np.float32)}
            writer.add(Annotation(4, 4, 0.0, points))
        writer.finish()
    read = AnnotationFolder(tmp_path / "a", PART + 1, (4, 4)).points["face"]
    assert read.shape == (PART + 1, 2, 2)
    assert np.isfinite(read).all(axis=(1, 2)).nonzero()[0].tolist() == [3]


def test_an_annotation_of_another_size_is_the_plugins_fault(tmp_path: Path) -> None:
    with WriterPool() as pool, pytest.raises(PluginError, match="97x61 as one of 61x97"):
        AnnotationWriter(tmp_path / "a", Parts(tmp_path / "work"), pool, (61, 97)).add(annotation(0, 97, 61))


def test_a_missing_image_is_named_only_where_something_was_found(tmp_path: Path) -> None:
    write(tmp_path, 0, 5)
    reader = AnnotationFolder(tmp_path / "a", 5, (61, 97), ("labels",))
    (tmp_path / "a" / "labels" / "000002.png").unlink()
    assert reader.read(3).images == {}
    with pytest.raises(DatasetError, match=r"000002\.png is missing"):
        reader.read(2)


def test_damaged_points_are_named(tmp_path: Path) -> None:
    write(tmp_path, 0, 5)
    with pytest.raises(DatasetError, match="does not hold 6 frames"):
        AnnotationFolder(tmp_path / "a", 6, (61, 97)).read(0)
    (tmp_path / "a" / "points.npz").write_bytes(b"PK nothing")
    with pytest.raises(DatasetError, match=r"points\.npz cannot be read"):
        AnnotationFolder(tmp_path / "a", 5, (61, 97)).read(0)
    (tmp_path / "a" / "points.npz").unlink()
    with pytest.raises(DatasetError, match=r"points\.npz is missing"):
        AnnotationFolder(tmp_path / "a", 5, (61, 97)).read(0)


@pytest.fixture(params=["here", "beside"])
def pool(request: pytest.FixtureRequest) -> Iterator[WriterPool]:
    if request.param == "here":
        with WriterPool() as pool:
            yield pool
    else:
        with Beside() as beside, WriterPool(beside) as pool:
            beside.call(abs, 1).result(60)
            yield pool


def test_frames_come_back_exactly_and_count_only_when_written(tmp_path: Path, pool: WriterPool) -> None:
    frames = [np.random.default_rng(i).integers(0, 256, (61, 97, 3), dtype=np.uint8) for i in range(PART + 2)]
    parts = Parts(tmp_path / "work")
    writer = FrameWriter(tmp_path / "frames", parts, pool)
    for frame in frames:
        writer.add(frame)
    writer.finish()
    assert parts.full() == 1
    for index, frame in enumerate(frames):
        stored = cv2.imread(str(tmp_path / "frames" / f"{index:06d}.png"))[:, :, ::-1]
        assert np.array_equal(stored, frame)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == [
        f"000000-{PART:06d}.npz",
        f"{PART:06d}-{PART + 2:06d}.npz",
    ]


def test_a_part_with_a_frame_that_failed_does_not_count(tmp_path: Path, pool: WriterPool) -> None:
    """The error of a writing thread comes out at the end of the part, before the part is noted."""
    parts = Parts(tmp_path / "work")
    writer = FrameWriter(tmp_path / "frames", parts, pool)
    for _ in range(PART - 1):
        writer.add(np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "frames").rename(tmp_path / "elsewhere")
    writer.add(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(MissingFileError):
        writer.finish()
    assert parts.full() == 0


def test_a_full_disk_is_said_by_the_process_beside(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Beside() as beside, WriterPool(beside) as pool:
        process = beside.call(os.getpid).result(60)
        writer = FrameWriter(tmp_path, Parts(tmp_path / "work"), pool)
        (tmp_path / f".000001.png.{process}.partial").symlink_to("/dev/full")
        for _ in range(5):
            writer.add(np.zeros((8, 8, 3), np.uint8))
        with pytest.raises(DiskFullError, match=r"000001\.png"):
            writer.finish()
    assert not (tmp_path / "000001.png").exists()


def test_no_more_pictures_wait_than_there_is_room_for(tmp_path: Path, pool: WriterPool) -> None:
    begun: list[int] = []

    def feed() -> None:
        for index in range(60):
            begun.append(index)
            pool.submit(wait_for, tmp_path / "go", np.zeros(1))

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    time.sleep(0.5)
    waiting = len(begun)
    (tmp_path / "go").touch()
    feeder.join(60)
    assert waiting <= 6 * 8 + 1
    assert len(begun) == 60


def wait_for(path: Path, array: np.ndarray) -> None:
    while not path.exists():
        time.sleep(0.01)


def test_labels_are_indexed_png_with_colours(tmp_path: Path) -> None:
    labels = np.arange(61 * 97, dtype=np.uint32).reshape(61, 97).astype(np.uint8)
    save_labels(tmp_path / "a.png", labels)
    read = load_labels(tmp_path / "a.png")
    assert read is not None
    assert np.array_equal(read, labels)
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png"))[:, :, ::-1], palette()[labels])
    assert len(np.unique(palette(), axis=0)) == 256


def test_every_row_filter_of_foreign_files_is_undone(tmp_path: Path) -> None:
    """Filters as the PNG specification defines them, applied here pixel by pixel."""
    labels = np.random.default_rng(0).integers(0, 256, (10, 13), dtype=np.uint8)
    rows = bytearray()
    for y in range(10):
        kind = y % 5
        rows.append(kind)
        for x in range(13):
            left, up = int(labels[y, x - 1]) if x else 0, int(labels[y - 1, x]) if y else 0
            corner = int(labels[y - 1, x - 1]) if x and y else 0
            distances = [abs(left + up - corner - near) for near in (left, up, corner)]
            paeth = (left, up, corner)[distances.index(min(distances))]
            rows.append((int(labels[y, x]) - (0, left, up, (left + up) // 2, paeth)[kind]) % 256)
    save_labels(tmp_path / "foreign.png", labels)
    content = (tmp_path / "foreign.png").read_bytes()
    at = content.index(b"IDAT") - 4
    data = b"IDAT" + zlib.compress(bytes(rows))
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    (tmp_path / "foreign.png").write_bytes(content[:at] + chunk + content[-12:])
    read = load_labels(tmp_path / "foreign.png")
    assert read is not None
    assert np.array_equal(read, labels)
    assert np.array_equal(cv2.imread(str(tmp_path / "foreign.png"))[:, :, ::-1], palette()[labels])


def test_a_truncated_label_map_is_named(tmp_path: Path) -> None:
    save_labels(tmp_path / "a.png", np.zeros((61, 97), np.uint8))
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[:-30])
    with pytest.raises(LabelFilesError, match=r"a\.png is damaged"):
        load_labels(tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "grey.png"), np.zeros((4, 4), np.uint8))
    assert load_labels(tmp_path / "grey.png") is None


@pytest.mark.parametrize(
    "write",
    [
        lambda path: save_labels(path, np.zeros((2, 2), np.uint8)),
        lambda path: save_arrays(path, {"a": np.zeros(2)}),
        lambda path: write_json(path, {}),
    ],
    ids=["labels", "arrays", "json"],
)
def test_a_disk_for_reading_only_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    """Such a disk refuses to remove what is not there, too."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("open", "write_bytes", "write_text", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(PermissionDeniedError, match=r"x\.bin cannot be written: Read-only file system"):
        write(tmp_path / "x.bin")
