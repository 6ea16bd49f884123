"""What the contract is tried on: a clip, the files made beside it, a fresh conditioner, what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NoReturn

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.registry import check_requirements, find_conditioners, load_conditioner
from vid2vid_cli.conditioning.spec import ConditionerSpec
from vid2vid_cli.conditioning.video_context import Footage
from vid2vid_cli.core.errors import MissingPackageError, MissingWeightsError
from vid2vid_cli.core.geometry import Bytes, View
from vid2vid_cli.media.synthetic import drawn_clip
from vid2vid_cli.testing.checks import another_value


class Setting:
    """What an author may set or override; the tests themselves are in the classes that inherit this one."""

    name: ClassVar[str]
    """Of the conditioner."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Options under test."""
    other_options: ClassVar[Mapping[str, Any]] = {}
    """Options that give other annotations, for the fingerprint; {} where there are none."""
    drawing_options: ClassVar[Mapping[str, Any]] = {}
    """Drawing options with which `augment` varies a clip; {}: other values of all of them, as far as they allow it."""
    finds: ClassVar[bool | None] = None
    """Whether annotations come from the frames. False: from files, so that frames invented by a test mean nothing.

    None: they come from files if the option named by `Conditioner.reads` is set.
    """

    _found: ClassVar[list[Annotation]]
    _missing: ClassVar[str]
    _folder: ClassVar[TemporaryDirectory[str]]
    _files: ClassVar[Mapping[str, Any]]

    # To be overridden

    def clip(self) -> Sequence[Bytes]:
        """A few frames, at least four, on which the conditioner finds something."""
        return drawn_clip(6)

    def files(self, folder: Path) -> Mapping[str, Any]:
        """Options that name files: written into the empty `folder`, one for every frame of `clip`."""
        return {}

    def footage(self, frames: Sequence[Bytes]) -> Footage:
        """The video that `frames` are: all of it, at 25 frames per second, unscaled."""
        height, width = frames[0].shape[:2] if len(frames) else (1, 1)
        view = View.of_box((0.0, 0.0, float(width), float(height)), height, width)
        return Footage(Path("clip.mp4"), height, width, len(frames), Fraction(25), view, Fraction(25))

    def make(self) -> Conditioner:
        """A fresh conditioner with the options under test; it belongs to no video yet."""
        return load_conditioner(self.name, {**self.options, **self.written()})

    # To be used

    def written(self) -> Mapping[str, Any]:
        """What `files` gave, made once for all tests of the class."""
        own = type(self)
        if "_files" not in own.__dict__:
            own._folder = TemporaryDirectory(prefix="vid2vid-contract-")
            own._files = self.files(Path(own._folder.name))
        return own._files

    def made(self, frames: Sequence[Bytes]) -> Conditioner:
        """A fresh conditioner that belongs to the video of these frames."""
        return self.make().of(self.footage(frames))

    def spec(self) -> ConditionerSpec:
        """The plugin's spec, as it is found."""
        found = {entry.name: entry for entry in find_conditioners()}
        assert self.name in found, f"{self.name} is not among {list(found)}"
        spec = found[self.name].spec
        assert spec is not None, found[self.name].problem
        return spec

    def annotations(self, frames: Sequence[Bytes]) -> list[Annotation]:
        """Annotate, or skip the test where the plugin's packages or weights are missing."""
        missing = [] if self.reads_files() else check_requirements(self.spec())
        if missing:
            skip(f"{self.name} needs {', '.join(need.module for need in missing)}: {missing[0].install}")
        if "_missing" in type(self).__dict__:
            skip(self._missing)
        try:
            return list(self.made(frames).annotate(frames))
        except (MissingPackageError, MissingWeightsError) as error:
            type(self)._missing = f"{error.message} {error.hint}"  # a download is not tried again and again
            skip(self._missing)

    def found(self) -> list[Annotation]:
        """The annotations of `clip`, made once for all tests of the class; they are never changed."""
        if not self.has_found():
            type(self)._found = self.annotations(self.clip())
        return type(self)._found

    def has_found(self) -> bool:
        """Whether the annotations of `clip` have been made."""
        return "_found" in type(self).__dict__

    def drawing(self, *, varied: bool) -> Conditioner:
        """The conditioner under test, drawing as by default, or as `drawing_options` say."""
        options = self.make().options
        default = {name: field.get_default() for name, field in type(options).model_fields.items()}
        own = {name: getattr(options, name) for name in options.names("finding")}
        plain = type(options).model_validate({**default, **own})
        if not varied:
            return type(self.make())(plain)
        if self.drawing_options:
            return load_conditioner(self.name, {**self.options, **self.drawing_options})
        for name in options.names("drawing"):
            plain = another_value(plain, name) or plain
        return type(self.make())(plain)

    def reads_files(self) -> bool:
        """Whether the conditioner under test reads labels instead of finding them."""
        if self.finds is not None:
            return not self.finds
        conditioner = self.make()
        return bool(conditioner.reads) and getattr(conditioner.options, conditioner.reads) is not None

    def needs_finding(self) -> None:
        """Skip the test where labels are read: frames that the test invents have no files."""
        if self.reads_files():
            skip(f"{self.name} reads its labels from files")


def skip(reason: str) -> NoReturn:
    """End a test that has nothing to try here."""
    import pytest

    pytest.skip(reason)
