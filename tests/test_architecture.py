"""The structure of the project: layers, public packages and file sizes, checked on the imports of every file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
PACKAGE = "vid2vid_cli"

LAYERS = {
    "core": 0,
    **dict.fromkeys(("config", "local_http", "media", "ops"), 1),
    **dict.fromkeys(("conditioning", "data", "networks", "losses", "metrics", "reports", "requests"), 2),
    **dict.fromkeys(("engine", "testing"), 3),  # testing: the contract tests that plugin authors run
    **dict.fromkeys(("dataset_builder", "training_data", "nvidia_import", "translation_import", "tools"), 4),
    **dict.fromkeys(("evaluation", "rendering", "ui"), 5),
    "training": 6,
    "pipelines": 7,
    **dict.fromkeys(("api", "terminal"), 8),
    "commands": 9,
    "cli": 10,
    "__main__": 11,
}
ALLOWED_SIBLING_IMPORTS = {("data", "conditioning")}
"""Imports between packages of one layer: a dataset stores annotations, a type of `conditioning`."""
FORBIDDEN_IMPORTS = {
    **{key: {"torch"} for key in ("config", "media", "conditioning", "commands", "cli", "terminal")},
    **{key: {f"{PACKAGE}.config"} for key in ("networks", "losses", "metrics")},
}
"""Forbidden although the layer would allow them."""
ENGINE_MODULES_WITH_CONFIG = {
    *("build", "checkpoint_metadata", "curriculum", "discriminator_inputs", "memory_estimate", "run_folder"),
    "train_context",
}
"""The engine modules that import the configuration, besides `families`: they build, schedule, store or measure what it
describes, and a second record of the same settings would only copy its fields. Losses, rollout, state and loop take
plain values."""
PUBLIC_PACKAGES = (f"{PACKAGE}.conditioning", f"{PACKAGE}.testing")
"""The packages that plugins import."""
MAX_FILE_LINES, MAX_FUNCTION_LINES = 250, 60


@dataclass(frozen=True)
class Import:
    """One imported module, and whether it happens when the file is imported."""

    module: str
    line: int
    is_module_level: bool
    is_typing_only: bool


def find_imports(source: str) -> Iterator[Import]:
    """Every import of a file; `from vid2vid_cli import x` counts as vid2vid_cli.x."""

    def walk(node: ast.AST, is_module_level: bool, is_typing_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, is_module_level, is_typing_only)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"line {child.lineno}: a relative import"
                module = child.module or ""
                imports_submodules = module in (PACKAGE, f"{PACKAGE}.commands")
                for name in [f"{module}.{alias.name}" for alias in child.names] if imports_submodules else [module]:
                    yield Import(name, child.lineno, is_module_level, is_typing_only)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                yield from walk(child, is_module_level, True)
            else:
                is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                yield from walk(child, is_module_level and not is_function, is_typing_only)

    yield from walk(ast.parse(source), True, False)


def package_of(module: str) -> str:
    """vid2vid_cli.media.probe -> media; "" for the package itself and for other libraries."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == PACKAGE and parts[1] in LAYERS else ""


def layer_violations(package: str, source: str) -> list[str]:
    """Imports of a file of `package` from a higher layer or from another package of its layer."""
    violations = []
    for imported in find_imports(source):
        imported_package = package_of(imported.module)
        if (
            imported_package
            and imported_package != package
            and (package, imported_package) not in ALLOWED_SIBLING_IMPORTS
        ):
            if LAYERS[imported_package] > LAYERS[package]:
                violations.append(f"line {imported.line}: {package} imports {imported.module} from a higher layer")
            elif LAYERS[imported_package] == LAYERS[package]:
                violations.append(f"line {imported.line}: {package} imports {imported.module} from the same layer")
        for forbidden_module in FORBIDDEN_IMPORTS.get(package, ()):
            if imported.module == forbidden_module or imported.module.startswith(f"{forbidden_module}."):
                violations.append(f"line {imported.line}: {package} imports {imported.module}")
    return violations


def find_long_functions(source: str) -> list[str]:
    """Functions whose body is longer than the limit; signatures are not counted."""
    return [
        f"line {node.lineno}: {node.name} has {length} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or 0) - node.body[0].lineno + 1) > MAX_FUNCTION_LINES
    ]


def module_name(path: Path) -> str:
    """The dotted module of a file."""
    parts = path.relative_to(REPO).with_suffix("").parts
    parts = parts[1:] if parts[0] == "plugins" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PACKAGE_FILES = sorted((REPO / PACKAGE).rglob("*.py"))
PLUGIN_FILES = sorted((REPO / "plugins").rglob("*.py"))


def relative_path(path: Path) -> str:
    return str(path.relative_to(REPO))


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=relative_path)
def test_imports_follow_layers(path: Path) -> None:
    package = package_of(module_name(path))
    assert package or path.name == "__init__.py", f"{path.name} is in no layer"
    if package:
        assert layer_violations(package, path.read_text()) == []


@pytest.mark.parametrize("path", sorted((REPO / PACKAGE / "engine").glob("*.py")), ids=relative_path)
def test_engine_modules_without_config(path: Path) -> None:
    imports_config = any(package_of(imported.module) == "config" for imported in find_imports(path.read_text()))
    assert imports_config == (path.stem in ENGINE_MODULES_WITH_CONFIG)


