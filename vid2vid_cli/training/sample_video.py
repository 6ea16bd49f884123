"""The video of the sample clip: condition, real and generated frames side by side, for the report of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.reports.comparison_video import MIN_PANEL_HEIGHT, compose_panels, panels_of
from vid2vid_cli.reports.report import Strip, VideoView, frame_values

SAMPLE_VIDEO_NAME = "newest.mp4"


@dataclass(frozen=True)
class SampleClip:
    """The generated frames of the sample clip beside its real frames."""

    frames: Sequence[Mapping[str, ImageArray]]
    """Per frame: condition, real, generated."""
    psnr: Mapping[str, Sequence[float]]
    """Name -> value per frame, in dB."""


def write_sample_video(folder: Path, clip: SampleClip, fps: Fraction, step: int) -> VideoView:
    """Write the video to a run's folder of samples. Raises DiskFullError, PermissionDeniedError."""
    with VideoWriter(folder / SAMPLE_VIDEO_NAME, fps, preset="ultrafast") as writer:
        for images in clip.frames:
            writer.write(compose_panels(images, MIN_PANEL_HEIGHT))
    strips = []
    for name, frame_psnr in clip.psnr.items():
        values = frame_values("higher")
        for index, value in enumerate(frame_psnr):
            values.add(index, value)
        strips.append(Strip(name, values, "higher", "dB"))
    return VideoView(
        f"{folder.name}/{SAMPLE_VIDEO_NAME}",
        float(fps),
        len(clip.frames),
        panels_of(clip.frames[0], MIN_PANEL_HEIGHT),
        strips=strips,
        note=f"The sample clip at step {step}.",
    )
