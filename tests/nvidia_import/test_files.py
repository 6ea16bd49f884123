"""Published files that are not what they should be, and what is said of those that are left out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.nvidia_reference import Scale, Single, written

from vid2vid_cli.core.errors import ConfigError, ForeignCheckpointError, MissingFileError, TruncatedCheckpointError
from vid2vid_cli.engine.checkpoint import load_info
from vid2vid_cli.engine.events import silent
from vid2vid_cli.nvidia_import.architecture import Architecture
from vid2vid_cli.nvidia_import.files import read_weights
from vid2vid_cli.nvidia_import.importer import ImportRequest, import_release, plan_import
from vid2vid_cli.nvidia_import.parameter_counts import IMAGE, VIDEO, published

G0 = "latest_net_G0.pth"


def asked(folder: Path, preset: str = "face") -> ImportRequest:
    return ImportRequest(folder, preset, folder.parent / "made.ckpt")  # type: ignore[arg-type]


def face(folder: Path) -> dict[str, torch.Tensor]:
    return dict(written(Scale(15), folder / G0).state_dict())


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"<!DOCTYPE html><html>Quota exceeded", ForeignCheckpointError, "web page"),
        (b"\n <HTML><head>", ForeignCheckpointError, "web page"),
        (b"version https://git-lfs.github.com/spec/v1", ForeignCheckpointError, "Git LFS"),
        (b"", TruncatedCheckpointError, "cut off"),
        (b"PK\x03\x04 and then nothing", TruncatedCheckpointError, "cut off"),
        (b"any other text", TruncatedCheckpointError, "cut off"),
    ],
)
def test_files_that_hold_no_weights(tmp_path: Path, content: bytes, error: type[Exception], words: str) -> None:
    (tmp_path / G0).write_bytes(content)
    with pytest.raises(error, match=words):
        import_release(asked(tmp_path), silent)


class Harm:
    """A pickle that would do something."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("harmed"),)


@pytest.mark.parametrize("old", [False, True])
def test_nothing_in_a_file_is_executed(tmp_path: Path, old: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Harm()}, tmp_path / G0, _use_new_zipfile_serialization=not old)
    with pytest.raises(ForeignCheckpointError, match="was not read"):
        read_weights(tmp_path / G0)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("held", [{}, {"epoch": 3}, [torch.zeros(2)], {"state_dict": {"a": torch.zeros(2)}}])
def test_files_of_anything_else(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / G0)
    with pytest.raises(ForeignCheckpointError, match="tensors by name"):
        read_weights(tmp_path / G0)


def test_layers_that_do_not_fit_are_named(tmp_path: Path) -> None:
    weights = face(tmp_path / "x")
    del weights["model_res_img.0.conv_block.5.weight"]
    weights["model_up_img.3.bias"] = torch.zeros(9)
    weights["model_extra.0.weight"] = torch.zeros(1)
    torch.save(weights, tmp_path / "x" / G0)
    with pytest.raises(ForeignCheckpointError) as raised:
        import_release(asked(tmp_path / "x"), silent)
    for words in ("lacks model_res_img.0.conv_block.5.weight", "model_extra.0.weight", "model_up_img.3.bias 9, for 16"):
        assert words in raised.value.message
    assert not (tmp_path / "made.ckpt").exists()


def test_another_programs_network(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / G0)
    with pytest.raises(ForeignCheckpointError, match="it has conv"):
        import_release(asked(tmp_path), silent)


def test_the_wrong_preset_is_told_the_right_one(tmp_path: Path) -> None:
    face(tmp_path)
    with pytest.raises(ConfigError, match="15 channels") as raised:
        import_release(asked(tmp_path, "street"), silent)
    assert raised.value.hint == "--preset face"


@pytest.mark.parametrize(
    ("name", "words"), [("nowhere", "does not exist"), ("file", "is a file"), ("dir", "There are: D.txt")]
)
def test_folders_without_a_network(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "D.txt").touch()
    with pytest.raises(MissingFileError, match=words):
        import_release(asked(tmp_path / name), silent)


def test_what_is_left_out_is_said_and_the_licence_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "edge2face_512"
    face(folder)
    written(Single(15), tmp_path / "edge2face_single" / "latest_net_G.pth")
    plan = dict(plan_import(asked(folder)).rows)
    assert not (tmp_path / "made.ckpt").exists()
    assert plan[G0].endswith("million weights")
    said: list[str] = []
    made = import_release(asked(folder), lambda event: said.append(getattr(event, "message", "")))
    told = "\n".join(said)
    for words in ("features.npy", "CC BY-NC-SA"):
        assert words in told
    info = load_info(made.path)
    assert "CC BY-NC-SA" in info.training["licence"]
    assert set(info.training["files"]) == {G0}
    assert made.first is None


def test_epochs_and_numbers(tmp_path: Path) -> None:
    """`latest` before any number, and of numbers the last."""
    for name in ("9", "10"):
        written(Scale(15), tmp_path / f"{name}_net_G0.pth")
    assert set(import_release(asked(tmp_path), silent).counts) == {"10_net_G0.pth"}


def test_the_published_counts() -> None:
    """Reference 1.6, by building what the files would say; and what we build says the same numbers."""
    from vid2vid_cli.core.types import ConditionLayout
    from vid2vid_cli.engine.build import build_generator

    for (channels, width, downs, front, flow), counts in VIDEO.items():
        one = Architecture(channels, 2, flow, front, width, downs, 9, len(counts), 3, 7, True)
        assert published(one) == counts
        with torch.device("meta"):
            names = ["car"] if front else []
            layout = ConditionLayout(channels, (26,) if front else ())
            generator = build_generator(one.config(names, unit_conditions=True), layout)
        made = [sum(p.numel() for p in scale.parameters()) / 1e6 for scale in generator.networks]
        assert [round(count, 1 if index == 0 else 2) for index, count in enumerate(made)] == list(counts)
    assert set(IMAGE.values()) == {182.5, 182.9}
