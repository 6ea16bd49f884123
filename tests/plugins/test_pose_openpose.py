"""OpenPose's JSON files: all official versions are read, other content raises an error that names it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.synthetic_people import (
    face_keypoints,
    hand_keypoints,
    openpose_json,
    person_keypoints,
    write_openpose_files,
)
from vid2vid_pose.openpose import read_people

from vid2vid_cli.conditioning import Annotation, UInt8Array, VideoContext, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import InputFileMismatchError, LabelFileError, MissingFileError, Vid2VidError
from vid2vid_cli.media.images import load_image
from vid2vid_cli.testing import ConditionerContract

BLANK_FRAME = np.zeros((240, 320, 3), np.uint8)


def person_points(x: float, confidence: float = 0.9) -> dict[str, Any]:
    body = person_keypoints(x, confidence=confidence)
    return {
        "body": body,
        "left_hand": hand_keypoints(*body[7, :2]),
        "right_hand": hand_keypoints(*body[4, :2]),
        "face": face_keypoints(x, 30),
    }


def annotate(
    folder: Path, num_frames: int, video_context: VideoContext | None = None, **options: object
) -> list[Annotation]:
    conditioner = load_conditioner("pose", {"input_dir": str(folder), **options})
    if video_context is not None:
        conditioner = conditioner.bind(video_context)
    return list(conditioner.annotate(detect_cuts([BLANK_FRAME] * num_frames)))


def make_video_context(num_frames: int | None, **changes: Any) -> VideoContext:
    view = View.from_box((0, 0, 320, 240), 240, 320)
    context = VideoContext(
        Path("walk.mp4"), 240, 320, num_frames=num_frames, fps=Fraction(25), view=view, sampled_fps=Fraction(25)
    )
    return replace(context, **changes)


class TestOpenPoseFiles(ConditionerContract):
    name = "pose"
    alternative_options: ClassVar = {"person": "2"}
    render_options: ClassVar = {"joint_dropout": 0.3, "head_jitter": 0.02}

    def clip(self) -> Sequence[UInt8Array]:
        return [BLANK_FRAME] * 8

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        frames = [[person_points(120 + 4 * i), person_points(260)] for i in range(8)]
        return {"input_dir": str(write_openpose_files(folder / "json", frames))}


def test_points_are_read_unchanged(tmp_path: Path) -> None:
    people = [person_points(120 + 3 * i) for i in range(3)]
    annotations = annotate(write_openpose_files(tmp_path, [[annotation] for annotation in people]), 3)
    for annotation, expected in zip(annotations, people, strict=True):
        assert list(annotation.points) == ["body", "left_hand", "right_hand", "face"]
        for name, points in expected.items():
            np.testing.assert_allclose(annotation.points[name], points, atol=1e-3)
        assert annotation.quality == pytest.approx(0.9, abs=0.01)


def test_points_follow_the_crop_of_the_video(tmp_path: Path) -> None:
    folder = write_openpose_files(tmp_path, [[{"body": person_keypoints(120)}]] * 2)
    crop_context = make_video_context(2, view=View.from_box((40, 0, 280, 240), 120, 120))
    (annotation, _) = annotate(folder, 2, crop_context)
    np.testing.assert_allclose(
        annotation.points["body"][:, 0], (person_keypoints(120)[:, 0] + 0.5 - 40) / 2 - 0.5, atol=1e-3
    )


def test_people_are_tracked_through_the_files(tmp_path: Path) -> None:
    """Two people cross, and their order in the files changes."""
    frames = []
    for index in range(40):
        people = [{"body": person_keypoints(60 + 5 * index)}, {"body": person_keypoints(260 - 5 * index, 34)}]
        frames.append(people if index % 3 else people[::-1])
    left_annotations = annotate(write_openpose_files(tmp_path, frames), 40, person="1")
    np.testing.assert_allclose(
        [annotation.points["body"][0, 0] for annotation in left_annotations], [60 + 5 * i for i in range(40)], atol=0.1
    )
    both_annotations = annotate(tmp_path, 40, person="2", num_people=2)
    np.testing.assert_allclose(
        [annotation.points["body"][0, 0] for annotation in both_annotations], [260 - 5 * i for i in range(40)], atol=0.1
    )
    np.testing.assert_allclose(
        [annotation.points["body"][25, 0] for annotation in both_annotations], [60 + 5 * i for i in range(40)], atol=0.1
    )


def test_person_who_leaves_is_recovered(tmp_path: Path) -> None:
    tracked_person, other_person = {"body": person_keypoints(120)}, {"body": person_keypoints(260, height=120)}
    annotations = annotate(
        write_openpose_files(
            tmp_path, [[tracked_person, other_person]] * 3 + [[other_person]] * 5 + [[other_person, tracked_person]] * 2
        ),
        10,
    )
    assert [annotation.quality > 0 for annotation in annotations] == [True] * 3 + [False] * 5 + [True] * 2
    assert np.isnan(annotations[4].points["body"]).all()
    assert annotations[9].points["body"][0, 0] == pytest.approx(120)


def test_frames_without_people_or_parts_keep_the_layout(tmp_path: Path) -> None:
    annotations = annotate(
        write_openpose_files(tmp_path, [[], [person_points(120)], [{"body": person_keypoints(120)}]]), 3
    )
    assert [annotation.quality > 0 for annotation in annotations] == [False, True, True]
    assert {
        tuple((name, points.shape) for name, points in annotation.points.items()) for annotation in annotations
    } == {(("body", (25, 3)), ("left_hand", (21, 3)), ("right_hand", (21, 3)), ("face", (70, 3)))}
    assert np.isnan(annotations[2].points["face"]).all()


def test_coco_18_converts_to_body_25(tmp_path: Path) -> None:
    body = person_keypoints(120)
    coco = body[[0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]]
    (tmp_path / "a.json").write_text(json.dumps(openpose_json([{"body": coco}])))
    (annotation,) = annotate(tmp_path, 1)
    np.testing.assert_allclose(annotation.points["body"][:19], body[:19], atol=1e-3)
    assert np.isnan(annotation.points["body"][19:]).all()


@pytest.mark.parametrize("version", [1.0, 1.1, 1.2, 1.3, None])
def test_all_versions_and_old_keys_are_read(tmp_path: Path, version: float | None) -> None:
    data = openpose_json([{"body": person_keypoints()}], version)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    np.testing.assert_allclose(read_people(path)[0]["body"], person_keypoints(), atol=1e-3)
    (person,) = data["people"]
    person["pose_keypoints"] = person.pop("pose_keypoints_2d")
    person["hand_left_keypoints_2d"] = None
    path.write_text(json.dumps(data))
    np.testing.assert_allclose(read_people(path)[0]["body"], person_keypoints(), atol=1e-3)


def broken_json(**changes: Any) -> str:
    data = openpose_json([person_points(120)])
    data.update({key: value for key, value in changes.items() if key in ("version", "people")})
    for key, value in changes.items():
        if key not in data:
            data["people"][0][key] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 1.3, "peop', "JSON"),
        ("[1, 2]", "list"),
        (json.dumps({"version": 0.1, "bodies": []}), "'version', 'bodies'"),
        (broken_json(version=2.0), "2.0"),
        (broken_json(version="x"), " x"),
        (broken_json(people=[[1, 2]]), "list"),
        (broken_json(people=[{"keypoints": []}]), "'keypoints'"),
        (broken_json(pose_keypoints_2d=[1.0] * 51), "51"),
        (broken_json(pose_keypoints_2d=[1.0] * 74 + ["a"]), "pose_keypoints_2d"),
        (broken_json(face_keypoints_2d=[1.0] * 204), "204"),
        (broken_json(hand_left_keypoints_2d=[1.0] * 60), "60"),
        (broken_json(pose_keypoints_2d=[0.4, 0.5, 0.9] * 25), "-1 and 1"),
    ],
)
def test_invalid_file_error_names_file_and_problem(tmp_path: Path, text: str, message: str) -> None:
    write_openpose_files(tmp_path, [[person_points(120)]] * 2)
    (tmp_path / "walk_000000000001_keypoints.json").write_text(text)
    with pytest.raises(LabelFileError) as error_info:
        annotate(tmp_path, 2)
    assert "walk_000000000001_keypoints.json" in error_info.value.message
    assert message in error_info.value.message
    assert error_info.value.hint


def test_scaled_coordinates_with_outliers_raise_error(tmp_path: Path) -> None:
    """Coordinates of 0..1 where single joints lie outside the frame; only most joints decide."""
    body = person_keypoints(160)
    body[:, :2] /= (320, 240)
    body[7, 0], body[14, 1] = 1.004, 3.5
    write_openpose_files(tmp_path, [[{"body": body}]])
    with pytest.raises(LabelFileError, match="-1 and 1"):
        annotate(tmp_path, 1)
    in_pixels = person_keypoints(160)
    in_pixels[9:, :2] = (0.4, 0.3)  # a program that writes undetected joints near the corner
    in_pixels[13:, :2] = 0
    (annotation,) = annotate(write_openpose_files(tmp_path / "pixels", [[{"body": in_pixels}]]), 1)
    assert np.isnan(annotation.points["body"][13:]).all()


@pytest.mark.parametrize("num_frames", [3, 7])
def test_wrong_number_of_files_raises_error(tmp_path: Path, num_frames: int) -> None:
    write_openpose_files(tmp_path, [[person_points(120)]] * 5)
    with pytest.raises(InputFileMismatchError, match=rf"5 .* {num_frames} "):
        annotate(tmp_path, 1, make_video_context(num_frames))


def test_missing_file_raises_error_if_the_length_is_unknown(tmp_path: Path) -> None:
    write_openpose_files(tmp_path, [[person_points(120)]] * 2)
    with pytest.raises(InputFileMismatchError, match="frame 2"):
        annotate(tmp_path, 3, make_video_context(None))


@pytest.mark.parametrize(("exists", "error"), [(False, MissingFileError), (True, LabelFileError)])
def test_missing_or_empty_folder_raises_error(tmp_path: Path, exists: bool, error: type[Vid2VidError]) -> None:
    if exists:
        (tmp_path / "json").mkdir()
    with pytest.raises(error, match="json"):
        annotate(tmp_path / "json", 1)


def test_real_files_are_read(shared_data: Path) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames"
    frame = load_image(next((folder / "images" / "001_001").glob("*.jpg")))
    conditioner = load_conditioner("pose", {"input_dir": str(folder / "poses-openpose" / "001_001")})
    annotations = list(conditioner.annotate(detect_cuts([frame] * 5)))
    assert all(annotation.quality > 0.7 for annotation in annotations)
    assert annotations[0].points["body"][0, :2] == pytest.approx([989.392, 409.487], abs=1e-3)
    assert annotations[0].points["face"].shape == (70, 3)
