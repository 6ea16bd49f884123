"""`bench`: all stages, a transfer in its own process, sizes, and the tables."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from vid2vid_cli.core.errors import ConfigError, DeviceError
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, ignore_events
from vid2vid_cli.engine.onnx_files import save_export_metadata
from vid2vid_cli.engine.weight_files import save_weights
from vid2vid_cli.pipelines.bench import BenchRequest, FileTiming, ModelTiming, StageTiming, bench
from vid2vid_cli.pipelines.bench_tables import format_bench
from vid2vid_cli.rendering.generator_timing import GeneratorTiming
from vid2vid_cli.rendering.transfer_stages import STAGES
from vid2vid_cli.requests.parsers import DEFAULT_FRAME_HEIGHTS, frame_heights

MACHINE = {"processor": "P", "cores": 2, "runtime": "cpu, fp32", "torch": "2", "python": "3", "gpu": None}


def parse_rows(text: str) -> dict[str, list[str]]:
    """The rows of all tables, by their first cell."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {line[0]: line[1:] for line in lines}


def test_bench_measures_a_checkpoint(blob_video: Path, run_folder: Path) -> None:
    request = BenchRequest(
        (run_folder,), source=blob_video, num_frames=8, long_frames=0, sizes=(24, 40), max_seconds=0.1, device="cpu"
    )
    result = bench(request, ignore_events)
    (model,) = result.models
    assert result.source_size == (40, 56)
    assert set(model.stages) == set(STAGES) - {"select, align and embed references"}
    assert all(stage.ms_per_frame > 0 for stage in model.stages.values())
    (timing,) = model.files
    assert timing.num_frames == 8
    assert 0 < timing.seconds_to_first_frame < 300
    assert timing.cpu_seconds > 0
    assert timing.peak_mib > 100  # torch alone takes more
    assert list(model.generator) == ["24, torch, fp32", "40, torch, fp32", "24, torch, bf16", "40, torch, bf16"]
    assert all(isinstance(value, GeneratorTiming) and value.num_frames >= 3 for value in model.generator.values())
    assert {"generate", "8", "24, torch, fp32"} <= parse_rows(result.to_markdown()).keys()


def test_bench_refuses_to_compile_without_compiler(
    blob_video: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DeviceError, match="no-such-compiler"):
        bench(BenchRequest((run_folder,), source=blob_video, num_frames=8, device="cpu", compile=True), ignore_events)


@pytest.mark.parametrize("suffix", [".onnx", ".ckpt"])
def test_bench_checks_all_checkpoints_before_it_measures(
    blob_video: Path, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """The second one, an exported file or of a model that cannot be compiled, is refused before the first is loaded."""
    monkeypatch.setenv("CXX", sys.executable)  # any program: nothing is compiled
    (checkpoint,) = run_folder.glob("*.ckpt")
    other, metadata = tmp_path / f"other{suffix}", load_metadata(checkpoint)
    if suffix == ".onnx":
        other.touch()
        save_export_metadata(other, metadata, checkpoint)
    else:
        other_metadata = {**metadata.model_dump(mode="json"), "model": "bicyclegan"}
        save_weights(other, {}, json.dumps(other_metadata))
    request = BenchRequest(
        (checkpoint, other), source=blob_video, num_frames=4, long_frames=0, device="cpu", compile=True
    )
    events: list[Event] = []
    with pytest.raises(ConfigError, match="--compile"):
        bench(request, events.append)
    assert events == []


def test_bench_tables_give_rates_shares_and_growth() -> None:
    times = {"generate": (50.0, 60.0), "encode": (2.0, 4.0), "compare and encode": (90.0, 90.0)}
    stages = {name: StageTiming(*values) for name, values in times.items()}
    files = (FileTiming(100, 10.0, 3.5, 12.0, 1000.0), FileTiming(300, 30.0, 3.5, 26.0, 1010.0))
    generator = {"128, torch, fp32": GeneratorTiming(10, 10.0, 20.0), "7, torch, fp32": "too small"}
    model = ModelTiming("m", (256, 128), ("edges",), "cpu", stages, files, generator)
    text = format_bench(MACHINE, (480, 640), [asdict(model)])
    rows = parse_rows(text)
    assert rows["generate"] == ["50.0", "60.0", "94 %", "20.0"]
    assert rows["compare and encode"] == ["90.0", "90.0", "–", "11.1"]
    assert rows["100"][:2] == ["10.0", "50 %"]  # of the 20 frames/s of the generator, not of the comparison
    assert rows["128, torch, fp32"] == ["10.0", "20.0", "100"]
    assert "128x256" in text
    assert "64.0 ms of CPU time" in text  # without the comparison
    assert "70.0 CPU ms" in text  # (26 - 12) s / 200 frames
    assert "+1.0 %" in text
    assert "7, torch, fp32: too small" in text


def test_frame_heights() -> None:
    assert frame_heights(()) == DEFAULT_FRAME_HEIGHTS
    assert frame_heights(("128, 256",)) == (128, 256)
    assert frame_heights(("0",)) == ()
    for text in ("", "8", "abc", "128;256", "99999"):
        with pytest.raises(ValueError, match="invalid sizes"):
            frame_heights((text,))
