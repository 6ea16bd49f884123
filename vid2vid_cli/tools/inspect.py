"""Description of a dataset, run, checkpoint or video. Does not import torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning.conditioner import LabelClass
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.presets import read_yaml
from vid2vid_cli.core.checkpoint_header import DISCRIMINATOR_PREFIX, REFERENCE_FRAMES_KEY, read_header
from vid2vid_cli.core.errors import MissingFileError, NotAVideoError, Vid2VidError
from vid2vid_cli.core.parsing import parse_json
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.engine.dry_run import group_rows
from vid2vid_cli.engine.event_log import read_last_step
from vid2vid_cli.engine.hub import fetch_checkpoint
from vid2vid_cli.tools.conditioner_info import TableRows, format_bytes, format_classes

CHECKPOINT_SUFFIXES = (".ckpt", ".safetensors", ".pt", ".pth")


@dataclass(frozen=True)
class InspectResult:
    """Kind of a file or folder, and table rows (name, value)."""

    kind: str
    rows: TableRows

    def to_json(self) -> dict[str, object]:
        """Convert to JSON types."""
        return {**group_rows(self.rows), "kind": self.kind}


def inspect_path(path: Path) -> InspectResult:
    """Detect the kind of a file or folder by its contents and describe it.

    Raises MissingFileError, NotAVideoError (none of the known kinds), and the errors of reading each kind.
    """
    path = fetch_checkpoint(path)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist.", "Check the path.")
    if path.is_dir():
        if (path / "dataset.json").is_file():
            return InspectResult("dataset", tuple(_dataset_rows(path)))
        if (path / "config.yaml").is_file() or (path / "checkpoints").is_dir():
            return InspectResult("run", tuple(_run_rows(path)))
    elif path.suffix.lower() in CHECKPOINT_SUFFIXES:
        return InspectResult("checkpoint", tuple(_checkpoint_rows(path)))
    try:
        return InspectResult("video", tuple(_video_rows(path)))
    except NotAVideoError as error:
        message = f"{path} is not a dataset, run, checkpoint or video."
        raise NotAVideoError(message, "Give the path of one of these.") from error


def _dataset_rows(path: Path) -> Iterator[tuple[str, str]]:
    from vid2vid_cli.data.manifest import read_manifest

    manifest = read_manifest(path)
    yield "kind", "dataset"
    yield "name", manifest.name
    for source in manifest.sources:
        yield "source", f"{source.path} (sha256 {source.sha256[:12]})"
    yield "size", f"{manifest.width} x {manifest.height}"
    seconds = manifest.num_frames / manifest.frame_rate
    yield "frames", f"{manifest.num_frames} at {manifest.fps} fps ({float(seconds):.1f} s)"
    num_shots, num_videos = len(manifest.clips), len({clip.name for clip in manifest.clips})
    yield (
        "clips",
        f"{num_shots} shots of {num_videos} video{'s' * (num_videos > 1)}"
        if num_shots > num_videos
        else f"{num_shots}",
    )
    for name, spans in (("training", manifest.splits.train), ("validation", manifest.splits.val)):
        yield name, f"{sum(stop - start for _, start, stop in spans)} frames"
    for record in manifest.conditioners:
        quality = record.quality
        detection_text = (
            f"detected on {quality.num_detected} of {quality.num_frames} frames, mean quality {quality.mean:.2f}"
        )
        yield "conditioner", f"{record.name}: {record.num_channels} channels, {detection_text}"
        if record.options:
            yield f"{record.name} options", ", ".join(f"{key}={value}" for key, value in record.options.items())
        if record.classes:
            yield f"{record.name} classes", format_classes(record.classes, len(record.classes))
    yield "created by", manifest.created_by
    yield "size on disk", format_bytes(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))


def _run_rows(path: Path) -> Iterator[tuple[str, str]]:
    yield "kind", "run"
    command = path / "command.txt"
    if command.is_file():
        yield "command", command.read_text(encoding="utf-8", errors="replace").strip()
    if (path / "config.yaml").is_file():
        config = read_yaml(path / "config.yaml", "the run")
        yield "summary", str(config.get("summary", ""))
        data = _mapping(config.get("data"))
        aspect_ratio = data.get("aspect_ratio", 1) or "of the frames"
        height_text = "side of a square of the same area" if data.get("size_rule") == "area" else "height"
        yield "size", f"{height_text} {data.get('height', '?')}, aspect ratio {aspect_ratio}"
    yield from _record_rows(path / "run.json")
    last_step = read_last_step(path)
    if last_step:
        total_text = f" of {last_step['max_steps']}" if last_step.get("max_steps") else ""
        yield "step", f"{last_step['step']}{total_text}"
        yield "losses", ", ".join(f"{name} {_format_value(value)}" for name, value in last_step["losses"].items())
    folder = path / "checkpoints"
    checkpoint_names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    yield "checkpoints", ", ".join(checkpoint_names) or "none yet"
    result_paths = sorted(path.glob("*.ckpt"))
    yield "result", ", ".join(str(file) for file in result_paths) or "none yet"
    if checkpoint_names:
        yield "continue with", shell_command("vid2vid", "train", "--resume", path)


def _checkpoint_rows(path: Path) -> Iterator[tuple[str, str]]:
    metadata, tensor_table = read_header(path)
    reference_entry = tensor_table.pop(REFERENCE_FRAMES_KEY, None)
    yield "kind", "checkpoint"
    yield "name", str(metadata.get("name", path.stem))
    dtypes = ", ".join(sorted({str(entry["dtype"]) for entry in tensor_table.values()}))
    discriminator_names = {name for name in tensor_table if name.startswith(DISCRIMINATOR_PREFIX)}
    generator_tensors = [entry for name, entry in tensor_table.items() if name not in discriminator_names]
    file_size = format_bytes(path.stat().st_size)
    yield (
        "weights",
        f"{_format_millions(generator_tensors)} in {len(generator_tensors)} tensors, {dtypes}, {file_size}",
    )
    if discriminator_names:
        yield (
            "discriminators",
            f"{_format_millions([tensor_table[name] for name in discriminator_names])}, for further training",
        )
    if reference_entry is not None:
        references = _mapping(metadata.get("references"))
        view = _mapping(references.get("view"))
        num_references, size = (
            len(_sequence(references.get("annotations"))),
            f"{view.get('width')} x {view.get('height')}",
        )
        yield "reference frames", f"{num_references} of {size}, {format_bytes(sum(reference_entry['shape']))}"
        yield "note", "this file contains real training frames, which can be extracted from it"
    yield from _checkpoint_size_rows(metadata)
    for conditioner in _mappings(metadata.get("conditioners")):
        yield "conditioner", f"{conditioner.get('name')}: {conditioner.get('channels')} channels"
        classes = _load_classes(str(conditioner.get("name")), _mapping(conditioner.get("options")))
        if classes:
            yield f"{conditioner.get('name')} classes", format_classes(classes, len(classes))
    for key, value in metadata.items():
        if key == "style_bank" and value:
            class_styles = _mappings(_mapping(value).get("classes"))
            style_counts = (f"{styles.get('name')} {len(_sequence(styles.get('sizes')))}" for styles in class_styles)
            yield "styles", f"{', '.join(style_counts)}; see vid2vid styles show {shell_command(path)}"
        elif key == "attribute_directions":
            for direction in _mappings(value):
                threshold, num_with = _format_value(direction.get("threshold")), direction.get("num_with")
                text = f"{num_with} frames above {threshold}, {direction.get('num_without')} not"
                yield "attribute", f"{direction.get('name')} ({direction.get('source')}): {text}"
        elif key not in ("name", "conditioners", "view", "height", "width", "references", "training_config"):
            yield from _flatten_rows(key.replace("_", " "), value)


def _checkpoint_size_rows(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The size of the generated frames, in which the network was trained, and of the frames that they are a crop of."""
    for name, size in (("generated frames", metadata.get("view")), ("dataset frames", metadata)):
        if isinstance(size, dict) and {"width", "height"} <= size.keys():
            yield name, f"{size['width']} x {size['height']}"


