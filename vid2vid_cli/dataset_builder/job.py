"""What `prepare` is asked for, looked at and made definite before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Conditioner, Footage, View
from vid2vid_cli.conditioning.requirements import check_conditioners
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.prefetch import ahead
from vid2vid_cli.data.frame_writer import Format
from vid2vid_cli.data.manifest import SCHEMA_VERSION
from vid2vid_cli.dataset_builder.foreign_datasets import Part
from vid2vid_cli.dataset_builder.inputs import Size, common_size, open_videos
from vid2vid_cli.dataset_builder.sidecar_files import Files, bound, hash_of, hashes_of, neediest
from vid2vid_cli.media.probe import Probe, probe
from vid2vid_cli.media.reader import VideoReader, pictures_before
from vid2vid_cli.processes.priority import give_way

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class PrepareRequest:
    """One or many videos to become one dataset, a clip from each of their shots."""

    videos: tuple[Path, ...]
    """Videos, folders of pictures, or datasets in the layout of another program."""
    conditioners: tuple[str, ...]
    """(): those whose labels such a dataset holds."""
    out: Path | None = None
    """The dataset folder; None: datasets/<name of the video>."""
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Conditioner -> option -> value."""
    person: str | None = None
    """Whom to follow: largest, centre, or N; for every conditioner that follows people."""
    size: int | None = 512
    """Largest short side of the stored frames, in pixels; frames are never enlarged; None: as they are."""
    fps: Fraction | None = None
    """None: as the (first) video has it."""
    start: float = 0.0
    end: float | None = None
    """Seconds; None: to the end."""
    max_frames: int | None = None
    """Of each video."""
    holdout: float = 0.2
    """Part of each shot, at its end, that is kept from training."""
    cuts: bool = True
    """Look for scene cuts, and make a clip of each shot."""
    overwrite: bool = False
    jpeg: bool | None = None
    """Store frames as JPEG (quality 95, colour at full resolution) and not as PNG: a third of the space and a fifth of
    the time, 47 to 49 dB. None: where all the videos are lossy already."""


@dataclass(frozen=True)
class Input:
    """One video of a job."""

    path: Path
    sha256: str
    probe: Probe
    scaled: Size
    """(height, width) it is decoded to; at least the dataset's size, and cut to it about the centre."""
    files: Files = field(default_factory=dict)
    """Labels that exist beside it."""
    part: Part = ""
    """The split that all of it belongs to; "": its end is held out."""
    sequence: bool = False
    """A clip as it is, in which no cuts are looked for."""


@dataclass(frozen=True)
class Job:
    """A request made definite: the same job always gives the same dataset."""

    request: PrepareRequest
    inputs: tuple[Input, ...]
    conditioners: tuple[Conditioner, ...]
    size: Size
    fps: Fraction
    frame_format: Format
    identity: str
    """sha256 over everything the content of the dataset depends on."""
    remarks: tuple[str, ...] = ()
    """How the videos were understood, for people."""

    def reader(self, item: Input) -> VideoReader:
        """The frames of a video on the dataset's grid, before they are cut to size."""
        request = self.request
        return VideoReader(
            item.path,
            fps=self.fps,
            size=None if item.scaled == (item.probe.height, item.probe.width) else item.scaled,
            start=request.start,
            end=request.end,
            max_frames=request.max_frames,
            known=item.probe,
        )

    def frames(self, reader: VideoReader) -> Generator[Frame, None, None]:
        """The frames as they are stored, (h, w, 3) uint8 RGB, decoded a few ahead by another thread."""
        height, width = self.size

        def cut(frame: Frame) -> Frame:
            top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
            return np.ascontiguousarray(frame[top : top + height, left : left + width])

        def decoded() -> Generator[Frame, None, None]:
            give_way()  # in the thread that decodes
            yield from map(cut, reader)

        yield from ahead(decoded())

    def footage(self, item: Input, first: int = 0) -> Footage:
        """What the conditioners are told about a video, of which they see the frames from `first` on."""
        (height, width), found = item.scaled, item.probe
        top, left = (height - self.size[0]) // 2, (width - self.size[1]) // 2
        whole = View.of_box((0, 0, found.width, found.height), height, width)
        view = whole.then(np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]]))
        fps, start = found.fps, self.request.start
        if found.kind in ("image", "images"):  # these have the rate they are given, and begin at a picture
            fps, start = self.fps, float(pictures_before(Fraction(start), self.fps) / self.fps)
        return Footage(
            path=item.path,
            height=found.height,
            width=found.width,
            frames=found.frames,
            fps=fps,
            view=View(view.matrix, *self.size),
            rate=self.fps,
            start=start,
            first=first,
        )

    def conditioners_of(self, item: Input, first: int = 0) -> list[Conditioner]:
        """The conditioners, about to see the frames of a video from `first` on, with the files of that video."""
        footage = self.footage(item, first)
        return [bound(conditioner, item.files).of(footage) for conditioner in self.conditioners]

    def is_searched(self, item: Input) -> bool:
        """Whether scene cuts are looked for in a video."""
        return self.request.cuts and not item.sequence

    def expected(self) -> int | None:
        """How many frames there will be, if every video says."""
        counts = [self.reader(item).expected for item in self.inputs]
        return None if any(count is None for count in counts) else sum(count or 0 for count in counts)


