"""For authors of conditioner plugins: the contract as a class of tests to inherit.

    from vid2vid_cli.testing import ConditionerContract

    class TestDepth(ConditionerContract):
        name = "depth"
        other_options = {"smooth": "0"}

Run with pytest. Tests that annotate are skipped where the packages the plugin needs are not installed.
"""

# ruff: noqa: D102  (the names of the tests say what they are)
from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.registry import check_requirements, find_conditioners, load_conditioner
from vid2vid_cli.conditioning.spec import ConditionerSpec
from vid2vid_cli.core.geometry import Bytes, View
from vid2vid_cli.media.drawn import drawn_clip

HEAVY = ("torch", "torchvision", "cv2", "numpy", "av")
"""What a spec must not import, besides the packages it requires."""

_SPEC_IS_LIGHT = """
import json, sys
from vid2vid_cli.conditioning.registry import find_conditioners
found = {entry.name: entry for entry in find_conditioners()}
assert found[sys.argv[1]].spec is not None, found[sys.argv[1]]
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""

_RENDER_IS_LIGHT = """
import json, pickle, sys
from pathlib import Path
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.geometry import View
annotations = pickle.loads(Path(sys.argv[3]).read_bytes())
conditioner = load_conditioner(sys.argv[1], json.loads(sys.argv[4]))
view = View.of_box((0, 0, annotations[0].width, annotations[0].height), 32, 48)
conditioner.render(annotations[0], view), conditioner.picture(annotations[0], view)
statistics = conditioner.statistics(annotations)
list(conditioner.retarget(annotations, statistics, statistics))
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


