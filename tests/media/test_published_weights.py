"""Weight files: location, verification, and downloads from a local server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.file_server import FileServer, serve_file

from vid2vid_cli.core.errors import MissingWeightsError, PermissionDeniedError
from vid2vid_cli.media.published_weights import (
    WeightFile,
    check_weight_file,
    fetch_weight_file,
    find_weight_file,
    torch_cache_dir,
    weight_file_state,
)

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch, which is created on the first download."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("VID2VID_OFFLINE")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert torch_cache_dir() == tmp_path / "torch" / "hub" / "checkpoints"
    return torch_cache_dir()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_file(FileServer(CONTENT)) as file_server:
        yield file_server


def weight_file(url: str, sha256: str = SHA256) -> WeightFile:
    return WeightFile("net.pth", sha256, len(CONTENT), "MIT", "upstream", url=url)


def test_fetch_weight_file_downloads_once_with_progress(cache: Path, server: FileServer) -> None:
    progress: list[tuple[int, int]] = []
    path = fetch_weight_file(weight_file(server.url), lambda done, total: progress.append((done, total)))
    assert path == cache / "net.pth"
    assert path.read_bytes() == CONTENT
    assert (progress[0], progress[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))
    assert [file.name for file in cache.iterdir()] == ["net.pth"]
    assert fetch_weight_file(weight_file("http://127.0.0.1:9")) == path
    assert server.requests == [""]


def test_fetch_weight_file_continues_interrupted_download(cache: Path, server: FileServer) -> None:
    """Each connection ends after 3000 of 10240 bytes: three are tried, and the next call asks for the rest."""
    server.max_bytes_per_request = 3000
    with pytest.raises(MissingWeightsError, match="9000 of 10240"):
        fetch_weight_file(weight_file(server.url))
    assert not (cache / "net.pth").exists()
    assert (cache / ".net.pth.part").stat().st_size == 9000
    assert fetch_weight_file(weight_file(server.url)).read_bytes() == CONTENT
    assert server.requests == ["", "bytes=3000-", "bytes=6000-", "bytes=9000-"]


def test_fetch_weight_file_reads_the_proxies_each_time(
    cache: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as patch:
        patch.setenv("http_proxy", "http://127.0.0.1:9")
        with pytest.raises(MissingWeightsError, match="refused"):
            fetch_weight_file(weight_file(server.url))
    assert fetch_weight_file(weight_file(server.url)) == cache / "net.pth"


def test_fetch_weight_file_uses_complete_part(cache: Path, server: FileServer) -> None:
    cache.mkdir(parents=True)
    (cache / ".net.pth.part").write_bytes(CONTENT)
    assert fetch_weight_file(weight_file(server.url)).read_bytes() == CONTENT
    assert server.requests == ["bytes=10240-"]


def test_fetch_weight_file_starts_again_without_ranges(cache: Path, server: FileServer) -> None:
    server.supports_ranges = False
    cache.mkdir(parents=True)
    (cache / ".net.pth.part").write_bytes(b"other")
    assert fetch_weight_file(weight_file(server.url)).read_bytes() == CONTENT


def test_fetch_weight_file_discards_wrong_content(cache: Path, server: FileServer) -> None:
    with pytest.raises(MissingWeightsError, match=SHA256[:8]):
        fetch_weight_file(weight_file(server.url, "0" * 64))
    assert list(cache.iterdir()) == []


def test_fetch_weight_file_names_commands_without_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        fetch_weight_file(weight_file("http://127.0.0.1:9/net.pth"))
    assert caught.value.message.startswith("net.pth is missing and cannot be downloaded: ")
    for text in ("vid2vid weights fetch net.pth", "http://127.0.0.1:9/net.pth", str(cache / "net.pth")):
        assert text in caught.value.hint
    assert list(cache.iterdir()) == []
    monkeypatch.setenv("VID2VID_OFFLINE", "1")
    with pytest.raises(MissingWeightsError, match="VID2VID_OFFLINE"):
        fetch_weight_file(weight_file("http://127.0.0.1:9/net.pth"))
    with pytest.raises(MissingWeightsError) as caught:
        fetch_weight_file(weight_file(""))
    assert caught.value.hint == "upstream"


def test_fetch_weight_file_reports_folder_that_is_not_writable(cache: Path, server: FileServer) -> None:
    cache.parent.parent.mkdir()
    cache.parent.write_text("a file in place of the folder")
    with pytest.raises(Exception, match=r"net\.pth cannot be written") as caught:
        fetch_weight_file(weight_file(server.url))
    assert not isinstance(caught.value, OSError | PermissionDeniedError)


def test_fetch_weight_file_downloads_once_for_several_processes(cache: Path, server: FileServer) -> None:
    """flock separates open files, so threads stand for processes."""
    threads = [threading.Thread(target=fetch_weight_file, args=(weight_file(server.url),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (cache / "net.pth").read_bytes() == CONTENT
    assert server.requests == [""]


def test_weight_file_state_and_check(cache: Path, tmp_path: Path) -> None:
    file = weight_file("")
    path = tmp_path / "net.pth"
    path.write_bytes(CONTENT)
    assert weight_file_state(file, None) == "missing"
    assert weight_file_state(file, path) == "present"
    assert check_weight_file(file, path) == path
    path.write_bytes(CONTENT[1:])
    assert weight_file_state(file, path) == "damaged"
    with pytest.raises(MissingWeightsError, match=SHA256[:8]) as caught:
        check_weight_file(file, path)
    assert caught.value.hint == "Delete it. upstream"
    with pytest.raises(MissingWeightsError) as caught:
        check_weight_file(weight_file("http://x"), path)
    assert "vid2vid weights fetch net.pth" in caught.value.hint
    path.unlink()
    assert weight_file_state(file, path) == "damaged"


def test_find_weight_file_searches_package_before_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_weight_file(weight_file(""), "no_such_package") is None
    cache.mkdir(parents=True)
    (cache / "net.pth").write_bytes(b"")
    assert find_weight_file(weight_file(""), "with_weights") == cache / "net.pth"
    folder = tmp_path / "with_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "net.pth").write_bytes(b"")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_weight_file(weight_file(""), "with_weights") == folder / "models" / "net.pth"
