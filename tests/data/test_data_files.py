"""Files of frames and annotations: exact round trips, and errors that name damaged files."""

from __future__ import annotations

import errno
import os
import threading
import time
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
    MissingFileError,
    PermissionDeniedError,
    PluginError,
)
from vid2vid_cli.data.annotations import AnnotationFolder, AnnotationSequence, AnnotationWriter
from vid2vid_cli.data.chunk_store import (
    CHUNK_FRAMES,
    MAX_WRITER_THREADS,
    QUEUED_IMAGES_PER_THREAD,
    ChunkStore,
    WriterPool,
)
from vid2vid_cli.data.frame_writer import FrameWriter
from vid2vid_cli.data.manifest import write_json
from vid2vid_cli.data.stored_files import save_arrays
from vid2vid_cli.media.label_images import save_indexed_png


def make_annotation(index: int, height: int = 61, width: int = 97) -> Annotation:
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


def write_annotations(folder: Path, first: int, count: int, *, has_label_maps: bool = False) -> None:
    with WriterPool() as pool:
        writer = AnnotationWriter(
            folder / "a",
            ChunkStore(folder / "work", folder),
            pool,
            (61, 97),
            start_index=first,
            has_label_maps=has_label_maps,
        )
        for index in range(first, first + count):
            writer.add(make_annotation(index))
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


@pytest.mark.parametrize("has_label_maps", [False, True])
def test_annotation_folder_loads_what_was_written(tmp_path: Path, has_label_maps: bool) -> None:
    count = CHUNK_FRAMES + 5
    write_annotations(tmp_path, 0, count, has_label_maps=has_label_maps)
    reader = AnnotationFolder(tmp_path / "a", count, (61, 97), image_names=("labels", "instances", "drawing"))
    for index in range(count):
        assert same(reader.load(index), make_annotation(index)), index
    selected = AnnotationSequence([(reader, index) for index in range(count)])[10:20:3]
    assert len(selected) == 4
    assert same(selected[1], make_annotation(13))
    stored = cv2.imread(str(tmp_path / "a" / "labels" / "000000.png"), cv2.IMREAD_UNCHANGED)
    assert stored.ndim == (3 if has_label_maps else 2)  # cv2 decodes an indexed PNG to colours


def test_annotation_writer_resumes_at_a_chunk(tmp_path: Path) -> None:
    count = 2 * CHUNK_FRAMES + 7
    write_annotations(tmp_path / "one", 0, count)
    write_annotations(tmp_path / "two", 0, CHUNK_FRAMES + 20)  # as after a kill: the last chunk is short
    chunk_store = ChunkStore(tmp_path / "two" / "work", tmp_path / "two")
    assert chunk_store.check().num_leading_frames == CHUNK_FRAMES
    write_annotations(tmp_path / "two", CHUNK_FRAMES, count - CHUNK_FRAMES)
    single_run, resumed = (AnnotationFolder(tmp_path / name / "a", count, (61, 97)) for name in ("one", "two"))
    assert np.array_equal(single_run.points["face"], resumed.points["face"], equal_nan=True)
    assert np.array_equal(single_run.quality, resumed.quality)


def test_annotation_writer_fills_missing_points_with_nan(tmp_path: Path) -> None:
    with WriterPool() as pool:
        writer = AnnotationWriter(tmp_path / "a", ChunkStore(tmp_path / "work", tmp_path), pool, (4, 4))
        for index in range(CHUNK_FRAMES + 1):
            points = {} if index != 3 else {"face": np.ones((2, 2), np.float32)}
            writer.add(Annotation(4, 4, 0.0, points))
        writer.finish()
    read = AnnotationFolder(tmp_path / "a", CHUNK_FRAMES + 1, (4, 4)).points["face"]
    assert read.shape == (CHUNK_FRAMES + 1, 2, 2)
    assert np.isfinite(read).all(axis=(1, 2)).nonzero()[0].tolist() == [3]


