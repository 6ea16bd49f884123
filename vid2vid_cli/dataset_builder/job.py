"""Resolves a request of `prepare` to a job: everything that determines the dataset, before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Sequence, Set
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import Conditioner, VideoContext, View
from vid2vid_cli.conditioning.checked_class import checked_conditioner
from vid2vid_cli.conditioning.requirements import check_conditioners
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.data.manifest import SCHEMA_VERSION, FrameFormat
from vid2vid_cli.dataset_builder.dataset_layouts import SequenceSplit
from vid2vid_cli.dataset_builder.inputs import (
    FrameSize,
    choose_frame_sizes,
    find_input_videos,
    load_requested_conditioners,
)
from vid2vid_cli.dataset_builder.request_check import check_request, check_sidecar_files
from vid2vid_cli.dataset_builder.sidecar_files import (
    SidecarFiles,
    bind_files,
    bind_for_detection,
    sha256_by_option,
    sha256_of_path,
)
from vid2vid_cli.media.decode import picture_times
from vid2vid_cli.media.probe import Probe, image_files, probe
from vid2vid_cli.media.reader import VideoReader, num_frames_before
from vid2vid_cli.media.spread_reader import SpreadReader
from vid2vid_cli.requests.prepare import PrepareRequest


@dataclass(frozen=True)
class InputVideo:
    """One video of a job."""

    path: Path
    sha256: str
    probe: Probe
    decode_size: FrameSize
    """(height, width) of the decoded frames, at least the dataset's frame size; they are cropped at the centre."""
    sidecar_files: SidecarFiles = field(default_factory=dict)
    """Existing annotation files of the video."""
    split: SequenceSplit = ""
    """The split of the whole video; "": its last frames are for validation."""
    is_single_shot: bool = False
    """Whether cut detection is disabled for this video."""

    @property
    def has_sidecar_files(self) -> bool:
        """Whether a conditioner reads annotation files of this video."""
        return any(self.sidecar_files.values())


@dataclass(frozen=True)
class PrepareJob:
    """A resolved request; equal jobs produce equal datasets."""

    request: PrepareRequest
    inputs: tuple[InputVideo, ...]
    conditioners: tuple[Conditioner, ...]
    frame_size: FrameSize
    fps: Fraction
    frame_format: FrameFormat
    identity: str
    """sha256 of everything that determines the content of the dataset."""
    remarks: tuple[str, ...] = ()
    """Messages for the user about how the input was interpreted."""

    def open_reader(self, input_video: InputVideo) -> VideoReader | SpreadReader:
        """A reader of the frames at the dataset's frame rate, before cropping."""
        request, video_probe = self.request, input_video.probe
        has_source_size = input_video.decode_size == (video_probe.height, video_probe.width)
        reader = VideoReader(
            input_video.path,
            fps=self.fps,
            size=None if has_source_size else input_video.decode_size,
            start=request.start,
            end=request.end,
            max_frames=request.max_frames,
            video_probe=video_probe,
        )
        return reader if request.num_spread_frames is None else SpreadReader(reader, request.num_spread_frames)

    def decode_frames(self, reader: VideoReader | SpreadReader) -> Generator[UInt8Array, None, None]:
        """Yield the frames to store, (h, w, 3) uint8 RGB; a background thread decodes a few frames in advance."""
        height, width = self.frame_size

        def center_crop(frame: UInt8Array) -> UInt8Array:
            top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
            return np.ascontiguousarray(frame[top : top + height, left : left + width])

        yield from prefetch(map(center_crop, reader))

    def video_context(self, input_video: InputVideo, first_index: int = 0) -> VideoContext:
        """The context of a video for conditioners that annotate the frames from `first_index`."""
        (height, width), video_probe = input_video.decode_size, input_video.probe
        top, left = (height - self.frame_size[0]) // 2, (width - self.frame_size[1]) // 2
        full_view = View.from_box((0, 0, video_probe.width, video_probe.height), height, width)
        view = full_view.compose(np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]]))
        fps, start = video_probe.fps, self.request.start
        if video_probe.kind in ("image", "images"):  # images have no frame rate of their own and start at a frame
            fps, start = self.fps, float(num_frames_before(Fraction(start), self.fps) / self.fps)
        return VideoContext(
            path=input_video.path,
            height=video_probe.height,
            width=video_probe.width,
            num_frames=video_probe.num_frames,
            fps=fps,
            view=View(view.matrix, *self.frame_size),
            sampled_fps=self.fps,
            start_seconds=start,
            first_index=first_index,
            frame_files=tuple(image_files(input_video.path)) if video_probe.kind == "images" else (),
            picture_times=picture_times(input_video.path, video_probe) if input_video.has_sidecar_files else (),
        )

    def bind_conditioners(self, input_video: InputVideo, first_index: int = 0) -> list[Conditioner]:
        """The conditioners for the frames of a video from `first_index`, with the annotation files of the video."""
        video_context = self.video_context(input_video, first_index)
        return [
            bind_files(conditioner, input_video.sidecar_files).bind(video_context) for conditioner in self.conditioners
        ]

    def open_sidecar_files(self) -> list[str]:
        """Open the annotation files of all videos without reading frames; the notices about them.

        Raises: the errors of `annotate` about files that do not match their video.
        """
        notices: list[str] = []
        for input_video in self.inputs:
            for conditioner in self.bind_conditioners(input_video):
                if conditioner.input_paths() and conditioner.video_context is not None:
                    list(conditioner.annotate(()))
                    notices += conditioner.video_context.notices
        return notices

    def should_split_shots(self, input_video: InputVideo) -> bool:
        """Whether cuts are detected in a video."""
        return self.request.split_shots and not input_video.is_single_shot

    def known_cuts(self, reader: VideoReader | SpreadReader) -> Set[int]:
        """Frames that begin a new clip without detection: the `discontinuities` of the reader, which may grow.

        The images of a domain are unrelated, of any size, and stay one clip.
        """
        is_split = self.request.split_shots and self.request.domain is None
        return reader.discontinuities if is_split else frozenset()

    def num_expected_frames(self) -> int | None:
        """Expected number of frames of the dataset; None if the length of a video is unknown."""
        counts = [self.open_reader(item).num_frames for item in self.inputs]
        return None if any(count is None for count in counts) else sum(count or 0 for count in counts)


