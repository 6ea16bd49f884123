"""Contract tests for conditioners that read existing labels: each file belongs to one frame of the video."""

# ruff: noqa: D102  (the test names describe the tests)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.video_context import VideoContext
from vid2vid_cli.conditioning.video_frame import detect_cuts
from vid2vid_cli.core.errors import InputFileMismatchError
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.testing.checks import check_equal_clips
from vid2vid_cli.testing.contract_setup import ContractSetup, skip_test


class InputFileTests(ContractSetup):
    """Tests for `annotate` if the option `input_option` is set."""

    def test_files_match_frames(self) -> None:
        """`prepare` may start later in the video, use a lower frame rate, and resume after an interruption."""
        clip, annotations = self._require_input_clip(), self.clip_annotations()
        video_context = self.video_context(clip)
        third_frame_context = replace(video_context, first_index=2)
        check_equal_clips(
            annotations[2:],
            self._annotate_blank_clip(third_frame_context, len(clip) - 2),
            "resumed at the third frame",
        )
        second_frame_context = replace(video_context, start_seconds=float(1 / video_context.fps))
        check_equal_clips(
            annotations[1:],
            self._annotate_blank_clip(second_frame_context, len(clip) - 1),
            "started at the time of the second frame",
        )
        half_rate_context = replace(video_context, sampled_fps=video_context.sampled_fps / 2)
        check_equal_clips(
            annotations[::2],
            self._annotate_blank_clip(half_rate_context, len(annotations[::2])),
            "at half the frame rate",
        )

    def test_file_count_mismatch_is_rejected(self) -> None:
        clip = self._require_input_clip()
        self.clip_annotations()
        video_context = self.video_context(clip)
        num_files = video_context.num_frames if video_context.num_frames is not None else len(clip)
        for num_frames in (num_files - 1, num_files + 1):
            # Of a video: the images of a folder are paired with the files by name, and files may remain.
            video = replace(video_context, num_frames=num_frames, frame_files=(), picture_times=())
            mismatch = _mismatch_error(self.make_conditioner().bind(video), clip)
            assert mismatch is not None, f"{num_files} files are accepted for a video of {num_frames} frames"
            for count in (num_frames, num_files):
                assert str(count) in mismatch.message, f"the error must contain {count}: {mismatch.message}"
            assert mismatch.hint, f"the error has no hint: {mismatch.message}"

    def _require_input_clip(self) -> list[UInt8Array]:
        if not self.uses_input_files():
            input_option = self.make_conditioner().input_option
            skip_test(
                f"{self.name} reads no files without the option {input_option}"
                if input_option
                else f"{self.name} reads no files"
            )
        return list(self.clip())

    def _annotate_blank_clip(self, video_context: VideoContext, num_frames: int) -> list[Annotation]:
        """Annotate repeated frames: only their size and number may affect the result."""
        frames = [self.clip()[0]] * num_frames
        return list(self.make_conditioner().bind(video_context).annotate(detect_cuts(frames)))


def _mismatch_error(conditioner: Conditioner, clip: Sequence[UInt8Array]) -> InputFileMismatchError | None:
    """Return the error that is raised before the first annotation, or None."""
    try:
        next(conditioner.annotate(detect_cuts(clip)))
    except InputFileMismatchError as error:
        return error
    return None