def test_annotation_writer_rejects_wrong_size(tmp_path: Path) -> None:
    with WriterPool() as pool, pytest.raises(PluginError, match=r"61x97.*97x61"):
        AnnotationWriter(tmp_path / "a", ChunkStore(tmp_path / "work", tmp_path), pool, (61, 97)).add(
            make_annotation(0, 97, 61)
        )


def test_annotation_folder_requires_images_of_detections(tmp_path: Path) -> None:
    write_annotations(tmp_path, 0, 5)
    reader = AnnotationFolder(tmp_path / "a", 5, (61, 97), image_names=("labels",))
    (tmp_path / "a" / "labels" / "000002.png").unlink()
    assert reader.load(3).images == {}
    with pytest.raises(DatasetError, match=r"000002\.png"):
        reader.load(2)


def test_annotation_folder_names_damaged_points_file(tmp_path: Path) -> None:
    write_annotations(tmp_path, 0, 5)
    with pytest.raises(DatasetError, match="6 frames"):
        AnnotationFolder(tmp_path / "a", 6, (61, 97)).load(0)
    (tmp_path / "a" / "points.npz").write_bytes(b"PK nothing")
    with pytest.raises(DatasetError, match=r"points\.npz"):
        AnnotationFolder(tmp_path / "a", 5, (61, 97)).load(0)
    (tmp_path / "a" / "points.npz").unlink()
    with pytest.raises(DatasetError, match=r"points\.npz"):
        AnnotationFolder(tmp_path / "a", 5, (61, 97)).load(0)


@pytest.fixture
def pool() -> Iterator[WriterPool]:
    with WriterPool() as pool:
        yield pool


def test_frame_writer_stores_frames_exactly(tmp_path: Path, pool: WriterPool) -> None:
    frames = [np.random.default_rng(i).integers(0, 256, (61, 97, 3), dtype=np.uint8) for i in range(CHUNK_FRAMES + 2)]
    chunk_store = ChunkStore(tmp_path / "work", tmp_path)
    writer = FrameWriter(tmp_path / "frames", chunk_store, pool)
    for frame in frames:
        writer.add(frame)
    writer.finish()
    assert chunk_store.check().num_leading_frames == CHUNK_FRAMES
    for index, frame in enumerate(frames):
        stored = cv2.imread(str(tmp_path / "frames" / f"{index:06d}.png"))[:, :, ::-1]
        assert np.array_equal(stored, frame)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == [
        f"000000-{CHUNK_FRAMES:06d}.npz",
        f"{CHUNK_FRAMES:06d}-{CHUNK_FRAMES + 2:06d}.npz",
    ]


