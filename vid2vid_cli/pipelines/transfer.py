"""`transfer`: what one person does in a video, done by another, with the video's sound."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice, tee
from pathlib import Path

from vid2vid_cli.conditioning import Annotation, Bytes, Conditioner, Statistics, view_image
from vid2vid_cli.core.errors import NotAVideoError, NothingFoundError
from vid2vid_cli.core.stream import ahead
from vid2vid_cli.data.framing import frame_view
from vid2vid_cli.data.manifest import FILE_NAME
from vid2vid_cli.engine.checkpoint import CheckpointInfo, load_checkpoint, load_info
from vid2vid_cli.engine.device import choose_machine
from vid2vid_cli.engine.events import Advanced, Noticed, Tell, Warned
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.plan import Plan
from vid2vid_cli.pipelines.preparing.job import check_conditioners
from vid2vid_cli.pipelines.render import Output, Painter, Rendered, Seen, compare_path, hold_last, write_video
from vid2vid_cli.pipelines.run_folder import checkpoint_file
from vid2vid_cli.pipelines.subject import load_conditioners, merged_statistics
from vid2vid_cli.pipelines.synthesize import output_file

LOOKS = 96
"""Frames, spread over the video, from which the source's own neutral and place are taken."""
SHORT_SIDE = 512
"""Larger sources are annotated at this size, as in `prepare`."""


@dataclass(frozen=True)
class TransferRequest:
    """What `transfer` is asked to do."""

    source: Path
    target: Path
    """A .ckpt, or its run folder."""
    out: Path | None = None
    """None: <source>_as_<target>.mp4 here."""
    retarget: bool = True
    compare: bool = True
    """Also write source, condition and result side by side."""
    device: str = "auto"
    overwrite: bool = False
    start: float = 0.0
    end: float | None = None
    max_frames: int | None = None
    precision: str = "auto"


@dataclass
class _Source:
    """The video, and what was learned from a first look at it."""

    reader: VideoReader
    conditioners: tuple[Conditioner, ...]
    statistics: list[Statistics] = field(default_factory=list)
    first_found: list[Annotation] = field(default_factory=list)
    missed: int = 0
    frames: int = 0


def plan_transfer(request: TransferRequest) -> Plan:
    """What `transfer` would do; writes nothing. Raises as `transfer`, but for what only frames can tell."""
    info, _, reader = _open(request)
    view = info.frame_view()
    return Plan(
        (
            ("source", f"{request.source}, about {reader.expected} frames at {reader.fps} fps"),
            ("target", f"{info.name}, {view.width}x{view.height}"),
            ("conditioners", ", ".join(use.name for use in info.conditioners)),
            ("retargeted", "yes" if request.retarget else "no"),
            ("video", str(_out(request, info))),
        )
    )


