"""The video that drives a transfer: looked at once, then annotated shot by shot and brought to the target.

decoded frames ─► annotate (whole video: trackers and smoothing see every cut themselves)
               ─► shots ─► retarget (anew for each shot) ─► what is drawn
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, tee
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vid2vid_cli.conditioning import Annotation, Bytes, Conditioner, CutDetector, Footage, Statistics, View, view_image
from vid2vid_cli.conditioning.combine import load_conditioners, merged_statistics
from vid2vid_cli.core.errors import ConfigError, MissingFileError, NothingFoundError
from vid2vid_cli.core.prefetch import ahead
from vid2vid_cli.data.cropping import frame_view
from vid2vid_cli.engine.checkpoint import CheckpointInfo
from vid2vid_cli.engine.events import Advanced, Tell
from vid2vid_cli.media.blank_reader import Frames
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering.frame_renderer import Seen, hold_last, is_lost
from vid2vid_cli.training_data.training_data import of_other_footage

LOOKS = 96
"""Frames, spread over the video, from which the source's own neutral and place are taken."""
SHORT_SIDE = 512
"""Pixels; larger sources are annotated at this size, as in `prepare`, or at that of the target's frames."""
Options = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Look:
    """What a first look at a source taught, per conditioner."""

    statistics: tuple[Statistics, ...]
    first: tuple[Annotation, ...]
    """The first frame on which it found something: what is held until it finds something again."""