def test_frame_writer_failed_frame_leaves_chunk_incomplete(tmp_path: Path, pool: WriterPool) -> None:
    """An error of a writer thread is raised before the chunk is marked as complete."""
    chunk_store = ChunkStore(tmp_path / "work", tmp_path)
    writer = FrameWriter(tmp_path / "frames", chunk_store, pool)
    for _ in range(CHUNK_FRAMES - 1):
        writer.add(np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "frames").rename(tmp_path / "elsewhere")
    writer.add(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(MissingFileError):
        writer.finish()
    assert chunk_store.check().num_leading_frames == 0


def test_frame_writer_writes_missing_chunks_only(tmp_path: Path, pool: WriterPool) -> None:
    chunk_store = ChunkStore(tmp_path / "work", tmp_path)
    writer = FrameWriter(tmp_path, chunk_store, pool, complete_starts={0, 2 * CHUNK_FRAMES})
    for _ in range(2 * CHUNK_FRAMES + 3):
        writer.add(np.zeros((8, 8, 3), np.uint8))
    writer.finish()
    written = sorted(int(path.stem) for path in tmp_path.glob("*.png"))
    assert written == list(range(CHUNK_FRAMES, 2 * CHUNK_FRAMES))
    assert chunk_store.check().intact == {(CHUNK_FRAMES, 2 * CHUNK_FRAMES)}


def test_chunk_store_flushes_images_before_their_chunk(
    tmp_path: Path, pool: WriterPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure must not leave a complete chunk with empty images."""
    synced: list[str] = []
    original_fsync = os.fsync

    def record_fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
        original_fsync(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system has no /proc")
    monkeypatch.setattr(os, "fsync", record_fsync)
    writer = FrameWriter(tmp_path / "frames", ChunkStore(tmp_path / "work", tmp_path), pool)
    for _ in range(3):
        writer.add(np.zeros((8, 8, 3), np.uint8))
    writer.finish()
    frames = tmp_path / "frames"
    assert synced[:4] == [str(path) for path in (*(frames / f"{index:06d}.png" for index in range(3)), frames)]
    assert [Path(path).parent for path in synced[4:]] == [tmp_path / "work", tmp_path]


def test_chunk_store_recognises_damaged_chunks_and_images(tmp_path: Path) -> None:
    chunk_store, count = ChunkStore(tmp_path / "work", tmp_path), 5 * CHUNK_FRAMES + 7
    write_annotations(tmp_path, 0, count)
    chunks = sorted((tmp_path / "work").iterdir())
    stored = chunk_store.check()
    assert (stored.damaged, stored.num_leading_frames) == ((), 5 * CHUNK_FRAMES)
    assert stored.covers(count)
    assert not stored.covers(count - 1)
    emptied_image = tmp_path / "a" / "labels" / f"{CHUNK_FRAMES:06d}.png"
    emptied_image.write_bytes(b"")
    missing_image = tmp_path / "a" / "drawing" / f"{2 * CHUNK_FRAMES:06d}.png"
    missing_image.unlink()
    chunks[3].write_bytes(b"")
    content = bytearray(chunks[4].read_bytes())
    content[len(content) // 2] ^= 1
    chunks[4].write_bytes(content)
    chunks[5].write_bytes(b"PK nothing")
    stored = chunk_store.check()
    assert stored.intact == {(0, CHUNK_FRAMES)}
    assert stored.damaged == (emptied_image, missing_image, *chunks[3:])
    with pytest.raises(DatasetError, match=chunks[3].name):
        chunk_store.load_chunks(count)


def test_frame_writer_reports_full_disk(tmp_path: Path, pool: WriterPool) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    writer = FrameWriter(tmp_path, ChunkStore(tmp_path / "work", tmp_path), pool)
    (tmp_path / f".000001.png.{os.getpid()}.partial").symlink_to("/dev/full")
    for _ in range(5):
        writer.add(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DiskFullError, match=r"000001\.png"):
        writer.finish()
    assert not (tmp_path / "000001.png").exists()


def test_writer_pool_submit_blocks_when_full(tmp_path: Path, pool: WriterPool) -> None:
    submitted: list[int] = []

    def submit_images() -> None:
        for index in range(60):
            submitted.append(index)
            pool.submit(wait_for, tmp_path / "go", np.zeros(1))

    submitter = threading.Thread(target=submit_images, daemon=True)
    submitter.start()
    time.sleep(0.5)
    num_queued = len(submitted)
    (tmp_path / "go").touch()
    submitter.join(60)
    assert num_queued <= QUEUED_IMAGES_PER_THREAD * MAX_WRITER_THREADS + 1
    assert len(submitted) == 60


def wait_for(path: Path, array: np.ndarray) -> None:
    while not path.exists():
        time.sleep(0.01)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: save_indexed_png(path, np.zeros((2, 2), np.uint8)),
        lambda path: save_arrays(path, {"a": np.zeros(2)}),
        lambda path: write_json(path, {}),
    ],
    ids=["labels", "arrays", "json"],
)
def test_atomic_writes_report_read_only_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    """A read-only disk also refuses to remove missing files."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("open", "write_bytes", "write_text", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(PermissionDeniedError, match=r"x\.bin"):
        write(tmp_path / "x.bin")
