"""The machine and the memory of this process, for measurements."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

import torch

from vid2vid_cli.engine.measured_choices import processor_name
from vid2vid_cli.engine.runtime import choose_runtime

_STATUS = Path("/proc/self/status")


def machine_info(device: str, precision: str = "auto", *, is_training: bool = False) -> dict[str, object]:
    """Processor, cores, versions and GPU that measurements are made on. Raises DeviceError and ConfigError."""
    runtime = choose_runtime(device, precision, is_training=is_training)
    return {
        "processor": processor_name(),
        "cores": num_cores(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "runtime": runtime.describe(),
        "gpu": torch.cuda.get_device_name() if runtime.device.type == "cuda" else None,
    }


def num_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_mib() -> float:
    """Largest resident memory of this process in MiB; on Linux without that of the process which started it."""
    if _STATUS.is_file():
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        peaks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
        if peaks:
            return peaks[0]
    if sys.platform == "win32":
        return float("nan")
    import resource

    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def total_cpu_seconds() -> float:
    """Processor time of this process and of its child processes that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def children_memory_mib(pid: int) -> float:
    """Memory in MiB that belongs to the child processes of a process alone, on Linux; 0 elsewhere.

    Pages that a forked process shares with its parent are not counted.
    """
    private_kib = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended, or belongs to somebody else
            parent = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            if parent == pid:
                lines = (folder / "smaps_rollup").read_text(encoding="utf-8").splitlines()
                private_kib += sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return private_kib / 1024
