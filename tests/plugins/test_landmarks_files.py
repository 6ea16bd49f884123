"""Point files of the landmarks plugin: dlib's text files, imaginaire's JSON, crops, frame rates, and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.synthetic_faces import schematic_face

from vid2vid_cli.conditioning import (
    Annotation,
    InputFileMismatchError,
    LabelFileError,
    MissingFileError,
    VideoContext,
    View,
    detect_cuts,
)
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.testing import ConditionerContract

FRAME = np.zeros((90, 120, 3), np.uint8)
FACE = np.round(schematic_face() * 30 + (60, 45)).astype(int)


def make_video_context(num_frames: int | None, path: Path = Path("v.mp4"), **changes: Any) -> VideoContext:
    view = View.from_box((0, 0, 120, 90), 90, 120)
    context = VideoContext(path, 90, 120, num_frames=num_frames, fps=Fraction(25), view=view, sampled_fps=Fraction(25))
    return replace(context, **changes)


def read_annotations(folder: Path, num_frames: int, video_context: VideoContext | None = None) -> list[Annotation]:
    conditioner = load_conditioner("landmarks", {"input_dir": folder})
    if video_context is not None:
        conditioner = conditioner.bind(video_context)
    return list(conditioner.annotate(detect_cuts([FRAME] * num_frames)))


def write_point_files(folder: Path, faces: Sequence[np.ndarray], *, separator: str = ",") -> Path:
    folder.mkdir(exist_ok=True)
    for index, face in enumerate(faces):
        lines = "".join(f"{x}{separator}{y}\n" for x, y in face)
        (folder / f"{index:05d}.txt").write_text(lines)
    return folder


class TestPointFiles(ConditionerContract):
    name = "landmarks"
    alternative_options: ClassVar = {"background_edges": "true"}

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        return {"input_dir": write_point_files(folder / "p", [FACE + index for index in range(6)])}


def test_text_and_json_formats_give_the_same_points(tmp_path: Path) -> None:
    comma_dir = write_point_files(tmp_path / "a", [FACE])
    blank_dir = write_point_files(tmp_path / "b", [FACE], separator=" ")
    for name, data in (("c", FACE.tolist()), ("d", {"landmarks": FACE.tolist()})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.json").write_text(json.dumps(data))
    for folder in (comma_dir, blank_dir, tmp_path / "c", tmp_path / "d"):
        (annotation,) = read_annotations(folder, 1)
        assert np.array_equal(annotation.points["face"], FACE.astype(np.float32))
        assert annotation.quality > 0.3


def test_files_are_read_in_natural_order(tmp_path: Path) -> None:
    for index in (0, 9, 10):
        write_point_files(tmp_path / "files", [FACE + index])
        (tmp_path / "files" / "00000.txt").rename(tmp_path / f"f{index}.txt")
    offsets = [annotation.points["face"][0, 0] - FACE[0, 0] for annotation in read_annotations(tmp_path, 3)]
    assert offsets == [0, 9, 10]


def test_points_follow_crop_frame_rate_and_start(tmp_path: Path) -> None:
    folder = write_point_files(tmp_path / "p", [FACE + index for index in range(20)])
    crop_view = View.from_box((20, 10, 120, 90), 40, 50)
    video_context = make_video_context(
        20, view=crop_view, sampled_fps=Fraction(25, 2), start_seconds=0.16, first_index=1
    )
    first, second = read_annotations(folder, 2, video_context)
    assert np.allclose(first.points["face"], crop_view.transform_points(FACE + 6), atol=1e-4)
    assert np.allclose(second.points["face"], crop_view.transform_points(FACE + 8), atol=1e-4)


def test_empty_file_gives_empty_annotation(tmp_path: Path) -> None:
    folder = write_point_files(tmp_path / "p", [FACE, FACE, FACE])
    (folder / "00001.txt").write_text("")
    annotations = read_annotations(folder, 3, make_video_context(3))
    assert [annotation.quality > 0 for annotation in annotations] == [True, False, True]
    assert np.isnan(annotations[1].points["face"]).all()


def test_missing_file_error_names_the_first_frame(tmp_path: Path) -> None:
    folder = write_point_files(tmp_path / "p", [FACE] * 5)
    image_dir = tmp_path / "images"
    images = tuple(image_dir / f"{index:05d}.jpg" for index in range(5))
    (folder / "00003.txt").unlink()
    with pytest.raises(InputFileMismatchError, match=r"00003\.jpg") as error_info:
        read_annotations(folder, 5, make_video_context(5, image_dir, frame_files=images))
    assert "empty file" in error_info.value.hint
    with pytest.raises(InputFileMismatchError, match="frame 4"):
        read_annotations(folder, 5)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("0.txt", "1,2\n" * 67, "67"),
        ("0.txt", "1,2,3\n" * 68, "1,2,3"),
        ("0.txt", "1,2\n" * 67 + "a,b\n", "'a'"),
        ("0.txt", "1,nan\n" * 68, "0.txt"),
        ("0.json", '{"version": 1.2, "people": []}', "'version', 'people'"),
        ("0.json", "[[1, 2], [3", "0.json"),
        ("0.json", "[1, 2, 3]", r"\[x, y\]"),
    ],
)
def test_invalid_file_error_names_the_problem(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelFileError, match=message):
        read_annotations(tmp_path, 1)


def test_missing_or_empty_folder_raises_error(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nowhere"):
        read_annotations(tmp_path / "nowhere", 1)
    with pytest.raises(LabelFileError, match=r"\.txt or \.json"):
        read_annotations(tmp_path, 1)


def test_fingerprint_does_not_contain_the_path(tmp_path: Path) -> None:
    conditioner = load_conditioner("landmarks", {"input_dir": tmp_path / "a"})
    other_conditioner = load_conditioner("landmarks", {"input_dir": tmp_path / "b"})
    assert conditioner.fingerprint() == other_conditioner.fingerprint() != load_conditioner("landmarks").fingerprint()
    assert "input_dir" not in conditioner.options.persistent_values()


def test_real_point_files_are_read(shared_data: Path) -> None:
    folder = next((shared_data / "face" / "dlib68_5frames" / "landmarks-dlib68").iterdir())
    frames = [np.zeros((480, 640, 3), np.uint8)] * 5
    conditioner = load_conditioner("landmarks", {"input_dir": folder})
    annotations = list(conditioner.annotate(detect_cuts(frames)))
    assert min(annotation.quality for annotation in annotations) > 0.3
    assert annotations[0].points["face"][0].tolist() == [292, 136]
    subject_box = conditioner.statistics(annotations)["subject_box"]
    assert subject_box[0] < 292 < 415 < subject_box[2]
