"""presets, plugins, inspect and doctor on the command line."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.cli_runner import CliRunner

from vid2vid_cli.config.resolve import preset_names
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT, VideoWriter


def list_paths(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_presets_list_names_all_presets(run_cli: CliRunner) -> None:
    result = run_cli("presets", "list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == preset_names()
    rows = json.loads(run_cli("presets", "list", "--json").stdout)
    assert [row["name"] for row in rows] == preset_names()
    assert all(row["summary"] for row in rows)


def test_weights_list_and_fetch(run_cli: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    rows = {row["name"]: row for row in json.loads(run_cli("weights", "list", "--json").stdout)}
    vgg = rows["vgg19-dcbb9e9d.pth"]
    assert (vgg["state"], vgg["path"], vgg["used_by"]) == ("missing", None, "losses.perceptual")
    assert rows["pose_landmarker_full.task"]["state"] == "present"
    assert "pose_landmarker_full.task" in run_cli("weights", "list").stdout
    result = run_cli("weights", "fetch", "vgg19", "--json")
    assert result.exit_code == 41
    assert json.loads(result.stdout.splitlines()[-1])["error"] == "MissingWeightsError"


def test_presets_show_names_value_origins(run_cli: CliRunner) -> None:
    result = run_cli("presets", "show", "face", "--set", "generator.base_channels=32", "--no-size")
    rows = {line.split()[0]: line.split(None, 1)[1] for line in result.stdout.splitlines()}
    assert rows["generator.base_channels"].split(None, 1) == ["32", "--set"]
    assert rows["data.height"].split(None, 1) == ["256", "preset face"]
    assert rows["optimizer.beta1"] == "0.5"
    payload = json.loads(run_cli("presets", "show", "face", "--no-size", "--json").stdout)
    assert payload["config"]["data"]["height"] == 256
    assert payload["origins"]["data.height"] == "preset face"


def test_presets_show_counts_parameters(run_cli: CliRunner) -> None:
    set_options = [
        f"--set={text}"
        for text in (
            "data.height=64",
            "generator.base_channels=8",
            "generator.num_scales=2",
            "discriminators.temporal.frame_strides=[]",
        )
    ]
    result = run_cli("presets", "show", "tiny", *set_options)
    assert result.stderr.startswith("model size")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["output", "size", "56x74", "estimated"] in rows
    assert [row[2] for row in rows if row[:2] == ["generator,", "scale"]] == ["0", "1"]
    assert next(row[3] for row in rows if row[:2] == ["training", "memory"]) in ("MiB", "GiB")


def test_presets_copy_keeps_comments_and_never_overwrites(run_cli: CliRunner, tmp_path: Path) -> None:
    result = run_cli("presets", "copy", "tiny")
    assert result.exit_code == 0
    assert result.stdout == "my-tiny.yaml\n"
    assert "Next: vid2vid presets show my-tiny.yaml" in result.stderr
    copied_path = tmp_path / "my-tiny.yaml"
    assert copied_path.read_text().startswith("#")
    assert run_cli("presets", "validate", "my-tiny.yaml").exit_code == 0
    copied_path.write_text("data: {height: 64}\n")
    second_result = run_cli("presets", "copy", "tiny")
    assert second_result.exit_code == 35
    assert "my-tiny.yaml" in second_result.stderr
    assert "--overwrite" in second_result.stderr
    assert copied_path.read_text() == "data: {height: 64}\n"
    assert run_cli("presets", "copy", "tiny", "--overwrite").exit_code == 0
    assert copied_path.read_text() != "data: {height: 64}\n"


def test_presets_validate_rejects_unknown_setting(run_cli: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("generator: {widht: 3}\n")
    result = run_cli("presets", "validate", "mine.yaml", "--json")
    assert result.exit_code == 21
    for part in ("generator.widht", "(from preset mine.yaml)", "generator.base_channels?"):
        assert part in result.stderr
    payload = json.loads(result.stdout)
    assert (payload["event"], payload["error"], payload["exit_code"]) == ("error", "ConfigError", 21)


@pytest.mark.parametrize("args", [["presets", "show", "facee"], ["train", "--preset", "facee", "--dry-run"]])
def test_presets_suggest_name_for_typo(run_cli: CliRunner, args: list[str]) -> None:
    result = run_cli(*args)
    assert result.exit_code == 20
    assert result.stderr.startswith("Error: facee: ")
    assert "face?" in result.stderr
    assert "Traceback" not in result.stderr


def test_plugins_list_shows_broken_plugin(run_cli: CliRunner) -> None:
    rows = json.loads(run_cli("plugins", "list", "--json", env={"VID2VID_PLUGINS": "bad=absent_module:SPEC"}).stdout)
    status_by_name = {row["name"]: row["status"] for row in rows}
    assert status_by_name["bad"] == "broken"
    assert {"edges", "landmarks"} <= set(status_by_name)


def test_plugins_show_prints_options(run_cli: CliRunner) -> None:
    result = run_cli("plugins", "show", "edges")
    assert result.exit_code == 0
    assert "--conditioner-option edges." in result.stdout
    unknown_result = run_cli("plugins", "show", "edgse")
    assert unknown_result.exit_code == 42
    assert "Did you mean edges?" in unknown_result.stderr


@pytest.mark.parametrize(
    ("content", "exit_code"),
    [
        (b"", 32),
        (b"PK\x03\x04 a zip of another program", 32),
        (struct.pack("<Q", 2) + b"{}", 32),
        (struct.pack("<Q", 500) + b'{"__metadata__": {"vid2vid"', 33),
    ],
    ids=["empty", "foreign", "other tensors", "truncated"],
)
def test_inspect_rejects_invalid_checkpoints(
    run_cli: CliRunner, tmp_path: Path, content: bytes, exit_code: int
) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    result = run_cli("inspect", "a.ckpt")
    assert result.exit_code == exit_code
    assert result.stderr.startswith("Error: a.ckpt ")


def test_inspect_reads_checkpoint_header(run_cli: CliRunner, tmp_path: Path) -> None:
    metadata = {
        "format_version": 2,
        "name": "ada",
        "fps": "30000/1001",
        "conditioners": [{"name": "edges", "channels": 1}],
        "view": {"matrix": [[0.5, 0, 0], [0, 0.5, 0]], "height": 128, "width": 96},
        "height": 256,
        "width": 192,
    }
    table = {
        "__metadata__": {"vid2vid": json.dumps(metadata)},
        "weight": {"dtype": "F32", "shape": [10, 20], "data_offsets": [0, 800]},
    }
    header = json.dumps(table).encode()
    (tmp_path / "ada.ckpt").write_bytes(struct.pack("<Q", len(header)) + header + bytes(800))
    payload = json.loads(run_cli("inspect", "ada.ckpt", "--json").stdout)
    assert payload["kind"] == "checkpoint"
    assert payload["fps"] == "30000/1001"
    assert payload["conditioner"] == "edges: 1 channels"
    assert payload["generated frames"] == "96 x 128"
    assert payload["dataset frames"] == "192 x 256"
    assert not {"height", "width"} & payload.keys()
    assert payload["weights"].startswith("0.00 million in 1 tensors, F32")


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
@pytest.mark.parametrize(
    ("comment", "is_synthetic"), [("", False), ("holiday [red]", False), (SYNTHETIC_COMMENT, True)]
)
def test_inspect_reports_synthetic_videos(
    run_cli: CliRunner, tmp_path: Path, name: str, comment: str, is_synthetic: bool
) -> None:
    with VideoWriter(tmp_path / name, Fraction(25), comment=comment) as writer:
        for index in range(3):
            writer.write(np.full((15, 16, 3), index, np.uint8))  # the writer notes the odd height in the comment
    payload = json.loads(run_cli("inspect", name, "--json").stdout)
    assert payload.get("comment", "").startswith(comment)  # FFV1 needs no even size
    assert ("synthetic" in payload) is is_synthetic
    assert "holiday [red]" in run_cli("inspect", name).stdout or "holiday" not in comment


def test_inspect_reports_reference_frames(run_cli: CliRunner, tmp_path: Path) -> None:
    references = {"annotations": [[{"points": {"body": {"data": "A" * 999}}}]] * 2}
    references |= {"view": {"width": 30, "height": 20}, "file_sizes": [500, 700]}
    metadata = {"format_version": 2, "name": "ada", "references": references}
    table = {
        "__metadata__": {"vid2vid": json.dumps(metadata)},
        "weight": {"dtype": "F32", "shape": [10, 20], "data_offsets": [0, 800]},
        "references.frames": {"dtype": "U8", "shape": [1200], "data_offsets": [800, 2000]},
    }
    header = json.dumps(table).encode()
    (tmp_path / "a.ckpt").write_bytes(struct.pack("<Q", len(header)) + header + bytes(2000))
    payload = json.loads(run_cli("inspect", "a.ckpt", "--json").stdout)
    assert payload["reference frames"] == "2 of 30 x 20, 1.2 kB"
    assert "real training frames" in payload["note"]
    assert payload["weights"].startswith("0.00 million in 1 tensors, F32,")
    assert "AAAA" not in json.dumps(payload)


def test_inspect_rejects_missing_or_foreign_path(run_cli: CliRunner, tmp_path: Path) -> None:
    assert run_cli("inspect", "absent").exit_code == 10
    (tmp_path / "notes.txt").write_text("no video")
    assert run_cli("inspect", "notes.txt").exit_code == 11
    assert list_paths(tmp_path) == ["notes.txt"]


def test_inspect_reads_run_with_truncated_event_log(run_cli: CliRunner, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "ada"
    (run / "checkpoints" / "step_000010").mkdir(parents=True)
    (run / "config.yaml").write_text("data: {height: 64}\nsummary: a trial\n")
    (run / "run.json").write_text('{"dataset": "datasets/ada", "preset": "tiny"}')
    (run / "events.jsonl").write_text(
        '{"event": "step", "step": 9, "max_steps": 40, "losses": {}}\n'
        '{"event": "step", "step": 10, "max_steps": 40, "losses": {"l1": 0.25}}\n'
        '{"event": "info", "message": "hello"}\n{"event": "st'
    )
    result = run_cli("inspect", "runs/ada")
    rows = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert rows["step"].strip() == "10 of 40"
    assert rows["losses"].strip() == "l1 0.25"
    assert rows["dataset"].strip() == "datasets/ada"
    assert rows["checkpoints"].strip() == "step_000010"
    assert rows["continue with"].strip() == "vid2vid train --resume runs/ada"