def make_job(request: PrepareRequest, conditioners: Sequence[Conditioner]) -> Job:
    """Look at the videos and decide size and rate; reads the videos for their hashes, and writes nothing.

    Raises: ConfigError, MissingPackageError, PluginError, MissingFileError, DatasetError and FilesMismatchError (files
    beside a video), and what `media.probe.probe` raises for a bad video.
    """
    _check(request)
    opened = open_videos(request.videos)
    paths = [video for video, _ in opened.videos]
    probes = [probe(path) for path in paths]
    files = opened.files(conditioners)
    check_conditioners([neediest(conditioner, files) for conditioner in conditioners])
    size, scaled = common_size([(found.height, found.width) for found in probes], request.size)
    fps = request.fps or probes[0].fps
    jpeg = request.jpeg if request.jpeg is not None else not any(found.lossless for found in probes)
    hashes = [hash_of(path) for path in paths]
    inputs = tuple(
        Input(path, digest, found, fitted, own, given.part, given.sequence)
        for (path, given), digest, found, fitted, own in zip(opened.videos, hashes, probes, scaled, files, strict=True)
    )
    # Of all the conditioners, those of the first video stand in the dataset.
    conditioners = tuple(bound(conditioner, files[0]) for conditioner in conditioners)
    content = {
        "schema_version": SCHEMA_VERSION,
        "sources": hashes,
        "size": size,
        "fps": str(fps),
        "start": request.start,
        "end": request.end,
        "max_frames": request.max_frames,
        "holdout": request.holdout,
        "cuts": request.cuts,
        "jpeg": jpeg,
        "conditioners": [conditioner.fingerprint() for conditioner in conditioners],
        "files": [hashes_of(item.files) for item in inputs],
        "parts": [[item.part, item.sequence] for item in inputs],
    }
    text = json.dumps(content, sort_keys=True)
    identity = hashlib.sha256(text.encode()).hexdigest()
    remarks = (*opened.remarks, *(remark for conditioner in conditioners for remark in conditioner.remarks))
    return Job(request, inputs, conditioners, size, fps, "jpg" if jpeg else "png", identity, remarks)


def _check(request: PrepareRequest) -> None:
    if not request.videos:
        raise ConfigError("No video was named.", "vid2vid prepare --conditioner landmarks VIDEO")
    if not 0 <= request.holdout < 1:
        raise ConfigError(
            f"holdout is {request.holdout}; it is a part of each clip, at least 0 and below 1.", "--holdout 0.2"
        )
    if request.size is not None and request.size < 16:
        raise ConfigError(f"size is {request.size}; frames need at least 16 pixels.", "--size 512")
    if request.fps is not None and request.fps <= 0:
        raise ConfigError(f"fps is {request.fps}; a rate is above 0.", "--fps 25")
    if request.start < 0 or (request.end is not None and request.end <= request.start):
        raise ConfigError(f"There is nothing between {request.start} s and {request.end} s.", "Choose end > start.")
    if request.max_frames is not None and request.max_frames < 2:
        raise ConfigError(f"max_frames is {request.max_frames}; a dataset needs 2 frames or more.", "--max-frames 300")
