"""plugins list, show, new and test through the command line, and the rows of doctor and inspect that tell of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli_runner import Vid2Vid

from vid2vid_cli.conditioning.registry import PLUGINS
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.synthetic import drawn_clip
from vid2vid_cli.tools import contract_runner, doctor
from vid2vid_cli.tools.plugin_scaffold import new_plugin


def rows(out: str) -> dict[str, str]:
    return dict(line.split("  ", 1) for line in out.splitlines() if "  " in line)


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of a new plugin `mine`, offered through the environment variable to programs that are started."""
    package = new_plugin("mine", tmp_path / "made").path / "src" / "vid2vid_mine"
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv(PLUGINS, "mine=vid2vid_mine:SPEC")
    yield package
    import sys

    for name in [name for name in sys.modules if name.startswith("vid2vid_mine")]:
        del sys.modules[name]


def test_new_says_what_to_type_next(vid2vid: Vid2Vid, tmp_path: Path) -> None:
    done = vid2vid("plugins", "new", "depth")
    assert done.code == 0
    assert done.out == "vid2vid-depth\n"
    assert done.err.splitlines()[1:] == [
        "Next: pip install -e './vid2vid-depth[dev]'",
        "Next: vid2vid plugins test depth",
        "Next: vid2vid prepare -c depth video.mp4",
    ]
    told = json.loads(vid2vid("plugins", "new", "depth", "--out", "else where", "--json").out)
    assert told["path"] == "else where/vid2vid-depth"
    assert told["next"] == "pip install -e './else where/vid2vid-depth[dev]'"
    assert all((tmp_path / told["path"] / file).is_file() for file in told["files"])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["Depth"], 21, "Error: 'Depth' cannot be the name of a conditioner: "),
        (["edges"], 42, "Error: There is a conditioner called 'edges' already (built in)."),
        (["depth"], 35, "Error: vid2vid-depth is already there."),
    ],
)
def test_new_refuses(vid2vid: Vid2Vid, words: list[str], code: int, message: str) -> None:
    vid2vid("plugins", "new", "depth")
    done = vid2vid("plugins", "new", *words)
    assert done.code == code
    assert done.err.startswith(message)
    assert "\nTry: " in done.err


def test_test_tries_every_duty(vid2vid: Vid2Vid) -> None:
    done = vid2vid("plugins", "test", "edges", "--option", "edges.method=sobel")
    assert done.code == 0
    kept = [line.split(None, 1)[1] for line in done.out.splitlines() if line.startswith("ok ")]
    assert "render and picture at any size" in kept
    assert "spec imports nothing heavy" in kept
    assert "BROKEN" not in done.out
    assert f"{len(kept)} kept, 2 not tried, 0 broken." in done.err
    assert "Next: vid2vid prepare -c edges video.mp4" in done.err


def test_test_says_which_duty_is_broken_and_why(vid2vid: Vid2Vid, offered: Path) -> None:
    file = offered / "conditioner.py"
    source = file.read_text()
    changed = source.replace("/ 127.5 - 1.0)[None]", "/ 100.0 - 1.0)[None]")
    changed = changed.replace("np.mean(parts, axis=0).tolist()", "1 / 0")
    file.write_text(changed)
    done = vid2vid("plugins", "test", "mine")
    assert done.code == 42
    broken = rows("\n".join(line.split("  ", 1)[1] for line in done.out.splitlines() if line.startswith("BROKEN")))
    assert broken["render and picture at any size"].strip() == "render stays within [-1, 1], 1.55 does not"
    line = 1 + changed[: changed.index("1 / 0")].count("\n")
    assert broken["statistics are json"].strip() == f"ZeroDivisionError: division by zero [{file}:{line}]"
    assert "Traceback" not in done.err
    duties = len(done.out.splitlines())
    assert f"Error: mine breaks {len(broken)} of its {duties} duties: " in done.err
    assert "ok      streams" in done.out