class ConditionerContract:
    """What every conditioner keeps to. Inherit it, set `name`, and override `clip` where a drawn face is no use."""

    name: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    """Options under test."""
    other_options: ClassVar[Mapping[str, Any]] = {}
    """Options that give other annotations, for the fingerprint; {} where there are none."""

    _found: ClassVar[list[Annotation]]

    def clip(self) -> Sequence[Bytes]:
        """A few frames on which the conditioner finds something."""
        return drawn_clip(6)

    def spec(self) -> ConditionerSpec:
        """The plugin's spec, as it is found."""
        found = {entry.name: entry for entry in find_conditioners()}
        assert self.name in found, f"{self.name} is not among {list(found)}"
        spec = found[self.name].spec
        assert spec is not None, found[self.name].problem
        return spec

    def make(self) -> Conditioner:
        """A fresh conditioner."""
        return load_conditioner(self.name, self.options)

    def annotations(self, frames: Sequence[Bytes]) -> list[Annotation]:
        """Annotate, or skip the test where the plugin's packages are missing."""
        if check_requirements(self.spec()):
            import pytest

            pytest.skip(f"{self.name} needs packages that are not installed")
        return list(self.make().annotate(frames))

    def found(self) -> list[Annotation]:
        """The annotations of `clip`, made once for all tests of the class; they are never changed."""
        if "_found" not in type(self).__dict__:
            type(self)._found = self.annotations(self.clip())
        return type(self)._found

    # Finding and options

    def test_spec_imports_nothing_heavy(self) -> None:
        modules = json.dumps([*HEAVY, *(requirement.module for requirement in self.spec().requires)])
        assert _run(_SPEC_IS_LIGHT, self.name, modules) == "[]"

    def test_spec_is_for_people(self) -> None:
        spec = self.spec()
        assert (spec.name, spec.summary[-1:]) == (self.name, ".")
        assert all(requirement.install for requirement in spec.requires)

    def test_options_survive_json(self) -> None:
        options = self.make().options
        assert type(options).model_validate(json.loads(options.model_dump_json())) == options

    def test_fingerprint_depends_on_options(self) -> None:
        mine = self.make().fingerprint()
        assert mine == self.make().fingerprint() == json.loads(json.dumps(mine))
        if self.other_options:
            assert load_conditioner(self.name, {**self.options, **self.other_options}).fingerprint() != mine

    # annotate

    def test_one_annotation_per_frame_in_order(self) -> None:
        clip, annotations = self.clip(), self.found()
        assert len(annotations) == len(clip)
        assert max(one.quality for one in annotations) > 0, "clip() shows nothing that the conditioner finds"
        for frame, one in zip(clip, annotations, strict=True):
            _check(one, frame)

    def test_streams(self) -> None:
        """Frames are drawn as they are needed, so that memory does not grow with the clip."""
        frame = self.clip()[0]
        self.annotations([frame])
        drawn: list[int] = []
        stream = self.make().annotate(_counted(frame, 300, drawn))
        next(stream)
        assert len(drawn) <= 64
        stream.close()  # type: ignore[attr-defined]

    def test_shapes_are_the_same_on_every_frame(self) -> None:
        blank = self.annotations([np.zeros_like(self.clip()[0])])
        assert len({_layout(one) for one in (*self.found(), *blank)}) == 1

    def test_odd_sizes_single_blank_and_noise_frames(self) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (97, 61, 3), dtype=np.uint8)
        for frame in (np.zeros((97, 61, 3), np.uint8), np.full((61, 97, 3), 255, np.uint8), noise):
            (one,) = self.annotations([frame])
            _check(one, frame)
            self._check_render(one)

    def test_nothing_found_is_quality_zero(self) -> None:
        annotations = self.annotations([np.full((97, 61, 3), 128, np.uint8)] * 2)
        assert [one.quality for one in annotations] == [0.0, 0.0]
        statistics = json.loads(json.dumps(self.make().statistics(annotations)))
        assert len(list(self.make().retarget(annotations, statistics, statistics))) == 2

    def test_no_frames(self) -> None:
        assert self.annotations([]) == []
        assert self.make().statistics([]) == {}

    def test_deterministic_and_clips_do_not_mix(self) -> None:
        conditioner, first = self.make(), self.found()
        next(conditioner.annotate(self.clip()[::-1]))
        for one, other in zip(first, conditioner.annotate(self.clip()), strict=True):
            _same(one, other)

    # render, picture, statistics, retarget

    def test_render_and_picture_at_any_size(self) -> None:
        for one in self.found():
            self._check_render(one)

    def test_render_does_not_change_the_annotation(self) -> None:
        before = pickle.dumps(self.found())
        self._check_render(self.found()[0])
        self.make().statistics(self.found())
        assert pickle.dumps(self.found()) == before

    def test_render_needs_no_heavy_library(self, tmp_path: Path) -> None:
        (tmp_path / "annotations").write_bytes(pickle.dumps(self.found()))
        names = ["torch", *(requirement.module for requirement in self.spec().requires)]
        arguments = (str(tmp_path / "annotations"), json.dumps(dict(self.options)))
        assert _run(_RENDER_IS_LIGHT, self.name, json.dumps(names), *arguments) == "[]"

    def test_statistics_are_json(self) -> None:
        statistics = self.make().statistics(self.found())
        assert json.loads(json.dumps(statistics)) == statistics
        if "focus" in statistics:
            x0, y0, x1, y1 = statistics["focus"]
            assert (x0 < x1, y0 < y1) == (True, True)

    def test_retarget_is_one_for_one(self) -> None:
        blank = self.annotations([np.zeros_like(self.clip()[0])])
        annotations, conditioner = [*self.found(), *blank], self.make()
        statistics = conditioner.statistics(annotations)
        result = list(conditioner.retarget(iter(annotations), statistics, statistics))
        assert len(result) == len(annotations)
        for one, other in zip(annotations, result, strict=True):
            assert (one.quality > 0) == (other.quality > 0)
        assert len(list(conditioner.retarget(annotations, {}, {}))) == len(annotations)

    def _check_render(self, one: Annotation) -> None:
        conditioner = self.make()
        whole = (0.0, 0.0, float(one.width), float(one.height))
        part = (-5.5, 0.25 * one.height, 0.6 * one.width, 0.9 * one.height)
        for box, height, width in ((whole, 32, 32), (whole, 97, 61), (part, 64, 48), (whole, 200, 150)):
            view = View.of_box(box, height, width)
            channels = conditioner.render(one, view)
            assert channels.shape == (conditioner.channels, height, width)
            assert channels.dtype == np.float32
            assert np.isfinite(channels).all()
            assert -1 <= channels.min() <= channels.max() <= 1
            picture = conditioner.picture(one, view)
            assert picture.shape == (height, width, 3)
            assert picture.dtype == np.uint8


def _counted(frame: Bytes, times: int, drawn: list[int]) -> Iterator[Bytes]:
    for index in range(times):
        drawn.append(index)
        yield frame


def _check(one: Annotation, frame: Bytes) -> None:
    assert (one.height, one.width) == frame.shape[:2]
    assert 0 <= one.quality <= 1
    for points in one.points.values():
        assert points.dtype == np.float32
        assert points.shape[1:] in ((2,), (3,))
    for image in one.images.values():
        assert image.shape[:2] == frame.shape[:2]
        assert image.dtype in (np.uint8, np.uint16)


def _layout(one: Annotation) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((name, array.shape) for name, array in (*one.points.items(), *one.images.items()))


def _same(one: Annotation, other: Annotation) -> None:
    assert one.quality == other.quality
    for name, points in one.points.items():
        np.testing.assert_array_equal(points, other.points[name])
    for name, image in one.images.items():
        np.testing.assert_array_equal(image, other.images[name])


def _run(code: str, *arguments: str) -> str:
    """What a program prints in a fresh interpreter with this one's search path."""
    path = f"import sys; sys.path[:0] = {[entry for entry in sys.path if entry]!r}\n"
    done = subprocess.run([sys.executable, "-c", path + code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
