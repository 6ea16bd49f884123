"""Discovery and loading of conditioner plugins, and parsing of their options."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from vid2vid_cli.conditioning import API_VERSION, ConditionerSpec, Requirement
from vid2vid_cli.conditioning.registry import (
    ALLOWED_PLUGINS_VARIABLE,
    PLUGINS_VARIABLE,
    DiscoveredPlugin,
    find_conditioners,
    load_conditioner,
    missing_requirements,
)
from vid2vid_cli.core.errors import ConfigError, PluginError

MODULES = {
    "good": "SPEC = ConditionerSpec('good', 'Good.', 'points', 'outside_good_impl:Good')",
    "good_impl": (
        "from vid2vid_edges.conditioner import Edges\nfrom outside_good import SPEC\n"
        "class Good(Edges):\n    spec = SPEC"
    ),
    "raises": "raise RuntimeError('first line\\nsecond line')",
    "exits": "import sys\nsys.exit(3)",
    "absent": "import a_package_that_is_not_there",
    "other": "SPEC = 5",
    "future": "SPEC = ConditionerSpec('future', 'Future.', 'points', 'x:Y', api_version=API_VERSION + 1)",
    "needy": (
        "from vid2vid_cli.conditioning import Requirement\n"
        "SPEC = ConditionerSpec('needy', 'Needy.', 'points', 'outside_good_impl:Good',"
        " requires=(Requirement('no_such_package', 'pip install such'),))"
    ),
    "hollow": "SPEC = ConditionerSpec('hollow', 'Hollow.', 'points', 'outside_hollow:Missing')",
    "other_spec": "SPEC = ConditionerSpec('other_spec', 'Other.', 'points', 'vid2vid_edges.conditioner:Edges')",
    "outside_name": "SPEC = ConditionerSpec('../outside', 'Outside.', 'points', 'vid2vid_edges.conditioner:Edges')",
    "wrong": "SPEC = ConditionerSpec('wrong', 'Wrong.', 'points', 'outside_wrong:NotOne')\nclass NotOne:\n    pass",
}


@pytest.fixture
def outside_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules outside_<name>, set as conditioners <name> in the environment variable."""
    for name, code in MODULES.items():
        head = "from vid2vid_cli.conditioning import API_VERSION, ConditionerSpec\n"
        (tmp_path / f"outside_{name}.py").write_text(head + code + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(
        PLUGINS_VARIABLE, ",".join(f"{name}=outside_{name}:SPEC" for name in MODULES if name != "good_impl")
    )
    yield tmp_path
    for module in [name for name in sys.modules if name.startswith("outside_")]:
        del sys.modules[module]


def plugins_by_name() -> dict[str, DiscoveredPlugin]:
    return {plugin.name: plugin for plugin in find_conditioners()}


def test_find_conditioners_lists_built_in_plugins_first() -> None:
    names = [plugin.name for plugin in find_conditioners()]
    assert {"edges", "landmarks"} <= set(names)
    assert len(names) == len(set(names))
    assert plugins_by_name()["edges"].origin == "built in"
    assert plugins_by_name()["edges"].status == "ready"


def test_find_conditioners_lists_broken_plugins(outside_plugins: Path) -> None:
    plugins = plugins_by_name()
    assert plugins["edges"].status == "ready"
    assert plugins["good"].status == "ready"
    assert plugins["good"].origin == f"${PLUGINS_VARIABLE}"
    for name, problem in {
        "raises": "RuntimeError: first line",
        "exits": "SystemExit: 3",
        "absent": "ModuleNotFoundError: No module named 'a_package_that_is_not_there'",
        "other": "int",
        "future": f"version {API_VERSION + 1}",
    }.items():
        assert plugins[name].status == "broken"
        assert problem in plugins[name].problem
        assert plugins[name].spec is None
        assert plugins[name].remedy
    assert plugins["needy"].status == "needs packages"
    assert plugins["needy"].remedy == "pip install such"


def test_load_conditioner_loads_outside_plugin(outside_plugins: Path) -> None:
    assert load_conditioner("good", {"sigma": "2"}).options.model_dump()["sigma"] == 2.0


@pytest.mark.parametrize("name", ["raises", "exits", "future", "hollow", "wrong", "other_spec", "outside_name"])
def test_load_conditioner_rejects_broken_plugin(outside_plugins: Path, name: str) -> None:
    with pytest.raises(PluginError, match=repr(name)) as caught:
        load_conditioner(name)
    assert caught.value.hint


@pytest.mark.parametrize("value", ["nonsense", "=x:Y", "name=", "name=no_module:SPEC", "a=b,,c"])
def test_find_conditioners_ignores_malformed_variable(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLUGINS_VARIABLE, value)
    assert plugins_by_name()["edges"].status == "ready"


def test_find_conditioners_uses_first_plugin_with_a_name(
    outside_plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PLUGINS_VARIABLE, "edges=outside_raises:SPEC")
    plugins = plugins_by_name()
    assert plugins["edges"].origin == "built in"
    assert plugins[f"edges (${PLUGINS_VARIABLE})"].status == "ignored"


def test_find_conditioners_restricts_to_allowed_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOWED_PLUGINS_VARIABLE, "edges")
    assert list(plugins_by_name()) == ["edges"]
    monkeypatch.setenv(ALLOWED_PLUGINS_VARIABLE, "")
    assert find_conditioners() == []
    with pytest.raises(PluginError, match="'edges'"):
        load_conditioner("edges")


