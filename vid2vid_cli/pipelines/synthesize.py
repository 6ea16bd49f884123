"""`synthesize`: a prepared dataset rendered by a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.conditioning import Annotation, view_image
from vid2vid_cli.core.errors import DatasetError, ExistsError, MissingFileError
from vid2vid_cli.data.dataset import Span, Split
from vid2vid_cli.data.manifest import FILE_NAME, Manifest
from vid2vid_cli.engine.checkpoint import CheckpointInfo, load_checkpoint, load_info
from vid2vid_cli.engine.device import choose_machine
from vid2vid_cli.engine.events import Noticed, Tell
from vid2vid_cli.media.files import free_name
from vid2vid_cli.pipelines.plan import Plan
from vid2vid_cli.pipelines.render import Output, Painter, Rendered, Seen, compare_path, hold_last, write_video
from vid2vid_cli.pipelines.run_folder import checkpoint_file
from vid2vid_cli.pipelines.subject import Subject, open_for_checkpoint


@dataclass(frozen=True)
class SynthesizeRequest:
    """What `synthesize` is asked to do."""

    checkpoint: Path
    source: Path
    """A dataset folder."""
    out: Path | None = None
    """None: <dataset>_synthesized.mp4 here."""
    split: Split = "all"
    device: str = "auto"
    overwrite: bool = False
    compare: bool = True
    """Also write source, condition and result side by side."""
    precision: str = "auto"


def plan_synthesize(request: SynthesizeRequest) -> Plan:
    """What `synthesize` would do; writes nothing. Raises as `synthesize`."""
    info = load_info(checkpoint_file(request.checkpoint))
    subject, spans = _open(request, info)
    view = info.frame_view()
    return Plan(
        (
            ("checkpoint", f"{info.name}, {view.width}x{view.height}"),
            ("dataset", f"{subject.dataset.folder}, {sum(span.frames for span in spans)} frames ({request.split})"),
            ("video", str(_out(request))),
        )
    )


def synthesize(request: SynthesizeRequest, tell: Tell) -> Rendered:
    """Render the frames of a dataset from its annotations alone; the recursion starts anew with each clip.

    Raises: MissingFileError, DatasetError, DatasetMismatchError, ForeignCheckpointError, TruncatedCheckpointError,
    DeviceError, DiskFullError, PermissionDeniedError.
    """
    path = checkpoint_file(request.checkpoint)
    info = load_info(path)
    subject, spans = _open(request, info)
    dataset, view = subject.dataset, subject.view
    machine = choose_machine(request.device, request.precision)
    generator, _ = load_checkpoint(path, machine)
    painter = Painter(generator, subject.conditioners, subject.views, machine)
    names = [use.name for use in info.conditioners]

    def frames(span: Span) -> Iterator[Seen]:
        held: list[Annotation] = [dataset.annotation(span.clip, span.first, name) for name in names]
        for index in range(span.first, span.last):
            found = [dataset.annotation(span.clip, index, name) for name in names]
            yield Seen(view_image(dataset.frame(span.clip, index), view), hold_last(found, held))

    tell(Noticed(f"{dataset.folder} -> {info.name} on {machine.describe()}"))
    out = _out(request)
    sound, start = _sound(dataset.manifest, spans)
    output = Output(out, compare_path(out) if request.compare else None, dataset.fps, sound, start)
    expected = sum(span.frames for span in spans)
    clips = ((painter, frames(span)) for span in spans)
    return write_video(clips, output, expected, tell, "synthesize")


def output_file(wanted: Path | None, default: Path, *, overwrite: bool, compare: bool) -> Path:
    """The file to write: neither it nor its comparison exists, unless they may be overwritten.

    Raises ExistsError for a folder.
    """
    path = wanted if wanted is not None else default
    if path.is_dir():
        raise ExistsError(f"{path} is a folder", f"Name a file: --out {path / default.name}")
    if overwrite:
        return path
    return free_name(path, taken=lambda file: file.exists() or (compare and compare_path(file).exists()))


def _out(request: SynthesizeRequest) -> Path:
    default = Path(f"{request.source.resolve().name}_synthesized.mp4")
    return output_file(request.out, default, overwrite=request.overwrite, compare=request.compare)


def _open(request: SynthesizeRequest, info: CheckpointInfo) -> tuple[Subject, list[Span]]:
    if not request.source.exists():
        raise MissingFileError(f"{request.source} does not exist.", "Name a dataset, such as datasets/video.")
    if not (request.source / FILE_NAME).is_file():
        raise DatasetError(
            f"{request.source} is not a dataset.",
            f"For a video: vid2vid transfer {request.source} --target {request.checkpoint}",
        )
    subject = open_for_checkpoint(request.source, info, request.checkpoint)
    spans = subject.dataset.clips(request.split)
    if not spans:
        raise DatasetError(f"{request.source} has no {request.split} frames.", "Use --split all.")
    return subject, spans


def _sound(manifest: Manifest, spans: list[Span]) -> tuple[Path | None, float]:
    """The video whose sound belongs to a single stretch, and where it begins; none where it is gone."""
    if len(spans) != 1:
        return None, 0.0
    clip = manifest.clips[spans[0].clip]
    source = Path(manifest.source[clip.source].path)
    return (source if source.is_file() else None), clip.start + float(spans[0].first / manifest.rate)
