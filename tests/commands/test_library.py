"""presets, plugins, inspect and doctor through the command line; failures and their words."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from helpers.cli_runner import Vid2Vid

from vid2vid_cli.config.resolve import preset_names


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_presets_list(vid2vid: Vid2Vid) -> None:
    done = vid2vid("presets", "list")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == preset_names()
    rows = json.loads(vid2vid("presets", "list", "--json").out)
    assert [row["name"] for row in rows] == preset_names()
    assert all(row["summary"] for row in rows)


def test_presets_show_says_where_values_come_from(vid2vid: Vid2Vid) -> None:
    done = vid2vid("presets", "show", "face", "--set", "generator.width=32", "--no-count")
    rows = {line.split()[0]: line.split(None, 1)[1] for line in done.out.splitlines()}
    assert rows["generator.width"].split(None, 1) == ["32", "--set"]
    assert rows["data.size"].split(None, 1) == ["256", "preset face"]
    assert rows["optimizer.beta1"] == "0.5"
    shown = json.loads(vid2vid("presets", "show", "face", "--no-count", "--json").out)
    assert shown["config"]["data"]["size"] == 256
    assert shown["origins"]["data.size"] == "preset face"


def test_presets_show_counts_the_model(vid2vid: Vid2Vid) -> None:
    sets = [
        f"--set={text}" for text in ("data.size=64", "generator.width=8", "generator.scales=2", "temporal.rates=[]")
    ]
    done = vid2vid("presets", "show", "tiny", *sets)
    rows = [line.split() for line in done.out.splitlines()]
    assert ["picture", "64x64", "counted"] in rows
    assert [row[2] for row in rows if row[:2] == ["generator,", "scale"]] == ["0", "1"]
    assert next(row[3] for row in rows if row[0] == "memory,") in ("MiB", "GiB")


def test_presets_copy_keeps_comments_and_overwrites_nothing(vid2vid: Vid2Vid, tmp_path: Path) -> None:
    done = vid2vid("presets", "copy", "tiny")
    assert done.code == 0
    assert done.out == "my-tiny.yaml\n"
    assert "Next: vid2vid train --preset my-tiny.yaml" in done.err
    copy = tmp_path / "my-tiny.yaml"
    assert copy.read_text().startswith("#")
    assert vid2vid("presets", "validate", "my-tiny.yaml").code == 0
    copy.write_text("data: {size: 64}\n")
    again = vid2vid("presets", "copy", "tiny")
    assert again.code == 35
    assert again.err == "Error: my-tiny.yaml: is already there.\nTry: Name another file, or add --overwrite.\n"
    assert copy.read_text() == "data: {size: 64}\n"
    assert vid2vid("presets", "copy", "tiny", "--overwrite").code == 0
    assert copy.read_text() != "data: {size: 64}\n"


def test_presets_validate_refuses(vid2vid: Vid2Vid, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("generator: {widht: 3}\n")
    done = vid2vid("presets", "validate", "mine.yaml", "--json")
    assert done.code == 21
    assert "generator.widht: not a setting (from preset mine.yaml). Did you mean generator.width?" in done.err
    told = json.loads(done.out)
    assert (told["event"], told["error"], told["exit_code"]) == ("error", "ConfigError", 21)


@pytest.mark.parametrize("words", [["presets", "show", "facee"], ["train", "--preset", "facee", "--dry-run"]])
def test_an_unknown_preset(vid2vid: Vid2Vid, words: list[str]) -> None:
    done = vid2vid(*words)
    assert done.code == 20
    assert done.err.startswith("Error: facee: not a preset. Did you mean face?\nTry: ")
    assert "Traceback" not in done.err


def test_plugins_list_and_a_broken_one(vid2vid: Vid2Vid) -> None:
    rows = json.loads(vid2vid("plugins", "list", "--json", env={"VID2VID_PLUGINS": "bad=absent_module:SPEC"}).out)
    status = {row["name"]: row["status"] for row in rows}
    assert status["bad"] == "broken"
    assert {"edges", "landmarks"} <= set(status)


def test_plugins_show(vid2vid: Vid2Vid) -> None:
    done = vid2vid("plugins", "show", "edges")
    assert done.code == 0
    assert "--option edges." in done.out
    unknown = vid2vid("plugins", "show", "edgse")
    assert unknown.code == 42
    assert "Did you mean edges?" in unknown.err


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", 32),
        (b"PK\x03\x04 a zip of another program", 32),
        (struct.pack("<Q", 2) + b"{}", 32),
        (struct.pack("<Q", 500) + b'{"__metadata__": {"vid2vid"', 33),
    ],
    ids=["empty", "foreign", "other tensors", "truncated"],
)
def test_inspect_refuses_checkpoints_that_are_none(vid2vid: Vid2Vid, tmp_path: Path, content: bytes, code: int) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    done = vid2vid("inspect", "a.ckpt")
    assert done.code == code
    assert done.err.startswith("Error: a.ckpt ")


def test_inspect_reads_a_checkpoint_header(vid2vid: Vid2Vid, tmp_path: Path) -> None:
    about = {"name": "ada", "fps": "30000/1001", "conditioners": [{"name": "edges", "channels": 1}]}
    table = {
        "__metadata__": {"vid2vid": json.dumps(about)},
        "weight": {"dtype": "F32", "shape": [10, 20], "data_offsets": [0, 800]},
    }
    header = json.dumps(table).encode()
    (tmp_path / "ada.ckpt").write_bytes(struct.pack("<Q", len(header)) + header + bytes(800))
    seen = json.loads(vid2vid("inspect", "ada.ckpt", "--json").out)
    assert seen["kind"] == "checkpoint"
    assert seen["fps"] == "30000/1001"
    assert seen["conditioner"] == "edges: 1 channels"
    assert seen["weights"].startswith("0.00 million in 1 tensors, F32")


def test_inspect_a_path_that_is_nothing(vid2vid: Vid2Vid, tmp_path: Path) -> None:
    assert vid2vid("inspect", "absent").code == 10
    (tmp_path / "notes.txt").write_text("no video")
    assert vid2vid("inspect", "notes.txt").code == 11
    assert listing(tmp_path) == ["notes.txt"]


def test_inspect_a_run_whose_journal_was_cut_off(vid2vid: Vid2Vid, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "ada"
    (run / "checkpoints" / "step_000010").mkdir(parents=True)
    (run / "config.yaml").write_text("data: {size: 64}\nsummary: a trial\n")
    (run / "run.json").write_text('{"dataset": "datasets/ada", "preset": "tiny"}')
    (run / "events.jsonl").write_text(
        '{"event": "stepped", "step": 9, "steps": 40, "losses": {}}\n'
        '{"event": "stepped", "step": 10, "steps": 40, "losses": {"pixel": 0.25}}\n'
        '{"event": "noticed", "message": "hello"}\n{"event": "st'
    )
    done = vid2vid("inspect", "runs/ada")
    rows = dict(line.split("  ", 1) for line in done.out.splitlines())
    assert rows["step"].strip() == "10 of 40"
    assert rows["losses"].strip() == "pixel 0.25"
    assert rows["dataset"].strip() == "datasets/ada"
    assert rows["checkpoints"].strip() == "step_000010"
    assert rows["continue with"].strip() == "vid2vid train --resume runs/ada"
