"""The building code of the project: floors, doors and sizes, read off the imports of every file."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
PACKAGE = "vid2vid_cli"

LAYERS = {
    "core": 0,
    **dict.fromkeys(("config", "media", "ops", "processes"), 1),
    **dict.fromkeys(("conditioning", "data", "networks", "losses", "metrics"), 2),
    **dict.fromkeys(("engine", "testing"), 3),  # testing: the contract tests that plugin authors run
    **dict.fromkeys(("dataset_builder", "training_data", "nvidia_import", "tools"), 4),
    "rendering": 5,
    "training": 6,
    "pipelines": 7,
    "terminal": 8,
    "commands": 9,
    "cli": 10,
    "__main__": 11,
}
AGREED = {("data", "conditioning")}
"""Siblings that may meet: a dataset stores annotations, which are the conditioner's noun."""
FORBIDDEN = {
    **{key: {"torch"} for key in ("config", "media", "conditioning", "commands", "cli", "terminal")},
    **{key: {f"{PACKAGE}.config"} for key in ("networks", "losses", "metrics")},
}
"""What a room never imports although its floor would let it: configuration stops at engine/build.py."""
DOORS = (f"{PACKAGE}.conditioning", f"{PACKAGE}.testing")
"""What authors of plugins import from."""
LONGEST_FILE, LONGEST_BODY = 250, 60


@dataclass(frozen=True)
class Import:
    """One imported module, and whether it happens when the file is imported."""

    module: str
    line: int
    at_top: bool
    typing_only: bool


def imports(source: str) -> Iterator[Import]:
    """Every import of a file; `from vid2vid_cli import x` counts as vid2vid_cli.x."""

    def walk(node: ast.AST, at_top: bool, typing_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, at_top, typing_only)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"line {child.lineno}: a relative import"
                module = child.module or ""
                deeper = module in (PACKAGE, f"{PACKAGE}.commands")
                for name in [f"{module}.{alias.name}" for alias in child.names] if deeper else [module]:
                    yield Import(name, child.lineno, at_top, typing_only)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                yield from walk(child, at_top, True)
            else:
                inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                yield from walk(child, at_top and not inside, typing_only)

    yield from walk(ast.parse(source), True, False)


