"""Faults of plugins: every command ends with 42 and names the plugin and the method."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from helpers.cli_runner import CliRunner

PLUGIN = """
import os, sys
from dataclasses import replace
import numpy as np
from vid2vid_cli.conditioning import Annotation, ConditionerSpec, LabelClass, Options
from vid2vid_edges.conditioner import Edges

SPEC = ConditionerSpec("faulty", "edges with faults", "image", "faulty_plugin:Faulty")

def each(change, annotations):
    return (change(annotation) for annotation in annotations)

class Faulty(Edges):
    spec = SPEC
"""
EDGES = "Edges.annotate(self, frames)"


def annotate(expression: str) -> str:
    """A method `annotate` whose annotations are `expression` of each annotation `a` of the edges."""
    return f"    def annotate(self, frames):\n        return each(lambda a: {expression}, {EDGES})\n"


ANNOTATE_FAULTS = {
    "exit": annotate("sys.exit(0)"),
    "exit with text": annotate("sys.exit('done')"),
    "exception": annotate("1 / 0"),
    "end of file": annotate("(_ for _ in ()).throw(EOFError())"),
    "broken pipe": annotate("(_ for _ in ()).throw(BrokenPipeError())"),
    "stop": annotate("next(iter(()))"),
    "no stream": "    def annotate(self, frames):\n        return None\n",
    "none": annotate("None"),
    "quality": annotate("replace(a, quality=float('nan'))"),
    "size": annotate("replace(a, height=3)"),
    "points dtype": annotate("replace(a, points={'p': np.zeros((2, 2))})"),
    "points shape": annotate("replace(a, points={'p': np.zeros(4, np.float32)})"),
    "points list": annotate("replace(a, points={'p': [[0, 0]]})"),
    "points infinite": annotate("replace(a, points={'p': np.full((2, 2), np.inf, np.float32)})"),
    "points reserved": annotate("replace(a, points={'quality': np.zeros((2, 2), np.float32)})"),
    "image shape": annotate("replace(a, images={'i': np.zeros((2, 2), np.uint8)})"),
    "image dtype": annotate("replace(a, images={'i': np.zeros((a.height, a.width), np.float32)})"),
    "outside": annotate("replace(a, images={'../../../outside': np.zeros((a.height, a.width), np.uint8)})"),
    "absolute": annotate("replace(a, images={'/tmp/outside': np.zeros((a.height, a.width), np.uint8)})"),
    "number as name": annotate("replace(a, points={5: np.zeros((2, 2), np.float32)})"),
    "varying shape": (
        "    def annotate(self, frames):\n"
        f"        for n, a in enumerate({EDGES}):\n"
        "            yield replace(a, points={'p': np.zeros((1 + n, 2), np.float32)})\n"
    ),
    "too few": f"    def annotate(self, frames):\n        for a in {EDGES}:\n            yield a\n            return\n",
    "too many": f"    def annotate(self, frames):\n        for a in {EDGES}:\n            yield from (a, a)\n",
}
OTHER_FAULTS = {
    "render": (
        "    def render(self, annotation, view):\n        return np.full((1, view.height, view.width), np.nan, 'f4')\n"
    ),
    "visualize": "    def visualize(self, annotation, view):\n        return None\n",
    "statistics": "    def statistics(self, annotations):\n        return {'value': float('nan')}\n",
    "fingerprint": "    def fingerprint(self):\n        return {'value': object()}\n",
    "classes": "    def classes(self):\n        return (LabelClass(0, 'a', (0, 0, 0)),) * 2\n",
    "num_channels": "    @property\n    def num_channels(self):\n        return 0\n",
    "bind": "    def bind(self, video_context):\n        sys.exit()\n",
    "__init__": "    def __init__(self, options=None):\n        raise KeyError('options')\n",
}
REFERENCE_FAULTS = {
    "descriptor list": ("describe", "    def describe(self, annotation, view):\n        return [1.0, 2.0]\n"),
    "descriptor exception": ("describe", "    def describe(self, annotation, view):\n        return 1 / 0\n"),
    "bones negative": ("bones", "    def bones(self):\n        return {'p': ((0, -1),)}\n"),
    "bones list": ("bones", "    def bones(self):\n        return [(0, 1)]\n"),
    "bones row": ("bones", "    def bones(self):\n        return {'p': ((0, 3),)}\n"),
}

WritePlugin = Callable[[str], None]


@pytest.fixture
def write_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WritePlugin:
    """Write the plugin `faulty` with these methods."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("VID2VID_PLUGINS", "faulty=faulty_plugin:SPEC")
    monkeypatch.delitem(sys.modules, "faulty_plugin", raising=False)

    def write(methods: str) -> None:
        module = ModuleType("faulty_plugin")
        exec(compile(PLUGIN + methods, str(folder / "faulty_plugin.py"), "exec"), vars(module))
        monkeypatch.setitem(sys.modules, "faulty_plugin", module)

    return write


