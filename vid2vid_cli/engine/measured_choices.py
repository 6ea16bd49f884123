"""Choices by measurement, kept between processes: they save time, and a repeated command gives the same result.

They are in `choices.json` in the folder of VID2VID_CACHE_DIR, by default `~/.cache/vid2vid`. If that variable is empty,
or the file cannot be read or written, each process measures by itself.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.paths import expand_home
from vid2vid_cli.media.files import atomic_write

CACHE_VARIABLE = "VID2VID_CACHE_DIR"
MAX_AGE_DAYS, MAX_CHOICES, MAX_FILE_BYTES = 30, 200, 1_000_000
Key = Sequence[object]


def recall_choice(kind: str, key: Key) -> Any:
    """The JSON value that was kept for `kind` and `key` on such a machine; None if there is none, or an old one."""
    kept = _load().get(_name(kind, key))
    return None if kept is None or not 0 <= time.time() - kept["time"] < 86400 * MAX_AGE_DAYS else kept["value"]


def keep_choice(kind: str, key: Key, value: Any) -> None:
    """Keep a JSON value. Of many, the newest are kept; one that another process keeps at the same time may be lost."""
    path = _path()
    if path is None:
        return
    choices = {**_load(), _name(kind, key): {"value": value, "time": time.time()}}
    newest = sorted(choices.items(), key=lambda item: item[1]["time"])[-MAX_CHOICES:]
    with suppress(Vid2VidError, OSError):
        atomic_write(path, lambda temp_path: temp_path.write_text(json.dumps(dict(newest)), "utf-8"), sync=False)


def processor_name() -> str:
    """The model of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _path() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = os.environ.get(CACHE_VARIABLE, f"{base}/vid2vid")
    return expand_home(Path(folder)) / "choices.json" if folder else None


def _load() -> dict[str, dict[str, Any]]:
    path = _path()
    try:
        if path is None or path.stat().st_size > MAX_FILE_BYTES:
            return {}
        choices = json.loads(path.read_text(encoding="utf-8"))
        return {name: {"value": kept["value"], "time": float(kept["time"])} for name, kept in choices.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _name(kind: str, key: Key) -> str:
    """Of a choice on this machine, with this version of torch and its number of threads."""
    machine = processor_name(), torch.__version__, torch.get_num_threads(), "OMP_NUM_THREADS" in os.environ
    return f"{kind} {sha256(repr((machine, tuple(key))).encode()).hexdigest()[:32]}"
