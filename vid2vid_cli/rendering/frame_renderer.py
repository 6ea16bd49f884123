"""From annotations to pictures, as a stream: rendering, generating and encoding overlap, and nothing is collected."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, View
from vid2vid_cli.conditioning.combine import condition_picture
from vid2vid_cli.conditioning.instances import InstanceReader
from vid2vid_cli.core.errors import ExistsError
from vid2vid_cli.core.prefetch import ahead
from vid2vid_cli.data.clip_sampler import frame_tensor, render_conditions
from vid2vid_cli.engine.events import Advanced, Tell
from vid2vid_cli.engine.inference import to_picture
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.style_bank import Styler
from vid2vid_cli.media.contact_sheet import side_by_side
from vid2vid_cli.media.files import free_name
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.rendering.initial_frame import Beginning

Picture = NDArray[np.uint8]
COMMENT = "Synthetic: rendered by vid2vid-cli from another video."


@dataclass(frozen=True)
class Rendered:
    """A finished video."""

    path: Path
    compare: Path | None
    frames: int
    seconds: float
    fps: Fraction


class Seen(NamedTuple):
    """One frame of the source: its picture, if it has one, and what each conditioner found."""

    picture: Picture | None
    annotations: tuple[Annotation, ...]


class Drawn(NamedTuple):
    """The same frame with its condition channels, ready for the generator."""

    seen: Seen
    conditions: torch.Tensor


@dataclass(frozen=True)
class Painter:
    """What turns annotations into pictures."""

    generator: SequentialGenerator
    conditioners: tuple[Conditioner, ...]
    views: tuple[View, ...]
    """One for each conditioner, all of the size of the picture."""
    machine: Machine
    styler: Styler | None = None
    """Of a generator with styles: which each object gets."""
    begin: Beginning | None = None
    """What the frames before a clip are; None: nothing."""

    def paint(self, source: Iterable[Seen]) -> Iterator[tuple[Seen, Picture]]:
        """One picture (h, w, 3) per frame of one clip, in order; drawing runs ahead in a thread."""
        with closing(ahead(self._draw(source), depth=4)) as drawn:
            seen: list[Seen] = []
            head = list(islice(drawn, 1))
            if not head:
                return

            def conditions() -> Iterator[torch.Tensor]:
                for item in chain(head, drawn):
                    seen.append(item.seen)
                    yield item.conditions[None].to(self.machine.device, non_blocking=True).float()

            outputs = rollout(self.generator, conditions(), begin=self._before(head[0]))
            while True:
                # Both are the thread's, which between two frames is the consumer's again.
                with torch.inference_mode(), self.machine.autocast():
                    output = next(outputs, None)
                    if output is None:
                        return
                    picture = to_picture(output.image[0])
                yield seen.pop(), picture

    @torch.inference_mode()
    def _before(self, drawn: Drawn) -> torch.Tensor | None:
        """The frame before a clip of which that is the first, (1, 1, 3, h, w)."""
        if self.begin is None:
            return None
        own = None if drawn.seen.picture is None else frame_tensor(drawn.seen.picture)[None]
        channels = sum(conditioner.channels for conditioner in self.conditioners)  # and not the styles, which follow
        with self.machine.autocast():
            return self.begin(own, drawn.conditions[None, :channels].to(self.machine.device).float())

    def _draw(self, source: Iterable[Seen]) -> Iterator[Drawn]:
        read = None if self.styler is None else InstanceReader(self.conditioners, self.views, self.styler.bank.things)
        for seen in source:
            channels = render_conditions(self.conditioners, seen.annotations, self.views)
            if self.styler is not None and read is not None:
                channels = np.concatenate([channels, self.styler(read(seen.annotations))])
            drawn = torch.from_numpy(channels)
            # Here, beside the generator, which otherwise would have to before each frame; a longer window is copied.
            yield Drawn(seen, self.machine.lay_out(drawn[None])[0] if self.generator.window == 1 else drawn)

    def comparison(self, seen: Seen, result: Picture) -> Picture:
        """Source (where there is one), condition and result side by side, all as high as the result."""
        pictures = {"condition": condition_picture(self.conditioners, seen.annotations, self.views), "result": result}
        if seen.picture is not None:
            pictures = {"source": seen.picture, **pictures}
        return side_by_side(list(pictures.values()), list(pictures), result.shape[0])


@dataclass(frozen=True)
class Output:
    """Where the pictures go."""

    path: Path
    compare: Path | None
    fps: Fraction
    audio_from: Path | None = None
    audio_start: float = 0.0


Clips = Iterable[tuple[Painter, Iterable[Seen]]]


def write_video(clips: Clips, output: Output, expected: int | None, tell: Tell, stage: str) -> Rendered:
    """Paint clips one after the other (the past is forgotten between them) and write them as one video.

    Generating runs in a thread of its own while this one encodes. Raises DiskFullError, PermissionDeniedError, and
    whatever the source raises; nothing unfinished is left.
    """
    began = time.monotonic()

    def paint_all() -> Iterator[tuple[Painter, Seen, Picture]]:
        for painter, clip in clips:
            for seen, picture in painter.paint(clip):
                yield painter, seen, picture

    count = 0
    with ExitStack() as stack:
        sound = {"audio_from": output.audio_from, "audio_start": output.audio_start}
        video = stack.enter_context(VideoWriter(output.path, output.fps, comment=COMMENT, **sound))  # type: ignore[arg-type]
        beside = (
            stack.enter_context(VideoWriter(output.compare, output.fps, comment=COMMENT, **sound))  # type: ignore[arg-type]
            if output.compare
            else None
        )
        for painter, seen, picture in stack.enter_context(closing(ahead(paint_all(), depth=4))):
            video.write(picture)
            if beside is not None:
                beside.write(painter.comparison(seen, picture))
            count += 1
            tell(Advanced(stage, count, expected))
    return Rendered(output.path, output.compare, count, time.monotonic() - began, output.fps)


def compare_path(path: Path) -> Path:
    """Where the comparison of a video goes."""
    return path.with_name(f"{path.stem}_compare{path.suffix}")


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


def is_lost(annotation: Annotation, conditioner: Conditioner) -> bool:
    """Whether who was followed is gone for a while. A label map without anybody is a map too, and none is lost."""
    return annotation.quality == 0 and conditioner.spec.output != "labels"


def hold_last(
    annotations: Sequence[Annotation], held: list[Annotation], conditioners: Sequence[Conditioner]
) -> tuple[Annotation, ...]:
    """For each conditioner what it found, or where that is lost what it found last; `held` is kept up to date."""
    for index, (annotation, conditioner) in enumerate(zip(annotations, conditioners, strict=True)):
        if not is_lost(annotation, conditioner):
            held[index] = annotation
    return tuple(held)
