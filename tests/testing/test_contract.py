"""The contract tests detect typical errors of plugins, which are inserted into a valid conditioner one at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import pytest

from vid2vid_cli.conditioning.registry import PLUGINS_VARIABLE
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.testing import ConditionerContract
from vid2vid_cli.tools.plugin_scaffold import create_plugin

SUBPROCESS_TESTS = {"test_spec_imports_no_heavy_library", "test_render_imports_no_heavy_library"}
"""Contract tests that start an interpreter, which takes half a second each."""

VISUALIZE = "    def visualize("
FAULTS: Mapping[str, tuple[str, str, str]] = {
    "render out of range": ("test_render_and_visualize_at_any_size", "/ 127.5 - 1.0)[None]", "/ 100.0 - 1.0)[None]"),
    "bones without points": (
        "test_describe_and_bones",
        VISUALIZE,
        "    def bones(self):\n        return {'body': ((0, 1),)}\n\n" + VISUALIZE,
    ),
    "shape parts without points": (
        "test_describe_and_bones",
        VISUALIZE,
        "    shape_parts = {'mouth': {'face': (0, 99)}}\n\n" + VISUALIZE,
    ),
    "descriptor of another length": (
        "test_describe_and_bones",
        VISUALIZE,
        "    def describe(self, annotation, view):\n"
        "        self.count = self.__dict__.get('count', 0) + 1\n        return np.zeros(self.count)\n\n" + VISUALIZE,
    ),
    "missing annotation": (
        "test_one_annotation_per_frame_in_order",
        "for frame in frames:",
        "for frame in list(frames)[:-1]:",
    ),
    "random annotations": (
        "test_deterministic_and_stateless",
        "tone_of_grey[grey]",
        "(np.random.default_rng().random(grey.shape) > 0.5).astype(np.uint8)",
    ),
    "state outside the call": (
        "test_deterministic_and_stateless",
        "            if limits is None or frame.is_cut:\n",
        "            limits = self.__dict__.get('last_limits')\n"
        "            self.last_limits = frame_limits\n"
        "            if limits is None:\n",
    ),
    "collects all frames": ("test_annotate_is_streaming", "for frame in frames:", "for frame in list(frames):"),
    "modifies frames": (
        "test_frames_are_not_modified",
        "float(grey.std())\n",
        "float(grey.std()); frame.rgb[0, 0] ^= 1\n",
    ),
    "quality without detection": ("test_no_detection_has_zero_quality", "height, width, 0.0,", "height, width, 0.5,"),
    "other layout on blank frames": (
        "test_layout_is_constant",
        'images={"tones": np.zeros((height, width), np.uint8)}',
        "",
    ),
    "augment by default": (
        "test_augment_is_off_by_default",
        "if self.options.tone_jitter == 0:\n            return annotations\n        shift = int(",
        "shift = 1 + 0 * int(",
    ),
    "augment modifies its input": (
        "test_augment_keeps_layout",
        "table = np.clip",
        'annotations[0].images["tones"][:] = 0; table = np.clip',
    ),
    "augment with another generator": (
        "test_augment_uses_given_rng",
        "(rng.integers",
        "(np.random.default_rng().integers",
    ),
    "missing class": (
        "test_classes_cover_all_labels",
        "greys = self._tone_greys()\n",
        "greys = self._tone_greys()[:-1]\n",
    ),
    "render option affects detection": (
        "test_render_options_do_not_change_annotations",
        "np.quantile(grey, quantiles)",
        "np.quantile(grey, quantiles) + 20 * self.options.tone_jitter",
    ),
    "render option in the fingerprint": (
        "test_fingerprint_ignores_render_options",
        VISUALIZE,
        f"    def fingerprint(self):\n        return {{'name': SPEC.name, **self.options.model_dump()}}\n\n{VISUALIZE}",
    ),
    "fingerprint without options": (
        "test_fingerprint_depends_on_options",
        VISUALIZE,
        f"    def fingerprint(self):\n        return {{'name': SPEC.name}}\n\n{VISUALIZE}",
    ),
    "statistics are not JSON": (
        "test_statistics_are_json",
        "np.mean(shares, axis=0).tolist()",
        "np.mean(shares, axis=0)",
    ),
    "retarget drops annotations": (
        "test_retarget_keeps_length",
        VISUALIZE,
        "    def retarget(self, annotations, source, target):\n"
        f"        return (annotation for annotation in annotations if annotation.quality > 0)\n\n{VISUALIZE}",
    ),
    "undeclared region": (
        "test_region_boxes_are_valid",
        VISUALIZE,
        "    def region_boxes(self, annotation, view):\n"
        f"        return {{'face': np.zeros((1, 4), np.float32)}}\n\n{VISUALIZE}",
    ),
    "region boxes in pixels of the frame": (
        "test_region_boxes_are_valid",
        VISUALIZE,
        "    region_names = ('face',)\n\n"
        "    def region_boxes(self, annotation, view):\n"
        "        box = np.array([[4, 4, 20, 20]], np.float32)\n"
        f"        return {{'face': box if annotation.quality > 0 else box * np.nan}}\n\n{VISUALIZE}",
    ),
    "shared render buffer": (
        "test_render_is_thread_safe",
        "return (self._view_tones(annotation, view).astype(np.float32) / 127.5 - 1.0)[None]",
        "channels = (self._view_tones(annotation, view).astype(np.float32) / 127.5 - 1.0)[None]\n"
        "        buffer = self.__dict__.setdefault('buffer', {}).setdefault(channels.shape, channels)\n"
        "        buffer[:] = channels\n"
        "        return buffer",
    ),
    "hflip without a flip": (
        "test_hflip_matches_flipped_rendering",
        VISUALIZE,
        f"    def hflip(self, annotation):\n        return annotation\n\n{VISUALIZE}",
    ),
    "hflip with an offset": (
        "test_double_hflip_is_identity",
        VISUALIZE,
        "    def hflip(self, annotation):\n"
        "        flipped = np.roll(annotation.images['tones'], 1, axis=1)\n"
        f"        return replace(annotation, images={{'tones': flipped}})\n\n{VISUALIZE}",
    ),
    "hflip modifies its input": (
        "test_double_hflip_is_identity",
        VISUALIZE,
        "    def hflip(self, annotation):\n"
        "        annotation.images['tones'][:] = annotation.images['tones'][:, ::-1].copy()\n"
        f"        return annotation\n\n{VISUALIZE}",
    ),
    "sides in class names without sides": (
        "test_hflip_matches_flipped_frames",
        'f"tone {tone}"',
        '("left", "right", "dark", "light")[tone]',
    ),
    "option without description": ("test_options_have_descriptions", ', description="Number of tones."', ""),
    "option without default": ("test_options_have_defaults", "Field(4, ge=2", "Field(ge=2"),
    "unknown input option": (
        "test_input_option_exists",
        "    @property",
        '    input_option = "folder"\n\n    @property',
    ),
    "bind modifies the original": (
        "test_bind_returns_a_copy",
        VISUALIZE,
        "    def bind(self, video_context):\n"
        "        self.video_context = video_context\n"
        f"        return self\n\n{VISUALIZE}",
    ),
}
"""Fault -> the contract test that detects it, the code to replace, and its replacement."""

READER_SOURCE = '''
from vid2vid_cli.conditioning import *


class FaultyOptions(Options):
    """Options."""

    folder: Path | None = input_path_option("One image per frame.")


class FaultyConditioner(Conditioner):
    """Reads grey images."""

    spec, Options, input_option, num_channels = SPEC, FaultyOptions, "folder", 1

    def annotate(self, frames):
        files = list_label_files(self.options.folder, (".png",))
        context = self.video_context
        if context is not None and context.num_frames not in (None, len(files)):
            message = f"{self.options.folder} contains {len(files)} images for {context.num_frames} frames."
            raise InputFileMismatchError(message, "Provide one for each frame.")
        for index, frame in enumerate(frames):
            file_index = context.source_frame_index(index) if context is not None else index
            yield Annotation(*frame.rgb.shape[:2], 1.0, images={"grey": load_label_image(files[file_index]).values})

    def render(self, annotation, view):
        return view_image(annotation.images["grey"], view).astype(np.float32)[None] / 255

    def visualize(self, annotation, view):
        return np.repeat(view_image(annotation.images["grey"], view)[:, :, None], 3, axis=2)
'''


class ReaderContract(ConditionerContract):
    """The contract tests as an author writes them for a conditioner that reads files."""

    def write_input_files(self, folder: Path) -> Mapping[str, object]:
        for index, frame in enumerate(self.clip()):
            save_png(folder / f"{index}.png", np.ascontiguousarray(frame[:, :, 0]))
        return {"folder": str(folder)}


class WriteContract(Protocol):
    """Writes the plugin `faulty` with one replacement and returns its contract tests."""

    def __call__(
        self,
        old: str = "",
        new: str = "",
        module: str = "conditioner",
        *,
        base_class: type[ConditionerContract] = ConditionerContract,
        source: str = "",
    ) -> type[ConditionerContract]: ...


@pytest.fixture
def write_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteContract]:
    def write(
        old: str = "",
        new: str = "",
        module: str = "conditioner",
        *,
        base_class: type[ConditionerContract] = ConditionerContract,
        source: str = "",
    ) -> type[ConditionerContract]:
        package = create_plugin("faulty", tmp_path).path / "src" / "vid2vid_faulty"
        file = package / f"{module}.py"
        code = file.read_text()
        if source:
            code = code[: code.index("class FaultyOptions")] + "from pathlib import Path\n" + source
            spec_file = package / "__init__.py"
            spec_file.write_text(spec_file.read_text().replace('"labels"', '"image"'))
        assert old in code
        file.write_text(code.replace(old, new, 1))
        monkeypatch.syspath_prepend(str(package.parent))
        monkeypatch.setenv(PLUGINS_VARIABLE, "faulty=vid2vid_faulty:SPEC")
        attributes = {} if source else {"alternative_options": {"num_tones": 6}}
        return type("Contract", (base_class,), {"name": "faulty", **attributes})

    yield write
    for name in [name for name in sys.modules if name.startswith("vid2vid_faulty")]:
        del sys.modules[name]


def failed_tests(contract: type[ConditionerContract], test_names: set[str] | None = None) -> set[str]:
    """Run the contract tests without a subprocess, or those of `test_names`; return the names of failed tests."""
    all_names = {name for name in dir(contract) if name.startswith("test_")}
    failed = set()
    for name in all_names - SUBPROCESS_TESTS if test_names is None else test_names:
        try:
            getattr(contract(), name)()
        except pytest.skip.Exception:
            continue
        except Exception:
            failed.add(name)
    return failed


def test_contract_passes_for_valid_conditioner(write_contract: WriteContract) -> None:
    assert failed_tests(write_contract()) == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_contract_detects_fault(write_contract: WriteContract, fault: str) -> None:
    test_name, old, new = FAULTS[fault]
    assert failed_tests(write_contract(old, new), {test_name}) == {test_name}


def test_contract_detects_heavy_import_of_spec(write_contract: WriteContract) -> None:
    contract = write_contract("from vid2vid_cli", "import cv2\nfrom vid2vid_cli", "__init__")
    with pytest.raises(AssertionError, match="cv2, numpy"):
        contract().test_spec_imports_no_heavy_library()


def test_contract_detects_heavy_import_of_render(write_contract: WriteContract, tmp_path: Path) -> None:
    new = "from vid2vid_cli.conditioning import Requirement\n\nSPEC = ConditionerSpec("
    new += "requires=(Requirement('cv2', 'pip install opencv-python-headless'),),"
    contract = write_contract("SPEC = ConditionerSpec(", new, "__init__")
    with pytest.raises(AssertionError, match="cv2"):
        contract().test_render_imports_no_heavy_library(tmp_path)


@pytest.mark.parametrize(
    ("name", "sha256", "is_valid"),
    [("net.pth", "0123456789abcdef" * 4, True), ("net-0123abcd.pth", "0123abcd", True), ("net.pth", "0123abcd", False)],
)
def test_contract_checks_sha256_of_weights(
    write_contract: WriteContract, name: str, sha256: str, is_valid: bool
) -> None:
    new = "from vid2vid_cli.conditioning import WeightFile\n\n"
    new += f"SPEC = ConditionerSpec(\n    weights=(WeightFile({name!r}, {sha256!r}, 5, 'MIT', 'upstream'),),"
    test_names = {"test_weights_are_verifiable"}
    contract = write_contract("SPEC = ConditionerSpec(", new, "__init__")
    assert failed_tests(contract, test_names) == (set() if is_valid else test_names)


READER_FAULTS = {
    "": ("", ""),
    "test_files_match_frames": ("context.source_frame_index(index) if", "index if"),
    "test_file_count_mismatch_is_rejected": ("not in (None, len(files))", "is NotImplemented"),
    "test_fingerprint_ignores_input_paths": (
        VISUALIZE,
        f"    def fingerprint(self):\n        return {{'path': str(self.options.folder)}}\n\n{VISUALIZE}",
    ),
}


@pytest.mark.parametrize("failed_test", READER_FAULTS)
def test_contract_of_conditioner_that_reads_files(write_contract: WriteContract, failed_test: str) -> None:
    contract = write_contract(*READER_FAULTS[failed_test], base_class=ReaderContract, source=READER_SOURCE)
    assert failed_tests(contract) == ({failed_test} if failed_test else set())
    with pytest.raises(pytest.skip.Exception, match="files"):
        contract().test_annotate_is_streaming()


def test_contract_skips_file_tests_of_detector(write_contract: WriteContract) -> None:
    with pytest.raises(pytest.skip.Exception, match="faulty reads no files"):
        write_contract()().test_file_count_mismatch_is_rejected()


class TestCustomClip(ConditionerContract):
    """The contract tests use the clip of the author."""

    name = "edges"
    options: ClassVar = {"method": "sobel"}

    def clip(self) -> list[np.ndarray]:
        return synthetic_clip(4, 60, 90)

    def test_clip_annotations_use_custom_clip(self) -> None:
        assert [(annotation.height, annotation.width) for annotation in self.clip_annotations()] == [(60, 90)] * 4
        assert self.make_bound_conditioner(self.clip()).video_context == self.video_context(self.clip())
