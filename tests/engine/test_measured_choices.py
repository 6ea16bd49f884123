"""Measured choices that are kept between processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vid2vid_cli.engine import measured_choices, runtime
from vid2vid_cli.engine.measured_choices import keep_choice, recall_choice


@pytest.fixture(autouse=True)
def cache_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VID2VID_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "choices.json"


def test_choice_is_recalled_on_an_equal_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recall_choice("runtime", ("a", 1)) is None
    keep_choice("runtime", ("a", 1), [2, 0])
    keep_choice("runtime", ("a", 2), [1, 3])
    assert recall_choice("runtime", ("a", 1)) == [2, 0]
    assert recall_choice("runtime", ("a", 2)) == [1, 3]
    assert recall_choice("precision", ("a", 1)) is None
    monkeypatch.setattr(measured_choices, "processor_name", lambda: "another")
    assert recall_choice("runtime", ("a", 1)) is None


def test_old_choices_are_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_choice("precision", (), "bf16")
    now = measured_choices.time.time()
    monkeypatch.setattr(measured_choices.time, "time", lambda: now + 29 * 86400)
    assert recall_choice("precision", ()) == "bf16"
    monkeypatch.setattr(measured_choices.time, "time", lambda: now + 31 * 86400)
    assert recall_choice("precision", ()) is None
    monkeypatch.setattr(measured_choices.time, "time", lambda: now - 60)  # a clock that was set back
    assert recall_choice("precision", ()) is None


def test_number_of_choices_is_limited(cache_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_choices, "MAX_CHOICES", 3)
    for number in range(5):
        keep_choice("runtime", (number,), number)
    assert [recall_choice("runtime", (number,)) for number in range(5)] == [None, None, 2, 3, 4]
    assert len(json.loads(cache_file.read_text())) == 3


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"a": 1}', '{"a": {"value": 1}}', '{"a": {"value": 1, "time": "x"}}']
)
def test_damaged_file_is_replaced(cache_file: Path, content: str) -> None:
    cache_file.parent.mkdir()
    cache_file.write_text(content)
    assert recall_choice("precision", ()) is None
    keep_choice("precision", (), "fp32")
    assert recall_choice("precision", ()) == "fp32"


def test_nothing_is_kept_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, and a folder that cannot be created."""
    (tmp_path / "file").write_text("")
    for value in ("", str(tmp_path / "file" / "cache")):
        monkeypatch.setenv("VID2VID_CACHE_DIR", value)
        keep_choice("precision", (), "fp32")
        assert recall_choice("precision", ()) is None
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("kept", "expected"), [("bf16", "bf16"), ("fp32", "fp32"), (None, "bf16"), ("int3", "bf16")])
def test_precision_is_the_kept_one(kept: str | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_has_cpu_bf16", lambda: True)
    monkeypatch.setattr(
        runtime, "_convolution_seconds", lambda: {runtime.torch.float32: 2.0, runtime.torch.bfloat16: 1.0}
    )
    if kept is not None:
        keep_choice("precision", (), kept)
    assert runtime.choose_runtime("cpu").precision == expected
    assert recall_choice("precision", ()) == expected