def room_of(module: str) -> str:
    """vid2vid_cli.media.probe -> media; the package itself is nobody's room."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == PACKAGE and parts[1] in LAYERS else ""


def broken_floors(room: str, source: str) -> list[str]:
    """What a file of `room` imports from above or beside."""
    faults = []
    for one in imports(source):
        other = room_of(one.module)
        if other and other != room and (room, other) not in AGREED:
            if LAYERS[other] > LAYERS[room]:
                faults.append(f"line {one.line}: {room} imports {one.module} from a floor above")
            elif LAYERS[other] == LAYERS[room]:
                faults.append(f"line {one.line}: {room} imports {one.module} from the room beside")
        for ban in FORBIDDEN.get(room, ()):
            if one.module == ban or one.module.startswith(f"{ban}."):
                faults.append(f"line {one.line}: {room} imports {one.module}")
    return faults


def long_functions(source: str) -> list[str]:
    """Functions whose body does not fit a screen; signatures of options are not counted."""
    return [
        f"line {node.lineno}: {node.name} has {length} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or 0) - node.body[0].lineno + 1) > LONGEST_BODY
    ]


def name_of(path: Path) -> str:
    """The dotted module of a file."""
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PACKAGE_FILES = sorted((REPO / PACKAGE).rglob("*.py"))
PLUGIN_FILES = sorted((REPO / "plugins").rglob("*.py"))


def ids(path: Path) -> str:
    return str(path.relative_to(REPO))


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=ids)
def test_imports_go_down(path: Path) -> None:
    room = room_of(name_of(path))
    assert room or path.name == "__init__.py", f"{path.name} lies on no floor"
    if room:
        assert broken_floors(room, path.read_text()) == []


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=ids)
def test_init_files_are_empty(path: Path) -> None:
    if path.name == "__init__.py" and name_of(path) not in (PACKAGE, *DOORS):
        assert path.read_text().strip() == ""


def test_the_package_itself_holds_its_version_and_nothing_else() -> None:
    tree = ast.parse((REPO / PACKAGE / "__init__.py").read_text())
    assert [ast.unparse(node).split(" ")[0] for node in tree.body[1:]] == ["__version__"]


def test_no_circles() -> None:
    modules = {name_of(path): path for path in PACKAGE_FILES + PLUGIN_FILES}
    graph = {
        name: {one.module for one in imports(path.read_text()) if one.module in modules and not one.typing_only}
        for name, path in modules.items()
    }
    assert circle(graph) == []


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring; empty where there are none."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            found = visit(other, [*way, name])
            if found:
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=ids)
def test_rich_and_typer_stay_where_they_belong(path: Path) -> None:
    room = room_of(name_of(path))
    for one in imports(path.read_text()):
        top = one.module.split(".")[0]
        assert top != "rich" or room == "terminal", f"line {one.line}: only terminal.py imports rich"
        assert top not in ("typer", "click") or room in ("commands", "cli"), f"line {one.line}: typer outside a skin"


@pytest.mark.parametrize("path", [p for p in PACKAGE_FILES if room_of(name_of(p)) in ("commands", "cli")], ids=ids)
def test_skins_import_nothing_heavy(path: Path) -> None:
    light = {"typer", f"{PACKAGE}.__version__", f"{PACKAGE}.core.errors"}
    for one in imports(path.read_text()):
        if one.at_top and not one.typing_only:
            standard = one.module.split(".")[0] in sys.stdlib_module_names
            own = room_of(one.module) == "commands"
            assert standard or own or one.module in light, f"line {one.line}: {one.module} at the top of a skin"


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=ids)
def test_the_package_knows_no_plugin_by_name(path: Path) -> None:
    for one in imports(path.read_text()):
        top = one.module.split(".")[0]
        assert top == PACKAGE or not top.startswith("vid2vid"), f"line {one.line}: {one.module}"


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=ids)
def test_not_even_as_a_string_outside_the_registry(path: Path) -> None:
    plugins = {file.relative_to(REPO / "plugins").parts[0] for file in PLUGIN_FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and path.name != "registry.py":
            assert node.value.partition(":")[0].partition(".")[0] not in plugins, f"line {node.lineno}: {node.value}"


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=ids)
def test_a_plugin_comes_in_through_the_door(path: Path) -> None:
    own = path.relative_to(REPO / "plugins").parts[0]
    for one in imports(path.read_text()):
        top = one.module.split(".")[0]
        if top == PACKAGE:
            assert one.module == f"{PACKAGE}.conditioning", f"line {one.line}: {one.module} is not the door"
        else:
            assert top == own or not top.startswith("vid2vid"), f"line {one.line}: another plugin: {one.module}"


@pytest.mark.parametrize("path", PACKAGE_FILES + PLUGIN_FILES, ids=ids)
def test_files_and_functions_fit(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= LONGEST_FILE
    assert long_functions(source) == []
    assert path.stem not in ("utils", "util", "helpers", "misc", "common"), "a function lives where its noun lives"


@pytest.mark.parametrize(
    ("room", "line", "fault"),
    [
        ("media", "from vid2vid_cli.engine.step import step", "from a floor above"),
        ("media", "def f():\n    import vid2vid_cli.data.clip_sampler", "from a floor above"),
        ("losses", "from vid2vid_cli.networks.discriminator import Patch", "from the room beside"),
        ("networks", "from vid2vid_cli.config.config import Config", "networks imports vid2vid_cli.config.config"),
        ("config", "import torch.nn", "config imports torch.nn"),
        ("core", "from vid2vid_cli import cli", "from a floor above"),
    ],
)
def test_a_planted_fault_is_found(room: str, line: str, fault: str) -> None:
    assert fault in "".join(broken_floors(room, line))


def test_planted_circles_and_long_functions_are_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert long_functions("def f():\n" + "    x = 1\n" * 61) == ["line 1: f has 61 lines"]
    assert long_functions("def f():\n" + "    x = 1\n" * 60) == []
