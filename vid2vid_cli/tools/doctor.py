"""Checks of the installation, each with a remedy: libraries, memory, disk, presets, plugins."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vid2vid_cli.conditioning.registry import find_conditioners
from vid2vid_cli.conditioning.spec import ConditionerSpec
from vid2vid_cli.config.presets import preset_names
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.python_process import module_command, start_process
from vid2vid_cli.media.published_weights import WeightState, fetch_command
from vid2vid_cli.tools.conditioner_info import format_bytes, requirement_statuses, weight_file_statuses
from vid2vid_cli.tools.weights import PERCEPTUAL_LOSS, list_weights

CHECK_TIMEOUT_SECONDS = 90.0
"""Importing torch from a slow disk takes tens of seconds."""
MIN_DISK_GB, MIN_MEMORY_GB = 5.0, 4.0
_SUBPROCESS_CHECKS = {
    "torch": ("torch", "pip install --force-reinstall torch"),
    "training step": ("training_step", "pip install --force-reinstall torch"),
    "codecs": ("codecs", "pip install --force-reinstall av"),
    "OpenCV": ("opencv", "pip install --force-reinstall opencv-python-headless"),
    "video round trip": ("video", "pip install --force-reinstall av imageio-ffmpeg"),
}
CheckStatus = Literal["ok", "missing", "warning", "failed"]
WEIGHT_STATUSES: Mapping[WeightState, CheckStatus] = {"present": "ok", "missing": "missing", "damaged": "warning"}


@dataclass(frozen=True)
class DoctorCheck:
    """Result of one check."""

    name: str
    status: CheckStatus
    """failed: the core does not work without it; missing: an optional package or file that is not installed."""
    detail: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Convert to JSON types."""
        return asdict(self)


def run_checks() -> list[DoctorCheck]:
    """Run all checks, those that others depend on first; never raises."""
    results = _run_subprocess_checks(_SUBPROCESS_CHECKS)
    # Not in parallel with the others: it measures time.
    bf16_results = _run_subprocess_checks({"bf16": ("bf16", "Train with --set runtime.precision=fp32.")})
    return [
        _check_python(),
        *results,
        *bf16_results,
        _check_memory(),
        _check_disk(),
        _check_writable(),
        *_check_presets(),
        *_check_perceptual_weights(),
        *_check_plugins(),
    ]


def _check_python() -> DoctorCheck:
    version = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        return DoctorCheck("Python", "warning", version, "Use Python 3.10 to 3.13.")
    return DoctorCheck("Python", "ok", version)


def _run_subprocess_checks(checks: Mapping[str, tuple[str, str]]) -> list[DoctorCheck]:
    """Run checks of `doctor_checks` at the same time, each in a subprocess, which may crash or hang.

    `checks`: name of the result -> (name in `doctor_checks`, remedy). No subprocess runs after an exception.
    """
    with ExitStack() as exit_stack:
        processes: dict[str, subprocess.Popen[str] | OSError] = {}
        for name, (check_name, _) in checks.items():
            command = module_command("vid2vid_cli.tools.doctor_checks", check_name)
            try:
                processes[name] = exit_stack.enter_context(start_process(command, subprocess.PIPE))
            except OSError as error:
                processes[name] = error
        return [_collect_result(name, process, checks[name][1]) for name, process in processes.items()]


