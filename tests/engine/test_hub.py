"""Paths of checkpoints from the hub. Uploads and downloads: tests/pipelines/test_sharing.py."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from typing import Any

import pytest

from vid2vid_cli.engine import hub
from vid2vid_cli.engine.hub import HubReference, fetch_checkpoint, is_hub_reference, output_folder

CACHED = Path("cache/models--ada--dancer/snapshots/0123abc/dancer.ckpt")


def test_output_folder_is_never_in_the_cache() -> None:
    assert output_folder(CACHED) == Path()
    assert output_folder(Path("runs/blob/blob.ckpt")) == Path("runs/blob")
    assert output_folder(Path("blob.ckpt")) == Path()


def test_existing_file_is_no_hub_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("hf:ada/dancer")
    assert is_hub_reference(path)
    assert not is_hub_reference(Path("runs/hf:ada/dancer"))
    path.parent.mkdir()
    path.touch()
    assert fetch_checkpoint(path) == path


def test_reference_is_read_from_a_path_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text is hf:ada\\dancer."""
    references: list[HubReference] = []
    monkeypatch.setattr(hub, "download_checkpoint", references.append)
    path: Any = PureWindowsPath("hf:ada/dancer@v1")
    fetch_checkpoint(path)
    assert references == [HubReference("ada/dancer", "v1")]
