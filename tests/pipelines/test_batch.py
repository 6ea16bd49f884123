"""Several sources and targets of `transfer` and `synthesize` in one command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import blob_frame
from helpers.video_files import write_video

from vid2vid_cli.api import transfer_many
from vid2vid_cli.cli import run_command_line
from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.engine.events import Event, InfoEvent, ProgressEvent, ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines import batch
from vid2vid_cli.pipelines.batch import PairResult, plan_pairs, render_pairs
from vid2vid_cli.pipelines.batch_sources import single_request
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering import model_loader
from vid2vid_cli.requests.batch import SynthesizeBatchRequest, TransferBatchRequest

SETTINGS: dict[str, Any] = {"device": "cpu", "precision": "fp32", "compare": False}
CPU = ("--device", "cpu", "--precision", "fp32", "--no-compare")


@pytest.fixture(autouse=True)
def _clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """a/clip.mp4 and b/clip.mp4 with 4 and 5 frames, and bad.mp4, which is damaged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    for name, num_frames in (("a", 4), ("b", 5)):
        Path(name).mkdir()
        write_video(Path(name, "clip.mp4"), [blob_frame(index, offset=num_frames) for index in range(num_frames)], 25)
    Path("bad.mp4").write_bytes(b"not a video" * 100)


def run_batch(*sources: str, targets: tuple[Path, ...], emit: Any = ignore_events, **changes: Any) -> list[PairResult]:
    request = TransferBatchRequest(tuple(map(Path, sources)), targets, **{"out": Path("out"), **SETTINGS, **changes})
    return list(render_pairs(plan_pairs(request, emit), keep_going=request.keep_going, emit=emit))


