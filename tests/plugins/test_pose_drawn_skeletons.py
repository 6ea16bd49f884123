"""Skeletons drawn in OpenPose's colours as input of the pose plugin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_bodies import ADULT, Camera, dance_motion, project_motion
from helpers.synthetic_people import face_keypoints, person_keypoints
from helpers.video_files import write_video
from vid2vid_pose.drawing import PoseFormat, SkeletonStyle, draw_skeletons
from vid2vid_pose.skeleton_recovery import BODY_25, COCO_18, recover_skeleton

from vid2vid_cli.conditioning import Annotation, VideoContext, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import InputFileMismatchError, LabelFileError
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.reader import VideoReader

HEIGHT, WIDTH = 480, 320
VIEW = View.from_box((0, 0, WIDTH, HEIGHT), HEIGHT, WIDTH)
ARMS_AND_HIPS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12]
KNEES = [10, 13]
ANKLES = [11, 14]


def draw(points: dict[str, Any], format_name: PoseFormat = "coco_18") -> np.ndarray:
    return np.rint(draw_skeletons(points, VIEW, SkeletonStyle(format=format_name))).astype(np.uint8)


def moving_person(index: int) -> np.ndarray:
    """BODY_25 (25, 3) of a person who raises the arms and steps aside."""
    body = person_keypoints(130 + 2 * index, 60, 380)
    body[[3, 6], 0] += np.array([-20, 20]) * index / 8
    body[[4, 7], 1] -= 22 * index
    return body


def write_drawings(path: Path, bodies: Sequence[np.ndarray], format_name: PoseFormat = "coco_18") -> Path:
    return write_video(path, [draw({"body": body}, format_name) for body in bodies])


def annotate(path: Path, num_frames: int, context: VideoContext | None = None) -> list[Annotation]:
    conditioner = load_conditioner("pose", {"input_dir": str(path)})
    if context is not None:
        conditioner = conditioner.bind(context)
        height, width = context.view.height, context.view.width
    else:
        height, width = HEIGHT, WIDTH
    return list(conditioner.annotate(detect_cuts([np.zeros((height, width, 3), np.uint8)] * num_frames)))


def make_context(
    path: Path, num_frames: int, view: View = VIEW, size: tuple[int, int] = (HEIGHT, WIDTH)
) -> VideoContext:
    fps = VideoReader(path).fps
    return VideoContext(path, *size, num_frames=num_frames, fps=fps, view=view, sampled_fps=fps)


@pytest.mark.parametrize(("format_name", "name"), [("coco_18", "COCO"), ("body_25", "BODY_25")])
def test_joints_are_recovered_from_h264(tmp_path: Path, format_name: PoseFormat, name: str) -> None:
    bodies = [moving_person(index) for index in range(8)]
    path = write_drawings(tmp_path / "walk.mp4", bodies, format_name)
    context = make_context(path, 8)
    for annotation, body in zip(annotate(path, 8, context), bodies, strict=True):
        errors = np.linalg.norm(annotation.points["body"][:, :2] - body[:, :2], axis=1)
        assert errors[ARMS_AND_HIPS].max() < 3
        assert errors[KNEES].max() < 8
        assert errors[ANKLES].max() < 0.06 * 380
        assert annotation.quality > 0.8
        assert np.isnan(errors[19:]).all()
    (notice,) = context.notices
    assert f"OpenPose's {name} colours" in notice
    assert "8 of 8 frames" in notice


def test_joints_follow_scale_and_crop_of_the_video(tmp_path: Path) -> None:
    body = moving_person(2)
    path = write_drawings(tmp_path / "walk.mp4", [body] * 2)
    view = View.from_box((80, 0, 560, 960), 480, 240)  # the left part of a video of twice the size is left out
    context = make_context(path, 2, view, (2 * HEIGHT, 2 * WIDTH))
    expected = view.transform_points(body[:, :2] * 2 + 0.5)
    (annotation, _) = annotate(path, 2, context)
    assert np.abs(annotation.points["body"][ARMS_AND_HIPS, :2] - expected[ARMS_AND_HIPS]).max() < 3
    with pytest.raises(InputFileMismatchError, match="320 x 480"):
        annotate(path, 2, make_context(path, 2, size=(HEIGHT, 2 * WIDTH)))
    with pytest.raises(InputFileMismatchError, match=r"pose\.input_dir.*2 frames.*5 frames"):
        annotate(path, 5, make_context(path, 5))


def test_frames_without_skeleton_are_empty(tmp_path: Path) -> None:
    frames = [draw({"body": moving_person(0)})] * 4
    frames[1] = np.zeros_like(frames[0])
    frames[2] = np.zeros_like(frames[0])
    frames[2][100:110, 50:200] = (153, 0, 0)  # a single limb
    for index, frame in enumerate(frames):
        save_png(tmp_path / f"{index}.png", frame)
    annotations = annotate(tmp_path, 4)
    assert [annotation.quality > 0 for annotation in annotations] == [True, False, False, True]
    assert np.isnan(annotations[1].points["body"]).all()


def test_several_people_are_not_mixed(tmp_path: Path) -> None:
    two_people = np.concatenate([person_keypoints(80, 60, 300), person_keypoints(240, 60, 300)])
    path = write_drawings(tmp_path / "two.mp4", [moving_person(0), two_people, two_people])
    context = make_context(path, 3)
    annotations = annotate(path, 3, context)
    assert [annotation.quality > 0 for annotation in annotations] == [True, False, False]
    assert "1 of 3 frames" in context.notices[0]
    assert "2 frames show several people" in context.notices[0]


def test_covered_limbs_are_recovered() -> None:
    """An arm crosses the torso, and a face of white lines covers the nose."""
    body = moving_person(0)
    body[4, :2] = body[[1, 12], :2].mean(axis=0) + np.array([20, 0])
    image = draw({"body": body})
    x, y = (int(value) for value in body[0, :2])
    image[y - 20 : y + 25, x - 18 : x + 19] = 255
    recovered = recover_skeleton(image, COCO_18).body
    errors = np.linalg.norm(recovered[:, :2] - body[:, :2], axis=1)
    assert errors[[1, 2, 3, 5, 6, 9, 12]].max() < 3
    assert errors[0] < 8
    assert recover_skeleton(draw({"body": body, "face": face_keypoints(x, y)}), COCO_18).num_joined > 15


def test_format_with_other_colours_joins_fewer_limbs() -> None:
    bodies = project_motion(dance_motion(6, (0.0, 4.0)), ADULT, Camera(HEIGHT, WIDTH, 500.0, 1.2, 220.0))
    for body in bodies:
        points = np.column_stack([body[:, :2], np.ones(len(body))]).astype(np.float32)
        drawings = {"COCO": draw({"body": points}), "BODY_25": draw({"body": points}, "body_25")}
        for drawn, image in drawings.items():
            num_joined = {item.name: recover_skeleton(image, item).num_joined for item in (COCO_18, BODY_25)}
            assert max(num_joined, key=lambda name: num_joined[name]) == drawn


def test_ordinary_video_raises_error(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [np.full((HEIGHT, WIDTH, 3), 120, np.uint8)] * 2)
    with pytest.raises(LabelFileError, match=r"v\.mp4, image 0") as caught:
        annotate(path, 2)
    assert "vid2vid transfer" in caught.value.hint


def test_real_drawing_is_read_on_all_frames(shared_data: Path) -> None:
    frames = list(VideoReader(shared_data / "pose" / "openpose_drawing.mp4", max_frames=48))
    bodies = np.stack([recover_skeleton(frame, COCO_18).body for frame in frames[::4]])
    assert np.isfinite(bodies[:, [0, 1, 2, 3, 5, 6, 9, 10, 11, 12, 13, 14], 0]).all()
    thigh_lengths = np.linalg.norm(bodies[:, 9, :2] - bodies[:, 10, :2], axis=1)
    assert thigh_lengths.std() < 0.1 * thigh_lengths.mean()
    assert bodies[0, 4, :2] == pytest.approx([213, 310], abs=3)
