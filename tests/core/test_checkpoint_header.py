"""The header of a `.ckpt`: what it takes for ours, for damaged, and for another program's."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vid2vid_cli.core.checkpoint_header import KEY, read_header
from vid2vid_cli.core.errors import ForeignCheckpointError, MissingFileError, TruncatedCheckpointError


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "a.ckpt"
    save_file({"w": torch.arange(6.0).view(2, 3)}, path, {KEY: json.dumps({"name": "a"})})
    return path


def test_it_is_read_as_it_was_written(ours: Path) -> None:
    metadata, table = read_header(ours)
    assert metadata == {"name": "a"}
    assert table["w"]["shape"] == [2, 3]


def test_without_torch(ours: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vid2vid_cli.core.checkpoint_header import read_header;"
        "assert read_header(Path(sys.argv[1]))[0] == {'name': 'a'};"
        "assert not {'torch', 'numpy', 'safetensors', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(ours)], check=True)


def test_cut_off_anywhere(ours: Path) -> None:
    """From inside the header to the last byte; fewer than nine bytes say nothing about what they were."""
    whole = ours.read_bytes()
    for length in range(len(whole)):
        ours.write_bytes(whole[:length])
        with pytest.raises(TruncatedCheckpointError if length >= 8 else ForeignCheckpointError, match=r"a\.ckpt"):
            read_header(ours)
    ours.write_bytes(whole + b"x")
    with pytest.raises(TruncatedCheckpointError):
        read_header(ours)


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
def test_a_damaged_header_is_told_as_damage(tmp_path: Path, header: str) -> None:
    path = tmp_path / "b.ckpt"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    with pytest.raises(TruncatedCheckpointError, match=r"b\.ckpt is cut off or damaged"):
        read_header(path)


def foreign_files(folder: Path) -> dict[str, Path]:
    paths = {name: folder / name for name in ("random", "pickle", "text", "safetensors", "empty", "video")}
    paths["random"].write_bytes(
        torch.randint(0, 256, (4096,), generator=torch.Generator().manual_seed(0)).byte().numpy()
    )
    torch.save({"w": torch.zeros(3)}, paths["pickle"])
    paths["text"].write_text("dear reader, these are no weights\n" * 50)
    save_file({"w": torch.zeros(3)}, paths["safetensors"], {"format": "pt"})
    paths["empty"].touch()
    paths["video"].write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(500))
    return paths


@pytest.mark.parametrize("kind", ["random", "pickle", "text", "safetensors", "empty", "video"])
def test_files_of_other_programs(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ForeignCheckpointError, match=kind) as caught:
        read_header(foreign_files(tmp_path)[kind])
    assert caught.value.hint


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="none"):
        read_header(tmp_path / "none.ckpt")
    with pytest.raises(ForeignCheckpointError, match="is a folder"):
        read_header(tmp_path)