def make_job(request: PrepareRequest, conditioners: Sequence[Conditioner] | None = None) -> PrepareJob:
    """Resolve a request: sizes, frame rate, files and hashes. Reads the videos and writes nothing.

    `conditioners` replaces the conditioners that the request names.

    Raises: ConfigError, MissingPackageError, PluginError, MissingFileError, DatasetError, InputFileMismatchError
    (annotation files of a video), and the errors of `media.probe.probe`.
    """
    check_request(request)
    input_videos = find_input_videos(request.videos, request.domain)
    if conditioners is None:
        names = tuple(dict.fromkeys(request.conditioners or input_videos.conditioners))
        conditioners = load_requested_conditioners(names, request.options, request.person)
    conditioners = list(map(checked_conditioner, conditioners))
    paths = [path for path, _ in input_videos.videos]
    probes = [probe(path) for path in paths]
    sidecar_files = input_videos.find_sidecar_files(conditioners)
    check_conditioners([bind_for_detection(conditioner, sidecar_files) for conditioner in conditioners])
    frame_size, decode_sizes = choose_frame_sizes(
        [(video_probe.height, video_probe.width) for video_probe in probes], request.max_short_side
    )
    check_sidecar_files(request, sidecar_files)
    hashes = [sha256_of_path(path) for path in paths]
    inputs = tuple(
        InputVideo(path, sha256, video_probe, decode_size, files, sequence.split, sequence.is_single_shot)
        for (path, sequence), sha256, video_probe, decode_size, files in zip(
            input_videos.videos, hashes, probes, decode_sizes, sidecar_files, strict=True
        )
    )
    # The dataset records the options of the first video's conditioners.
    conditioners = tuple(bind_files(conditioner, sidecar_files[0]) for conditioner in conditioners)
    remarks = (*input_videos.remarks, *(remark for conditioner in conditioners for remark in conditioner.remarks))
    fps = request.fps or probes[0].fps
    is_any_lossless = any(video_probe.is_lossless for video_probe in probes)
    frame_format: FrameFormat = request.frame_format or ("png" if is_any_lossless else "jpeg")
    return PrepareJob(
        request=request,
        inputs=inputs,
        conditioners=conditioners,
        frame_size=frame_size,
        fps=fps,
        frame_format=frame_format,
        identity=_job_identity(request, inputs, conditioners, frame_size, fps=fps, frame_format=frame_format),
        remarks=remarks,
    )


def _job_identity(
    request: PrepareRequest,
    inputs: Sequence[InputVideo],
    conditioners: Sequence[Conditioner],
    frame_size: FrameSize,
    *,
    fps: Fraction,
    frame_format: FrameFormat,
) -> str:
    fields = {
        "schema_version": SCHEMA_VERSION,
        "source_sha256": [item.sha256 for item in inputs],
        "frame_size": frame_size,
        "fps": str(fps),
        "start": request.start,
        "end": request.end,
        "max_frames": request.max_frames,
        "val_fraction": request.val_fraction,
        "split_shots": request.split_shots,
        "frame_format": frame_format,
        "conditioners": [conditioner.fingerprint() for conditioner in conditioners],
        "sidecar_sha256": [sha256_by_option(item.sidecar_files) for item in inputs],
        "splits": [[item.split, item.is_single_shot] for item in inputs],
    }
    if request.num_spread_frames is not None:
        fields["num_spread_frames"] = request.num_spread_frames
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
