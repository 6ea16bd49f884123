"""The measurements of `bench` as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vid2vid_cli.core.markdown import describe_machine, format_number, format_table

COMPARISON_STAGE = "compare and encode"


def format_bench(
    machine: Mapping[str, object], source_size: tuple[int, int], models: Sequence[Mapping[str, Any]]
) -> str:
    """All tables of `ModelTiming`s, as dictionaries. `source_size`: (height, width) of the decoded frames."""
    parts = [describe_machine(machine)]
    for model in models:
        parts += _model_tables(model, source_size)
    return "\n\n".join(parts)


def _model_tables(model: Mapping[str, Any], source_size: tuple[int, int]) -> list[str]:
    height, width = model["output_size"]
    title = f"{model['name']}, {width}x{height}, {' and '.join(model['conditioners'])}, {model['hardware']}"
    stages = model["stages"]
    needed = {name: stage for name, stage in stages.items() if name != COMPARISON_STAGE}
    total = sum(stage["cpu_ms_per_frame"] for stage in needed.values())
    stage_rows = [
        [
            name,
            format_number(stage["ms_per_frame"]),
            format_number(stage["cpu_ms_per_frame"]),
            f"{100 * stage['cpu_ms_per_frame'] / total:.0f} %" if name in needed and total else "–",
            _rate(stage),
        ]
        for name, stage in stages.items()
    ]
    note = (
        f"Source {source_size[1]}x{source_size[0]}. Each stage alone; `transfer` runs them concurrently. Without a "
        f"comparison video, all of them take {format_number(total)} ms of CPU time a frame."
    )
    tables = [
        format_table(
            f"Stages: {title}", ["stage", "ms a frame", "CPU ms a frame", "share", "frames/s"], stage_rows, note
        ),
        _file_table(model, needed),
    ]
    return [*tables, _size_table(model)] if model["generator"] else tables


def _rate(stage: Mapping[str, float]) -> str:
    return format_number(1000 / stage["ms_per_frame"] if stage["ms_per_frame"] else None)


def _file_table(model: Mapping[str, Any], stages: Mapping[str, Mapping[str, float]]) -> str:
    slowest = max(stages, key=lambda name: stages[name]["ms_per_frame"])
    rows = []
    for timing in model["files"]:
        rate = timing["num_frames"] / timing["seconds"] if timing["seconds"] else 0.0
        rows.append(
            [
                str(timing["num_frames"]),
                format_number(rate),
                f"{100 * rate * stages[slowest]['ms_per_frame'] / 1000:.0f} %",
                format_number(timing["seconds_to_first_frame"]),
                format_number(1000 * timing["cpu_seconds"] / timing["num_frames"]),
                f"{timing['peak_mib']:.0f}",
            ]
        )
    header = ["frames", "frames/s", f"of `{slowest}` alone", "s to the first frame", "CPU ms a frame", "peak MiB"]
    note = "A process of its own, without a comparison video; CPU time and peak include its start and the scan."
    if len(model["files"]) > 1:
        short, long = model["files"][0], model["files"][-1]
        num_more = long["num_frames"] - short["num_frames"]
        more_cpu = 1000 * (long["cpu_seconds"] - short["cpu_seconds"]) / num_more
        growth = 100 * (long["peak_mib"] / short["peak_mib"] - 1)
        note += f" Each further frame: {format_number(more_cpu)} CPU ms. Peak memory: {growth:+.1f} %."
    return format_table("From file to file", header, rows, note)


def _size_table(model: Mapping[str, Any]) -> str:
    rows, problems = [], []
    for name, timing in model["generator"].items():
        if isinstance(timing, str):
            problems.append(f"{name}: {timing}")
            continue
        values = [format_number(timing[key]) for key in ("ms_per_frame", "cpu_ms_per_frame")]
        rows.append([name, *values, _rate(timing)])
    note = " ".join(["Random input.", *problems])
    return format_table("Generator alone", ["height, backend", "ms a frame", "CPU ms a frame", "frames/s"], rows, note)