@pytest.mark.parametrize(
    ("end", "words"),
    [("os.abort()", "crashed with SIGABRT at: "), ("os._exit(0)", "ended with exit code 0 at: ")],
)
def test_test_survives_a_plugin_that_dies(vid2vid: Vid2Vid, offered: Path, end: str, words: str) -> None:
    file = offered / "conditioner.py"
    file.write_text(file.read_text().replace("is_cut = CutDetector()", f"import os; {end}"))
    done = vid2vid("plugins", "test", "mine", "--json")
    assert done.code == 42
    told = json.loads(done.out.splitlines()[-1])
    assert (told["error"], told["exit_code"]) == ("PluginError", 42)
    assert f"Error: The trial of mine {words}" in done.err
    assert "Extension modules" not in done.err


def test_test_of_label_files(vid2vid: Vid2Vid, tmp_path: Path) -> None:
    for index, frame in enumerate(drawn_clip(6)):
        (tmp_path / "video").mkdir(exist_ok=True)
        (tmp_path / "maps").mkdir(exist_ok=True)
        save_png(tmp_path / "video" / f"{index}.png", frame)
        save_png(tmp_path / "maps" / f"{index}.png", frame[:, :, 0] // 86)
    words = ["plugins", "test", "labels", "--option", "labels.dir=maps", "--option", "labels.classes=3"]
    alone = vid2vid(*words)
    assert alone.code == 21
    assert alone.err.startswith("Error: labels.dir names labels of a video, and the video is not named.\nTry: ")
    whole = json.loads(vid2vid(*words, "--clip", "video", "--json").out.splitlines()[-1])
    outcome = {duty["name"]: duty["outcome"] for duty in whole["duties"]}
    assert whole["broken"] == 0
    assert outcome["another number of files is refused at once"] == "kept"
    assert outcome["odd sizes single blank and noise frames"] == "not tried"
    (tmp_path / "maps" / "5.png").unlink()
    fewer = vid2vid(*words, "--clip", "video")
    assert fewer.code == 17
    assert "maps (labels.dir) holds 5 pictures" in fewer.err
    assert vid2vid(*words, "--clip", "absent").code == 10


def test_test_of_labels_without_files_says_what_is_missing(vid2vid: Vid2Vid) -> None:
    done = vid2vid("plugins", "test", "labels")
    assert done.code == 0
    reasons = [line for line in done.out.splitlines() if "--option labels.dir=" in line]
    assert len(reasons) == 1, "a reason is given once"
    assert "(the same)" in done.out


def test_test_needs_pytest(vid2vid: Vid2Vid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract_runner, "find_spec", lambda name: None)
    done = vid2vid("plugins", "test", "edges")
    assert done.code == 40
    assert done.err == "Error: Trying the contract needs pytest, which is not installed.\nTry: pip install pytest\n"


def test_test_of_a_plugin_that_is_not_installed_yet(vid2vid: Vid2Vid) -> None:
    vid2vid("plugins", "new", "depth")
    done = vid2vid("plugins", "test", "depth")
    assert done.code == 42
    wanted = "Error: The conditioner 'depth' is not installed.\nTry: pip install -e './vid2vid-depth[dev]'\n"
    assert done.err == wanted


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["egdes"], 42, "Did you mean edges?"),
        (["edges", "--option", "edges.sgima=2"], 21, "Did you mean edges.sigma?"),
        (["edges", "--option", "pose.drop=1"], 2, "pose is not among the conditioners"),
    ],
)
def test_test_refuses(vid2vid: Vid2Vid, words: list[str], code: int, hint: str) -> None:
    done = vid2vid("plugins", "test", *words)
    assert done.code == code
    assert hint in done.err