@pytest.mark.parametrize("methods", ANNOTATE_FAULTS.values(), ids=list(ANNOTATE_FAULTS))
def test_prepare_reports_fault_of_annotate(
    run_cli: CliRunner, write_plugin: WritePlugin, blob_video: Path, tmp_path: Path, methods: str
) -> None:
    write_plugin(methods)
    result = run_cli("prepare", "-c", "faulty", str(blob_video), "--out", "a/b/c/out")
    assert result.exit_code == 42, result.stderr
    assert "The conditioner faulty failed in annotate: " in result.stderr
    assert not (tmp_path / "a/b/c/out").exists()
    assert [path for path in tmp_path.rglob("*") if path.name == "outside"] == []
    assert not Path("/tmp/outside").exists()


@pytest.mark.parametrize(("name", "methods"), OTHER_FAULTS.items(), ids=list(OTHER_FAULTS))
def test_commands_report_fault_of_method(
    run_cli: CliRunner, write_plugin: WritePlugin, blob_video: Path, name: str, methods: str
) -> None:
    write_plugin(methods)
    result = run_cli("prepare", "-c", "faulty", str(blob_video), "--out", "out", "--json")
    if name == "render":  # only training and synthesis render
        assert result.exit_code == 0, result.stderr
        result = run_cli("train", "--data", "out", "--steps", "1", "--device", "cpu", "--json")
    assert result.exit_code == 42, result.stderr
    record = json.loads(result.stdout.splitlines()[-1])
    assert record["error"] == "PluginError"
    assert f"The conditioner faulty failed in {name}: " in record["message"]


@pytest.mark.parametrize(("name", "methods"), REFERENCE_FAULTS.values(), ids=list(REFERENCE_FAULTS))
def test_train_reports_fault_of_reference_methods(
    run_cli: CliRunner, write_plugin: WritePlugin, blob_video: Path, name: str, methods: str
) -> None:
    write_plugin(annotate("replace(a, points={'p': np.float32([(1, 2), (9, 3), (5, 9)])})") + methods)
    assert run_cli("prepare", "-c", "faulty", str(blob_video), "--out", "out").exit_code == 0
    settings = [f"--set={text}" for text in ("generator.kind=fast", "generator.num_references=1", "data.height=40")]
    result = run_cli("train", "--data", "out", "--steps", "1", "--device", "cpu", *settings)
    assert result.exit_code == 42, result.stderr
    assert f"The conditioner faulty failed in {name}: " in result.stderr


def test_source_of_exception_is_named(run_cli: CliRunner, write_plugin: WritePlugin, blob_video: Path) -> None:
    write_plugin(annotate("1 / 0"))
    stderr = run_cli("prepare", "-c", "faulty", str(blob_video)).stderr
    line = 1 + (PLUGIN + annotate("1 / 0")).splitlines().index(annotate("1 / 0").splitlines()[1])
    assert f"ZeroDivisionError: division by zero ({Path('modules/faulty_plugin.py')}:{line})" in stderr.replace(
        str(Path.cwd()) + "/", ""
    )


@pytest.mark.parametrize(
    ("error", "exit_code"), [("MemoryError()", 45), ("OSError(28, 'full')", 43), ("KeyboardInterrupt()", 130)]
)
def test_errors_of_the_machine_are_no_faults_of_the_plugin(
    run_cli: CliRunner, write_plugin: WritePlugin, blob_video: Path, error: str, exit_code: int
) -> None:
    write_plugin(annotate(f"(_ for _ in ()).throw({error})"))
    assert run_cli("prepare", "-c", "faulty", str(blob_video)).exit_code == exit_code


def test_plugin_that_prints_fails_with_json_only(
    run_cli: CliRunner, write_plugin: WritePlugin, blob_video: Path
) -> None:
    write_plugin(annotate("print('loading') or a"))
    result = run_cli("prepare", "-c", "faulty", str(blob_video), "--json")
    assert result.exit_code == 42, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert "The conditioner faulty failed in annotate: " in records[-1]["message"]
    assert "'loading'" in records[-1]["message"]
    assert run_cli("prepare", "-c", "faulty", str(blob_video)).exit_code == 0


def test_class_without_required_method_is_rejected(
    run_cli: CliRunner, write_plugin: WritePlugin, blob_video: Path
) -> None:
    write_plugin(
        "    pass\nfrom vid2vid_cli.conditioning import Conditioner\nclass Faulty(Conditioner):\n    spec = SPEC\n"
    )
    result = run_cli("prepare", "-c", "faulty", str(blob_video))
    assert result.exit_code == 42
    assert "annotate" in result.stderr