def run_cli(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr(sys, "argv", ["vid2vid", *args])
    return run_command_line(args)


def states(results: list[PairResult]) -> list[tuple[str, str]]:
    return [(result.path.name, result.state) for result in results]


def test_batch_loads_model_once_and_equals_single_transfers(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    load_model = model_loader.load_model
    monkeypatch.setattr(
        model_loader,
        "load_model",
        lambda checkpoint, *args, **kwargs: loaded.append(checkpoint.path) or load_model(checkpoint, *args, **kwargs),
    )
    messages: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, InfoEvent):
            messages.append(event.message)

    results = run_batch(
        "a/clip.mp4", "b/clip.mp4", "a/clip.mp4", targets=(run_folder, run_folder / "blob.ckpt"), emit=emit
    )
    assert loaded == [run_folder / "blob.ckpt"]
    assert states(results) == [("clip_as_blob.mp4", "done"), ("clip_as_blob-2.mp4", "done")]
    assert [result.result.num_frames for result in results if result.result is not None] == [4, 5]
    assert sum("used once" in message for message in messages) == 2  # a source and the checkpoint
    assert any("clip_as_blob.mp4 is taken" in message and "b/clip.mp4" in message for message in messages)
    single = transfer(TransferRequest(Path("b/clip.mp4"), run_folder, **SETTINGS), ignore_events)
    for frame, expected in zip(VideoReader(results[1].path), VideoReader(single.path), strict=True):
        assert np.array_equal(frame, expected)


def test_batch_skips_done_of_same_source_checkpoint_and_options(run_folder: Path, tmp_path: Path) -> None:
    sources = ("a/clip.mp4", "b/clip.mp4")
    run_batch(*sources, targets=(run_folder,))
    assert [state for _, state in states(run_batch(*sources, targets=(run_folder,), skip_done=True))] == ["skipped"] * 2
    # another source under a name that is done, other options, another checkpoint
    Path("b/clip.mp4").write_bytes(Path("a/clip.mp4").read_bytes() + b"\0")
    messages: list[str] = []
    results = run_batch(
        *sources, targets=(run_folder,), skip_done=True, emit=lambda e: messages.append(getattr(e, "message", ""))
    )
    assert states(results) == [("clip_as_blob.mp4", "skipped"), ("clip_as_blob-3.mp4", "done")]
    assert any("clip_as_blob-2.mp4 was made from another source" in message for message in messages)
    results = run_batch("a/clip.mp4", targets=(run_folder,), skip_done=True, max_frames=2, overwrite=True)
    assert states(results) == [("clip_as_blob.mp4", "done")]
    assert len(list(VideoReader(results[0].path))) == 2


def test_batch_keeps_going_after_failure_and_leaves_no_partial_file(run_folder: Path) -> None:
    sources = ("a/clip.mp4", "bad.mp4", "none.mp4", "b/clip.mp4")
    results = run_batch(*sources, targets=(run_folder,), keep_going=True)
    assert [result.state for result in results] == ["done", "failed", "failed", "done"]
    assert [result.error.exit_code for result in results if result.error is not None] == [11, 10]
    assert sorted(path.name for path in Path("out").iterdir()) == ["clip_as_blob-2.mp4", "clip_as_blob.mp4"]
    stopped = run_batch("bad.mp4", "a/clip.mp4", targets=(run_folder,))
    assert [result.state for result in stopped] == ["failed"]
    with pytest.raises(MissingFileError, match=r"none\.mp4"):
        run_batch(*sources, targets=(run_folder,))


def test_batch_expands_folders_and_patterns_without_rendered_videos(run_folder: Path) -> None:
    results = run_batch("a", "b/*.mp4", targets=(run_folder,), out=Path("a"))
    assert [str(result.pair.source) for result in results] == ["a/clip.mp4", "b/clip.mp4"]
    again = run_batch("a", targets=(run_folder,), out=Path("a"), skip_done=True)
    assert [(str(result.pair.source), result.state) for result in again] == [("a/clip.mp4", "skipped")]


def test_batch_rejects_file_as_output_of_several_videos(run_folder: Path) -> None:
    with pytest.raises(ConfigError, match="2 videos"):
        run_batch("a", "b", targets=(run_folder,), out=Path("out.mp4"))
    (result,) = run_batch("a", targets=(run_folder,), out=Path("x/out.mp4"))
    assert (result.path, result.state) == (Path("x/out.mp4"), "done")


def test_transfer_command_prints_result_per_pair_and_exit_code_of_first_failure(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ("transfer", "a", "bad.mp4", "none.mp4", "b", "--target", str(run_folder), "--out", "out", *CPU)
    assert run_cli(monkeypatch, *args, "--keep-going", "--json") == 11
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    results = [record for record in records if record["event"] == "result"]
    assert [record["state"] for record in results] == ["done", "failed", "failed", "done"]
    assert (results[0]["path"], results[0]["num_frames"]) == ("out/clip_as_blob.mp4", 4)
    assert results[1]["error"]["exit_code"] == 11
    assert (records[-1]["event"], records[-1]["exit_code"], len(records[-1]["results"])) == ("summary", 11, 4)

    assert run_cli(monkeypatch, *args[:3], "b", *args[5:], "--skip-done") == 11
    captured = capsys.readouterr()
    assert captured.out == "out/clip_as_blob.mp4\n"
    rows = [line.split() for line in captured.err.splitlines() if line.startswith(("input", "a/", "bad", "b/"))]
    assert [row[-1] for row in rows[-4:]] == ["state", "skipped", "NotAVideoError", "started"]
    assert "Next: vid2vid transfer a bad.mp4 b" in captured.err
    assert run_cli(monkeypatch, *args[:2], "b", *args[5:], "--skip-done", "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out.splitlines()[-1])["plan"]
    assert [path.rpartition("/")[2] for path in plan["skipped"]] == ["clip_as_blob.mp4", "clip_as_blob-2.mp4"]


def test_commands_end_with_the_report_of_each_video(
    run_folder: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def last_lines(*args: str) -> list[str]:
        assert run_cli(monkeypatch, *args, "--device", "cpu", "--precision", "fp32", "--max-frames", "2") == 0
        return capsys.readouterr().err.splitlines()[-2:]

    args = ("transfer", "a", "b", "--target", str(run_folder), "--out", "out")
    reports = ["Report: out/clip_as_blob_report/report.html", "Report: out/clip_as_blob-2_report/report.html"]
    assert last_lines(*args) == reports
    assert last_lines(*args, "--skip-done") == reports
    assert not any("Report" in line for line in last_lines(*args, "--skip-done", "--quiet"))
    many = last_lines("synthesize", str(run_folder), str(dataset), str(dataset), "--keep-going", "--out", "x")
    assert many[-1] == "Report: x/blob_synthesized_report/report.html"
    assert Path(many[-1].removeprefix("Report: ")).is_file()


def test_transfer_command_interrupt_prints_summary(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def render(pairs: Any, *, keep_going: bool, emit: Any) -> Iterator[PairResult]:
        def interrupt(event: Event) -> None:
            if isinstance(event, ProgressEvent) and (event.stage, event.total, event.done) == ("transfer", 5, 2):
                raise KeyboardInterrupt
            emit(event)

        yield from render_pairs(pairs, keep_going=keep_going, emit=interrupt)

    monkeypatch.setattr(batch, "render_pairs", render)
    args = ("transfer", "a", "b", "bad.mp4", "--target", str(run_folder), "--out", "out", *CPU)
    assert run_cli(monkeypatch, *args) != 0
    captured = capsys.readouterr()
    table = [line.split("  ")[-1].strip() for line in captured.err.splitlines() if line.startswith(("a/", "b/", "bad"))]
    assert table[-3:] == ["done", "interrupted", "not started"]
    assert "Continue: vid2vid transfer --skip-done a b bad.mp4" in captured.err
    assert [path.name for path in Path("out").iterdir()] == ["clip_as_blob.mp4"]


def test_transfer_many_takes_sequences(run_folder: Path) -> None:
    results = transfer_many(["a/clip.mp4", "bad.mp4"], run_folder, out="out", keep_going=True)
    assert states(results) == [("clip_as_blob.mp4", "done"), ("bad_as_blob.mp4", "failed")]


def test_synthesize_renders_several_sources(run_folder: Path, dataset: Path) -> None:
    request = SynthesizeBatchRequest(run_folder, (dataset, Path("a"), Path("b/clip.mp4")), Path("out"), **SETTINGS)
    results = list(render_pairs(plan_pairs(request, ignore_events), keep_going=True, emit=ignore_events))
    assert states(results)[0] == ("blob_synthesized.mp4", "done")
    assert [str(result.pair.source) for result in results[1:]] == ["a/clip.mp4", "b/clip.mp4"]


def test_single_request_is_kept_for_one_source_and_target(run_folder: Path) -> None:
    request = TransferBatchRequest((Path("a/clip.mp4"),), (run_folder,), person="2", start=1.0, **SETTINGS)
    assert single_request(request) == TransferRequest(Path("a/clip.mp4"), run_folder, person="2", start=1.0, **SETTINGS)
    for sources in ((Path("a"),), (Path("a/*.mp4"),), (Path("bad.mp4"), Path("bad.mp4"))):
        assert single_request(TransferBatchRequest(sources, (run_folder,))) is None
