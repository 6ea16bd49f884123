"""Damaged and foreign release files, and messages for skipped files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.nvidia_reference import ImageGenerator, ScaleGenerator, write_network

from vid2vid_cli.core.errors import ConfigError, ForeignCheckpointError, MissingFileError, TruncatedCheckpointError
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.nvidia_import.architecture import Architecture
from vid2vid_cli.nvidia_import.files import read_weights
from vid2vid_cli.nvidia_import.importer import ImportRequest, import_release, plan_import
from vid2vid_cli.nvidia_import.parameter_counts import (
    IMAGE_GENERATOR_MILLIONS,
    VIDEO_GENERATOR_MILLIONS,
    published_millions,
)

WEIGHTS_FILE = "latest_net_G0.pth"


def make_request(folder: Path, preset: str = "face") -> ImportRequest:
    return ImportRequest(folder, preset, folder.parent / "made.ckpt")  # type: ignore[arg-type]


def write_face_network(folder: Path) -> dict[str, torch.Tensor]:
    return dict(write_network(ScaleGenerator(15), folder / WEIGHTS_FILE).state_dict())


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"<!DOCTYPE html><html>Quota exceeded", ForeignCheckpointError, "web page"),
        (b"\n <HTML><head>", ForeignCheckpointError, "web page"),
        (b"version https://git-lfs.github.com/spec/v1", ForeignCheckpointError, "Git LFS"),
        (b"", TruncatedCheckpointError, "truncated"),
        (b"PK\x03\x04 and no further data", TruncatedCheckpointError, "truncated"),
        (b"any other text", TruncatedCheckpointError, "truncated"),
    ],
)
def test_import_rejects_files_without_weights(
    tmp_path: Path, content: bytes, error: type[Exception], message: str
) -> None:
    (tmp_path / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(error, match=message):
        import_release(make_request(tmp_path), ignore_events)


class MaliciousPickle:
    """A pickle that creates a file when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("legacy_format", [False, True])
def test_read_weights_executes_no_code(tmp_path: Path, legacy_format: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": MaliciousPickle()}, tmp_path / WEIGHTS_FILE, _use_new_zipfile_serialization=not legacy_format)
    with pytest.raises(ForeignCheckpointError, match=WEIGHTS_FILE):
        read_weights(tmp_path / WEIGHTS_FILE)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(2)], {"state_dict": {"a": torch.zeros(2)}}])
def test_read_weights_rejects_other_content(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ForeignCheckpointError, match="state dict"):
        read_weights(tmp_path / WEIGHTS_FILE)


def test_import_lists_mismatched_layers(tmp_path: Path) -> None:
    weights = write_face_network(tmp_path / "x")
    del weights["model_res_img.0.conv_block.5.weight"]
    weights["model_up_img.3.bias"] = torch.zeros(9)
    weights["model_extra.0.weight"] = torch.zeros(1)
    torch.save(weights, tmp_path / "x" / WEIGHTS_FILE)
    with pytest.raises(ForeignCheckpointError) as raised:
        import_release(make_request(tmp_path / "x"), ignore_events)
    for fragment in (
        "missing layers: model_res_img.0.conv_block.5.weight",
        "unexpected layers: model_extra.0.weight",
        "model_up_img.3.bias (9, expected 16)",
    ):
        assert fragment in raised.value.message
    assert not (tmp_path / "made.ckpt").exists()


def test_import_rejects_foreign_network(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ForeignCheckpointError, match="conv"):
        import_release(make_request(tmp_path), ignore_events)


def test_import_suggests_matching_preset(tmp_path: Path) -> None:
    write_face_network(tmp_path)
    with pytest.raises(ConfigError, match="15 condition channels") as raised:
        import_release(make_request(tmp_path, "street"), ignore_events)
    assert raised.value.hint == "--preset face"


@pytest.mark.parametrize(("name", "message"), [("nowhere", "does not exist"), ("file", "is a file"), ("dir", "D.txt")])
def test_import_rejects_folder_without_network(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "D.txt").touch()
    with pytest.raises(MissingFileError, match=message):
        import_release(make_request(tmp_path / name), ignore_events)


def test_import_reports_skipped_files_and_keeps_licence(tmp_path: Path) -> None:
    folder = tmp_path / "edge2face_512"
    write_face_network(folder)
    write_network(ImageGenerator(15), tmp_path / "edge2face_single" / "latest_net_G.pth")
    plan = dict(plan_import(make_request(folder)).rows)
    assert not (tmp_path / "made.ckpt").exists()
    assert plan[WEIGHTS_FILE].endswith("million weights")
    messages: list[str] = []
    result = import_release(make_request(folder), lambda event: messages.append(getattr(event, "message", "")))
    message_text = "\n".join(messages)
    for fragment in ("features.npy", "CC BY-NC-SA"):
        assert fragment in message_text
    training = load_metadata(result.path).training
    assert "CC BY-NC-SA" in training["licence"]
    assert set(training["files"]) == {WEIGHTS_FILE}
    assert result.image_generator_path is None


def test_import_rejects_release_without_supported_generator(tmp_path: Path) -> None:
    """The image generator of faces is skipped, and there is no video generator."""
    write_network(ImageGenerator(15), tmp_path / "latest_net_G.pth")
    with pytest.raises(ForeignCheckpointError, match=r"features\.npy"):
        plan_import(make_request(tmp_path))


def test_import_prefers_latest_then_highest_epoch(tmp_path: Path) -> None:
    """Epoch names are compared as numbers."""
    for epoch in ("9", "10"):
        write_network(ScaleGenerator(15), tmp_path / f"{epoch}_net_G0.pth")
    assert set(import_release(make_request(tmp_path), ignore_events).parameter_counts) == {"10_net_G0.pth"}


def test_published_millions_match_built_networks() -> None:
    """The generators that are built for the published architectures have the published numbers of weights."""
    for settings, counts in VIDEO_GENERATOR_MILLIONS.items():
        channels, base_channels, num_downsamples, has_foreground, has_flow = settings
        architecture = Architecture(
            condition_channels=channels,
            past_frames=2,
            has_flow=has_flow,
            has_foreground=has_foreground,
            base_channels=base_channels,
            num_downsamples=num_downsamples,
            num_res_blocks=9,
            num_scales=len(counts),
            num_local_res_blocks=3,
            kernel_size=7,
            has_affine_norm=True,
        )
        assert published_millions(architecture) == counts
        with torch.device("meta"):
            names = ["car"] if has_foreground else []
            condition_spec = ConditionSpec(channels, (26,) if has_foreground else ())
            generator = build_generator(architecture.generator_config(names, (0, 1)), condition_spec)
        built_millions = [sum(p.numel() for p in scale.parameters()) / 1e6 for scale in generator.scale_networks]
        assert [round(count, 1 if index == 0 else 2) for index, count in enumerate(built_millions)] == list(counts)
    assert set(IMAGE_GENERATOR_MILLIONS.values()) == {182.5, 182.9}
