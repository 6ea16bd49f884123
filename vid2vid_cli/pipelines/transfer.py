"""`transfer`: what one person does in a video, done by another, with the video's sound."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from vid2vid_cli.conditioning.person import with_person
from vid2vid_cli.conditioning.requirements import check_conditioners
from vid2vid_cli.core.errors import NotAVideoError
from vid2vid_cli.core.prefetch import ahead
from vid2vid_cli.data.manifest import FILE_NAME
from vid2vid_cli.engine.checkpoint import CheckpointInfo, load_checkpoint, load_info
from vid2vid_cli.engine.dry_run import Plan
from vid2vid_cli.engine.events import Noticed, Tell, Warned
from vid2vid_cli.engine.output_kind import check_draws
from vid2vid_cli.engine.run_folder import checkpoint_file
from vid2vid_cli.engine.runtime import choose_machine
from vid2vid_cli.rendering.frame_renderer import Output, Painter, Rendered, compare_path, output_file, write_video
from vid2vid_cli.rendering.initial_frame import choose_first, open_first
from vid2vid_cli.rendering.label_edits import editing_of, frame_size
from vid2vid_cli.rendering.source_video import Driver, Source, check_named, shots, source_conditioners, source_reader
from vid2vid_cli.rendering.style_options import StyleWords, choose_styler, understand_styles


@dataclass(frozen=True)
class TransferRequest:
    """What `transfer` is asked to do."""

    source: Path
    target: Path
    """A .ckpt, or its run folder."""
    out: Path | None = None
    """None: <source>_as_<target>.mp4 here."""
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Conditioner -> option -> value: how things are found on the source, or files made beside it."""
    person: str | None = None
    """Whom to follow: largest, centre, or N; for every conditioner that follows people."""
    retarget: bool = True
    compare: bool = True
    """Also write source, condition and result side by side."""
    device: str = "auto"
    overwrite: bool = False
    start: float = 0.0
    end: float | None = None
    max_frames: int | None = None
    precision: str = "auto"
    replace: tuple[str, ...] = ()
    """Classes drawn as others, and where, as typed; of a target that is driven by a segmentation."""
    remove: tuple[str, ...] = ()
    """Classes taken out, and where, as typed."""
    first: str | None = None
    """What each shot begins with: zeros, a picture, or a frame-wise .ckpt. None: as the model was trained."""
    style: StyleWords = field(default_factory=StyleWords)
    """Which of the styles that the model knows each object gets."""


def plan_transfer(request: TransferRequest) -> Plan:
    """What `transfer` would do; writes nothing. Raises as `transfer`, but for what only frames can tell."""
    info, source = _open(request)
    understand_styles(request.style, info)
    height, width = info.picture
    editing = editing_of([source], request.replace, request.remove)
    moved = [c.spec.name for c in source.conditioners if c.retargets and request.retarget]
    return Plan(
        (
            ("source", f"{request.source}, about {source.reader.expected} frames at {source.reader.fps} fps"),
            ("target", f"{info.name}, {width}x{height}"),
            ("conditioners", ", ".join(use.name for use in info.conditioners)),
            ("retargeted", ", ".join(moved) or "no"),
            *editing.rows(),
            *choose_first(request.first, info, request.target, real=False).rows(),
            *request.style.rows(),
            ("video", str(_out(request, info))),
        )
    )


def transfer(request: TransferRequest, tell: Tell) -> Rendered:
    """Condition, retarget, generate and encode a video in one stream; memory does not grow with its length.

    A first look at some frames learns the source's own neutral. Where a conditioner finds nothing, what it found last
    stays. At a cut everything begins anew. Raises: MissingFileError and its like (bad video), NothingFoundError,
    ConfigError (an option), FilesMismatchError, LabelFilesError, ForeignCheckpointError, TruncatedCheckpointError,
    PluginError, MissingPackageError, DeviceError, DiskFullError, PermissionDeniedError.
    """
    info, source = _open(request)
    editing = editing_of([source], request.replace, request.remove)
    out = _out(request, info)
    machine = choose_machine(request.device, request.precision)
    generator, _ = load_checkpoint(checkpoint_file(request.target), machine)
    tell(Noticed(f"{request.source} -> {info.name} on {machine.describe()}"))
    editing.begin([use.statistics for use in info.conditioners], tell)
    driver = Driver(source, source.look(tell), info, retarget=request.retarget)
    styler = choose_styler(request.style, info, generator, machine, tell)
    begin = open_first(request.first, info, request.target, machine, tell, real=False)
    painter = Painter(generator, source.conditioners, driver.views, machine, styler, begin)
    reader = source.reader
    output = Output(out, compare_path(out) if request.compare else None, reader.fps, request.source, request.start)
    with closing(ahead(source.found(), depth=4)) as found:
        clips = ((painter, editing.clip(driver.shot(shot), frame_size(source))) for shot in shots(found))
        made = write_video(clips, output, reader.expected, tell, "transfer")
    editing.report(tell)
    for warning in reader.warnings:
        tell(Warned(warning))
    for remark in reader.remarks:
        tell(Noticed(f"{request.source}: {remark}"))
    if driver.missed:
        tell(Warned(f"nothing was found on {driver.missed} of {driver.frames} frames; there the last pose was held."))
    return made


def _open(request: TransferRequest) -> tuple[CheckpointInfo, Source]:
    info = load_info(checkpoint_file(request.target))
    check_draws(info, request.target, "frames")
    if (request.source / FILE_NAME).is_file():  # its contact sheet would pass for a video of one frame
        raise NotAVideoError(
            f"{request.source} is a dataset, not a video.",
            shlex.join(["vid2vid", "synthesize", str(request.target), str(request.source)]),
        )
    names = [use.name for use in info.conditioners]
    conditioners = source_conditioners(info, with_person(request.options, names, request.person))
    check_named(info, conditioners)
    check_conditioners(conditioners)
    where = {"start": request.start, "end": request.end, "max_frames": request.max_frames}
    reader = source_reader(request.source, info, **where)
    return info, Source(request.source, reader, conditioners)


def _out(request: TransferRequest, info: CheckpointInfo) -> Path:
    default = Path(f"{request.source.resolve().stem}_as_{info.name}.mp4")
    return output_file(request.out, default, overwrite=request.overwrite, compare=request.compare)
