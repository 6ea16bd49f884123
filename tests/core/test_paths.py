from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from vid2vid_cli.core.errors import ConfigError, MissingFileError, Vid2VidError
from vid2vid_cli.core.paths import (
    PathCheckedRequest,
    check_no_url,
    check_output_parent,
    expand_home,
    printable,
    shell_command,
    shorten_name,
)

NOT_UTF8 = os.fsdecode(b"na\xefve.mp4")
LONG = "x" * 300


@dataclass(frozen=True)
class Request(PathCheckedRequest):
    videos: tuple[Path, ...]
    out: Path | None = None


@pytest.mark.parametrize(
    ("videos", "out", "error_class"),
    [
        ((LONG,), None, MissingFileError),
        (("https://example.com/a.mp4",), None, MissingFileError),
        (("file:///tmp/none.mp4",), None, MissingFileError),
        (("a.mp4",), "s3://bucket/a.mp4", MissingFileError),
        (("0",), None, MissingFileError),
        (("/dev/video0",), None, MissingFileError),
        ((f"folder/{LONG}/a.mp4",), None, MissingFileError),
        (("a.mp4", "/".join(["y" * 200] * 30)), None, MissingFileError),
        ((NOT_UTF8,), None, ConfigError),
        (("a.mp4",), "", ConfigError),
        (("a.mp4",), ".", ConfigError),
        (("a.mp4",), "a/..", ConfigError),
        (("a.mp4",), "/", ConfigError),
        (("a.mp4",), NOT_UTF8, ConfigError),
        (("a.mp4",), LONG, ConfigError),
        (("a.mp4",), "z" * 230, ConfigError),  # no room for the name of the temporary file
    ],
)
def test_path_checked_request_rejects_names(
    videos: tuple[str, ...], out: str | None, error_class: type[Vid2VidError]
) -> None:
    with pytest.raises(error_class) as caught:
        Request(tuple(map(Path, videos)), None if out is None else Path(out))
    assert type(caught.value) is error_class
    assert len(caught.value.message) < 400
    caught.value.message.encode("utf-8")


def test_path_checked_request_accepts_usual_names() -> None:
    name = "【公式】" + "歌ってみた" * 14 + ".mp4"
    Request((Path(name), Path("-x.mp4"), Path("~name/a.mp4"), Path()), Path("-out.mp4"))


def test_shell_command_protects_dashes_and_quotes() -> None:
    command = shell_command("vid2vid", "inspect", Path("-a b.mp4"), "--split", Path("c/-d"))
    assert shlex.split(command) == ["vid2vid", "inspect", "./-a b.mp4", "--split", "c/-d"]


def test_shorten_name_cuts_between_characters() -> None:
    assert shorten_name("short") == "short"
    shortened = shorten_name("歌" * 100, 100)
    assert shortened == "歌" * 33
    assert len(shortened.encode()) == 99
    assert shorten_name("a" * 119 + " tail") == "a" * 119


def test_expand_home_keeps_folders_that_begin_with_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert expand_home(Path("~/a")) == tmp_path / "home" / "a"
    assert expand_home(Path("~nobody-has-this-name/a")) == Path("~nobody-has-this-name/a")
    assert expand_home(Path("~" + LONG)) == Path("~" + LONG)
    Path("~").mkdir()
    assert expand_home(Path("~")) == Path("~")


def test_check_output_parent_rejects_file_in_place_of_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        check_output_parent(tmp_path / "file" / "new" / "out.mp4")
    check_output_parent(tmp_path / "new" / "out.mp4")
    assert printable(NOT_UTF8) == r"na\udcefve.mp4"


def test_check_no_url_shows_the_typed_url_and_accepts_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingFileError) as raised:
        check_no_url(Path("https://example.com/a.mp4"))
    assert "https://example.com/a.mp4" in raised.value.message
    with pytest.raises(MissingFileError) as raised:
        check_no_url("file:///home/a.mp4")
    assert raised.value.hint.endswith(" /home/a.mp4")
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "C:/a.mp4", "a:b.mp4", "folder/https:/a.mp4", "hf:org/name"):
        check_no_url(name)
    Path("https:").mkdir()
    Path("https:/a.mp4").touch()
    check_no_url("https://a.mp4")


def test_path_checked_request_accepts_an_existing_folder_named_as_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0").mkdir()
    assert Request((Path("0"),)).videos == (Path("0"),)