class Found(NamedTuple):
    """One frame of the source, and what every conditioner found on it."""

    frame: Bytes
    cut: bool
    """A new shot begins with it."""
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class Source:
    """A video, and the conditioners of a checkpoint that are to look at it."""

    path: Path
    reader: Frames
    conditioners: tuple[Conditioner, ...]
    shown: bool = True
    """Whether its frames stand beside the result: not where they are the labels, or blank."""

    def bound(self, stride: int = 1) -> tuple[Conditioner, ...]:
        """The conditioners for every `stride`-th frame of this video."""
        probe, reader = self.reader.probe, self.reader
        footage = Footage(
            path=self.path,
            height=probe.height,
            width=probe.width,
            frames=probe.frames,
            fps=reader.own_fps,
            view=View.of_box((0, 0, probe.width, probe.height), reader.height, reader.width),
            rate=reader.fps / stride,
            start=float(reader.begin),
        )
        return tuple(conditioner.of(footage) for conditioner in self.conditioners)

    def look(self, tell: Tell) -> Look:
        """Annotate some frames spread over the video, for statistics and for the first pose to hold.

        Raises NothingFoundError where a conditioner finds nothing on any of them.
        """
        stride = max(1, (self.reader.expected or LOOKS) // LOOKS)
        found: list[list[Annotation]] = [[] for _ in self.conditioners]
        with closing(ahead(self.reader, depth=4)) as frames:
            copies = tee(islice(frames, 0, None, stride), len(self.conditioners))
            streams = [c.annotate(copy) for c, copy in zip(self.bound(stride), copies, strict=True)]
            for index, annotations in enumerate(zip(*streams, strict=True)):
                for kept, annotation in zip(found, annotations, strict=True):
                    kept.append(annotation)
                tell(Advanced("look at the source", index + 1, None))
        first = tuple(self._first(c, looked) for c, looked in zip(self.conditioners, found, strict=True))
        statistics = (c.statistics(looked) for c, looked in zip(self.conditioners, found, strict=True))
        return Look(tuple(statistics), first)

    def _first(self, conditioner: Conditioner, looked: Sequence[Annotation]) -> Annotation:
        for annotation in looked:
            if annotation.quality > 0:
                return annotation
        name = conditioner.spec.name
        if not self.shown:
            message = (
                f"The labels of {name} are empty on all of {len(looked)} frames of {self.path} that were looked at."
            )
            raise NothingFoundError(message, "Look at these files: nobody is in them.")
        raise NothingFoundError(
            f"{name}: nothing was found on any of {len(looked)} frames of {self.path}.",
            f"Use a video that shows the subject larger; `vid2vid plugins show {name}` lists options that may help.",
        )

    def found(self) -> Generator[Found, None, None]:
        """Every frame with what was found on it; a few frames are decoded ahead, and none are kept."""
        waiting: deque[tuple[Bytes, bool]] = deque()
        is_cut = CutDetector()
        with closing(ahead(self.reader, depth=4)) as decoded:

            def passing() -> Iterator[Bytes]:
                for frame in decoded:
                    waiting.append((frame, self.shown and is_cut(frame)))  # of labels nobody can tell
                    yield frame

            copies = tee(passing(), len(self.conditioners))
            streams = [c.annotate(copy) for c, copy in zip(self.bound(), copies, strict=True)]
            for annotations in zip(*streams, strict=True):
                yield Found(*waiting.popleft(), annotations)


def shots(found: Iterator[Found]) -> Iterator[Iterator[Found]]:
    """The same frames, an iterator for each shot; each is to be drawn to its end before the next. Holds one frame."""
    following: list[Found] = list(islice(found, 1))

    def shot() -> Iterator[Found]:
        yield following.pop()
        for one in found:
            if one.cut:
                following.append(one)
                return
            yield one

    while following:
        yield shot()


class Driver:
    """Brings what is found on a source to the target, shot by shot, and counts where nothing was found.

    Conditioners that retarget are seen through the target's view; the others, and all where that is not wanted,
    through the source's own, framed by the same rule.
    """

    def __init__(self, source: Source, look: Look, info: CheckpointInfo, *, retarget: bool) -> None:
        self.source, self.statistics = source, look.statistics
        self.targets = [dict(use.statistics) for use in info.conditioners]
        sides = zip(source.conditioners, look.statistics, self.targets, strict=True)
        self.moved = [retarget and c.retargets and bool(mine) and bool(theirs) for c, mine, theirs in sides]
        reader = source.reader
        self.own = frame_view(reader.height, reader.width, info.picture, info.crop, merged_statistics(look.statistics))
        self.views = tuple(info.frame_view() if moved else self.own for moved in self.moved)
        self.frames = 0
        self.missed = 0
        first = Found(np.zeros((1, 1, 3), np.uint8), False, look.first)
        self._held = [next(self._bring(index, [first])) for index in range(len(look.first))]

    def shot(self, found: Iterable[Found]) -> Iterator[Seen]:
        """The frames of one shot as they are to be drawn; retargeting begins without memory of any other."""
        pictures: deque[Bytes | None] = deque()

        def passing() -> Iterator[Found]:
            for one in found:
                pictures.append(view_image(one.frame, self.own) if self.source.shown else None)
                yield one

        copies = tee(passing(), len(self.views))
        for brought in zip(*(self._bring(index, copy) for index, copy in enumerate(copies)), strict=True):
            self.frames += 1
            self.missed += any(map(is_lost, brought, self.source.conditioners))
            yield Seen(pictures.popleft(), hold_last(brought, self._held, self.source.conditioners))

    def _bring(self, index: int, found: Iterable[Found]) -> Iterator[Annotation]:
        """What one conditioner found, in the frames that its view looks at."""
        own = (one.annotations[index] for one in found)
        if not self.moved[index]:
            return own
        return self.source.conditioners[index].retarget(own, self.statistics[index], self.targets[index])


def source_reader(path: Path, info: CheckpointInfo, **where: Any) -> VideoReader:
    """The frames of a source, reduced where they are larger than `prepare` makes them and than the checkpoint's were.

    `where` is what `VideoReader` takes. Raises what it raises.
    """
    reader = VideoReader(path, **where)
    short, longest = min(reader.height, reader.width), max(SHORT_SIDE, min(info.height, info.width))
    if short <= longest:
        return reader
    return VideoReader(
        path, size=(round(reader.height * longest / short), round(reader.width * longest / short)), **where
    )


def source_conditioners(info: CheckpointInfo, options: Options) -> tuple[Conditioner, ...]:
    """The conditioners of a checkpoint, with options for this source over those it remembers.

    Raises PluginError, and ConfigError for an option that does not exist, that says how the checkpoint's conditions
    are drawn, or that makes conditions of another number of channels.
    """
    names = [use.name for use in info.conditioners]
    for name in options:
        if name not in names:
            raise ConfigError(
                f"Options were given for {name}, and {info.name} was trained with {' and '.join(names)}.",
                f"Leave them out, or give {names[0]}.OPTION=VALUE.",
            )
    uses = [(use.name, {**of_other_footage(use), **options.get(use.name, {})}) for use in info.conditioners]
    conditioners = load_conditioners(uses)
    for conditioner, use in zip(conditioners, info.conditioners, strict=True):
        given = options.get(use.name, {})
        drawing = [option for option in given if option in conditioner.options.names("drawing")]
        if drawing:
            raise ConfigError(
                f"{use.name}.{drawing[0]} says how the condition is drawn, and {info.name} has learned to read it "
                "as it was drawn in training.",
                f"Leave it out, or train with --set conditioner_options.{use.name}.{drawing[0]}={given[drawing[0]]}.",
            )
        if conditioner.channels != use.channels:
            said = ", ".join(f"{use.name}.{option}={value}" for option, value in given.items())
            raise ConfigError(
                f"With {said} {use.name} gives {conditioner.channels} channels, and {info.name} needs {use.channels}.",
                "Leave that option out.",
            )
    return conditioners


def check_named(info: CheckpointInfo, conditioners: Sequence[Conditioner]) -> None:
    """Raise MissingFileError for labels that can only be read, and were not named."""
    for conditioner in conditioners:
        name = conditioner.spec.name
        if not conditioner.finds and getattr(conditioner.options, conditioner.reads) is None:
            raise MissingFileError(
                f"{info.name} is driven by {name} that exist already, and none were named.",
                f"Add --option {name}.{conditioner.reads}=FOLDER; or render label video by itself: "
                "vid2vid synthesize CKPT LABELS",
            )
