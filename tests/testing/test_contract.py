"""The contract catches what plugins get wrong: faults planted in a sound conditioner, one at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from vid2vid_cli.conditioning.registry import PLUGINS
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.synthetic import drawn_clip
from vid2vid_cli.testing import ConditionerContract
from vid2vid_cli.tools.plugin_scaffold import new_plugin

Author = Callable[..., type[ConditionerContract]]
IN_A_PROCESS = {"spec_imports_nothing_heavy", "render_needs_no_heavy_library"}
"""Duties that start a program: half a second each."""

EXTRA = "    def picture("
BUGS: Mapping[str, tuple[str, str, str]] = {
    "render out of range": ("render_and_picture_at_any_size", "/ 127.5 - 1.0)[None]", "/ 100.0 - 1.0)[None]"),
    "one annotation too few": (
        "one_annotation_per_frame_in_order",
        "for frame in frames:",
        "for frame in list(frames)[:-1]:",
    ),
    "another every time": (
        "deterministic_and_clips_do_not_mix",
        "tone_of_grey[grey]",
        "(np.random.default_rng().random(grey.shape) > 0.5).astype(np.uint8)",
    ),
    "keeps the past": (
        "deterministic_and_clips_do_not_mix",
        "limits = own if limits is None or cut",
        "self.past = limits = own if (limits := self.__dict__.get('past')) is None",
    ),
    "collects all frames": ("streams", "for frame in frames:", "for frame in list(frames):"),
    "changes the frames": ("frames_are_left_alone", "is_cut(frame)\n", "is_cut(frame); frame[0, 0] ^= 1\n"),
    "quality of what is not there": ("nothing_found_is_quality_zero", "height, width, 0.0,", "height, width, 0.5,"),
    "other shapes on blank frames": (
        "shapes_are_the_same_on_every_frame",
        'images={"tones": np.zeros((height, width), np.uint8)}',
        "",
    ),
    "varies unasked": (
        "augment_does_nothing_unless_asked",
        "if self.options.vary == 0:\n            return annotations\n        step = int(",
        "step = 1 + 0 * int(",
    ),
    "varies what it was given": (
        "augment_is_one_for_one",
        "lookup = np.clip",
        'annotations[0].images["tones"][:] = 0; lookup = np.clip',
    ),
    "draws its own luck": (
        "augment_draws_from_the_given_random",
        "(random.integers",
        "(np.random.default_rng().integers",
    ),
    "an undeclared class": ("classes_name_every_label", "enumerate(self._greys())", "enumerate(self._greys()[1:])"),
    "drawing acts on finding": (
        "drawing_options_change_nothing_that_is_found",
        "np.quantile(grey, parts)",
        "np.quantile(grey, parts) + 20 * self.options.vary",
    ),
    "drawing in the fingerprint": (
        "fingerprint_does_not_depend_on_drawing",
        EXTRA,
        f"    def fingerprint(self):\n        return {{'name': SPEC.name, **self.options.model_dump()}}\n\n{EXTRA}",
    ),
    "a fingerprint without options": (
        "fingerprint_depends_on_options",
        EXTRA,
        f"    def fingerprint(self):\n        return {{'name': SPEC.name}}\n\n{EXTRA}",
    ),
    "statistics are no JSON": ("statistics_are_json", "np.mean(parts, axis=0).tolist()", "np.mean(parts, axis=0)"),
    "loses what was not found": (
        "retarget_is_one_for_one",
        EXTRA,
        "    def retarget(self, annotations, source, target):\n"
        f"        return (one for one in annotations if one.quality > 0)\n\n{EXTRA}",
    ),
    "regions that it does not offer": (
        "regions_are_boxes_in_the_picture",
        EXTRA,
        f"    def regions(self, annotation, view):\n        return {{'face': np.zeros((1, 4), np.float32)}}\n\n{EXTRA}",
    ),
    "regions in pixels of the frame": (
        "regions_are_boxes_in_the_picture",
        EXTRA,
        "    offers = ('face',)\n\n"
        "    def regions(self, annotation, view):\n"
        "        box = np.array([[4, 4, 20, 20]], np.float32)\n"
        f"        return {{'face': box if annotation.quality > 0 else box * np.nan}}\n\n{EXTRA}",
    ),
    "one canvas for all": (
        "several_threads_may_render_at_once",
        "return (self._seen(annotation, view).astype(np.float32) / 127.5 - 1.0)[None]",
        "drawn = (self._seen(annotation, view).astype(np.float32) / 127.5 - 1.0)[None]\n"
        "        canvas = self.__dict__.setdefault('canvas', {}).setdefault(drawn.shape, drawn)\n"
        "        canvas[:] = drawn\n"
        "        return canvas",
    ),
    "a mirror that shows things as they are": (
        "the_mirrored_is_drawn_where_the_mirror_shows_it",
        EXTRA,
        f"    def mirror(self, annotation):\n        return annotation\n\n{EXTRA}",
    ),
    "a mirror out of the middle": (
        "mirrored_twice_is_the_annotation_itself",
        EXTRA,
        "    def mirror(self, annotation):\n"
        "        turned = np.roll(annotation.images['tones'], 1, axis=1)\n"
        f"        return replace(annotation, images={{'tones': turned}})\n\n{EXTRA}",
    ),
    "a mirror that changes what it was given": (
        "mirrored_twice_is_the_annotation_itself",
        EXTRA,
        "    def mirror(self, annotation):\n"
        "        annotation.images['tones'][:] = annotation.images['tones'][:, ::-1].copy()\n"
        f"        return annotation\n\n{EXTRA}",
    ),
    "sides where there are none": (
        "mirror_is_what_is_found_on_mirrored_frames",
        'f"tone {tone}"',
        '("left", "right", "dark", "light")[tone]',
    ),
    "an option without words": ("options_are_explained", ', description="How many tones."', ""),
    "an option without default": ("all_options_may_be_left_out", "Field(4, ge=2", "Field(ge=2"),
    "reads what is no option": ("reads_names_a_files_option", "    @property", '    reads = "folder"\n\n    @property'),
    "of() binds the original": (
        "of_gives_a_copy",
        EXTRA,
        f"    def of(self, footage):\n        self.footage = footage\n        return self\n\n{EXTRA}",
    ),
}
"""What is wrong -> the duty that says so, and what is written instead of what."""

READER = '''
from vid2vid_cli.conditioning import *


class BugOptions(Options):
    """Options."""

    folder: Path | None = files_option("A picture per frame.")


class BugConditioner(Conditioner):
    """Reads grey pictures."""

    spec, Options, reads, channels = SPEC, BugOptions, "folder", 1

    def annotate(self, frames):
        files = label_files(self.options.folder, (".png",))
        if self.footage is not None and self.footage.frames not in (None, len(files)):
            message = f"{self.options.folder} holds {len(files)} pictures for {self.footage.frames} frames."
            raise FilesMismatchError(message, "Make one for each.")
        for index, frame in enumerate(frames):
            number = self.footage.number(index) if self.footage is not None else index
            yield Annotation(*frame.shape[:2], 1.0, images={"grey": read_labels(files[number])})

    def render(self, annotation, view):
        return view_image(annotation.images["grey"], view).astype(np.float32)[None] / 255

    def picture(self, annotation, view):
        return np.repeat(view_image(annotation.images["grey"], view)[:, :, None], 3, axis=2)
'''


class ReaderContract(ConditionerContract):
    """As an author writes it for a conditioner that reads."""

    def files(self, folder: Path) -> Mapping[str, object]:
        for index, frame in enumerate(self.clip()):
            save_png(folder / f"{index}.png", np.ascontiguousarray(frame[:, :, 0]))
        return {"folder": str(folder)}


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Author]:
    """`author(bug, instead, of_module, base)`: the contract of a conditioner called `bug`, changed so."""

    def write(
        old: str = "", new: str = "", module: str = "conditioner", base: type = ConditionerContract, text: str = ""
    ) -> type[ConditionerContract]:
        package = new_plugin("bug", tmp_path).path / "src" / "vid2vid_bug"
        file = package / f"{module}.py"
        source = file.read_text()
        if text:
            head = source[: source.index("class BugOptions")]
            source = head + "from pathlib import Path\n" + text
            spec = package / "__init__.py"
            spec.write_text(spec.read_text().replace('"labels"', '"drawing"'))
        assert old in source
        file.write_text(source.replace(old, new, 1))
        monkeypatch.syspath_prepend(str(package.parent))
        monkeypatch.setenv(PLUGINS, "bug=vid2vid_bug:SPEC")
        others = {} if text else {"other_options": {"tones": 6}}
        return type("Contract", (base,), {"name": "bug", **others})

    yield write
    for name in [name for name in sys.modules if name.startswith("vid2vid_bug")]:
        del sys.modules[name]


def broken(contract: type[ConditionerContract], only: set[str] | None = None) -> set[str]:
    """The duties that are not kept."""
    names = {name.removeprefix("test_") for name in dir(contract) if name.startswith("test_")}
    out = set()
    for name in names - IN_A_PROCESS if only is None else only:
        try:
            getattr(contract(), f"test_{name}")()
        except pytest.skip.Exception:
            continue
        except Exception:
            out.add(name)
    return out


def test_a_sound_conditioner_keeps_all(author: Author) -> None:
    assert broken(author()) == set()


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_fault_is_found(author: Author, bug: str) -> None:
    duty, old, new = BUGS[bug]
    assert duty in broken(author(old, new), {duty})


def test_a_heavy_spec_is_found(author: Author) -> None:
    contract = author("from vid2vid_cli", "import cv2\nfrom vid2vid_cli", "__init__")
    with pytest.raises(AssertionError, match="the spec imports cv2, numpy: import that in the file"):
        contract().test_spec_imports_nothing_heavy()


def test_a_library_that_training_would_need_is_found(author: Author, tmp_path: Path) -> None:
    need = "from vid2vid_cli.conditioning import Requirement\n\nSPEC = ConditionerSpec("
    need += "requires=(Requirement('cv2', 'pip install opencv-python-headless'),),"
    contract = author("SPEC = ConditionerSpec(", need, "__init__")
    with pytest.raises(AssertionError, match="training would need cv2: import that inside annotate"):
        contract().test_render_needs_no_heavy_library(tmp_path)


@pytest.mark.parametrize(
    ("name", "sha256", "sound"),
    [("net.pth", "0123456789abcdef" * 4, True), ("net-0123abcd.pth", "0123abcd", True), ("net.pth", "0123abcd", False)],
)
def test_weights_need_a_whole_hash_or_that_of_their_name(author: Author, name: str, sha256: str, sound: bool) -> None:
    spec = f"SPEC = ConditionerSpec(\n    weights=(WeightFile({name!r}, {sha256!r}, 5, 'MIT', 'upstream'),),"
    spec = f"from vid2vid_cli.conditioning import WeightFile\n\n{spec}"
    duty = {"weights_can_be_recognised"}
    assert broken(author("SPEC = ConditionerSpec(", spec, "__init__"), duty) == (set() if sound else duty)


READS = {
    "": ("", ""),
    "files_are_those_of_the_frames_that_are_seen": ("self.footage.number(index) if", "index if"),
    "another_number_of_files_is_refused_at_once": ("not in (None, len(files))", "is NotImplemented"),
    "fingerprint_does_not_depend_on_paths": (
        EXTRA,
        f"    def fingerprint(self):\n        return {{'at': str(self.options.folder)}}\n\n{EXTRA}",
    ),
}


@pytest.mark.parametrize("duty", READS)
def test_a_conditioner_that_reads(author: Author, duty: str) -> None:
    contract = author(*READS[duty], base=ReaderContract, text=READER)
    assert broken(contract) == ({duty} if duty else set())
    with pytest.raises(pytest.skip.Exception, match="reads its labels from files"):
        contract().test_streams()


def test_a_conditioner_that_reads_is_not_asked_about_files_where_it_finds(author: Author) -> None:
    with pytest.raises(pytest.skip.Exception, match="it reads no files"):
        author()().test_another_number_of_files_is_refused_at_once()


class TestFramesOfOnesOwn(ConditionerContract):
    """A clip of an author's own is what everything is tried on."""

    name = "edges"
    options: ClassVar = {"method": "sobel"}

    def clip(self) -> list[np.ndarray]:
        return drawn_clip(4, 60, 90)

    def test_it_is_used(self) -> None:
        assert [(one.height, one.width) for one in self.found()] == [(60, 90)] * 4
        assert self.made(self.clip()).footage == self.footage(self.clip())
