"""The annotations of a source from a child process are those of a thread; for the scripts see test_forked_iterator."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from helpers.dots_conditioner import DOTS_PLUGIN
from helpers.factories import make_blob_video
from helpers.python_scripts import run_script
from helpers.video_files import solid_frame, write_video

from vid2vid_cli.media.images import save_png
from vid2vid_cli.rendering.source_scan import SCAN_FRAMES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
_PREPARATION = """
import json, os, sys
from pathlib import Path
import numpy as np
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering import source_video
from vid2vid_cli.rendering.annotation_pass import ForkedAnnotationPass, LocalAnnotationPass
from vid2vid_cli.rendering.source_video import SourceVideo

def open_source(path, size=None, **settings):
    return SourceVideo(path, VideoReader(path, size=size), load_conditioners([("dots", {})]), **settings)

def read(source, is_forked):
    source_video.can_fork = (lambda: True) if is_forked else (lambda: False)
    with source.scanned_ahead():
        expected = ForkedAnnotationPass if is_forked else LocalAnnotationPass
        assert type(source._running_scans[0].annotation_pass) is expected
        scan = source.scan(ignore_events)
        return scan, list(source.annotate())

assert source_video.can_fork()
"""


def run(folder: Path, script: str) -> str:
    """The output of a script after the preparation."""
    return run_script(_PREPARATION + dedent(script), folder=folder, VID2VID_PLUGINS=DOTS_PLUGIN)


@pytest.mark.parametrize("settings", ["{}", "{'keeps_originals': True, 'full_reader': VideoReader(path)}"])
def test_frames_from_a_child_process_equal_those_from_a_thread(tmp_path: Path, settings: str) -> None:
    make_blob_video(tmp_path / "a.mp4", SCAN_FRAMES + 20)
    run(
        tmp_path,
        f"""
        path = Path("a.mp4")
        settings = {settings}
        size = (20, 28) if settings else None
        (scan, frames), (forked_scan, forked_frames) = (read(open_source(path, size, **settings), x) for x in (0, 1))
        assert forked_scan.statistics == scan.statistics and len(frames) == len(forked_frames) == {SCAN_FRAMES + 20}
        for frame, forked in zip(frames, forked_frames):
            assert np.array_equal(frame.frame, forked.frame) and frame.is_cut == forked.is_cut
            for one, other in zip(frame.annotations, forked.annotations, strict=True):
                assert one.quality == other.quality
                np.testing.assert_array_equal(one.points["dot"], other.points["dot"])
            if settings:
                assert forked.original.image.shape[:2] == (VideoReader(path).height, VideoReader(path).width)
                assert np.array_equal(frame.original.image, forked.original.image)
            else:
                assert forked.original is None
        """,
    )


def test_sentences_for_the_user_come_from_the_child_process(tmp_path: Path) -> None:
    """An image of another size is cropped, and the reader says so."""
    (tmp_path / "images").mkdir()
    for index in range(4):
        save_png(tmp_path / f"images/{index}.png", solid_frame((220, 30, 30), 40, 56 if index else 80))
    output = run(
        tmp_path,
        """
        source = open_source(Path("images"))
        before = list(source.reader.warnings)
        read(source, True)
        print(json.dumps([before, source.reader.warnings]))
        """,
    )
    before, after = json.loads(output)
    assert len(after) == len(before) + 1


def test_errors_in_the_child_process_are_those_of_a_thread(tmp_path: Path) -> None:
    write_video(tmp_path / "blank.mp4", [np.full((40, 56, 3), 90, np.uint8)] * 4, 25)
    output = run(
        tmp_path,
        """
        for is_forked in (False, True):
            try:
                read(open_source(Path("blank.mp4")), is_forked)
            except Vid2VidError as error:
                print(type(error).__name__, error.message, error.hint)
        """,
    )
    first, second = output.splitlines()
    assert first == second
    assert first.startswith("NoDetectionError dots: no detection on any of 4 frames of blank.mp4.")


def test_a_child_process_ends_with_the_context(tmp_path: Path) -> None:
    make_blob_video(tmp_path / "a.mp4", SCAN_FRAMES + 20)
    run(
        tmp_path,
        """
        def num_children():
            return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

        for num_frames in (None, 0, 3):
            source = open_source(Path("a.mp4"))
            try:
                with source.scanned_ahead():
                    assert num_children() == 1
                    if num_frames is not None:
                        source.scan(ignore_events)
                        frames = source.annotate()
                        for _ in range(num_frames):
                            next(frames)
                    raise ZeroDivisionError
            except ZeroDivisionError:
                pass
            assert num_children() == 0, num_frames
        """,
    )


def test_conditioners_that_use_torch_are_not_forked(tmp_path: Path) -> None:
    """Both processes would import it."""
    make_blob_video(tmp_path / "a.mp4", 4)
    run(
        tmp_path,
        """
        source = open_source(Path("a.mp4"))
        type(source.conditioners[0]).uses_torch = True
        with source.scanned_ahead():
            assert type(source._running_scans[0].annotation_pass) is LocalAnnotationPass
        """,
    )


def test_a_thread_annotates_if_the_system_allows_no_process(tmp_path: Path) -> None:
    make_blob_video(tmp_path / "a.mp4", 4)
    run(
        tmp_path,
        """
        def fail():
            raise BlockingIOError("Resource temporarily unavailable")

        os.fork = fail
        num_files = len(os.listdir("/proc/self/fd"))
        source = open_source(Path("a.mp4"))
        with source.scanned_ahead():
            assert type(source._running_scans[0].annotation_pass) is LocalAnnotationPass
            source.scan(ignore_events)
            assert len(list(source.annotate())) == 4
        assert len(os.listdir("/proc/self/fd")) == num_files
        """,
    )


def test_transfer_annotates_in_a_child_process(tmp_path: Path, run_folder: Path) -> None:
    """From its start until the scan begins, the command line starts no thread."""
    make_blob_video(tmp_path / "a.mp4", 6)
    output = run(
        tmp_path,
        f"""
        from vid2vid_cli.cli import run_command_line
        created = []
        class RecordedPass(ForkedAnnotationPass):
            def __init__(self, *arguments):
                created.append(arguments[1])
                super().__init__(*arguments)
        source_video.ForkedAnnotationPass = RecordedPass
        print(run_command_line(["transfer", "a.mp4", "--target", {str(run_folder)!r}, "--device", "cpu"]), created)
        """,
    )
    assert output.endswith("0 [PosixPath('a.mp4')]\n")