def _collect_result(name: str, process: subprocess.Popen[str] | OSError, remedy: str) -> DoctorCheck:
    """Wait for a check and read its result; an OSError stands for a process that could not be started."""
    if isinstance(process, OSError):
        return DoctorCheck(name, "failed", str(process), remedy)
    try:
        stdout, stderr = process.communicate(timeout=CHECK_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return DoctorCheck(name, "failed", f"timed out after {CHECK_TIMEOUT_SECONDS:.0f} s", remedy)
    if process.returncode < 0:
        return DoctorCheck(name, "failed", f"crashed: {signal.Signals(-process.returncode).name}", remedy)
    try:
        status, detail, advice = json.loads(stdout.splitlines()[-1])
    except (ValueError, IndexError):
        lines = stderr.strip().splitlines()
        return DoctorCheck(name, "failed", lines[-1] if lines else f"exit code {process.returncode}", remedy)
    return DoctorCheck(name, "warning" if status == "warning" else "ok", detail, advice)


def _check_memory() -> DoctorCheck:
    total, free = _memory_bytes()
    if total == 0:
        return DoctorCheck("memory", "ok", "unknown on this system")
    detail = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    if free < MIN_MEMORY_GB * 1e9:
        return DoctorCheck("memory", "warning", detail, "Close other programs, or train with --set data.height=128.")
    return DoctorCheck("memory", "ok", detail)


def _memory_bytes() -> tuple[int, int]:
    """Total and available memory in bytes; (0, 0) if unknown."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        bytes_by_field = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return bytes_by_field["MemTotal"], bytes_by_field["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        pass
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total, total
    except (AttributeError, OSError, ValueError):
        return 0, 0


def _check_disk() -> DoctorCheck:
    try:
        usage = shutil.disk_usage(Path.cwd())
    except OSError as error:
        return DoctorCheck("disk", "failed", str(error), "Change to an existing folder.")
    detail = f"{usage.free / 1e9:.1f} GB free in the current folder"
    if usage.free < MIN_DISK_GB * 1e9:
        return DoctorCheck("disk", "warning", detail, "Free some space, or use --out on another disk.")
    return DoctorCheck("disk", "ok", detail)


def _check_writable() -> DoctorCheck:
    """Check whether datasets/ and runs/ can be created in the current folder."""
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            return DoctorCheck("current folder", "ok", "writable")
    except OSError as error:
        return DoctorCheck(
            "current folder", "warning", f"not writable ({error.strerror})", "Change to another folder, or use --out."
        )


def _check_presets() -> Iterator[DoctorCheck]:
    names = preset_names()
    has_failure = False
    for name in names:
        try:
            resolve_config(name, None, (), {})
        except Vid2VidError as error:
            has_failure = True
            yield DoctorCheck(f"preset {name}", "failed", error.message, "pip install --force-reinstall vid2vid-cli")
    if not names:
        yield DoctorCheck("presets", "failed", "none found", "pip install --force-reinstall vid2vid-cli")
    elif not has_failure:
        yield DoctorCheck("presets", "ok", ", ".join(names))


def _check_perceptual_weights() -> Iterator[DoctorCheck]:
    """Check the weight files of the perceptual loss, which is optional."""
    for item in list_weights():
        if item.used_by == PERCEPTUAL_LOSS:
            status = WEIGHT_STATUSES[item.state]
            remedy = fetch_command(item.file) if item.file.url else item.file.source
            detail = str(item.path) if item.path is not None else f"not here, {format_bytes(item.file.size_bytes)}"
            if item.state == "damaged":
                detail, remedy = f"{detail} is damaged", f"Delete it, then: {remedy}"
            yield DoctorCheck(f"weights {item.file.name}", status, detail, "" if status == "ok" else remedy)


def _check_plugins() -> Iterator[DoctorCheck]:
    """Check all plugins. A plugin that is not ready is a warning, because the core works without it."""
    for plugin in find_conditioners():
        status: CheckStatus = "ok" if plugin.status == "ready" else "warning"
        detail = "ready" if plugin.status == "ready" else f"{plugin.status}: {plugin.problem}"
        yield DoctorCheck(f"plugin {plugin.name}", status, f"{detail} ({plugin.origin})", plugin.remedy)
        if plugin.spec is not None:
            yield from _check_requirements(plugin.spec)


def _check_requirements(spec: ConditionerSpec) -> Iterator[DoctorCheck]:
    """Check the packages and weight files of a plugin's backends."""
    for requirement in requirement_statuses(spec):
        install_text = "installed" if requirement.is_installed else "not installed"
        detail = f"{install_text}. {requirement.note}".strip(" .") + ("." if requirement.note else "")
        remedy = "" if requirement.is_installed else requirement.install_command
        yield DoctorCheck(
            f"{spec.name}: {requirement.module}", "ok" if requirement.is_installed else "missing", detail, remedy
        )
    for weight_file in weight_file_statuses(spec):
        name = f"{spec.name}: {weight_file.name}"
        if not weight_file.path:
            yield DoctorCheck(
                name, "missing", f"not downloaded, {format_bytes(weight_file.size_bytes)}. {weight_file.source}"
            )
        elif weight_file.has_expected_hash():
            yield DoctorCheck(
                name, "ok", f"{weight_file.path}, {format_bytes(weight_file.size_bytes)}, {weight_file.licence}"
            )
        else:
            detail = f"{weight_file.path} is damaged or another file: its sha256 is not {weight_file.sha256[:12]}..."
            remedy = f"Delete it. {weight_file.source}"
            yield DoctorCheck(name, "warning", detail, remedy)
