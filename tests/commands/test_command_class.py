"""Answers to command lines that a newcomer types: unknown names, KEY=VALUE, URLs, cameras, missing files."""

from __future__ import annotations

import pytest
from helpers.cli_runner import CliRunner

from vid2vid_cli.commands.command_class import suggest_close_name

COMMANDS = ("prepare", "train", "synthesize", "evaluate", "presets", "import", "export", "inspect")


@pytest.mark.parametrize(
    ("name", "suggestions"),
    [
        ("trian", ["train"]),
        ("Train", ["train"]),
        ("synth", ["synthesize"]),
        ("evalute", ["evaluate"]),
        ("pre", ["prepare", "presets"]),
        ("report", []),
        ("bench", []),
        ("x", []),
    ],
)
def test_suggest_close_name_names_only_close_names(name: str, suggestions: list[str]) -> None:
    text = suggest_close_name(name, COMMANDS)
    assert [command for command in COMMANDS if command in text] == suggestions


@pytest.mark.parametrize(
    ("arguments", "words", "absent"),
    [
        (["trian"], ["train"], "import"),
        (["report"], ["prepare", "evaluate"], "Did you mean"),
        (["presets", "shwo"], ["show"], "list"),
        (["train", "device=cpu", "epochs=3"], ["--device cpu", "--set schedule.max_steps="], "--resume"),
        (["train", "data=datasets/a"], ["--data datasets/a"], "--resume"),
        (["train", "optimizer.lr=1e-4"], ["--set optimizer.lr=1e-4"], "--resume"),
        (["train", "learning_rate=1e-4"], ["--set KEY=VALUE", "optimizer.lr"], "--resume"),
        (["train", "qqqq=1"], ["--set KEY=VALUE"], "such as"),
        (["train", "--batch-size", "4"], ["--batch-size", "--set schedule.batch_size="], "Did you mean"),
        (["train", "--overwite"], ["--overwrite"], "--set"),
        (["adapt", "x.ckpt", "a.mp4", "extra"], ["extra"], "a.mp4"),
    ],
    ids=" ".join,
)
def test_cli_answers_misread_words(arguments: list[str], words: list[str], absent: str, run_cli: CliRunner) -> None:
    result = run_cli(*arguments)
    assert result.exit_code == 2
    assert all(word in result.stderr for word in words)
    assert absent not in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["prepare", "nope.mp4"],
        ["prepare", "https://example.com/a.mp4"],
        ["prepare", "-c", "edges", "-O", "edges.input_dir=https://example.com/a", "a.mp4"],
        ["transfer", "https://example.com/a.mp4", "-t", "a.ckpt"],
        ["transfer", "a.mp4", "-t", "https://example.com/a.ckpt"],
        ["transfer", "a.mp4", "-t", "a.ckpt", "-o", "s3://bucket/a.mp4"],
        ["transfer", "0", "-t", "a.ckpt"],
        ["synthesize", "a.ckpt", "https://example.com/a"],
        ["synthesize", "a.ckpt", "a", "--initial-frame", "https://example.com/a.png"],
        ["synthesize", "a.ckpt", "a", "--style-from", "https://example.com/a.png"],
        ["adapt", "a.ckpt", "https://example.com/a.mp4"],
        ["train", "--data", "https://example.com/a"],
        ["train", "--preset", "https://example.com/a.yaml"],
        ["train", "--config", "https://example.com/a.yaml"],
        ["inspect", "https://example.com/a"],
        ["presets", "show", "https://example.com/a.yaml"],
        ["plugins", "test", "edges", "--clip", "https://example.com/a.mp4"],
        ["import", "pix2pix", "https://example.com/a.pth"],
    ],
    ids=" ".join,
)
def test_cli_says_that_the_file_is_missing_or_a_url(arguments: list[str], run_cli: CliRunner) -> None:
    result = run_cli(*arguments)
    assert result.exit_code == 10
    (name,) = [word.rpartition("=")[2] for word in arguments if "://" in word] or [
        word for word in arguments if word in ("nope.mp4", "0")
    ]
    assert f"Error: {name} " in result.stderr


def test_train_reports_unknown_settings_before_a_missing_dataset(run_cli: CliRunner) -> None:
    result = run_cli("train", "--set", "epochs=3")
    assert result.exit_code == 21
    assert "schedule.max_steps" in result.stderr
