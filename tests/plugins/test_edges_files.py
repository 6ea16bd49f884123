"""Edge images from files: polarity, alignment, order and errors."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vid2vid_cli.conditioning import InputFileMismatchError, LabelFileError, VideoContext, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.testing import ConditionerContract


def make_edge_image(index: int, height: int = 64, width: int = 96) -> Any:
    """A white cross on black that moves to the right."""
    edges = np.zeros((height, width), np.uint8)
    edges[height // 2 - 1 : height // 2 + 1] = 255
    edges[:, 10 + 4 * index : 12 + 4 * index] = 255
    return edges


def write_images(folder: Path, images: list[Any]) -> Path:
    folder.mkdir()
    for index, image in enumerate(images):
        save_png(folder / f"{index}.png", image)
    return folder


def read_edges(path: Path, num_frames: int, context: VideoContext | None = None) -> list[Any]:
    conditioner = load_conditioner("edges", {"input_dir": path})
    conditioner = conditioner.bind(context) if context is not None else conditioner
    frames = detect_cuts([np.zeros((64, 96, 3), np.uint8)] * num_frames)
    return [annotation.images["edges"] for annotation in conditioner.annotate(frames)]


class TestEdgeFilesContract(ConditionerContract):
    name = "edges"

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        height, width = synthetic_clip(1)[0].shape[:2]
        return {"input_dir": write_images(folder / "d", [make_edge_image(index, height, width) for index in range(6)])}


def test_read_edge_images_inverts_dark_lines_on_white(tmp_path: Path) -> None:
    black = read_edges(write_images(tmp_path / "a", [make_edge_image(0), make_edge_image(1)]), 2)
    white = read_edges(write_images(tmp_path / "b", [255 - make_edge_image(0), 255 - make_edge_image(1)]), 2)
    assert np.array_equal(black[1], make_edge_image(1))
    assert np.array_equal(black, white)
    # The polarity is detected on the first image only: a later image that is mostly white is not inverted.
    full = np.full((64, 96), 255, np.uint8)
    full[:40] = 0
    assert np.array_equal(read_edges(write_images(tmp_path / "c", [make_edge_image(0), full]), 2)[1], full)


def test_read_edge_images_from_video_matches_frames(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "d.mp4", Fraction(25), crf=1) as writer:
        for index in range(12):
            writer.write(np.repeat(make_edge_image(index)[:, :, None], 3, axis=2))
    view = View.from_box((0, 0, 96, 64), 64, 96)
    half_rate_context = VideoContext(
        tmp_path / "v.mp4",
        64,
        96,
        num_frames=12,
        fps=Fraction(25),
        view=view,
        sampled_fps=Fraction(25, 2),
        start_seconds=0.08,
    )
    for index, edges in enumerate(read_edges(tmp_path / "d.mp4", 4, half_rate_context)):
        assert np.abs(edges.astype(int) - make_edge_image(2 + 2 * index)).mean() < 4


def test_read_edge_images_scales_and_checks_aspect_ratio(tmp_path: Path) -> None:
    (small,) = read_edges(write_images(tmp_path / "a", [make_edge_image(0, 32, 48)]), 1)
    assert small.shape == (64, 96)
    assert small[:, 22].mean() > 100
    with pytest.raises(InputFileMismatchError, match="64 x 64"):
        read_edges(write_images(tmp_path / "b", [make_edge_image(0, 64, 64)]), 1)


def test_read_edge_images_rejects_photo_and_missing_image(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(60, 200, (64, 96), dtype=np.uint8)
    with pytest.raises(LabelFileError, match="image 0") as caught:
        read_edges(write_images(tmp_path / "a", [photo]), 1)
    assert "vid2vid transfer" in caught.value.hint
    with pytest.raises(InputFileMismatchError, match=r"1 frames.*frame 1"):
        read_edges(write_images(tmp_path / "b", [make_edge_image(0)]), 2)
