"""The header of a `.ckpt`: valid, damaged and foreign files, and format versions."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vid2vid_cli.core.checkpoint_header import FORMAT_VERSION, METADATA_KEY, read_header
from vid2vid_cli.core.errors import ForeignCheckpointError, MissingFileError, TruncatedCheckpointError

METADATA = {"format_version": FORMAT_VERSION, "name": "a"}


def write_checkpoint(path: Path, metadata: dict[str, object]) -> Path:
    save_file({"w": torch.arange(6.0).view(2, 3)}, path, {METADATA_KEY: json.dumps(metadata)})
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "a.ckpt", METADATA)


def test_read_header_returns_metadata_and_tensor_table(checkpoint: Path) -> None:
    metadata, table = read_header(checkpoint)
    assert metadata == METADATA
    assert table["w"]["shape"] == [2, 3]


def test_read_header_imports_standard_library_only(checkpoint: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vid2vid_cli.core.checkpoint_header import read_header;"
        "assert read_header(Path(sys.argv[1]))[0]['name'] == 'a';"
        "assert not {'torch', 'numpy', 'safetensors', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(checkpoint)], check=True)


def test_read_header_rejects_truncated_file(checkpoint: Path) -> None:
    """At any length; a file of fewer than eight bytes is not recognised as a checkpoint."""
    content = checkpoint.read_bytes()
    for length in range(len(content)):
        checkpoint.write_bytes(content[:length])
        with pytest.raises(TruncatedCheckpointError if length >= 8 else ForeignCheckpointError, match=r"a\.ckpt"):
            read_header(checkpoint)
    checkpoint.write_bytes(content + b"x")
    with pytest.raises(TruncatedCheckpointError):
        read_header(checkpoint)


@pytest.mark.parametrize(
    "header",
    [
        "{not json",
        '{"w": 1, "__metadata__": {"vid2vid": "{}"}}',
        '{"w": {"shape": [1]}}',
        '{"w": {"data_offsets": []}}',
        '{"__metadata__": 3}',
        '{"__metadata__": {"vid2vid": "{half"}}',
        '{"w": {"data_offsets": ["a", "b"]}, "__metadata__": {"vid2vid": "{}"}}',
    ],
)
def test_read_header_rejects_damaged_header(tmp_path: Path, header: str) -> None:
    path = tmp_path / "b.ckpt"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    with pytest.raises(TruncatedCheckpointError, match=r"b\.ckpt"):
        read_header(path)


def foreign_files(folder: Path) -> dict[str, Path]:
    """Files of other programs by kind."""
    paths = {name: folder / name for name in ("random", "pickle", "text", "safetensors", "empty", "video")}
    paths["random"].write_bytes(
        torch.randint(0, 256, (4096,), generator=torch.Generator().manual_seed(0)).byte().numpy()
    )
    torch.save({"w": torch.zeros(3)}, paths["pickle"])
    paths["text"].write_text("this is a text file\n" * 50)
    save_file({"w": torch.zeros(3)}, paths["safetensors"], {"format": "pt"})
    paths["empty"].touch()
    paths["video"].write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(500))
    return paths


@pytest.mark.parametrize("kind", ["random", "pickle", "text", "safetensors", "empty", "video"])
def test_read_header_rejects_foreign_files(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ForeignCheckpointError, match=kind) as caught:
        read_header(foreign_files(tmp_path)[kind])
    assert caught.value.hint


@pytest.mark.parametrize(
    ("metadata", "version", "advice"),
    [
        ({"name": "a"}, "1", "vid2vid train"),
        ({"format_version": 1}, "1", "vid2vid import"),
        ({"format_version": FORMAT_VERSION + 1}, str(FORMAT_VERSION + 1), "pip install -U"),
        ({"format_version": "x"}, "x", "pip install -U"),
    ],
)
def test_read_header_rejects_other_format_versions(
    tmp_path: Path, metadata: dict[str, object], version: str, advice: str
) -> None:
    with pytest.raises(ForeignCheckpointError, match=f"format {version}") as caught:
        read_header(write_checkpoint(tmp_path / "a.ckpt", metadata))
    assert advice in caught.value.hint


def test_read_header_rejects_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="none"):
        read_header(tmp_path / "none.ckpt")
    with pytest.raises(ForeignCheckpointError, match="folder"):
        read_header(tmp_path)
