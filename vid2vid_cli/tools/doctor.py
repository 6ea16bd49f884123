"""Does everything work on this machine: one check after another, each with its remedy."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vid2vid_cli.conditioning.registry import find_conditioners
from vid2vid_cli.conditioning.spec import ConditionerSpec
from vid2vid_cli.config.presets import preset_names
from vid2vid_cli.config.resolve import load_layers
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.tools.conditioner_info import needs_of, size, weights_of

TIME_OUT = 90.0
"""Seconds for one trial: a cold import of torch from a slow disk takes some."""
DISK_GB, MEMORY_GB = 5.0, 4.0
_PROBES = {
    "torch": ("torch", "pip install --force-reinstall torch"),
    "training step": ("step", "pip install --force-reinstall torch"),
    "codecs": ("codecs", "pip install --force-reinstall av"),
    "OpenCV": ("opencv", "pip install --force-reinstall opencv-python-headless"),
    "video round trip": ("video", "pip install --force-reinstall av imageio-ffmpeg"),
}
Status = Literal["ok", "absent", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    status: Status
    """failed: the core does not work without it; absent: one way of several that is not here."""
    detail: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


def diagnose() -> list[Check]:
    """Every check, in the order in which to mend things; never raises."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        trials = list(pool.map(lambda item: _trial(item[0], *item[1]), _PROBES.items()))
    speed = _trial("bf16", "bf16", "Train with --set engine.precision=fp32.")  # alone: it measures time
    return [_python(), *trials, speed, _memory(), _disk(), _writable(), *_presets(), *_plugins()]


def _python() -> Check:
    version = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        return Check("Python", "warning", version, "Use Python 3.10 to 3.13.")
    return Check("Python", "ok", version)


def _trial(name: str, probe: str, remedy: str) -> Check:
    """One trial in a process of its own."""
    command = [sys.executable, "-m", "vid2vid_cli.tools.doctor_checks", probe]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_OUT, check=False)
    except subprocess.TimeoutExpired:
        return Check(name, "failed", f"no answer within {TIME_OUT:.0f} s", remedy)
    except OSError as error:
        return Check(name, "failed", str(error), remedy)
    if done.returncode < 0:
        return Check(name, "failed", f"crashed: {signal.Signals(-done.returncode).name}", remedy)
    try:
        status, detail, advice = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        lines = done.stderr.strip().splitlines()
        return Check(name, "failed", lines[-1] if lines else f"exit code {done.returncode}", remedy)
    return Check(name, "warning" if status == "warning" else "ok", detail, advice)


def _memory() -> Check:
    total, free = _memory_bytes()
    if total == 0:
        return Check("memory", "ok", "not known on this system")
    detail = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    if free < MEMORY_GB * 1e9:
        return Check("memory", "warning", detail, "Close other programs, or train with --set data.size=128.")
    return Check("memory", "ok", detail)


def _memory_bytes() -> tuple[int, int]:
    """Total and available memory in bytes; (0, 0) where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        amounts = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return amounts["MemTotal"], amounts["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        pass
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total, total
    except (AttributeError, OSError, ValueError):
        return 0, 0


def _disk() -> Check:
    try:
        usage = shutil.disk_usage(Path.cwd())
    except OSError as error:
        return Check("disk", "failed", str(error), "Change to a folder that exists.")
    detail = f"{usage.free / 1e9:.1f} GB free here"
    if usage.free < DISK_GB * 1e9:
        return Check("disk", "warning", detail, "Free some space, or choose --out on another disk.")
    return Check("disk", "ok", detail)


def _writable() -> Check:
    """Whether datasets/ and runs/ can be made here."""
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            return Check("this folder", "ok", "may be written")
    except OSError as error:
        return Check("this folder", "warning", f"may not be written ({error.strerror})", "Change to another, or --out.")


def _presets() -> Iterator[Check]:
    names = preset_names()
    broken = False
    for name in names:
        try:
            load_layers(name, None, (), {})
        except Vid2VidError as error:
            broken = True
            yield Check(f"preset {name}", "failed", error.message, "pip install --force-reinstall vid2vid-cli")
    if not names:
        yield Check("presets", "failed", "none found", "pip install --force-reinstall vid2vid-cli")
    elif not broken:
        yield Check("presets", "ok", ", ".join(names))


def _plugins() -> Iterator[Check]:
    """A plugin that is not ready is no failure of the core."""
    for found in find_conditioners():
        status: Status = "ok" if found.status == "ready" else "warning"
        detail = "ready" if found.status == "ready" else f"{found.status}: {found.problem}"
        yield Check(f"plugin {found.name}", status, f"{detail} ({found.origin})", found.remedy)
        if found.spec is not None:
            yield from _equipment(found.spec)


def _equipment(spec: ConditionerSpec) -> Iterator[Check]:
    """The packages of a plugin's backends, and their weights: what is here, and what is not and need not be."""
    for need in needs_of(spec):
        state = "installed" if need.installed else "not installed"
        detail = f"{state}. {need.note}".strip(" .") + ("." if need.note else "")
        remedy = "" if need.installed else need.install
        yield Check(f"{spec.name}: {need.module}", "ok" if need.installed else "absent", detail, remedy)
    for file in weights_of(spec):
        name = f"{spec.name}: {file.name}"
        if not file.path:
            yield Check(name, "absent", f"not on this machine, {size(file.size)}. {file.source}")
        elif file.is_published():
            yield Check(name, "ok", f"{file.path}, {size(file.size)}, {file.licence}")
        else:
            detail = f"{file.path} is damaged or another file: its sha256 is not {file.sha256[:12]}..."
            remedy = f"Delete it. {file.source}"
            yield Check(name, "warning", detail, remedy)