def test_transfer_starts_its_scan_without_torch() -> None:
    modules = (
        *("pipelines.transfer", "pipelines.batch_sources", "rendering.transfer_source", "rendering.source_video"),
        "rendering.source_scan",
    )
    imports = "".join(f"import {PACKAGE}.{module}\n" for module in modules)
    imports += "import vid2vid_landmarks.conditioner, vid2vid_pose.conditioner\n"
    command = [sys.executable, "-c", f"{imports}import sys; print('torch' in sys.modules)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "False"


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=relative_path)
def test_init_files_are_empty(path: Path) -> None:
    if path.name == "__init__.py" and module_name(path) not in (PACKAGE, *PUBLIC_PACKAGES):
        assert path.read_text().strip() == ""


def test_package_init_imports_nothing_heavy() -> None:
    """`vid2vid_cli` itself holds the version and the names of the Python API, which it imports on first use: every
    command imports the package, and `--help` must stay fast."""
    imports = list(find_imports((REPO / PACKAGE / "__init__.py").read_text()))
    assert {i.module for i in imports if not i.is_typing_only} == {"importlib"}
    assert {i.module for i in imports if i.is_typing_only} == {f"{PACKAGE}.api"}


def test_imports_have_no_cycles() -> None:
    modules = {module_name(path): path for path in PACKAGE_FILES + PLUGIN_FILES}
    graph = {
        name: {i.module for i in find_imports(path.read_text()) if i.module in modules and not i.is_typing_only}
        for name, path in modules.items()
    }
    assert find_import_cycle(graph) == []


def find_import_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a cycle; empty if there is none."""
    visited: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in visited:
            return []
        for imported_module in sorted(graph.get(name, ())):
            cycle = visit(imported_module, [*path, name])
            if cycle:
                return cycle
        visited.add(name)
        return []

    return next((cycle for name in sorted(graph) if (cycle := visit(name, []))), [])


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=relative_path)
def test_rich_and_typer_imports_are_confined(path: Path) -> None:
    package = package_of(module_name(path))
    for imported in find_imports(path.read_text()):
        top_package = imported.module.split(".")[0]
        assert top_package != "rich" or package == "terminal", f"line {imported.line}: only terminal.py imports rich"
        assert top_package not in ("typer", "click") or package in ("commands", "cli"), (
            f"line {imported.line}: typer outside commands and cli"
        )


@pytest.mark.parametrize(
    "path", [p for p in PACKAGE_FILES if package_of(module_name(p)) in ("commands", "cli")], ids=relative_path
)
def test_command_modules_import_nothing_heavy(path: Path) -> None:
    allowed_modules = {
        "typer",
        *(f"{PACKAGE}.{name}" for name in ("__version__", "core.errors", "core.log_names", "core.paths")),
    }
    for imported in find_imports(path.read_text()):
        if imported.is_module_level and not imported.is_typing_only:
            is_stdlib = imported.module.split(".")[0] in sys.stdlib_module_names
            is_command = package_of(imported.module) in ("commands", "requests")
            assert is_stdlib or is_command or imported.module in allowed_modules, (
                f"line {imported.line}: {imported.module} at module level of a command"
            )


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=relative_path)
def test_package_imports_no_plugin(path: Path) -> None:
    for imported in find_imports(path.read_text()):
        top_package = imported.module.split(".")[0]
        assert top_package == PACKAGE or not top_package.startswith("vid2vid"), (
            f"line {imported.line}: {imported.module}"
        )


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=relative_path)
def test_package_strings_name_no_plugin(path: Path) -> None:
    plugin_packages = {file.relative_to(REPO / "plugins").parts[0] for file in PLUGIN_FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and path.name != "registry.py":
            assert node.value.partition(":")[0].partition(".")[0] not in plugin_packages, (
                f"line {node.lineno}: {node.value}"
            )


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=relative_path)
def test_plugins_import_only_public_packages(path: Path) -> None:
    plugin_package = path.relative_to(REPO / "plugins").parts[0]
    for imported in find_imports(path.read_text()):
        top_package = imported.module.split(".")[0]
        if top_package == PACKAGE:
            assert imported.module == f"{PACKAGE}.conditioning", (
                f"line {imported.line}: {imported.module} is not a public package"
            )
        else:
            assert top_package == plugin_package or not top_package.startswith("vid2vid"), (
                f"line {imported.line}: another plugin: {imported.module}"
            )


@pytest.mark.parametrize("path", PACKAGE_FILES + PLUGIN_FILES, ids=relative_path)
def test_files_and_functions_are_short(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= MAX_FILE_LINES
    assert find_long_functions(source) == []
    assert path.stem not in ("utils", "util", "helpers", "misc", "common"), (
        "a function belongs to the module of its type"
    )


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for folder in (f"{PACKAGE}/ui/page", f"{PACKAGE}/reports/templates", "benchmarks")
        for path in (REPO / folder).iterdir()
        if path.is_file()
    ),
    ids=relative_path,
)
def test_pages_and_benchmarks_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize(
    ("package", "source", "message"),
    [
        ("media", "from vid2vid_cli.engine.step import step", "from a higher layer"),
        ("media", "def f():\n    import vid2vid_cli.data.clip_sampler", "from a higher layer"),
        ("losses", "from vid2vid_cli.networks.discriminator import Patch", "from the same layer"),
        ("networks", "from vid2vid_cli.config.config import Config", "networks imports vid2vid_cli.config.config"),
        ("config", "import torch.nn", "config imports torch.nn"),
        ("core", "from vid2vid_cli import cli", "from a higher layer"),
    ],
)
def test_layer_violations_finds_planted_imports(package: str, source: str, message: str) -> None:
    assert message in "".join(layer_violations(package, source))


def test_find_import_cycle_and_find_long_functions() -> None:
    assert find_import_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_import_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert find_long_functions("def f():\n" + "    x = 1\n" * 61) == ["line 1: f has 61 lines"]
    assert find_long_functions("def f():\n" + "    x = 1\n" * 60) == []
