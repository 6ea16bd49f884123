"""`bench`: what a transfer costs on this machine, stage by stage and from file to file, as Markdown tables."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vid2vid_cli.conditioning.registry import find_conditioners
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.python_process import code_command, start_process
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ignore_events
from vid2vid_cli.engine.rollout import SequentialGenerator
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.traced_generator import TracedGenerator
from vid2vid_cli.media.looped_clip import write_looped_clip, write_looped_frames
from vid2vid_cli.media.packet_times import DEFAULT_FPS
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.pipelines.bench_tables import format_bench
from vid2vid_cli.pipelines.prepare import prepare
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile, open_checkpoint
from vid2vid_cli.rendering.generator_timing import GeneratorTiming, time_generator
from vid2vid_cli.rendering.hardware import choose_hardware
from vid2vid_cli.rendering.loaded_model import COMPILE_NOTICE, LoadedModel, load_model
from vid2vid_cli.rendering.transfer_stages import STAGES, TransferStages
from vid2vid_cli.requests.bench import BenchRequest
from vid2vid_cli.requests.prepare import PrepareRequest
from vid2vid_cli.tools.machine_info import children_memory_mib, machine_info
from vid2vid_cli.training_data.untrained_checkpoint import save_untrained_checkpoint

__all__ = ["BenchRequest", "BenchResult", "FileTiming", "ModelTiming", "StageTiming", "bench"]
SYNTHETIC_SIZE = 512
SYNTHETIC_FRAMES = 60
_MEASURED_CLI = """
import json
from vid2vid_cli.__main__ import limit_blas_threads
from vid2vid_cli.core.malloc import limit_arenas
limit_blas_threads()
limit_arenas()
from vid2vid_cli.cli import run_command_line
code = run_command_line(sys.argv[1:])
from vid2vid_cli.tools.machine_info import peak_memory_mib, total_cpu_seconds
usage = {"event": "usage", "peak_mib": peak_memory_mib(), "cpu_seconds": total_cpu_seconds()}
print(json.dumps(usage), flush=True)
sys.exit(code)
"""
"""The command line, and at its end the memory and processor time of its process."""


@dataclass(frozen=True)
class StageTiming:
    """One stage alone, per frame."""

    ms_per_frame: float
    cpu_ms_per_frame: float


@dataclass(frozen=True)
class FileTiming:
    """A transfer from file to file, without a comparison video, in a process of its own."""

    num_frames: int
    seconds: float
    """From the first frame of the scan to the finished file."""
    seconds_to_first_frame: float
    """From the start of the process."""
    cpu_seconds: float
    """Of the process and the one that annotates the source."""
    peak_mib: float
    """The largest resident memory of the process, and the memory that belongs to the one that annotates alone."""


@dataclass(frozen=True)
class ModelTiming:
    """All measurements of one checkpoint."""

    name: str
    output_size: tuple[int, int]
    conditioners: tuple[str, ...]
    hardware: str
    stages: dict[str, StageTiming]
    files: tuple[FileTiming, ...]
    generator: dict[str, GeneratorTiming | str]
    """`HEIGHT, PRECISION` -> times, or why the size is not possible."""


@dataclass(frozen=True)
class BenchResult:
    """The measurements of all checkpoints."""

    machine: dict[str, object]
    source_size: tuple[int, int]
    models: tuple[ModelTiming, ...]

    def to_markdown(self) -> str:
        """The tables, to be pasted."""
        return format_bench(self.machine, self.source_size, [asdict(model) for model in self.models])


def bench(request: BenchRequest, on_event: EventHandler) -> BenchResult:
    """Measure each checkpoint in turn; nothing is written outside a temporary folder.

    Raises the errors of `transfer`, and those of `prepare` without a checkpoint. Options that do not fit one of the
    checkpoints are an error before anything is measured.
    """
    machine = machine_info(request.device)
    opened = [open_checkpoint(path, "frames") for path in request.checkpoints]
    for checkpoint in opened:
        compiled_model = checkpoint.metadata.model if request.compile else ""
        choose_hardware(checkpoint.path, request.device, "auto", compiled_model=compiled_model)
    with tempfile.TemporaryDirectory(prefix="vid2vid_bench_") as name:
        folder = Path(name)
        clips = _write_clips(request, folder)
        checkpoints = opened or [_untrained_checkpoint(clips[0], folder, on_event)]
        results = []
        for checkpoint in checkpoints:
            if request.compile:
                on_event(InfoEvent(COMPILE_NOTICE))
            model = load_model(checkpoint, request.device, "auto", is_compiled=request.compile)
            on_event(InfoEvent(f"{model.metadata.name} on {model.hardware.describe()}: stages"))
            stages = TransferStages(model, clips[0], folder / "stages.mp4", max_frames=request.num_frames)
            timings = _time_stages(stages)
            source_size = stages.source.reader.height, stages.source.reader.width
            del stages
            files = []
            for clip in clips:
                on_event(InfoEvent(f"{model.metadata.name}: from file to file, {clip.stem} frames"))
                files.append(_time_transfer(clip, checkpoint, folder / "out.mp4", request))
            results.append(
                ModelTiming(
                    model.metadata.name,
                    model.metadata.output_size,
                    tuple(conditioner.name for conditioner in model.metadata.conditioners),
                    model.hardware.describe(),
                    timings,
                    tuple(files),
                    _time_sizes(model, request, on_event),
                )
            )
    return BenchResult(machine, source_size, tuple(results))


def _write_clips(request: BenchRequest, folder: Path) -> list[Path]:
    """The source repeated to each length; the stem of a file is its number of frames."""
    lengths = [request.num_frames] + ([request.long_frames] if request.long_frames > request.num_frames else [])
    paths = [folder / f"{length}.mp4" for length in lengths]
    frames = [] if request.source else synthetic_clip(SYNTHETIC_FRAMES, SYNTHETIC_SIZE, SYNTHETIC_SIZE)
    for length, path in zip(lengths, paths, strict=True):
        if request.source is not None:
            write_looped_clip(request.source, length, path)
        else:
            write_looped_frames(frames, length, path, DEFAULT_FPS)
    return paths


def _untrained_checkpoint(clip: Path, folder: Path, emit: EventHandler) -> CheckpointFile:
    """The preset `fast` at 256 pixels with random weights, for the conditioner `landmarks`, or `edges` without it."""
    is_ready = any(plugin.name == "landmarks" and plugin.status == "ready" for plugin in find_conditioners())
    conditioner = "landmarks" if is_ready else "edges"
    emit(InfoEvent(f"no checkpoint is given: an untrained generator (preset fast, 256 px, {conditioner}) is measured"))
    dataset = prepare(PrepareRequest((clip,), (conditioner,), folder / "dataset"), ignore_events).path
    path = folder / "fast.ckpt"
    save_untrained_checkpoint(path, dataset, resolve_config("fast", None, ("data.height=256",), {}).config)
    return open_checkpoint(path, "frames")


def _time_stages(stages: TransferStages) -> dict[str, StageTiming]:
    """Each stage once on all frames; the first frames of the generator, which select kernels, are not measured."""
    stages.generate(2)
    stages.images = stages.generate()
    num_frames = len(stages.frames)
    return {
        name: _time_call(lambda run=run: run(stages), num_frames)  # type: ignore[misc]
        for name, run in STAGES.items()
        if stages.has_references or "references" not in name
    }


def _time_call(call: Callable[[], object], num_frames: int) -> StageTiming:
    start, cpu_start = time.perf_counter(), time.process_time()
    call()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return StageTiming(1000 * seconds / num_frames, 1000 * cpu_seconds / num_frames)


def _time_transfer(clip: Path, checkpoint: CheckpointFile, out: Path, request: BenchRequest) -> FileTiming:
    arguments = ["transfer", str(clip), "--target", str(checkpoint.path), "--out", str(out), "--device", request.device]
    arguments += ["--compile"] if request.compile else []
    command = code_command(_MEASURED_CLI, *arguments, "--no-compare", "--overwrite", "--json", "--quiet")
    start, first_frame_time, child_mib, records = time.monotonic(), 0.0, 0.0, {}
    with start_process(command, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            record = json.loads(line)
            records[record["event"]] = record
            if record["event"] == "progress" and record["stage"] == "transfer":
                first_frame_time = first_frame_time or time.monotonic() - start
                child_mib = max(child_mib, children_memory_mib(process.pid))
    if "result" not in records:
        error = records.get("error", {"message": "the transfer ended without a result", "hint": ""})
        raise Vid2VidError(str(error["message"]), str(error["hint"]))
    result, usage = records["result"], records["usage"]
    return FileTiming(
        result["num_frames"],
        result["elapsed_seconds"],
        first_frame_time,
        usage["cpu_seconds"],
        usage["peak_mib"] + child_mib,
    )


def _time_sizes(model: LoadedModel, request: BenchRequest, emit: EventHandler) -> dict[str, GeneratorTiming | str]:
    """The generator at each height, with the proportions of its frames, in each precision of its backend."""
    height, width = model.metadata.output_size
    timings: dict[str, GeneratorTiming | str] = {}
    for runtime, name in _runtimes(model):
        generator: SequentialGenerator = model.generator
        if model.traced_generator is not None:
            generator = TracedGenerator(model.traced_generator.generator, runtime)
        for size in request.sizes:
            emit(InfoEvent(f"{model.metadata.name}: generator at {size} px, {name}"))
            try:
                shape = model.input_shape((size, max(1, round(width * size / height))))
                timing: GeneratorTiming | str = time_generator(generator, runtime, shape, request.max_seconds)
            except (RuntimeError, ValueError) as error:
                timing = str(error).splitlines()[0]
            timings[f"{size}, {name}"] = timing
    return timings


def _runtimes(model: LoadedModel) -> Sequence[tuple[Runtime, str]]:
    """The runtimes of a model and their names: torch in both precisions, a compiled generator, or onnxruntime."""
    runtime = model.runtime
    if model.hardware.provider:
        return [(runtime, model.hardware.describe())]
    if runtime.is_compiled:
        return [(runtime, f"torch, {runtime.precision}, compiled")]
    return [
        (Runtime(runtime.device, precision, runtime.channels_last), f"torch, {precision}")
        for precision in ("fp32", "bf16")
    ]
