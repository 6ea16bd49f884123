"""Inputs of the contract tests: a clip, its input files, a new conditioner, and its annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NoReturn

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.registry import find_conditioners, load_unchecked_conditioner, missing_requirements
from vid2vid_cli.conditioning.spec import ConditionerSpec
from vid2vid_cli.conditioning.video_context import VideoContext
from vid2vid_cli.conditioning.video_frame import detect_cuts
from vid2vid_cli.core.errors import MissingPackageError, MissingWeightsError
from vid2vid_cli.core.geometry import UInt8Array, View
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.testing.checks import change_option


class ContractSetup:
    """Settings and methods that an author may override; the tests are in the subclasses."""

    name: ClassVar[str]
    """Name of the conditioner."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Options under test."""
    alternative_options: ClassVar[Mapping[str, Any]] = {}
    """Options that change the annotations, for the fingerprint test; {} if there are none."""
    render_options: ClassVar[Mapping[str, Any]] = {}
    """Render options with which `augment` changes a clip; {}: other valid values of all render options."""
    has_detector: ClassVar[bool | None] = None
    """Whether annotations depend on the frames. False: they come from files, so that tests cannot use other frames.

    None: False if the option `Conditioner.input_option` is set, otherwise True.
    """

    _clip_annotations: ClassVar[list[Annotation]]
    _missing_reason: ClassVar[str]
    _input_folder: ClassVar[TemporaryDirectory[str]]
    _input_options: ClassVar[Mapping[str, Any]]

    # Methods to override

    def clip(self) -> Sequence[UInt8Array]:
        """Return at least four frames on which the conditioner detects something."""
        return synthetic_clip(6)

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        """Write one input file per frame of `clip` into the empty `folder`; return the options that name them."""
        return {}

    def video_context(self, frames: Sequence[UInt8Array]) -> VideoContext:
        """Return the context of a video that consists of `frames`, at 25 frames per second and unscaled."""
        height, width = frames[0].shape[:2] if len(frames) else (1, 1)
        view = View.from_box((0.0, 0.0, float(width), float(height)), height, width)
        return VideoContext(
            Path("clip.mp4"),
            height,
            width,
            num_frames=len(frames),
            fps=Fraction(25),
            view=view,
            sampled_fps=Fraction(25),
        )

    def make_conditioner(self) -> Conditioner:
        """Return a new conditioner with the options under test, not bound to a video."""
        return load_unchecked_conditioner(self.name, {**self.options, **self.input_options()})

    # Methods to use

    def input_options(self) -> Mapping[str, Any]:
        """Return the result of `write_input_files`, computed once per test class."""
        test_class = type(self)
        if "_input_options" not in test_class.__dict__:
            test_class._input_folder = TemporaryDirectory(prefix="vid2vid-contract-")
            test_class._input_options = self.write_input_files(Path(test_class._input_folder.name))
        return test_class._input_options

    def make_bound_conditioner(self, frames: Sequence[UInt8Array]) -> Conditioner:
        """Return a new conditioner bound to the video of these frames."""
        return self.make_conditioner().bind(self.video_context(frames))

    def spec(self) -> ConditionerSpec:
        """Return the spec of the plugin."""
        plugins = {plugin.name: plugin for plugin in find_conditioners()}
        assert self.name in plugins, f"{self.name} is not installed; available: {list(plugins)}"
        spec = plugins[self.name].spec
        assert spec is not None, plugins[self.name].problem
        return spec

    def annotate(self, frames: Sequence[UInt8Array]) -> list[Annotation]:
        """Annotate the frames; skip the test if packages or weights of the plugin are missing."""
        missing = [] if self.uses_input_files() else missing_requirements(self.spec())
        if missing:
            modules = ", ".join(requirement.module for requirement in missing)
            skip_test(f"{self.name} needs {modules}: {missing[0].install_command}")
        if "_missing_reason" in type(self).__dict__:
            skip_test(self._missing_reason)
        try:
            return list(self.make_bound_conditioner(frames).annotate(detect_cuts(frames)))
        except (MissingPackageError, MissingWeightsError) as error:
            type(self)._missing_reason = f"{error.message} {error.hint}"  # avoids repeated downloads
            skip_test(self._missing_reason)

    def clip_annotations(self) -> list[Annotation]:
        """Return the annotations of `clip`, computed once per test class; tests must not modify them."""
        if not self.has_clip_annotations():
            type(self)._clip_annotations = self.annotate(self.clip())
        return type(self)._clip_annotations

    def has_clip_annotations(self) -> bool:
        """Return whether the annotations of `clip` have been computed."""
        return "_clip_annotations" in type(self).__dict__

    def make_for_rendering(self, *, is_varied: bool) -> Conditioner:
        """Return the conditioner under test with default render options, or with `render_options` if `is_varied`."""
        options = self.make_conditioner().options
        defaults = {name: field.get_default() for name, field in type(options).model_fields.items()}
        detection_values = {name: getattr(options, name) for name in options.names_with_role("detection")}
        new_options = type(options).model_validate({**defaults, **detection_values})
        if not is_varied:
            return type(self.make_conditioner())(new_options)
        if self.render_options:
            return load_unchecked_conditioner(self.name, {**self.options, **self.render_options})
        for name in options.names_with_role("rendering"):
            new_options = change_option(new_options, name) or new_options
        return type(self.make_conditioner())(new_options)

    def uses_input_files(self) -> bool:
        """Return whether the conditioner under test reads labels from files."""
        if self.has_detector is not None:
            return not self.has_detector
        conditioner = self.make_conditioner()
        return bool(conditioner.input_option) and getattr(conditioner.options, conditioner.input_option) is not None

    def require_detector(self) -> None:
        """Skip the test if labels are read from files, which exist only for the frames of `clip`."""
        if self.uses_input_files():
            skip_test(f"{self.name} reads its labels from files")


def skip_test(reason: str) -> NoReturn:
    """Skip the current test."""
    import pytest

    pytest.skip(reason)
