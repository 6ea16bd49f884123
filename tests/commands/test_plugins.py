"""plugins list, show, new and test on the command line, and their rows in doctor and inspect."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from helpers.cli_runner import CliRunner

from vid2vid_cli.conditioning.registry import PLUGINS_VARIABLE
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.tools import contract_runner, doctor
from vid2vid_cli.tools.plugin_scaffold import create_plugin


def parse_rows(out: str) -> dict[str, str]:
    return dict(line.split("  ", 1) for line in out.splitlines() if "  " in line)


@pytest.fixture
def plugin_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of a new plugin `mine`, registered by the environment variable, also for child processes."""
    package_folder = create_plugin("mine", tmp_path / "made").path / "src" / "vid2vid_mine"
    monkeypatch.syspath_prepend(str(package_folder.parent))
    search_path = [str(package_folder.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(search_path))
    monkeypatch.setenv(PLUGINS_VARIABLE, "mine=vid2vid_mine:SPEC")
    yield package_folder
    import sys

    for name in [name for name in sys.modules if name.startswith("vid2vid_mine")]:
        del sys.modules[name]


def test_plugins_new_prints_next_commands(run_cli: CliRunner, tmp_path: Path) -> None:
    result = run_cli("plugins", "new", "depth")
    assert result.exit_code == 0
    assert result.stdout == "vid2vid-depth\n"
    assert result.stderr.splitlines()[1:] == [
        "Next: pip install -e './vid2vid-depth[dev]'",
        "Next: vid2vid plugins test depth",
    ]
    payload = json.loads(run_cli("plugins", "new", "depth", "--out", "else where", "--json").stdout)
    assert payload["path"] == "else where/vid2vid-depth"
    assert payload["next_command"] == "pip install -e './else where/vid2vid-depth[dev]'"
    assert all((tmp_path / payload["path"] / file).is_file() for file in payload["files"])


@pytest.mark.parametrize(
    ("args", "exit_code", "name"),
    [
        (["Depth"], 21, "'Depth'"),
        (["edges"], 42, "'edges'"),
        (["depth"], 35, "vid2vid-depth"),
    ],
)
def test_plugins_new_rejects_invalid_names(run_cli: CliRunner, args: list[str], exit_code: int, name: str) -> None:
    run_cli("plugins", "new", "depth")
    result = run_cli("plugins", "new", *args)
    assert result.exit_code == exit_code
    assert result.stderr.startswith("Error: ")
    assert name in result.stderr
    assert "\nTry: " in result.stderr


def test_plugins_test_runs_all_checks(run_cli: CliRunner, tmp_path: Path) -> None:
    for name in ("pickle", "pytest", "conftest", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('code of the working folder was executed')")
    result = run_cli("plugins", "test", "edges", "--conditioner-option", "edges.method=sobel")
    assert result.exit_code == 0
    passed = [line.split(None, 1)[1] for line in result.stdout.splitlines() if line.startswith("ok ")]
    assert "render and visualize at any size" in passed
    assert "spec imports no heavy library" in passed
    assert "FAILED" not in result.stdout
    assert f"{len(passed)} passed, 2 skipped, 0 failed." in result.stderr
    assert "Next: vid2vid plugins show edges" in result.stderr


def test_plugins_test_reports_failed_checks(run_cli: CliRunner, plugin_package: Path) -> None:
    file = plugin_package / "conditioner.py"
    source = file.read_text()
    broken_source = source.replace("/ 127.5 - 1.0)[None]", "/ 100.0 - 1.0)[None]")
    broken_source = broken_source.replace("np.mean(shares, axis=0).tolist()", "1 / 0")
    file.write_text(broken_source)
    result = run_cli("plugins", "test", "mine")
    assert result.exit_code == 42
    failures = parse_rows(
        "\n".join(line.split("  ", 1)[1] for line in result.stdout.splitlines() if line.startswith("FAILED"))
    )
    assert "1.55" in failures["render and visualize at any size"]
    line = 1 + broken_source[: broken_source.index("1 / 0")].count("\n")
    assert failures["statistics are json"].strip() == f"ZeroDivisionError: division by zero [{file}:{line}]"
    assert "Traceback" not in result.stderr
    num_checks = len(result.stdout.splitlines())
    assert f"{len(failures)} of {num_checks} checks" in result.stderr
    assert "ok      annotate is streaming" in result.stdout


@pytest.mark.parametrize(
    ("crash_code", "message"),
    [("os.abort()", "SIGABRT"), ("os._exit(0)", "exit code 0")],
)
def test_plugins_test_survives_crashing_plugin(
    run_cli: CliRunner, plugin_package: Path, crash_code: str, message: str
) -> None:
    file = plugin_package / "conditioner.py"
    file.write_text(
        file.read_text().replace("for frame in frames:\n", f"import os; {crash_code}\n        for frame in frames:\n")
    )
    result = run_cli("plugins", "test", "mine", "--json")
    assert result.exit_code == 42
    payload = json.loads(result.stdout.splitlines()[-1])
    assert (payload["error"], payload["exit_code"]) == ("PluginError", 42)
    assert message in result.stderr
    assert "Extension modules" not in result.stderr


def test_plugins_test_with_label_files(run_cli: CliRunner, tmp_path: Path) -> None:
    for index, frame in enumerate(synthetic_clip(6)):
        (tmp_path / "video").mkdir(exist_ok=True)
        (tmp_path / "maps").mkdir(exist_ok=True)
        save_png(tmp_path / "video" / f"{index}.png", frame)
        save_png(tmp_path / "maps" / f"{index}.png", frame[:, :, 0] // 86)
    args = [
        "plugins",
        "test",
        "labels",
        "--conditioner-option",
        "labels.input_dir=maps",
        "--conditioner-option",
        "labels.classes=3",
    ]
    result_without_clip = run_cli(*args)
    assert result_without_clip.exit_code == 21
    assert "labels.input_dir" in result_without_clip.stderr
    assert "--clip" in result_without_clip.stderr
    payload = json.loads(run_cli(*args, "--clip", "video", "--json").stdout.splitlines()[-1])
    outcome_by_name = {check["name"]: check["outcome"] for check in payload["checks"]}
    assert payload["failed"] == 0
    assert outcome_by_name["file count mismatch is rejected"] == "passed"
    assert outcome_by_name["odd sizes single blank and noise frames"] == "skipped"
    (tmp_path / "maps" / "5.png").unlink()
    mismatch_result = run_cli(*args, "--clip", "video")
    assert mismatch_result.exit_code == 17
    assert "maps" in mismatch_result.stderr
    assert "5.png" in mismatch_result.stderr
    assert run_cli(*args, "--clip", "absent").exit_code == 10


def test_plugins_test_names_missing_label_files(run_cli: CliRunner) -> None:
    result = run_cli("plugins", "test", "labels")
    assert result.exit_code == 0
    reasons = [line for line in result.stdout.splitlines() if "labels.input_dir=" in line]
    assert len(reasons) == 1, "a reason is given once"
    assert "(the same)" in result.stdout


def test_plugins_test_requires_pytest(run_cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract_runner, "find_spec", lambda name: None)
    result = run_cli("plugins", "test", "edges")
    assert result.exit_code == 40
    assert "pip install pytest" in result.stderr


def test_plugins_test_of_uninstalled_plugin_prints_install_command(run_cli: CliRunner) -> None:
    run_cli("plugins", "new", "depth")
    result = run_cli("plugins", "test", "depth")
    assert result.exit_code == 42
    assert "pip install -e './vid2vid-depth[dev]'" in result.stderr


@pytest.mark.parametrize(
    ("args", "exit_code", "hint"),
    [
        (["egdes"], 42, "Did you mean edges?"),
        (["edges", "--conditioner-option", "edges.sgima=2"], 21, "Did you mean edges.sigma?"),
        (["edges", "--conditioner-option", "pose.joint_dropout=1"], 2, "pose"),
    ],
)
def test_plugins_test_rejects_bad_arguments(run_cli: CliRunner, args: list[str], exit_code: int, hint: str) -> None:
    result = run_cli("plugins", "test", *args)
    assert result.exit_code == exit_code
    assert hint in result.stderr


def test_plugins_show_lists_roles_limits_and_weights(run_cli: CliRunner) -> None:
    output = run_cli("plugins", "show", "landmarks").stdout
    lines = {
        line.split()[1]: line.split(None, 2)[2]
        for line in output.splitlines()
        if line.startswith("--conditioner-option")
    }
    assert lines["landmarks.smoothing"].split(None, 5)[:5] == ["0.01", "number,", "0", "to", "0.1"]
    assert " detection " in lines["landmarks.smoothing"]
    assert lines["landmarks.input_dir"].startswith("null")
    assert " input " in lines["landmarks.input_dir"]
    assert "--conditioner-option landmarks.input_dir=PATH" in output
    payload = json.loads(run_cli("plugins", "show", "landmarks", "--json").stdout)
    options = {option["name"]: option for option in payload["options"]}
    assert (options["smoothing"]["default"], options["smoothing"]["role"]) == (0.01, "detection")
    assert options["backend"]["allowed_values"] == "auto | mediapipe | dlib"
    assert {requirement["module"] for requirement in payload["requirements"]} >= {"mediapipe", "dlib"}
    assert [weights["name"] for weights in payload["weights"]] == ["face_mesh_478.task", "iris_landmark.tflite"]
    for weights in payload["weights"]:
        assert len(weights["sha256"]) == 64
        assert Path(weights["path"]).stat().st_size == weights["size_bytes"]


def test_plugins_show_lists_render_options_and_classes(run_cli: CliRunner, plugin_package: Path) -> None:
    output = run_cli("plugins", "show", "mine").stdout
    assert "0 tone 0, 1 tone 1, 2 tone 2, 3 tone 3\n" in output
    (line,) = (line for line in output.splitlines() if line.startswith("--conditioner-option mine.tone_jitter"))
    assert line.split()[2:8] == ["0", "integer,", "0", "to", "8", "rendering"]


REQUIREMENTS_SOURCE = """
    weights=(WeightFile("model.bin", "{sha256}", 4, "MIT", "From upstream."),),
    requires=(
        Requirement("json", "pip install json", is_optional=True, note="One backend"),
        Requirement("no_such_module", "pip install such", is_optional=True, note="Another backend."),
    ),
"""


@pytest.mark.parametrize("state", ["missing", "valid", "damaged", "cached"])
def test_doctor_checks_requirements_and_weights(
    plugin_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    expected_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    spec = (
        (plugin_package / "__init__.py")
        .read_text()
        .replace("SPEC = ConditionerSpec(", f"SPEC = ConditionerSpec({REQUIREMENTS_SOURCE}")
    )
    spec = spec.format(sha256=expected_sha256).replace(
        "import ConditionerSpec", "import ConditionerSpec, Requirement, WeightFile"
    )
    (plugin_package / "__init__.py").write_text(spec)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    weights_folder = cache if state == "cached" else plugin_package / "models"
    if state != "missing":
        weights_folder.mkdir(parents=True)
        (weights_folder / "model.bin").write_text("test" if state != "damaged" else "tset")
    checks = {check.name: check for check in doctor._check_plugins()}
    assert checks["plugin mine"].status == "ok"
    assert (checks["mine: json"].status, checks["mine: json"].detail) == ("ok", "installed. One backend.")
    missing_module = checks["mine: no_such_module"]
    assert (missing_module.status, missing_module.detail, missing_module.remedy) == (
        "missing",
        "not installed. Another backend.",
        "pip install such",
    )
    weights = checks["mine: model.bin"]
    assert weights.status == {"missing": "missing", "damaged": "warning"}.get(state, "ok")
    assert (str(weights_folder / "model.bin") in weights.detail) == (state != "missing")
    assert ("Delete it." in weights.remedy) == (state == "damaged")


def test_doctor_explains_missing_packages() -> None:
    checks = {check.name: check for check in doctor._check_plugins()}
    if checks["plugin densepose"].status == "ok":
        pytest.skip("detectron2 is installed here")
    assert "detectron2.git" in checks["plugin densepose"].remedy
    assert "install.html" in checks["densepose: detectron2"].detail
    assert checks["densepose: detectron2"].status == "missing"


def test_inspect_lists_dataset_classes(run_cli: CliRunner, dataset: Path, tmp_path: Path) -> None:
    manifest = json.loads((dataset / "dataset.json").read_text())
    manifest["conditioners"][0]["classes"] = [{"id": n, "name": f"thing{n}", "colour": [n, n, n]} for n in range(15)]
    (tmp_path / "labelled").mkdir()
    (tmp_path / "labelled" / "dataset.json").write_text(json.dumps(manifest))
    inspect_rows = parse_rows(run_cli("inspect", "labelled").stdout)
    assert inspect_rows["edges classes"].strip().startswith("0 thing0, 1 thing1, ")
    assert inspect_rows["edges classes"].endswith("13 thing13, 14 thing14")  # all: any of them can be edited
