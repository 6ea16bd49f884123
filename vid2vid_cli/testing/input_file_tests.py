"""Duties of a conditioner that reads labels made elsewhere: the files belong to the video, frame by frame."""

# ruff: noqa: D102  (the names of the tests say what they are)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.video_context import Footage
from vid2vid_cli.core.errors import FilesMismatchError
from vid2vid_cli.core.geometry import Bytes
from vid2vid_cli.testing.checks import check_all_same
from vid2vid_cli.testing.contract_setup import Setting, skip


class ReadingDuties(Setting):
    """What `annotate` owes where the option named by `reads` is set."""

    def test_files_are_those_of_the_frames_that_are_seen(self) -> None:
        """`prepare` may begin later in the video, take fewer frames per second, and continue after a kill."""
        clip, found = self._clip(), self.found()
        footage = self.footage(clip)
        later = replace(footage, first=2)
        check_all_same(found[2:], self._read(later, len(clip) - 2), "continued at the third frame")
        second = replace(footage, start=float(1 / footage.fps))
        check_all_same(found[1:], self._read(second, len(clip) - 1), "from the time of the second frame on")
        half = replace(footage, rate=footage.rate / 2)
        check_all_same(found[::2], self._read(half, len(found[::2])), "at half the frame rate")

    def test_another_number_of_files_is_refused_at_once(self) -> None:
        clip = self._clip()
        self.found()
        footage = self.footage(clip)
        files = footage.frames if footage.frames is not None else len(clip)
        for frames in (files - 1, files + 1):
            refusal = _refusal(self.make().of(replace(footage, frames=frames)), clip)
            assert refusal is not None, f"{files} files are taken for a video of {frames} frames"
            for number in (frames, files):
                assert str(number) in refusal.message, f"both numbers are named; {number} is not: {refusal.message}"
            assert refusal.hint, f"there is no hint: {refusal.message}"

    def _clip(self) -> list[Bytes]:
        if not self.reads_files():
            reads = self.make().reads
            skip(f"{self.name} finds its labels; it would read them with {reads}" if reads else "it reads no files")
        return list(self.clip())

    def _read(self, footage: Footage, count: int) -> list[Annotation]:
        """With the size of each frame, and nothing else, taken from what is given."""
        frames = [self.clip()[0]] * count
        return list(self.make().of(footage).annotate(frames))


def _refusal(conditioner: Conditioner, clip: Sequence[Bytes]) -> FilesMismatchError | None:
    """The error before the first annotation, or None."""
    try:
        next(conditioner.annotate(iter(clip)))
    except FilesMismatchError as error:
        return error
    return None
