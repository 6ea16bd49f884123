"""Patterns, folders of videos and duplicates among the inputs of a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from vid2vid_cli.core.errors import MissingFileError, NotAVideoError
from vid2vid_cli.media.input_paths import (
    describe_folder_videos,
    drop_duplicates,
    expand_patterns,
    find_folder_videos,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("clip10.mp4", "clip9.MOV", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "more.mp4").mkdir()
    return tmp_path


def test_find_folder_videos_sorts_naturally_and_leaves_out_other_files(folder: Path) -> None:
    videos = find_folder_videos(folder)
    assert [video.name for video in videos] == ["clip9.MOV", "clip10.mp4"]
    assert find_folder_videos(videos[0]) == find_folder_videos(folder / "more.mp4") == []
    sentence = describe_folder_videos(folder, videos)
    assert "2 videos: clip9.MOV, clip10.mp4." in sentence
    assert sentence.endswith(f"Not read in {folder}: more.mp4/, notes.txt.")


def test_find_folder_videos_rejects_videos_beside_images(folder: Path) -> None:
    (folder / "frame1.png").touch()
    with pytest.raises(NotAVideoError, match=r"clip9\.MOV.*frame1\.png") as caught:
        find_folder_videos(folder)
    assert f"'{folder}/*.MOV' '{folder}/*.mp4'" in caught.value.hint
    with pytest.raises(NotAVideoError, match=r"notes\.txt"):
        find_folder_videos(folder, {".txt"})


def test_expand_patterns_keeps_files_and_rejects_patterns_without_match(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    Path("[a].mp4").touch()
    assert expand_patterns([Path("clip9.MOV"), Path("clip*.*"), Path("[a].mp4"), Path("none.mp4")]) == tuple(
        map(Path, ("clip9.MOV", "clip9.MOV", "clip10.mp4", "[a].mp4", "none.mp4"))
    )
    with pytest.raises(MissingFileError, match=r"No file matches x/\*\.mp4"):
        expand_patterns([Path("x/*.mp4")])


def test_drop_duplicates_names_each_once(folder: Path) -> None:
    (folder / "link.mp4").symlink_to(folder / "clip10.mp4")
    clip, link, other = (folder / name for name in ("clip10.mp4", "link.mp4", "clip9.MOV"))
    paths, remarks = drop_duplicates([clip, other, clip, link, clip])
    assert paths == (clip, other)
    assert len(remarks) == 1
    assert "used once" in remarks[0]