def transfer(request: TransferRequest, tell: Tell) -> Rendered:
    """Condition, retarget, generate and encode a video in one stream; memory does not grow with its length.

    A first look at some frames learns the source's own neutral. Where a conditioner finds nothing, what it found last
    stays. Raises: MissingFileError and its like (bad video), NothingFoundError, ForeignCheckpointError,
    TruncatedCheckpointError, PluginError, MissingPackageError, DeviceError, DiskFullError, PermissionDeniedError.
    """
    info, conditioners, reader = _open(request)
    out = _out(request, info)
    machine = choose_machine(request.device, request.precision)
    generator, _ = load_checkpoint(checkpoint_file(request.target), machine)
    tell(Noticed(f"{request.source} -> {info.name} on {machine.describe()}"))
    source = _Source(reader, conditioners)
    _look(source, request.source, tell)
    targets = [dict(use.statistics) for use in info.conditioners]
    moved = request.retarget and any(conditioner.retargets for conditioner in conditioners)
    size = info.frame_view().height
    own_view = frame_view(reader.height, reader.width, size, info.crop, merged_statistics(source.statistics))
    view = info.frame_view() if moved else own_view

    def frames() -> Iterator[Seen]:
        pictures: deque[Bytes] = deque()
        held = [
            next(c.retarget([a], s, t)) if moved else a
            for c, a, s, t in zip(conditioners, source.first_found, source.statistics, targets, strict=True)
        ]
        with closing(ahead(reader, depth=4)) as decoded:

            def passing() -> Iterator[Bytes]:
                for frame in decoded:
                    pictures.append(view_image(frame, own_view))
                    yield frame

            found = [
                c.retarget(c.annotate(copy), s, t) if moved else c.annotate(copy)
                for c, copy, s, t in zip(
                    conditioners, tee(passing(), len(conditioners)), source.statistics, targets, strict=True
                )
            ]
            for annotations in zip(*found, strict=True):
                source.frames += 1
                source.missed += any(annotation.quality == 0 for annotation in annotations)
                yield Seen(pictures.popleft(), hold_last(annotations, held))

    output = Output(out, compare_path(out) if request.compare else None, reader.fps, request.source, request.start)
    painter = Painter(generator, conditioners, view, machine)
    made = write_video(painter, [ahead(frames(), depth=4)], output, reader.expected, tell, "transfer")
    for warning in reader.warnings:
        tell(Warned(warning))
    for remark in reader.remarks:
        tell(Noticed(f"{request.source}: {remark}"))
    if source.missed:
        tell(Warned(f"nothing was found on {source.missed} of {source.frames} frames; there the last pose was held."))
    return made


def _open(request: TransferRequest) -> tuple[CheckpointInfo, tuple[Conditioner, ...], VideoReader]:
    info = load_info(checkpoint_file(request.target))
    if (request.source / FILE_NAME).is_file():  # its contact sheet would pass for a video of one frame
        raise NotAVideoError(
            f"{request.source} is a dataset, not a video.",
            shlex.join(["vid2vid", "synthesize", str(request.target), str(request.source)]),
        )
    conditioners = load_conditioners([(use.name, use.options) for use in info.conditioners])
    check_conditioners(conditioners)
    where = {"start": request.start, "end": request.end, "max_frames": request.max_frames}
    reader = VideoReader(request.source, **where)  # type: ignore[arg-type]
    short = min(reader.height, reader.width)
    if short > SHORT_SIDE:
        size = (round(reader.height * SHORT_SIDE / short), round(reader.width * SHORT_SIDE / short))
        reader = VideoReader(request.source, size=size, **where)  # type: ignore[arg-type]
    return info, conditioners, reader


def _out(request: TransferRequest, info: CheckpointInfo) -> Path:
    default = Path(f"{request.source.resolve().stem}_as_{info.name}.mp4")
    return output_file(request.out, default, overwrite=request.overwrite, compare=request.compare)


def _look(source: _Source, path: Path, tell: Tell) -> None:
    """Annotate some frames spread over the video, for statistics and for the first pose to hold.

    Raises NothingFoundError where a conditioner finds nothing on any of them.
    """
    stride = max(1, (source.reader.expected or LOOKS) // LOOKS)
    with closing(ahead(source.reader, depth=4)) as frames:
        picked = islice(frames, 0, None, stride)
        copies = tee(picked, len(source.conditioners))
        found: list[list[Annotation]] = [[] for _ in source.conditioners]
        streams = [c.annotate(copy) for c, copy in zip(source.conditioners, copies, strict=True)]
        for index, annotations in enumerate(zip(*streams, strict=True)):
            for kept, annotation in zip(found, annotations, strict=True):
                kept.append(annotation)
            tell(Advanced("look at the source", index + 1, None))
    for conditioner, looked in zip(source.conditioners, found, strict=True):
        good = next((a for a in looked if a.quality > 0), None)
        if good is None:
            raise NothingFoundError(
                f"{conditioner.spec.name}: nothing was found on any of {len(looked)} frames of {path}.",
                "Use a video that shows the subject larger and from the front.",
            )
        source.first_found.append(good)
        source.statistics.append(conditioner.statistics(looked))
