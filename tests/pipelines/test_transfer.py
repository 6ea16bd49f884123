"""`transfer` end to end: another film through a checkpoint, with its sound, and everything that can be wrong."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import COUNT, FPS, HEIGHT, WIDTH, blob_frame
from helpers.video_files import click_times, clicks, make_clip

from vid2vid_cli.core.errors import (
    AudioOnlyError,
    ForeignCheckpointError,
    MissingFileError,
    NotAVideoError,
    NothingFoundError,
    RunError,
    Vid2VidError,
)
from vid2vid_cli.engine.checkpoint import load_info
from vid2vid_cli.engine.events import Advanced, Event, Noticed, Warned, silent
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.transfer import TransferRequest, plan_transfer, transfer
from vid2vid_cli.rendering.frame_renderer import Rendered


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(source: Path, target: Path, **changes: Any) -> Rendered:
    tell = changes.pop("tell", silent)
    settings = {"device": "cpu", "precision": "fp32", "compare": False, **changes}
    return transfer(TransferRequest(source, target, **settings), tell)


def test_end_to_end_with_sound(film: Path, run_folder: Path) -> None:
    events: list[Event] = []
    done = run(film, run_folder / "blob.ckpt", compare=True, tell=events.append)
    assert (done.path, done.compare) == (Path("blob_as_blob.mp4"), Path("blob_as_blob_compare.mp4"))
    assert (done.frames, done.fps) == (COUNT, FPS)
    for path in (done.path, done.compare):
        assert path is not None
        assert len(list(VideoReader(path))) == COUNT
        assert click_times(path) == pytest.approx([0.2], abs=0.02)
    assert (probe(done.path).height, probe(done.path).width) == (24, 24)
    assert [e.message.partition(" -> ")[2] for e in events if isinstance(e, Noticed)] == [
        "blob on cpu, fp32, channels_last"
    ]
    assert [e.done for e in events if isinstance(e, Advanced) and e.stage == "transfer"] == list(range(1, COUNT + 1))
    assert sorted(os.listdir()) == ["blob_as_blob.mp4", "blob_as_blob_compare.mp4"]  # noqa: PTH208


def test_its_own_film_gives_what_synthesis_gives(film: Path, run_folder: Path, dataset: Path) -> None:
    """Both begin at the same decoded frames; x264's threads alone make a few pixels differ at such widths."""
    moved = run(film, run_folder)
    rendered = synthesize(SynthesizeRequest(run_folder, dataset, device="cpu", precision="fp32", compare=False), silent)
    for a, b in zip(VideoReader(moved.path), VideoReader(rendered.path), strict=True):
        assert np.abs(a.astype(int) - b).mean() < 1


def test_names_that_are_taken(film: Path, run_folder: Path) -> None:
    paths = [run(film, run_folder, max_frames=3).path for _ in range(2)]
    assert [path.name for path in paths] == ["blob_as_blob.mp4", "blob_as_blob-2.mp4"]
    assert run(film, run_folder, max_frames=2, overwrite=True).path == paths[0]
    assert len(list(VideoReader(paths[0]))) == 2


def test_a_part_of_the_source_keeps_its_part_of_the_sound(run_folder: Path) -> None:
    sound = clicks(2.0, [0.5, 1.7])
    make_clip(Path("long.mp4"), [blob_frame(index % COUNT) for index in range(50)], 25, sound=sound)
    done = run(Path("long.mp4"), run_folder, start=1.0)
    assert done.frames == 25
    assert click_times(done.path) == pytest.approx([0.7], abs=0.03)
    assert run(Path("long.mp4"), run_folder, end=0.4).frames == 10


@pytest.mark.parametrize(("height", "width"), [(61, 97), (97, 61), (600, 540)])
def test_sources_of_any_size_and_without_sound(run_folder: Path, height: int, width: int) -> None:
    frames = [np.kron(blob_frame(i, 61, 97)[:60, :90], np.ones((10, 6, 1), np.uint8)) for i in range(3)]
    shown = [frame[:height, :width] for frame in frames]
    make_clip(Path("odd.mov"), shown, Fraction(24000, 1001), codec="png", pixels="rgb24")
    done = run(Path("odd.mov"), run_folder, compare=True)
    assert (done.frames, done.fps, probe(done.path).has_audio) == (3, Fraction(24000, 1001), False)
    assert (probe(done.path).height, probe(done.path).width) == (24, 24)


