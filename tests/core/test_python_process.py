"""Python processes import nothing from the working folder, on all Python versions."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vid2vid_cli.core.python_process import code_command, module_command, start_process
from vid2vid_cli.core.search_path import remove_working_folder, safe_search_path

REPO = Path(__file__).resolve().parents[2]
MODULES_IN_FOLDER = (
    "torch",
    "pickle",
    "json",
    "typing",
    "runpy",
    "numpy",
    "subprocess",
    "signal",
    "__future__",
    "yaml",
)
STANDARD_LIBRARY = str(Path(os.__file__).parent)


@pytest.fixture
def hostile_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with files named like modules; each of them leaves a file `executed_...` when imported."""
    for name in MODULES_IN_FOLDER:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / f'executed_{name}')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    return tmp_path


def run(command: list[str], **environment: str) -> str:
    completed = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def executed_modules(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("executed_*")}


def test_code_command_imports_nothing_from_working_folder(hostile_folder: Path) -> None:
    code = f"import sys, {', '.join(set(MODULES_IN_FOLDER) - {'torch'})}; print(sys.argv[1:])"
    assert run(code_command(code, "a b", "-c")) == "['a b', '-c']\n"
    assert executed_modules(hostile_folder) == set()


def test_module_command_imports_nothing_from_working_folder(hostile_folder: Path) -> None:
    assert run(module_command("vid2vid_cli", "--version")).startswith("vid2vid ")
    assert executed_modules(hostile_folder) == set()


@pytest.mark.parametrize("python_path", [f"{REPO}", f"{os.pathsep}{REPO}"])
def test_command_line_imports_nothing_from_working_folder(hostile_folder: Path, python_path: str) -> None:
    """`runpy` is imported by Python itself, before it runs the module."""
    (hostile_folder / "runpy.py").unlink()
    command = [sys.executable, "-m", "vid2vid_cli", "presets", "list"]
    if python_path.startswith(os.pathsep):  # Python itself searches the working folder for what it imports at its start
        command = [sys.executable, "-c", "from vid2vid_cli.__main__ import main; main()", "presets", "list"]
    run(command, PYTHONPATH=python_path)
    assert executed_modules(hostile_folder) == set()


def test_package_in_working_folder_is_imported_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that is not installed can be the working folder."""
    monkeypatch.chdir(REPO)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if Path(entry).resolve() != REPO])
    assert run(code_command("print(vid2vid_cli.__file__)")).strip() == str(REPO / "vid2vid_cli" / "__init__.py")


@pytest.mark.parametrize(
    ("search_path", "python_path", "expected"),
    [
        (["", "/a", STANDARD_LIBRARY], "", ["/a", STANDARD_LIBRARY]),
        (["CWD", "/a", STANDARD_LIBRARY], "/a", ["/a", STANDARD_LIBRARY]),
        (["CWD/.", STANDARD_LIBRARY], ":", [STANDARD_LIBRARY]),
        (["CWD", STANDARD_LIBRARY], "/a:CWD", ["CWD", STANDARD_LIBRARY]),
        ([STANDARD_LIBRARY, "CWD"], "", [STANDARD_LIBRARY, "CWD"]),
    ],
    ids=["empty", "absolute", "empty in PYTHONPATH", "named in PYTHONPATH", "installed"],
)
def test_safe_search_path_keeps_what_is_named_or_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_path: list[str], python_path: str, expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", python_path.replace("CWD", str(tmp_path)))
    monkeypatch.setattr(sys, "path", [entry.replace("CWD", str(tmp_path)) for entry in search_path])
    assert safe_search_path() == [entry.replace("CWD", str(tmp_path)) for entry in expected]


def test_remove_working_folder_removes_empty_entries_of_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}/a{os.pathsep}")
    remove_working_folder()
    assert os.environ["PYTHONPATH"] == "/a"


def test_start_process_kills_process_after_exception() -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        start_process(code_command("import time; time.sleep(60)"), subprocess.DEVNULL) as process,
    ):
        raise KeyboardInterrupt
    assert process.returncode == -9


@pytest.mark.parametrize("path", sorted((REPO / "vid2vid_cli").rglob("*.py")), ids=lambda path: path.stem)
def test_python_is_started_by_one_module(path: Path) -> None:
    names = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    modules = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
    }
    assert "sys.executable" not in names or path.name == "python_process.py"
    assert not modules & {"multiprocessing", "torch.multiprocessing", "ProcessPoolExecutor"}
