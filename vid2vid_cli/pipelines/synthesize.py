"""`synthesize`: a prepared dataset, or label video that exists already, rendered by a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import Annotation, view_image
from vid2vid_cli.core.errors import ConfigError, DatasetError, MissingFileError
from vid2vid_cli.core.prefetch import ahead
from vid2vid_cli.data.dataset import Dataset, Span, Split
from vid2vid_cli.data.manifest import FILE_NAME, Manifest
from vid2vid_cli.engine.checkpoint import CheckpointInfo, load_checkpoint, load_info
from vid2vid_cli.engine.dry_run import Plan
from vid2vid_cli.engine.events import Noticed, Tell, Warned
from vid2vid_cli.engine.output_kind import check_draws
from vid2vid_cli.engine.run_folder import checkpoint_file
from vid2vid_cli.engine.runtime import choose_machine
from vid2vid_cli.rendering.frame_renderer import (
    Clips,
    Output,
    Painter,
    Rendered,
    Seen,
    compare_path,
    hold_last,
    output_file,
    write_video,
)
from vid2vid_cli.rendering.initial_frame import choose_first, open_first
from vid2vid_cli.rendering.label_edits import Relabelling, editing_of, frame_size
from vid2vid_cli.rendering.label_video import lies_outside, open_labels
from vid2vid_cli.rendering.parse_edits import understand_edits
from vid2vid_cli.rendering.source_video import Driver, Source, shots
from vid2vid_cli.rendering.style_options import StyleWords, choose_styler, understand_styles
from vid2vid_cli.rendering.time_range import Stretch
from vid2vid_cli.training_data.training_data import Subject, open_for_checkpoint


@dataclass(frozen=True)
class SynthesizeRequest:
    """What `synthesize` is asked to do."""

    checkpoint: Path
    source: Path
    """A dataset folder; a label video or a folder of label files; or a dataset of another program."""
    out: Path | None = None
    """None: <source>_synthesized.mp4 here."""
    split: Split = "all"
    device: str = "auto"
    overwrite: bool = False
    compare: bool = True
    """Also write source, condition and result side by side."""
    precision: str = "auto"
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Conditioner -> option -> value, of label video: further files, such as those of a second conditioner."""
    retarget: bool = True
    """Bring the points of a label video to the target's place and proportions."""
    replace: tuple[str, ...] = ()
    """Classes drawn as others, and where, as typed: building=vegetation@10s-20s."""
    remove: tuple[str, ...] = ()
    """Classes taken out, and where, as typed: person@0%,0%,50%,100%."""
    first: str | None = None
    """What each clip begins with: zeros, real, a picture, or a frame-wise .ckpt. None: as the model was trained."""
    style: StyleWords = field(default_factory=StyleWords)
    """Which of the styles that the model knows each object gets."""
    start: float = 0.0
    end: float | None = None
    """Seconds of what would be rendered without them."""
    max_frames: int | None = None


def plan_synthesize(request: SynthesizeRequest) -> Plan:
    """What `synthesize` would do; writes nothing. Raises as `synthesize`."""
    info = load_info(checkpoint_file(request.checkpoint))
    check_draws(info, request.checkpoint, "frames")
    understand_styles(request.style, info)
    height, width = info.picture
    rows = [("checkpoint", f"{info.name}, {width}x{height}")]
    if _is_dataset(request):
        subject, spans = _open(request, info)
        count = sum(span.frames for span in spans)
        rows.append(("dataset", f"{subject.dataset.folder}, {count} frames ({request.split})"))
        editing = _editing_dataset(request, subject)
    else:
        sources = _labels(request, info)
        for source in sources:
            rows.append(("labels", f"{source.path}, {source.reader.expected} frames at {source.reader.fps} fps"))
        editing = editing_of(sources, request.replace, request.remove)
    first = choose_first(request.first, info, request.checkpoint, real=_is_dataset(request))
    return Plan((*rows, *editing.rows(), *first.rows(), *request.style.rows(), ("video", str(_out(request)))))


def synthesize(request: SynthesizeRequest, tell: Tell) -> Rendered:
    """Render labels: those of a dataset, or label video. The recursion starts anew with each clip, and at a cut.

    Raises: MissingFileError, DatasetError, DatasetMismatchError, ConfigError (labels that a conditioner cannot read,
    styles that the model does not know), FilesMismatchError, LabelFilesError, NothingFoundError,
    ForeignCheckpointError, TruncatedCheckpointError, DeviceError, DiskFullError, PermissionDeniedError, and what
    reading a bad video raises.
    """
    path = checkpoint_file(request.checkpoint)
    info = load_info(path)
    check_draws(info, request.checkpoint, "frames")
    if not _is_dataset(request):
        return _of_labels(request, path, info, tell)
    subject, spans = _open(request, info)
    dataset, view = subject.dataset, subject.view
    editing = _editing_dataset(request, subject)
    machine = choose_machine(request.device, request.precision)
    generator, _ = load_checkpoint(path, machine)
    styler = choose_styler(request.style, info, generator, machine, tell)
    begin = open_first(request.first, info, request.checkpoint, machine, tell, real=True)
    painter = Painter(generator, subject.conditioners, subject.views, machine, styler, begin)
    names = [use.name for use in info.conditioners]

    def frames(span: Span) -> Iterator[Seen]:
        held = [_first_found(dataset, span, name) for name in names]
        for index in range(span.first, span.last):
            found = [dataset.annotation(span.clip, index, name) for name in names]
            yield Seen(view_image(dataset.frame(span.clip, index), view), hold_last(found, held, subject.conditioners))

    tell(Noticed(f"{dataset.folder} -> {info.name} on {machine.describe()}"))
    editing.begin([use.statistics for use in info.conditioners], tell)
    out = _out(request)
    sound, start = _sound(dataset.manifest, spans)
    output = Output(out, compare_path(out) if request.compare else None, dataset.fps, sound, start)
    expected = sum(span.frames for span in spans)
    clips = ((painter, editing.clip(frames(span), (dataset.height, dataset.width))) for span in spans)
    made = write_video(clips, output, expected, tell, "synthesize")
    editing.report(tell)
    return made


