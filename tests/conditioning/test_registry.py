"""Finding and loading conditioners: guarded, in order, light; options as typed."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from vid2vid_cli.conditioning import API, ConditionerSpec, Requirement
from vid2vid_cli.conditioning.registry import (
    LOAD,
    PLUGINS,
    Found,
    check_requirements,
    find_conditioners,
    load_conditioner,
)
from vid2vid_cli.core.errors import ConfigError, PluginError

MODULES = {
    "good": "SPEC = ConditionerSpec('good', 'Good.', 'points', 'outside_good_impl:Good')",
    "good_impl": "from vid2vid_edges.conditioner import Edges\nclass Good(Edges):\n    pass",
    "raises": "raise RuntimeError('first line\\nsecond line')",
    "exits": "import sys\nsys.exit(3)",
    "absent": "import a_package_that_is_not_there",
    "other": "SPEC = 5",
    "future": "SPEC = ConditionerSpec('future', 'Future.', 'points', 'x:Y', api=API + 1)",
    "needy": (
        "from vid2vid_cli.conditioning import Requirement\n"
        "SPEC = ConditionerSpec('needy', 'Needy.', 'points', 'outside_good_impl:Good',"
        " requires=(Requirement('no_such_package', 'pip install such'),))"
    ),
    "hollow": "SPEC = ConditionerSpec('hollow', 'Hollow.', 'points', 'outside_hollow:Missing')",
    "wrong": "SPEC = ConditionerSpec('wrong', 'Wrong.', 'points', 'outside_wrong:NotOne')\nclass NotOne:\n    pass",
}


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules outside_<name>, offered as conditioners <name> through the environment variable."""
    for name, code in MODULES.items():
        head = "from vid2vid_cli.conditioning import API, ConditionerSpec\n"
        (tmp_path / f"outside_{name}.py").write_text(head + code + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(PLUGINS, ",".join(f"{name}=outside_{name}:SPEC" for name in MODULES if name != "good_impl"))
    yield tmp_path
    for module in [name for name in sys.modules if name.startswith("outside_")]:
        del sys.modules[module]


def found() -> dict[str, Found]:
    return {entry.name: entry for entry in find_conditioners()}


def test_the_built_in_ones_are_found_first() -> None:
    names = [entry.name for entry in find_conditioners()]
    assert {"edges", "landmarks"} <= set(names)
    assert len(names) == len(set(names))
    assert found()["edges"].origin == "built in"
    assert found()["edges"].status == "ready"


def test_broken_plugins_are_listed_and_harm_nothing(outside: Path) -> None:
    entries = found()
    assert entries["edges"].status == "ready"
    assert entries["good"].status == "ready"
    assert entries["good"].origin == f"${PLUGINS}"
    for name, problem in {
        "raises": "RuntimeError: first line",
        "exits": "SystemExit: 3",
        "absent": "ModuleNotFoundError: No module named 'a_package_that_is_not_there'",
        "other": "it offers int, not a ConditionerSpec",
        "future": f"it is written for version {API + 1} of the plugin contract, this is version {API}",
    }.items():
        assert (entries[name].status, entries[name].problem) == ("broken", problem)
        assert entries[name].spec is None
        assert entries[name].remedy
    assert entries["needy"].status == "needs packages"
    assert entries["needy"].remedy == "pip install such"


def test_a_plugin_of_ones_own_works(outside: Path) -> None:
    assert load_conditioner("good", {"sigma": "2"}).options.model_dump()["sigma"] == 2.0


@pytest.mark.parametrize("name", ["raises", "exits", "future", "hollow", "wrong"])
def test_a_broken_plugin_says_so_when_it_is_used(outside: Path, name: str) -> None:
    with pytest.raises(PluginError, match=f"{name!r}.* is broken") as caught:
        load_conditioner(name)
    assert caught.value.hint


@pytest.mark.parametrize("value", ["nonsense", "=x:Y", "name=", "name=no_module:SPEC", "a=b,,c"])
def test_a_malformed_variable_harms_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLUGINS, value)
    assert found()["edges"].status == "ready"


def test_the_first_to_offer_a_name_has_it(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLUGINS, "edges=outside_raises:SPEC")
    entries = found()
    assert entries["edges"].origin == "built in"
    assert entries[f"edges (${PLUGINS})"].status == "ignored"


def test_a_subset_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOAD, "edges")
    assert list(found()) == ["edges"]
    monkeypatch.setenv(LOAD, "")
    assert find_conditioners() == []
    with pytest.raises(PluginError, match="no conditioner called 'edges'"):
        load_conditioner("edges")


def test_entry_points_of_other_distributions(outside: Path) -> None:
    info = outside / "outside_dist-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-dist\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[vid2vid.conditioners]\nthird = outside_good:SPEC\nbad = outside_raises:SPEC\n"
    )
    assert "third" in {point.name for point in metadata.entry_points(group="vid2vid.conditioners")}
    entries = found()
    assert (entries["third"].status, entries["third"].origin) == ("ready", "outside-dist 1.2")
    assert entries["bad"].status == "broken"
    assert "pip uninstall outside-dist" in entries["bad"].remedy


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(PluginError, match="no conditioner called 'landmark'") as caught:
        load_conditioner("landmark")
    assert caught.value.hint == "Did you mean landmarks?"


def test_options_are_read_as_typed() -> None:
    options = load_conditioner("landmarks", {"smooth": "0.02", "distance_maps": "false"}).options.model_dump()
    assert (options["smooth"], options["distance_maps"], options["backend"]) == (0.02, False, "auto")


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"metod": "canny"}, "edges.metod: not an option of edges.", "Did you mean edges.method?"),
        ({"zzz": 1}, "edges.zzz: not an option", "The options of edges: method, sigma"),
        ({"sigma": "wide"}, "edges.sigma='wide': input should be a valid number", "The options of edges"),
        ({"method": "cany"}, "edges.method='cany': input should be 'canny'", "The options of edges"),
        ({"steady": "1"}, "edges.steady='1': input should be less than 1", "The options of edges"),
    ],
)
def test_wrong_options_are_refused(values: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_conditioner("edges", values)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_alternatives_need_only_one() -> None:
    here, gone = (Requirement(module, "pip install it", optional=True) for module in ("json", "no_such_package"))
    needed = Requirement("no_other_package", "pip install that")

    def missing(*requires: Requirement) -> list[Requirement]:
        return check_requirements(ConditionerSpec("x", "X.", "points", "x:X", requires=requires))

    assert missing(here, gone) == []
    assert missing(gone) == [gone]
    assert missing(here, gone, needed) == [needed]
    assert missing() == []


def test_finding_imports_nothing_heavy() -> None:
    code = (
        "import sys; from vid2vid_cli.conditioning.registry import find_conditioners; "
        "assert len(find_conditioners()) >= 2; "
        "print([m for m in ('numpy', 'cv2', 'torch', 'pydantic', 'mediapipe', 'dlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