def test_find_conditioners_reads_entry_points(outside_plugins: Path) -> None:
    info = outside_plugins / "outside_dist-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-dist\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[vid2vid.conditioners]\nthird = outside_good:SPEC\nbad = outside_raises:SPEC\n"
    )
    assert "third" in {point.name for point in metadata.entry_points(group="vid2vid.conditioners")}
    plugins = plugins_by_name()
    assert (plugins["third"].status, plugins["third"].origin) == ("ready", "outside-dist 1.2")
    assert plugins["bad"].status == "broken"
    assert "pip uninstall outside-dist" in plugins["bad"].remedy


def test_load_conditioner_suggests_similar_name() -> None:
    with pytest.raises(PluginError, match="'landmark'") as caught:
        load_conditioner("landmark")
    assert caught.value.hint == "Did you mean landmarks?"


def test_parse_options_converts_strings() -> None:
    options = load_conditioner("landmarks", {"smoothing": "0.02", "distance_maps": "false"}).options.model_dump()
    assert (options["smoothing"], options["distance_maps"], options["backend"]) == (0.02, False, "auto")


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"metod": "canny"}, "edges.metod", "Did you mean edges.method?"),
        ({"zzz": 1}, "edges.zzz", "method, sigma"),
        ({"sigma": "wide"}, "edges.sigma='wide'", "method, sigma"),
        ({"method": "cany"}, "edges.method='cany'", "method, sigma"),
        ({"smoothing": "1"}, "edges.smoothing='1'", "method, sigma"),
    ],
)
def test_parse_options_rejects_bad_options(values: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_conditioner("edges", values)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_missing_requirements_needs_one_alternative() -> None:
    installed, missing = (
        Requirement(module, "pip install it", is_optional=True) for module in ("json", "no_such_package")
    )
    required = Requirement("no_other_package", "pip install that")

    def find_missing(*requires: Requirement) -> list[Requirement]:
        return missing_requirements(ConditionerSpec("x", "X.", "points", "x:X", requires=requires))

    assert find_missing(installed, missing) == []
    assert find_missing(missing) == [missing]
    assert find_missing(installed, missing, required) == [required]
    assert find_missing() == []


def test_find_conditioners_imports_no_heavy_library() -> None:
    code = (
        "import sys; from vid2vid_cli.conditioning.registry import find_conditioners; "
        "assert len(find_conditioners()) >= 2; "
        "print([m for m in ('numpy', 'cv2', 'torch', 'pydantic', 'mediapipe', 'dlib') if m in sys.modules])"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[]"
