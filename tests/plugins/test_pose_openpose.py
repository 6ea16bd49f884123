"""OpenPose's JSON: everything the official binary writes is read, anything else is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.synthetic_people import face, hand, openpose, person, write_frames
from vid2vid_pose.openpose import read

from vid2vid_cli.conditioning import Annotation, Bytes, Footage, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import FilesMismatchError, LabelFilesError, MissingFileError, Vid2VidError
from vid2vid_cli.media.images import load_picture
from vid2vid_cli.testing import ConditionerContract

BLANK = np.zeros((240, 320, 3), np.uint8)


def whole(x: float, confidence: float = 0.9) -> dict[str, Any]:
    body = person(x, confidence=confidence)
    return {"body": body, "left_hand": hand(*body[7, :2]), "right_hand": hand(*body[4, :2]), "face": face(x, 30)}


def annotate(folder: Path, count: int, footage: Footage | None = None, **options: object) -> list[Annotation]:
    conditioner = load_conditioner("pose", {"json_dir": str(folder), **options})
    return list((conditioner if footage is None else conditioner.of(footage)).annotate([BLANK] * count))


def footage(frames: int | None, **changes: Any) -> Footage:
    view = View.of_box((0, 0, 320, 240), 240, 320)
    return replace(Footage(Path("walk.mp4"), 240, 320, frames, Fraction(25), view, Fraction(25)), **changes)


class TestFiles(ConditionerContract):
    name = "pose"
    other_options: ClassVar = {"person": "2"}
    drawing_options: ClassVar = {"drop": 0.3, "jitter": 0.02}

    def clip(self) -> Sequence[Bytes]:
        return [BLANK] * 8

    def files(self, folder: Path) -> Mapping[str, Any]:
        frames = [[whole(120 + 4 * i), whole(260)] for i in range(8)]
        return {"json_dir": str(write_frames(folder / "json", frames))}


def test_points_are_read_as_they_are(tmp_path: Path) -> None:
    walk = [whole(120 + 3 * i) for i in range(3)]
    annotations = annotate(write_frames(tmp_path, [[one] for one in walk]), 3)
    for one, truth in zip(annotations, walk, strict=True):
        assert list(one.points) == ["body", "left_hand", "right_hand", "face"]
        for name, points in truth.items():
            np.testing.assert_allclose(one.points[name], points, atol=1e-3)
        assert one.quality == pytest.approx(0.9, abs=0.01)


def test_points_follow_the_video_to_its_annotated_frames(tmp_path: Path) -> None:
    folder = write_frames(tmp_path, [[{"body": person(120)}]] * 2)
    half = footage(2, view=View.of_box((40, 0, 280, 240), 120, 120))
    (one, _) = annotate(folder, 2, half)
    np.testing.assert_allclose(one.points["body"][:, 0], (person(120)[:, 0] + 0.5 - 40) / 2 - 0.5, atol=1e-3)


def test_people_are_followed_through_the_files(tmp_path: Path) -> None:
    """Two cross, and the order in the files changes."""
    frames = []
    for index in range(40):
        two = [{"body": person(60 + 5 * index)}, {"body": person(260 - 5 * index, 34)}]
        frames.append(two if index % 3 else two[::-1])
    left = annotate(write_frames(tmp_path, frames), 40, person="1")
    np.testing.assert_allclose([one.points["body"][0, 0] for one in left], [60 + 5 * i for i in range(40)], atol=0.1)
    both = annotate(tmp_path, 40, person="2", people=2)
    np.testing.assert_allclose([one.points["body"][0, 0] for one in both], [260 - 5 * i for i in range(40)], atol=0.1)
    np.testing.assert_allclose([one.points["body"][25, 0] for one in both], [60 + 5 * i for i in range(40)], atol=0.1)


def test_who_leaves_for_a_while_is_not_found_and_comes_back(tmp_path: Path) -> None:
    here, other = {"body": person(120)}, {"body": person(260, high=120)}
    annotations = annotate(write_frames(tmp_path, [[here, other]] * 3 + [[other]] * 5 + [[other, here]] * 2), 10)
    assert [one.quality > 0 for one in annotations] == [True] * 3 + [False] * 5 + [True] * 2
    assert np.isnan(annotations[4].points["body"]).all()
    assert annotations[9].points["body"][0, 0] == pytest.approx(120)


def test_frames_without_people_and_parts_of_some_frames_alone(tmp_path: Path) -> None:
    annotations = annotate(write_frames(tmp_path, [[], [whole(120)], [{"body": person(120)}]]), 3)
    assert [one.quality > 0 for one in annotations] == [False, True, True]
    assert {tuple((name, points.shape) for name, points in one.points.items()) for one in annotations} == {
        (("body", (25, 3)), ("left_hand", (21, 3)), ("right_hand", (21, 3)), ("face", (70, 3)))
    }
    assert np.isnan(annotations[2].points["face"]).all()


def test_eighteen_points_become_twenty_five(tmp_path: Path) -> None:
    truth = person(120)
    coco = truth[[0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]]
    (tmp_path / "a.json").write_text(json.dumps(openpose([{"body": coco}])))
    (one,) = annotate(tmp_path, 1)
    np.testing.assert_allclose(one.points["body"][:19], truth[:19], atol=1e-3)
    assert np.isnan(one.points["body"][19:]).all()


@pytest.mark.parametrize("version", [1.0, 1.1, 1.2, 1.3, None])
def test_versions_and_old_keys(tmp_path: Path, version: float | None) -> None:
    data = openpose([{"body": person()}], version)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    np.testing.assert_allclose(read(path)[0]["body"], person(), atol=1e-3)
    (one,) = data["people"]
    one["pose_keypoints"] = one.pop("pose_keypoints_2d")
    one["hand_left_keypoints_2d"] = None
    path.write_text(json.dumps(data))
    np.testing.assert_allclose(read(path)[0]["body"], person(), atol=1e-3)


def broken(**changes: Any) -> str:
    data = openpose([whole(120)])
    data.update({key: value for key, value in changes.items() if key in ("version", "people")})
    for key, value in changes.items():
        if key not in data:
            data["people"][0][key] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"version": 1.3, "peop', "not readable JSON"),
        ("[1, 2]", "list"),
        (json.dumps({"version": 0.1, "bodies": []}), "'version', 'bodies'"),
        (broken(version=2.0), "version 2.0"),
        (broken(version="x"), "version x"),
        (broken(people=[[1, 2]]), "list"),
        (broken(people=[{"keypoints": []}]), "'keypoints'"),
        (broken(pose_keypoints_2d=[1.0] * 51), "51 numbers"),
        (broken(pose_keypoints_2d=[1.0] * 74 + ["a"]), "not a list of numbers"),
        (broken(face_keypoints_2d=[1.0] * 204), "204"),
        (broken(hand_left_keypoints_2d=[1.0] * 60), "60"),
        (broken(pose_keypoints_2d=[0.4, 0.5, 0.9] * 25), "between -1 and 1"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path: Path, text: str, found: str) -> None:
    write_frames(tmp_path, [[whole(120)]] * 2)
    (tmp_path / "walk_000000000001_keypoints.json").write_text(text)
    with pytest.raises(LabelFilesError) as caught:
        annotate(tmp_path, 2)
    assert "walk_000000000001_keypoints.json" in caught.value.message
    assert found in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("frames", [3, 7])
def test_counts_must_agree(tmp_path: Path, frames: int) -> None:
    write_frames(tmp_path, [[whole(120)]] * 5)
    with pytest.raises(FilesMismatchError, match=rf"5 JSON files .* {frames} frames"):
        annotate(tmp_path, 1, footage(frames))


def test_a_video_that_does_not_say_its_length_runs_out_of_files(tmp_path: Path) -> None:
    write_frames(tmp_path, [[whole(120)]] * 2)
    with pytest.raises(FilesMismatchError, match="2 JSON files, and the video goes on with frame 2"):
        annotate(tmp_path, 3, footage(None))


@pytest.mark.parametrize(("make", "error"), [(False, MissingFileError), (True, LabelFilesError)])
def test_a_folder_that_is_not_there_or_empty(tmp_path: Path, make: bool, error: type[Vid2VidError]) -> None:
    if make:
        (tmp_path / "json").mkdir()
    with pytest.raises(error, match="json"):
        annotate(tmp_path / "json", 1)


def test_real_files(shared_data: Path) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames"
    frame = load_picture(next((folder / "images" / "001_001").glob("*.jpg")))
    conditioner = load_conditioner("pose", {"json_dir": str(folder / "poses-openpose" / "001_001")})
    annotations = list(conditioner.annotate([frame] * 5))
    assert all(one.quality > 0.7 for one in annotations)
    assert annotations[0].points["body"][0, :2] == pytest.approx([989.392, 409.487], abs=1e-3)
    assert annotations[0].points["face"].shape == (70, 3)