def test_show_gives_roles_limits_and_places(vid2vid: Vid2Vid) -> None:
    shown = vid2vid("plugins", "show", "landmarks").out
    lines = {line.split()[1]: line.split(None, 2)[2] for line in shown.splitlines() if line.startswith("--option")}
    assert lines["landmarks.smooth"].split(None, 5)[:5] == ["0.01", "number,", "0", "to", "0.1"]
    assert " finding " in lines["landmarks.smooth"]
    assert lines["landmarks.points_dir"].startswith("null")
    assert " files " in lines["landmarks.points_dir"]
    assert "reads     labels that exist already: --option landmarks.points_dir=PATH" in shown
    told = json.loads(vid2vid("plugins", "show", "landmarks", "--json").out)
    options = {option["name"]: option for option in told["options"]}
    assert (options["smooth"]["default"], options["smooth"]["role"]) == (0.01, "finding")
    assert options["backend"]["values"] == "auto | mediapipe | dlib"
    assert {need["module"] for need in told["needs"]} >= {"mediapipe", "dlib"}
    (weights,) = told["weights"]
    assert len(weights["sha256"]) == 64
    assert Path(weights["path"]).stat().st_size == weights["size"]


def test_show_knows_drawing_options_and_classes(vid2vid: Vid2Vid, offered: Path) -> None:
    shown = vid2vid("plugins", "show", "mine").out
    assert "classes   0 tone 0, 1 tone 1, 2 tone 2, 3 tone 3\n" in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("--option mine.vary"))
    assert line.split()[2:9] == ["0", "whole", "number,", "0", "to", "8", "drawing"]


NEEDY = """
    weights=(WeightFile("model.bin", "{sha256}", 4, "MIT", "From upstream."),),
    requires=(
        Requirement("json", "pip install json", optional=True, note="One way"),
        Requirement("no_such_module", "pip install such", optional=True, note="Another way."),
    ),
"""


@pytest.mark.parametrize("state", ["absent", "sound", "damaged", "in the cache"])
def test_doctor_looks_at_backends_and_weights(
    offered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    sound = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    spec = (offered / "__init__.py").read_text().replace("SPEC = ConditionerSpec(", f"SPEC = ConditionerSpec({NEEDY}")
    spec = spec.format(sha256=sound).replace(
        "import ConditionerSpec", "import ConditionerSpec, Requirement, WeightFile"
    )
    (offered / "__init__.py").write_text(spec)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    place = cache if state == "in the cache" else offered / "models"
    if state != "absent":
        place.mkdir(parents=True)
        (place / "model.bin").write_text("test" if state != "damaged" else "tset")
    checks = {check.name: check for check in doctor._plugins()}
    assert checks["plugin mine"].status == "ok"
    assert (checks["mine: json"].status, checks["mine: json"].detail) == ("ok", "installed. One way.")
    gone = checks["mine: no_such_module"]
    assert (gone.status, gone.detail, gone.remedy) == ("absent", "not installed. Another way.", "pip install such")
    weights = checks["mine: model.bin"]
    assert weights.status == {"absent": "absent", "damaged": "warning"}.get(state, "ok")
    assert (str(place / "model.bin") in weights.detail) == (state != "absent")
    assert ("Delete it." in weights.remedy) == (state == "damaged")


def test_doctor_tells_how_to_get_what_is_missing() -> None:
    checks = {check.name: check for check in doctor._plugins()}
    if checks["plugin densepose"].status == "ok":
        pytest.skip("detectron2 is installed here")
    assert "detectron2.git" in checks["plugin densepose"].remedy
    assert "install.html" in checks["densepose: detectron2"].detail
    assert checks["densepose: detectron2"].status == "absent"


def test_inspect_names_the_classes_of_a_dataset(vid2vid: Vid2Vid, dataset: Path, tmp_path: Path) -> None:
    manifest = json.loads((dataset / "dataset.json").read_text())
    manifest["conditioners"][0]["classes"] = [{"id": n, "name": f"thing{n}", "colour": [n, n, n]} for n in range(15)]
    (tmp_path / "labelled").mkdir()
    (tmp_path / "labelled" / "dataset.json").write_text(json.dumps(manifest))
    seen = rows(vid2vid("inspect", "labelled").out)
    assert seen["edges classes"].strip().startswith("0 thing0, 1 thing1, ")
    assert seen["edges classes"].endswith("13 thing13, 14 thing14")  # all: any of them can be edited
