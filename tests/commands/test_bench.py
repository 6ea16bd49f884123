"""`vid2vid bench` without a checkpoint."""

from __future__ import annotations

from helpers.cli_runner import CliRunner


def test_bench_command_measures_an_untrained_generator(run_cli: CliRunner) -> None:
    options = ("--frames", "8", "--long", "0", "--sizes", "0", "--device", "cpu")
    result = run_cli("bench", *options, env={"VID2VID_LOAD_PLUGINS": "edges"})
    assert result.exit_code == 0
    assert result.stdout.startswith("Measured on ")
    assert "| select, align and embed references |" in result.stdout
    assert "edges" in result.stderr
