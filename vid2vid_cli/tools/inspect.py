"""What a file or folder is and holds: a dataset, a run, a checkpoint, a video. Needs no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning.conditioner import LabelClass
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.presets import read_yaml
from vid2vid_cli.core.checkpoint_header import JUDGES, read_header
from vid2vid_cli.core.errors import MissingFileError, NotAVideoError, Vid2VidError
from vid2vid_cli.engine.dry_run import grouped
from vid2vid_cli.tools.conditioner_info import named_classes, size

Rows = tuple[tuple[str, str], ...]
CHECKPOINTS = (".ckpt", ".safetensors", ".pt", ".pth")


@dataclass(frozen=True)
class Inspected:
    """What something is, and rows of (what, value) for people."""

    kind: str
    rows: Rows

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        return {**grouped(self.rows), "kind": self.kind}


def inspect(path: Path) -> Inspected:
    """What lies at `path`, found by looking inside.

    Raises: MissingFileError, NotAVideoError (nothing that vid2vid knows), and the errors of reading each kind.
    """
    if not path.exists():
        raise MissingFileError(f"{path} does not exist.", "Check the path.")
    if path.is_dir():
        if (path / "dataset.json").is_file():
            return Inspected("dataset", tuple(_dataset(path)))
        if (path / "config.yaml").is_file() or (path / "checkpoints").is_dir():
            return Inspected("run", tuple(_run(path)))
    elif path.suffix.lower() in CHECKPOINTS:
        return Inspected("checkpoint", tuple(_checkpoint(path)))
    try:
        return Inspected("video", tuple(_video(path)))
    except NotAVideoError as error:
        message = f"{path} is neither a dataset, a run, a checkpoint nor a video."
        raise NotAVideoError(message, "Name one of those.") from error


def _dataset(path: Path) -> Iterator[tuple[str, str]]:
    from vid2vid_cli.data.manifest import read_manifest

    manifest = read_manifest(path)
    yield "kind", "dataset"
    yield "name", manifest.name
    for source in manifest.source:
        yield "source", f"{source.path} (sha256 {source.sha256[:12]})"
    yield "size", f"{manifest.width} x {manifest.height}"
    seconds = manifest.frames / manifest.rate
    yield "frames", f"{manifest.frames} at {manifest.fps} fps ({float(seconds):.1f} s)"
    shots, videos = len(manifest.clips), len({clip.name for clip in manifest.clips})
    yield "clips", f"{shots}, the shots of {videos} video{'s' * (videos > 1)}" if shots > videos else f"{shots}"
    for name, spans in (("training", manifest.splits.train), ("held out", manifest.splits.holdout)):
        yield name, f"{sum(last - first for _, first, last in spans)} frames"
    for record in manifest.conditioners:
        quality = record.quality
        found = f"found on {quality.found} of {quality.total} frames, mean quality {quality.mean:.2f}"
        yield "conditioner", f"{record.name}: {record.channels} channels, {found}"
        if record.options:
            yield f"{record.name} options", ", ".join(f"{key}={value}" for key, value in record.options.items())
        if record.classes:
            yield f"{record.name} classes", named_classes(record.classes, len(record.classes))
    yield "made by", manifest.created_by
    yield "on disk", size(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))


def _run(path: Path) -> Iterator[tuple[str, str]]:
    yield "kind", "run"
    command = path / "command.txt"
    if command.is_file():
        yield "command", command.read_text(encoding="utf-8").strip()
    if (path / "config.yaml").is_file():
        config = read_yaml(path / "config.yaml", "the run")
        yield "summary", str(config.get("summary", ""))
        data = config.get("data", {})
        yield "size", f"{data.get('size', '?')} px high, aspect {data.get('aspect', 1) or 'of the frames'}"
    yield from _record(path / "run.json")
    last = _last_step(path / "events.jsonl")
    if last:
        end = f" of {last['steps']}" if last.get("steps") else ""
        yield "step", f"{last.get('step')}{end}"
        yield "losses", ", ".join(f"{name} {_figure(value)}" for name, value in last.get("losses", {}).items())
    folder = path / "checkpoints"
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    yield "checkpoints", ", ".join(names) or "none yet"
    finished = sorted(path.glob("*.ckpt"))
    yield "result", ", ".join(str(file) for file in finished) or "none yet"
    if names:
        yield "continue with", f"vid2vid train --resume {path}"


def _checkpoint(path: Path) -> Iterator[tuple[str, str]]:
    data, table = read_header(path)
    yield "kind", "checkpoint"
    yield "name", str(data.get("name", path.stem))
    kinds = ", ".join(sorted({str(entry["dtype"]) for entry in table.values()}))
    judges = {name for name in table if name.startswith(JUDGES)}
    own = [entry for name, entry in table.items() if name not in judges]
    yield "weights", f"{_million(own)} in {len(own)} tensors, {kinds}, {size(path.stat().st_size)}"
    if judges:
        yield "discriminators", f"{_million([table[name] for name in judges])}, for training to go on from"
    for use in data.get("conditioners", ()):
        yield "conditioner", f"{use.get('name')}: {use.get('channels')} channels"
        classes = _classes(str(use.get("name")), use.get("options", {}))
        if classes:
            yield f"{use.get('name')} classes", named_classes(classes, len(classes))
    for key, value in data.items():
        if key == "styles" and value:
            known = (f"{one.get('name')} {len(one.get('sizes', ()))}" for one in value.get("classes", ()))
            yield "styles", f"{', '.join(known)}; drawn by vid2vid styles show {path}"
        elif key not in ("name", "conditioners", "view"):
            yield from _flat(key.replace("_", " "), value)


def _classes(name: str, options: dict[str, Any]) -> tuple[LabelClass, ...]:
    """What `--replace` and `--remove` may name; () where the conditioner is not on this machine."""
    try:
        return load_conditioner(name, options).classes()
    except Vid2VidError:
        return ()


def _video(path: Path) -> Iterator[tuple[str, str]]:
    from vid2vid_cli.media.probe import probe

    seen = probe(path)
    yield "kind", seen.kind
    yield "size", f"{seen.width} x {seen.height}" + (f", turned by {seen.rotation} degrees" if seen.rotation else "")
    steady = ", variable rate" if seen.variable else ""
    yield "frames", f"{seen.frames} at {seen.fps} fps ({float(seen.fps):.3f}){steady}, {seen.duration:.2f} s"
    yield "codec", seen.codec
    yield "colour", seen.colour
    yield "sound", "yes" if seen.has_audio else "no"


def _record(path: Path) -> Iterator[tuple[str, str]]:
    """What a run remembers: its dataset, preset, precision and device."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for key, value in record.items():
        if value != "":
            yield key, str(value)


def _last_step(path: Path) -> dict[str, Any]:
    """The last training step in a journal; a line that a kill cut off is passed over."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") == "stepped":
            return event
    return {}


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """One row for plain values, one per key for a mapping."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name} {str(key).replace('_', ' ')}", inner)
    else:
        yield name, _figure(value)


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _million(tensors: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(math.prod(entry['shape']) for entry in tensors) / 1e6:.2f} million"
