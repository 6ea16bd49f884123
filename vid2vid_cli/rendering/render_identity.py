"""What determines a rendered video, recorded in the comment of its file: checkpoint, source and options."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from vid2vid_cli.core.checkpoint_header import read_checksum
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.dataset_builder.sidecar_files import sha256_of_path
from vid2vid_cli.engine.onnx_files import is_exported
from vid2vid_cli.media.container import read_comment
from vid2vid_cli.media.files import sha256_of_files
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT
from vid2vid_cli.requests.render import SynthesizeRequest, TransferRequest

NUM_DIGITS = 16
IRRELEVANT_FIELDS = {"source", "target", "checkpoint", "out", "compare", "overwrite", "device", "command"}
"""Fields of a request that are recorded in other ways, or that do not change the generated frames."""
_PATTERN = re.compile(
    rf"checkpoint ([0-9a-f]{{{NUM_DIGITS}}}), source ([0-9a-f]{{{NUM_DIGITS}}}), options ([0-9a-f]{{{NUM_DIGITS}}})"
)


@dataclass(frozen=True)
class RenderIdentity:
    """The first digits of the sha256 of a checkpoint, of a source and of the options."""

    checkpoint: str
    source: str
    options: str

    def to_comment(self) -> str:
        """The comment of a video with this identity."""
        return (
            f"{SYNTHETIC_COMMENT} Made with checkpoint {self.checkpoint}, source {self.source}, options {self.options}."
        )

    def describe_difference(self, other: RenderIdentity) -> str:
        """How a video with the identity `other` was made differently; "" if it was not."""
        differences = {
            "from another source": self.source != other.source,
            "by another checkpoint": self.checkpoint != other.checkpoint,
            "with other options": self.options != other.options,
        }
        return ", ".join(text for text, is_different in differences.items() if is_different)


def identify_render(checkpoint: Path, request: SynthesizeRequest | TransferRequest) -> RenderIdentity:
    """The identity of the video that a request renders. A file is identified by its content, a dataset by its manifest.

    Raises MissingFileError, PermissionDeniedError and the errors of `read_checksum`.
    """
    options = {name: value for name, value in asdict(request).items() if name not in IRRELEVANT_FIELDS}
    digest = sha256(json.dumps(options, sort_keys=True, default=str).encode("utf-8", "surrogateescape")).hexdigest()
    checksum = sha256_of_files(checkpoint) if is_exported(checkpoint) else read_checksum(checkpoint)
    return RenderIdentity(checksum[:NUM_DIGITS], _identify_source(request.source)[:NUM_DIGITS], digest[:NUM_DIGITS])


def read_identity(video: Path) -> RenderIdentity | None:
    """The identity that the comment of a video records; None if there is none, or the file cannot be read."""
    try:
        match = _PATTERN.search(read_comment(video))
    except Vid2VidError:
        return None
    return RenderIdentity(*match.groups()) if match else None


def is_rendered(video: Path) -> bool:
    """Whether the comment of a video states that vid2vid rendered it."""
    try:
        return read_comment(video).startswith(SYNTHETIC_COMMENT)
    except Vid2VidError:
        return False


def _identify_source(source: Path) -> str:
    if (source / MANIFEST_FILE_NAME).is_file():
        return sha256_of_path(source / MANIFEST_FILE_NAME)
    if source.is_file():
        status = source.stat()
        return _sha256_of_file(source.absolute(), status.st_size, status.st_mtime_ns)
    return sha256_of_path(source)


@lru_cache(maxsize=1024)
def _sha256_of_file(path: Path, size: int, modification_time: int) -> str:
    """sha256 of a file, read once per version, because a batch asks for it again."""
    return sha256_of_path(path)
