"""68 points that exist already: dlib's text files and imaginaire's JSON, through crops and rates, and what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.synthetic_faces import schematic

from vid2vid_cli.conditioning import (
    Annotation,
    FilesMismatchError,
    Footage,
    LabelFilesError,
    MissingFileError,
    View,
)
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.testing import ConditionerContract

FRAME = np.zeros((90, 120, 3), np.uint8)
FACE = np.round(schematic() * 30 + (60, 45)).astype(int)


def footage(frames: int | None, path: Path = Path("v.mp4"), **changes: object) -> Footage:
    view = View.of_box((0, 0, 120, 90), 90, 120)
    settings = {"view": view, "fps": Fraction(25), "rate": Fraction(25), **changes}
    return Footage(path, 90, 120, frames, **settings)  # type: ignore[arg-type]


def read(folder: Path, count: int, of: Footage | None = None) -> list[Annotation]:
    conditioner = load_conditioner("landmarks", {"points_dir": folder})
    if of is not None:
        conditioner = conditioner.of(of)
    return list(conditioner.annotate([FRAME] * count))


def write(folder: Path, faces: Sequence[np.ndarray], *, comma: str = ",") -> Path:
    folder.mkdir(exist_ok=True)
    for index, face in enumerate(faces):
        lines = "".join(f"{x}{comma}{y}\n" for x, y in face)
        (folder / f"{index:05d}.txt").write_text(lines)
    return folder


class TestPoints(ConditionerContract):
    name = "landmarks"
    other_options: ClassVar = {"background_edges": "true"}

    def files(self, folder: Path) -> Mapping[str, Any]:
        return {"points_dir": write(folder / "p", [FACE + index for index in range(6)])}


def test_text_with_commas_or_blanks_and_json_say_the_same(tmp_path: Path) -> None:
    commas, blanks = write(tmp_path / "a", [FACE]), write(tmp_path / "b", [FACE], comma=" ")
    for name, data in (("c", FACE.tolist()), ("d", {"landmarks": FACE.tolist()})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.json").write_text(json.dumps(data))
    for folder in (commas, blanks, tmp_path / "c", tmp_path / "d"):
        (one,) = read(folder, 1)
        assert np.array_equal(one.points["face"], FACE.astype(np.float32))
        assert one.quality > 0.3


def test_the_order_is_that_of_people(tmp_path: Path) -> None:
    for index in (0, 9, 10):
        write(tmp_path / "one", [FACE + index])
        (tmp_path / "one" / "00000.txt").rename(tmp_path / f"f{index}.txt")
    found = [one.points["face"][0, 0] - FACE[0, 0] for one in read(tmp_path, 3)]
    assert found == [0, 9, 10]


def test_points_follow_crop_rate_and_beginning(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", [FACE + index for index in range(20)])
    half = View.of_box((20, 10, 120, 90), 40, 50)
    of = footage(20, view=half, rate=Fraction(25, 2), start=0.16, first=1)
    first, second = read(folder, 2, of)
    assert np.allclose(first.points["face"], half.points(FACE + 6), atol=1e-4)
    assert np.allclose(second.points["face"], half.points(FACE + 8), atol=1e-4)


def test_an_empty_file_is_a_frame_without_a_face(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", [FACE, FACE, FACE])
    (folder / "00001.txt").write_text("")
    found = read(folder, 3, footage(3))
    assert [one.quality > 0 for one in found] == [True, False, True]
    assert np.isnan(found[1].points["face"]).all()


def test_dropped_frames_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", [FACE] * 5)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(5):
        (pictures / f"{index:05d}.jpg").touch()
    (folder / "00003.txt").unlink()
    with pytest.raises(FilesMismatchError, match=r"p holds 4 files .* 5 frames: none for 00003\.jpg") as caught:
        read(folder, 5, footage(5, pictures))
    assert "empty file" in caught.value.hint
    with pytest.raises(FilesMismatchError, match="goes on with frame 4"):
        read(folder, 5)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("0.txt", "1,2\n" * 67, r"0\.txt holds 67 points and not 68"),
        ("0.txt", "1,2,3\n" * 68, 'line 1 is "1,2,3"'),
        ("0.txt", "1,2\n" * 67 + "a,b\n", "could not convert"),
        ("0.txt", "1,nan\n" * 68, "no number"),
        ("0.json", '{"version": 1.2, "people": []}', "it is JSON with 'version', 'people' in it"),
        ("0.json", "[[1, 2], [3", "0.json holds no points"),
        ("0.json", "[1, 2, 3]", r"1 is no pair"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelFilesError, match=words):
        read(tmp_path, 1)


def test_no_folder_and_no_files(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nowhere is not a folder"):
        read(tmp_path / "nowhere", 1)
    with pytest.raises(LabelFilesError, match=r"holds no \.txt or \.json file"):
        read(tmp_path, 1)


def test_the_fingerprint_is_that_of_files_and_forgets_where(tmp_path: Path) -> None:
    one = load_conditioner("landmarks", {"points_dir": tmp_path / "a"})
    other = load_conditioner("landmarks", {"points_dir": tmp_path / "b"})
    assert one.fingerprint() == other.fingerprint() != load_conditioner("landmarks").fingerprint()
    assert "points_dir" not in one.options.lasting()


def test_real_points_lie_on_the_real_face(shared_data: Path) -> None:
    folder = next((shared_data / "face" / "dlib68_5frames" / "landmarks-dlib68").iterdir())
    frames = [np.zeros((480, 640, 3), np.uint8)] * 5
    conditioner = load_conditioner("landmarks", {"points_dir": folder})
    found = list(conditioner.annotate(frames))
    assert min(one.quality for one in found) > 0.3
    assert found[0].points["face"][0].tolist() == [292, 136]
    focus = conditioner.statistics(found)["focus"]
    assert focus[0] < 292 < 415 < focus[2]
