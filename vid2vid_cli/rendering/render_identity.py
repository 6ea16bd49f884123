"""What determines a rendered video, recorded in the comment of its file: checkpoint, source and options."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.checkpoint_header import read_checksum
from vid2vid_cli.core.errors import ConfigError, Vid2VidError
from vid2vid_cli.core.paths import expand_home
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.dataset_builder.sidecar_files import sha256_of_path
from vid2vid_cli.engine.onnx_files import is_exported
from vid2vid_cli.engine.runtime import Runtime, to_precision
from vid2vid_cli.media.container import read_comment
from vid2vid_cli.media.files import natural_sort_key, sha256_of_files
from vid2vid_cli.media.os_errors import read_error
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT
from vid2vid_cli.rendering.hardware import Hardware
from vid2vid_cli.rendering.initial_frame import PUBLISHED_PREFIX
from vid2vid_cli.requests.render import SynthesizeRequest, TransferRequest

NUM_DIGITS = 16
SAMPLE_BYTES, NUM_SAMPLES = 1 << 16, 16
"""Size and number of the parts of a file that are read to identify it: reading gigabytes takes minutes."""
IRRELEVANT_FIELDS = {
    *("source", "target", "checkpoint", "out", "compare", "overwrite", "device", "command", "resume", "provenance")
}
"""Fields of a request that are recorded in other ways, or that do not change the generated frames.

Every other field changes the digest of the options, so that videos that were made before it existed are not `done`.
"""
RUNTIME_KEY = "the precision or the number of threads"
_PATTERN = re.compile(
    rf"checkpoint ([0-9a-f]{{{NUM_DIGITS}}}), source ([0-9a-f]{{{NUM_DIGITS}}}), options ([0-9a-f]{{{NUM_DIGITS}}})"
)


@dataclass(frozen=True)
class RenderIdentity:
    """The first digits of the sha256 of a checkpoint, of a source and of the options."""

    checkpoint: str
    source: str
    options: str
    """Of the options, and of the content of the files that they name."""
    option_files: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Option -> content and time of the last change of the file that it names; {} for an identity that was read."""
    option_values: str = field(default="", compare=False)
    """Of the options alone."""

    def to_comment(self) -> str:
        """The comment of a video with this identity."""
        return (
            f"{SYNTHETIC_COMMENT} Made with checkpoint {self.checkpoint}, source {self.source}, options {self.options}."
        )

    def to_manifest(self, source: Path, hardware: Hardware, conditioners: Sequence[Conditioner]) -> dict[str, str]:
        """What an unfinished video must have in common with a command that continues it: frame for frame the same."""
        fingerprints = [conditioner.fingerprint() for conditioner in conditioners]
        runtime = hardware.runtime
        software = [__version__, torch.__version__, runtime.device.type, hardware.provider, runtime.is_compiled]
        return {
            "the checkpoint": self.checkpoint,
            "the source": f"{self.source} {_modification_time(source)}",
            "the options": self.option_values,
            **{f"the file of {option}": digest for option, digest in self.option_files.items()},
            "the software or the device": _digest([*software, fingerprints])[:NUM_DIGITS],
            RUNTIME_KEY: json.dumps([runtime.precision, runtime.channels_last, runtime.num_threads]),
        }

    @staticmethod
    def recorded_runtime(manifest: Mapping[str, str]) -> Runtime | None:
        """The runtime on the CPU in the result of `to_manifest`; None without a valid one."""
        try:
            name, channels_last, num_threads = json.loads(manifest[RUNTIME_KEY])
            return Runtime(torch.device("cpu"), to_precision(name), bool(channels_last), num_threads=int(num_threads))
        except (KeyError, ValueError, TypeError, ConfigError):
            return None

    def describe_difference(self, other: RenderIdentity) -> str:
        """How a video with the identity `other` was made differently; "" if it was not."""
        differences = {
            "from another source": self.source != other.source,
            "by another checkpoint": self.checkpoint != other.checkpoint,
            "with other options": self.options != other.options,
        }
        return ", ".join(text for text, is_different in differences.items() if is_different)


def identify_render(checkpoint: Path, request: SynthesizeRequest | TransferRequest) -> RenderIdentity:
    """The identity of the video that a request renders.

    A dataset is identified by its manifest, a file by its size and parts of its content, as the files of a folder.

    Raises MissingFileError, PermissionDeniedError and the errors of `read_checksum`.
    """
    options = {name: value for name, value in asdict(request).items() if name not in IRRELEVANT_FIELDS}
    files = _option_files(request)
    contents = {option: _identify_source(path) for option, path in files.items()}
    digest, option_values = (_digest(data)[:NUM_DIGITS] for data in ([options, contents], options))
    checksum = sha256_of_files(checkpoint) if is_exported(checkpoint) else read_checksum(checkpoint)
    return RenderIdentity(
        checksum[:NUM_DIGITS],
        _identify_source(request.source)[:NUM_DIGITS],
        digest,
        {option: f"{contents[option][:NUM_DIGITS]} {_modification_time(path)}" for option, path in files.items()},
        option_values,
    )


def _option_files(request: SynthesizeRequest | TransferRequest) -> dict[str, Path]:
    """The files and folders that options name, by option."""
    style = request.style_options
    values: dict[str, str | Path | None] = {
        "--initial-frame": (request.initial_frame or "").removeprefix(PUBLISHED_PREFIX),
        "--style-from": style.reference_image,
        "--style-to": style.last_style,
        **{f"--style-labels {text}": text.rpartition("=")[2] for text in style.reference_labels},
    }
    for conditioner, options in request.options.items():
        values |= {f"-O {conditioner}.{name}": value for name, value in options.items()}
    if isinstance(request, TransferRequest):
        values["--background"] = request.background_options.background
    paths = {option: expand_home(Path(value)) for option, value in values.items() if value}
    return {option: path for option, path in paths.items() if os.path.exists(path)}  # noqa: PTH110  False, no error


def read_identity(video: Path) -> RenderIdentity | None:
    """The identity that the comment of a video records; None if there is none, or the file cannot be read."""
    try:
        match = _PATTERN.search(read_comment(video))
    except Vid2VidError:
        return None
    return RenderIdentity(match[1], match[2], match[3]) if match else None


def _digest(data: Any) -> str:
    return sha256(json.dumps(data, sort_keys=True, default=str).encode("utf-8", "surrogateescape")).hexdigest()


def _identify_source(source: Path) -> str:
    if (source / MANIFEST_FILE_NAME).is_file():
        return sha256_of_path(source / MANIFEST_FILE_NAME)
    digest = sha256()
    try:
        if not source.is_dir():
            return sample_file(source, NUM_SAMPLES)
        for file in _folder_files(source):
            digest.update(f"{file.relative_to(source)} {sample_file(file, 2)}\n".encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise read_error(Path(error.filename or source), error) from error
    return digest.hexdigest()


def sample_file(path: Path, num_samples: int) -> str:
    """sha256 of the size of a file and of evenly spaced parts, among them its begin and its end. Raises OSError."""
    size = path.stat().st_size
    digest = sha256(str(size).encode())
    with path.open("rb") as file:
        for index in range(num_samples):
            file.seek(max(0, size - SAMPLE_BYTES) * index // (num_samples - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def _modification_time(source: Path) -> int:
    """Time of the last change of a source, in nanoseconds; of a folder, that of its newest file."""
    return max((file.stat().st_mtime_ns for file in _folder_files(source)), default=0)


def _folder_files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    return sorted((entry for entry in source.rglob("*") if entry.is_file()), key=natural_sort_key)