def test_a_single_frame_and_a_folder_of_images(run_folder: Path) -> None:
    Path("pictures").mkdir()
    for index in range(3):
        save_png(Path(f"pictures/{index}.png"), blob_frame(index))
    assert run(Path("pictures"), run_folder).frames == 3
    assert run(Path("pictures/0.png"), run_folder).frames == 1


def test_where_nothing_is_found_the_last_pose_is_held(run_folder: Path) -> None:
    """Blank frames have no edges: the frame after one is drawn from the edges before it."""
    blank = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    frames = [blank, blob_frame(4), blank, blank, blob_frame(4)]
    make_clip(Path("gaps.mov"), frames, 25, codec="png", pixels="rgb24")
    make_clip(Path("still.mov"), [blob_frame(4)] * 5, 25, codec="png", pixels="rgb24")
    events: list[Event] = []
    gaps = run(Path("gaps.mov"), run_folder, tell=events.append)
    warned = [event.message for event in events if isinstance(event, Warned)]
    assert any("nothing was found on 3 of 5 frames; there the last pose was held" in message for message in warned)
    still = run(Path("still.mov"), run_folder)
    assert len(list(VideoReader(gaps.path))) == 5
    for a, b in zip(VideoReader(gaps.path), VideoReader(still.path), strict=True):
        assert np.abs(a.astype(int) - b).mean() < 3


def test_a_dataset_is_no_video(run_folder: Path, dataset: Path) -> None:
    with pytest.raises(NotAVideoError, match="is a dataset, not a video") as caught:
        run(dataset, run_folder)
    assert caught.value.hint == f"vid2vid synthesize {run_folder} {dataset}"


def test_a_source_that_shows_nothing_at_all(run_folder: Path) -> None:
    make_clip(Path("blank.mov"), [np.full((40, 56, 3), 90, np.uint8)] * 4, 25, codec="png", pixels="rgb24")
    with pytest.raises(NothingFoundError, match=r"edges: nothing was found on any of 4 frames of blank\.mov"):
        run(Path("blank.mov"), run_folder)
    assert os.listdir() == ["blank.mov"]  # noqa: PTH208


def test_the_plan_writes_nothing(film: Path, run_folder: Path) -> None:
    rows = dict(plan_transfer(TransferRequest(film, run_folder)).rows)
    assert rows["target"] == "blob, 24x24"
    assert rows["conditioners"] == "edges"
    assert rows["video"] == "blob_as_blob.mp4"
    assert os.listdir() == []  # noqa: PTH208
    assert load_info(run_folder / "blob.ckpt").name == "blob"


def test_bad_input_each_with_its_own_exit_code(film: Path, run_folder: Path) -> None:
    import av

    Path("text.mp4").write_text("no video at all\n" * 99)
    with av.open("song.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        block.sample_rate = 8000
        container.mux(stream.encode(block))
    Path("foreign.ckpt").write_bytes(b"PK\x03\x04" + bytes(999))
    before = sorted(os.listdir())  # noqa: PTH208
    cases: list[tuple[Path, Path, type[Vid2VidError], int]] = [
        (Path("none.mp4"), run_folder, MissingFileError, 10),
        (Path("text.mp4"), run_folder, NotAVideoError, 11),
        (Path("song.wav"), run_folder, AudioOnlyError, 14),
        (film, Path("none.ckpt"), MissingFileError, 10),
        (film, Path("foreign.ckpt"), ForeignCheckpointError, 32),
    ]
    for source, target, kind, code in cases:
        with pytest.raises(kind) as caught:
            run(source, target)
        assert caught.value.exit_code == code
        assert caught.value.hint
    assert sorted(os.listdir()) == before  # noqa: PTH208
    Path("half").mkdir()
    (Path("half") / "config.yaml").touch()
    with pytest.raises(RunError, match="half has no checkpoint yet"):
        run(film, Path("half"))
