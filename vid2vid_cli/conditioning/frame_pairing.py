"""Pairing of annotation files and label videos with the frames that `annotate` receives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.conditioning.video_context import VideoContext
from vid2vid_cli.core.errors import InputFileMismatchError
from vid2vid_cli.media.file_pairing import describe_gaps, find_gaps, pair_files
from vid2vid_cli.media.files import describe_ignored

COUNT_HINT = "Provide exactly one file for each frame of the video, in the order of the file names, and no other files."


@dataclass(frozen=True)
class FramePairing:
    """The file, or frame of a label video, that belongs to each frame; the result of `pair_with_frames`."""

    path: Path
    num_files: int
    video_context: VideoContext | None
    file_indices: tuple[int, ...] | None = None
    """Index of the file of each frame of a folder; None: file k belongs to frame k."""
    counts_pictures: bool = False
    """Whether file k belongs to the stored picture k of a variable-rate video."""

    def __getitem__(self, index: int) -> int:
        """The index of the file for the `index`-th frame that `annotate` receives. Raises: InputFileMismatchError."""
        context = self.video_context
        if context is None:
            frame_index = index
        else:
            frame_index = (
                context.stored_picture_index(index) if self.counts_pictures else context.source_frame_index(index)
            )
        num_frames = self.num_files if self.file_indices is None else len(self.file_indices)
        if frame_index >= num_frames:
            raise InputFileMismatchError(
                f"{self.path} contains files for {num_frames} frames, but the video has a frame {frame_index}.",
                COUNT_HINT,
            )
        return frame_index if self.file_indices is None else self.file_indices[frame_index]


def pair_with_frames(
    path: Path,
    files: Sequence[Path] | int,
    video_context: VideoContext | None,
    *,
    option_name: str,
    hint: str = "",
) -> FramePairing:
    """Pair the files in `path`, or the frames of a label video, with the frames of a video.

    `files`: the files in natural order, or the number of frames of a label video. If both sides are folders, files are
    paired by name or number, as in `pair_files`. Otherwise file k belongs to frame k; in a variable-rate video, to the
    stored picture k if there are as many files as stored pictures. What is assumed or left out is added to
    `video_context.notices`. `option_name`: the option that sets `path`, such as labels.input_dir. `hint`: what to do
    about missing files.

    Raises: InputFileMismatchError (frames without a file, another number of files).
    """
    num_files = files if isinstance(files, int) else len(files)
    if video_context is None:
        return FramePairing(path, num_files, None)
    if not isinstance(files, int):
        ignored = describe_ignored(files[0].parent, files) if path.is_dir() else ""
        if ignored and files[0].parent != video_context.path:
            _add_notice(video_context, f"{option_name}: {ignored}")
        if video_context.frame_files:
            pairs = pair_files(video_context.frame_files, files, hint=hint)
            for remark in pairs.remarks:
                _add_notice(video_context, f"{option_name}: {remark}")
            return FramePairing(path, num_files, video_context, pairs.file_indices)
    num_pictures = len(video_context.picture_times)
    if num_pictures and num_files == num_pictures:
        return FramePairing(path, num_files, video_context, counts_pictures=True)
    if video_context.num_frames is not None and num_files != video_context.num_frames:
        raise _count_error(path, files, video_context, option_name, hint)
    return FramePairing(path, num_files, video_context)


def _count_error(
    path: Path, files: Sequence[Path] | int, video_context: VideoContext, option_name: str, hint: str
) -> InputFileMismatchError:
    if isinstance(files, int):
        num_files, file_text, gap_text = files, "frames", ""
    else:
        num_files, file_text, gaps = len(files), "files" if len(files) != 1 else "file", find_gaps(files)
        gap_text = f" {describe_gaps(files, gaps)}" if gaps else ""
    frames_text = f"{video_context.num_frames} frames"
    if video_context.picture_times:
        frames_text = (
            f"{len(video_context.picture_times)} pictures of variable duration, {video_context.num_frames} frames at "
            f"{float(video_context.fps):g} fps"
        )
    return InputFileMismatchError(
        f"{path} ({option_name}) contains {num_files} {file_text}, but {video_context.path} has {frames_text}."
        f"{gap_text}",
        hint or COUNT_HINT,
    )


def _add_notice(video_context: VideoContext, message: str) -> None:
    if message not in video_context.notices:
        video_context.notices.append(message)