def _load_classes(name: str, options: dict[str, Any]) -> tuple[LabelClass, ...]:
    """The classes of a conditioner; () if its plugin is not installed."""
    try:
        return load_conditioner(name, options).classes()
    except Vid2VidError:
        return ()


def _video_rows(path: Path) -> Iterator[tuple[str, str]]:
    from vid2vid_cli.media.container import read_comment
    from vid2vid_cli.media.probe import probe
    from vid2vid_cli.media.writer import SYNTHETIC_COMMENT

    video_probe = probe(path)
    yield "kind", video_probe.kind
    mirror_text = ", mirrored" if video_probe.is_mirrored else ""
    rotation_text = f", rotated by {video_probe.rotation} degrees" if video_probe.rotation else ""
    yield "size", f"{video_probe.width} x {video_probe.height}{mirror_text}{rotation_text}"
    fps_text = f"{video_probe.fps} fps ({float(video_probe.fps):.3f})"
    rate_text = ""
    if video_probe.is_variable_rate:
        rate_text = ", variable rate"
        if video_probe.num_unused_frames:
            rate_text += f": {video_probe.num_unused_frames} of {video_probe.num_stored_frames} pictures not used"
    yield "frames", f"{video_probe.num_frames} at {fps_text}{rate_text}, {video_probe.duration:.2f} s"
    yield "codec", video_probe.codec
    yield "colour space", video_probe.colour_space
    yield "audio", "yes" if video_probe.has_audio else "no"
    for remark in video_probe.remarks:
        yield "note", remark
    if video_probe.kind == "video" and (comment := read_comment(path)):
        yield "comment", comment
        if comment.startswith(SYNTHETIC_COMMENT):
            yield "synthetic", "yes, according to the file's comment"


def _record_rows(path: Path) -> Iterator[tuple[str, str]]:
    """The fields of run.json: dataset, preset, precision, device."""
    try:
        record = _mapping(parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return
    for key, value in record.items():
        if value != "":
            yield key, str(value)


def _mapping(value: Any) -> dict[str, Any]:
    """`value` if it is a mapping, otherwise {}: files are described as far as they can be read."""
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in _sequence(value) if isinstance(entry, dict)]


def _flatten_rows(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """One row for a plain value, one row per key for a mapping."""
    if isinstance(value, dict):
        for key, nested_value in value.items():
            yield from _flatten_rows(f"{name} {str(key).replace('_', ' ')}", nested_value)
    else:
        yield name, _format_value(value)


def _format_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _format_millions(tensors: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(math.prod(entry['shape']) for entry in tensors) / 1e6:.2f} million"
