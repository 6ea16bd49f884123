"""The identity of a source: by parts of its content, read fast, whatever its size."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from vid2vid_cli.rendering.render_identity import SAMPLE_BYTES, identify_render, sample_file
from vid2vid_cli.requests.render import TransferRequest


def test_sample_file_depends_on_size_begin_and_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    content = os.urandom(40 * SAMPLE_BYTES)
    path.write_bytes(content)
    samples = [sample_file(path, 16)]
    for changed in (content[:-1], content + b"x", b"x" + content[1:], content[:-1] + bytes([content[-1] ^ 1])):
        path.write_bytes(changed)
        samples.append(sample_file(path, 16))
    assert len(set(samples)) == 5
    path.write_bytes(content)
    assert sample_file(path, 16) == samples[0]


def test_sample_file_reads_small_files_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    samples = set()
    for position in range(0, SAMPLE_BYTES, 4096):
        content = bytearray(SAMPLE_BYTES)
        content[position] = 1
        path.write_bytes(content)
        samples.add(sample_file(path, 2))
    path.write_bytes(b"")
    samples.add(sample_file(path, 2))
    assert len(samples) == SAMPLE_BYTES // 4096 + 1


def test_sample_file_of_gigabytes_takes_no_time(tmp_path: Path) -> None:
    """A sparse file of 64 GB: reading it would take minutes."""
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(64 << 30)
    assert sample_file(path, 16)


def test_signing_is_no_part_of_the_identity(tmp_path: Path) -> None:
    """The frames of a signed video are those of an unsigned one."""
    for name in ("model.onnx", "clip.mp4"):
        (tmp_path / name).write_bytes(b"1")
    checkpoint = tmp_path / "model.onnx"
    request = TransferRequest(tmp_path / "clip.mp4", checkpoint)
    identity = identify_render(checkpoint, request)
    assert identify_render(checkpoint, replace(request, provenance=Path("key.pem"))) == identity
    assert identify_render(checkpoint, replace(request, max_frames=2)).options != identity.options
