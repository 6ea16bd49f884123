"""Label maps edited on their way to the generator: which conditioners have them, what was typed, what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from vid2vid_cli.conditioning import Conditioner, LabelClass, Statistics
from vid2vid_cli.conditioning.combine import names_of
from vid2vid_cli.conditioning.label_editing import LABELS, Edit, LabelEditor
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.suggest import did_you_mean
from vid2vid_cli.engine.events import Tell, Warned
from vid2vid_cli.rendering.frame_renderer import Seen
from vid2vid_cli.rendering.parse_edits import Wanted, understand_edits
from vid2vid_cli.rendering.source_video import Source

SELDOM = 0.0005
"""Share of the pixels in training below which a class can hardly have been learned."""
ALL = "`vid2vid inspect CKPT` lists the classes."


class Relabelling:
    """The edits of one video, for all clips of it, in their order."""

    def __init__(self, wanted: Sequence[Wanted], conditioners: Sequence[Conditioner], fps: Fraction) -> None:
        """`fps` is that of the video that is written.

        Raises ConfigError: no conditioner with label maps, a class that none of them has.
        """
        self.wanted, self.fps, self.frames = tuple(wanted), fps, 0
        self._changed = [0] * len(self.wanted)
        self._stuck = 0
        classes = {index: one.classes() for index, one in enumerate(conditioners) if one.spec.output == "labels"}
        self._classes = {index: own for index, own in classes.items() if own}
        if self.wanted and not self._classes:
            names = names_of(conditioners)
            raise ConfigError(
                f"{self.wanted[0].text}: there are no label maps to edit; this is driven by {names}.",
                "Leave --replace and --remove out, or use a model that was trained with labels or segmentation.",
            )
        self._ids = {index: self._named(own) for index, own in self._classes.items()}
        for number, one in enumerate(self.wanted):
            if not any(number in own for own in self._ids.values()):
                raise self._unknown(one)

    def check(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Raise ConfigError for a box that does not lie on frames of each of these sizes (height, width)."""
        for one in self.wanted:
            for height, width in sizes:
                one.part(height, width, self.fps)

    def rows(self) -> tuple[tuple[str, str], ...]:
        """What is about to be edited, for people."""
        return tuple(("edit", one.text.removeprefix("--")) for one in self.wanted)

    def begin(self, learned: Sequence[Statistics], tell: Tell) -> None:
        """Warn of classes that the model hardly saw; `learned` is what it knows of each conditioner."""
        for index, ids in self._ids.items():
            shares = learned[index].get("shares")
            names = {own.id: own.name for own in self._classes[index]}
            for number, (_, new) in ids.items():
                if shares and new is not None and shares.get(names[new], 0.0) < SELDOM:
                    text = self.wanted[number].text
                    tell(Warned(f"{text}: the model hardly ever saw {names[new]}; what it draws there is a guess."))

    def clip(self, clip: Iterable[Seen], size: tuple[int, int]) -> Iterator[Seen]:
        """The frames of the next clip, edited; boxes are in pixels of frames of `size` (height, width)."""
        parts = [one.part(*size, self.fps) for one in self.wanted]
        editors: dict[int, tuple[list[int], LabelEditor]] = {}
        for index, ids in self._ids.items():
            edits = [Edit(*pair, parts[number]) for number, pair in ids.items()]
            own = [one.id for one in self._classes[index]]
            editors[index] = (list(ids), LabelEditor(edits, own))
        try:
            for seen in clip:
                annotations = list(seen.annotations)
                for index, (_, editor) in editors.items():
                    images = annotations[index].images
                    if LABELS in images:
                        annotations[index] = replace(annotations[index], images=editor(images, self.frames))
                self.frames += 1
                yield seen._replace(annotations=tuple(annotations))
        finally:
            for numbers, editor in editors.values():
                self._stuck += editor.stuck
                for number, changed in zip(numbers, editor.changed, strict=True):
                    self._changed[number] += changed

    def report(self, tell: Tell) -> None:
        """Warn of edits that changed nothing."""
        for one, changed in zip(self.wanted, self._changed, strict=True):
            if not changed:
                tell(Warned(f"{one.text} changed nothing: {self._why(one)}."))
        if self._stuck:
            tell(Warned(f"on {self._stuck} of {self.frames} frames nothing could be removed: nothing else is there."))

    def _why(self, one: Wanted) -> str:
        if one.stretch(self.fps)[0] >= self.frames:
            return f"the video has {self.frames} frames, {float(self.frames / self.fps):.2f} s"
        return f"there is no {one.old}" + (" there" if one.box or one.frames or one.seconds else "")

    def _named(self, classes: Sequence[LabelClass]) -> dict[int, tuple[int, int | None]]:
        """Number of an edit -> the ids of its classes, of the edits whose classes are all among these."""
        ids: dict[int, tuple[int, int | None]] = {}
        for number, one in enumerate(self.wanted):
            old, new = find(classes, one.old), None if one.new is None else find(classes, one.new)
            if old is not None and (one.new is None or new is not None):
                if old == new:
                    raise ConfigError(f"{one.text}: both are the class {old}.", "Name two classes. " + ALL)
                ids[number] = (old, new)
        return ids

    def _unknown(self, one: Wanted) -> ConfigError:
        every = [own for classes in self._classes.values() for own in classes]
        unknown = next((word for word in (one.old, one.new) if word is not None and find(every, word) is None), None)
        if unknown is None:
            return ConfigError(f"{one.text}: {one.old} and {one.new} are classes of different conditioners.", ALL)
        meant = did_you_mean(unknown, (own.name for own in every), near=0.5)
        return ConfigError(f"{one.text}: there is no class {unknown!r}.", f"{meant} {ALL}".lstrip())


def editing_of(sources: Sequence[Source], replaced: Sequence[str], removed: Sequence[str]) -> Relabelling:
    """What is typed, for videos that are rendered one after the other. Raises ConfigError."""
    editing = Relabelling(understand_edits(replaced, removed), sources[0].conditioners, sources[0].reader.fps)
    editing.check([frame_size(source) for source in sources])
    return editing


def frame_size(source: Source) -> tuple[int, int]:
    """(height, width) of the frames of a video as it is stored, before it is reduced."""
    return source.reader.probe.height, source.reader.probe.width


def find(classes: Sequence[LabelClass], word: str) -> int | None:
    """The id of the class of that name, whatever its case, or of that id; None where there is none."""
    by_name = next((one.id for one in classes if one.name.lower() == word.lower()), None)
    if by_name is None:
        return next((one.id for one in classes if str(one.id) == word), None)
    return by_name