def _of_labels(request: SynthesizeRequest, path: Path, info: CheckpointInfo, tell: Tell) -> Rendered:
    """Read, bring to the target, generate and encode in one stream; memory does not grow with its length."""
    sources = _labels(request, info)
    editing = editing_of(sources, request.replace, request.remove)
    out = _out(request)
    machine = choose_machine(request.device, request.precision)
    generator, _ = load_checkpoint(path, machine)
    tell(Noticed(f"{request.source} -> {info.name} on {machine.describe()}"))
    editing.begin([use.statistics for use in info.conditioners], tell)
    styler = choose_styler(request.style, info, generator, machine, tell)
    begin = open_first(request.first, info, request.checkpoint, machine, tell, real=False)
    looks = [source.look(tell) for source in sources]
    drivers = [
        Driver(source, look, info, retarget=request.retarget) for source, look in zip(sources, looks, strict=True)
    ]

    def clips() -> Clips:
        for source, driver in zip(sources, drivers, strict=True):
            painter = Painter(generator, source.conditioners, driver.views, machine, styler, begin)
            with closing(ahead(source.found(), depth=4)) as found:
                for shot in shots(found):
                    yield painter, editing.clip(driver.shot(shot), frame_size(source))

    reader = sources[0].reader
    sound = sources[0].path if len(sources) == 1 and reader.probe.has_audio else None
    output = Output(out, compare_path(out) if request.compare else None, reader.fps, sound, float(reader.begin))
    expected = sum(source.reader.expected or 0 for source in sources)
    made = write_video(clips(), output, expected, tell, "synthesize")
    editing.report(tell)
    for message in dict.fromkeys(message for source in sources for message in source.reader.warnings):
        tell(Warned(message))
    missed, frames = (sum(getattr(driver, name) for driver in drivers) for name in ("missed", "frames"))
    for source, look, driver in zip(sources, looks, drivers, strict=True):
        if lies_outside(source, look) and not all(driver.moved):
            tell(
                Warned(
                    f"The points of {source.path} belong to frames larger than the model's {info.width}x{info.height}: "
                    "leave --no-retarget out, so that they are brought there."
                )
            )
    if missed:
        tell(Warned(f"there is nothing on {missed} of {frames} frames; there the last pose was held."))
    return made


def _is_dataset(request: SynthesizeRequest) -> bool:
    if not request.source.exists():
        raise MissingFileError(
            f"{request.source} does not exist.", "Name a dataset, such as datasets/video, or a label video."
        )
    return (request.source / FILE_NAME).is_file()


def _labels(request: SynthesizeRequest, info: CheckpointInfo) -> list[Source]:
    return open_labels(request.source, info, request.checkpoint, request.options, request.split, _stretch(request))


def _stretch(request: SynthesizeRequest) -> Stretch:
    return Stretch(request.start, request.end, request.max_frames)


def _editing_dataset(request: SynthesizeRequest, subject: Subject) -> Relabelling:
    dataset, wanted = subject.dataset, understand_edits(request.replace, request.remove)
    editing = Relabelling(wanted, subject.conditioners, dataset.fps)
    editing.check([(dataset.height, dataset.width)])
    return editing


def _out(request: SynthesizeRequest) -> Path:
    source = request.source.resolve()
    default = Path(f"{source.name if source.is_dir() else source.stem}_synthesized.mp4")
    return output_file(request.out, default, overwrite=request.overwrite, compare=request.compare)


def _open(request: SynthesizeRequest, info: CheckpointInfo) -> tuple[Subject, list[Span]]:
    if request.options:
        raise ConfigError(
            f"{request.source} is a dataset: how its labels are read was decided when it was prepared.",
            "Leave --option out.",
        )
    subject = open_for_checkpoint(request.source, info, request.checkpoint)
    spans = subject.dataset.clips(request.split)
    if not spans:
        raise DatasetError(f"{request.source} has no {request.split} frames.", "Use --split all.")
    cuts = _stretch(request).cuts([span.frames for span in spans], subject.dataset.fps, str(request.source))
    spans = [Span(spans[at].clip, spans[at].first + first, spans[at].first + last) for at, first, last in cuts]
    return subject, spans


def _first_found(dataset: Dataset, span: Span, conditioner: str) -> Annotation:
    """What is held until something is found: the first thing of the stretch, where there is any."""
    found = np.flatnonzero(dataset.quality(span.clip, conditioner)[span.first : span.last] > 0)
    return dataset.annotation(span.clip, span.first + (int(found[0]) if len(found) else 0), conditioner)


def _sound(manifest: Manifest, spans: list[Span]) -> tuple[Path | None, float]:
    """The video whose sound belongs to stretches that follow each other, and where they begin; none if it is gone."""
    clips = [manifest.clips[span.clip] for span in spans]
    places = [
        (clip.name, clip.first + span.first, clip.first + span.last) for clip, span in zip(clips, spans, strict=True)
    ]
    if any(one[0] != other[0] or one[2] != other[1] for one, other in pairwise(places)):
        return None, 0.0
    source = Path(manifest.source[clips[0].source].path)
    return (source if source.is_file() else None), clips[0].start + float(spans[0].first / manifest.rate)
