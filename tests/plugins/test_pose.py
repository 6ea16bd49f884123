"""Plugin pose with MediaPipe on real footage: the contract, several people, models, and standard error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from vid2vid_pose import mediapipe_tasks
from vid2vid_pose.backend import DetectedPose
from vid2vid_pose.tracking import PoseSmoother

from vid2vid_cli.conditioning import Annotation, UInt8Array, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError, MissingWeightsError
from vid2vid_cli.media.images import load_image, resize_image
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.testing import ConditionerContract

GREY_FRAME = np.full((120, 90, 3), 128, np.uint8)


@lru_cache(maxsize=4)
def read_dance_clip(shared_data: Path, height: int, num_frames: int, start: float = 0.0) -> tuple[UInt8Array, ...]:
    """First frames of a dancing woman, resized to `height`, 2/3 as wide as high."""
    frames = VideoReader(shared_data / "pose" / "dancing_woman.mp4", max_frames=num_frames, start=start)
    return tuple(resize_image(frame, height, height * 2 // 3) for frame in frames)


def annotate(frames: Sequence[UInt8Array], **options: object) -> list[Annotation]:
    pytest.importorskip("mediapipe")
    return list(load_conditioner("pose", options).annotate(detect_cuts(frames)))


def stack_bodies(annotations: Sequence[Annotation]) -> Any:
    return np.stack([annotation.points["body"] for annotation in annotations])


class TestMediaPipe(ConditionerContract):
    name = "pose"
    options: ClassVar = {"backend": "mediapipe"}
    alternative_options: ClassVar = {"smoothing": "0.05"}
    render_options: ClassVar = {"joint_dropout": 0.5}
    folder: ClassVar[Path]

    @pytest.fixture(autouse=True)
    def _use_real_clip(self, shared_data: Path) -> None:
        pytest.importorskip("mediapipe")
        type(self).folder = shared_data

    def clip(self) -> Sequence[UInt8Array]:
        return read_dance_clip(self.folder, 360, 5, start=1.16)  # open hands, facing the camera


@pytest.mark.parametrize(("height", "num_frames"), [(1080, 12), (160, 24)])
def test_annotate_detects_a_dancer(shared_data: Path, height: int, num_frames: int) -> None:
    annotations = annotate(read_dance_clip(shared_data, height, num_frames))
    assert np.mean([annotation.quality > 0.5 for annotation in annotations]) >= 0.95
    points = stack_bodies(annotations) / height
    assert (points[:, 0, 1] < points[:, 8, 1]).all()
    assert (points[:, 8, 1] < points[:, [11, 14], 1].min(axis=1)).all()
    assert (points[:, 2, 0] < points[:, 5, 0]).mean() > 0.9


def test_annotate_detects_a_small_person(shared_data: Path) -> None:
    frames = []
    for small_frame in read_dance_clip(shared_data, 110, 4):
        frame = np.full((1080, 1440, 3), 120, np.uint8)
        frame[600:710, 900 : 900 + small_frame.shape[1]] = small_frame
        frames.append(frame)
    annotations = annotate(frames)
    assert [annotation.quality > 0.5 for annotation in annotations] == [True] * 4
    expected_bodies = stack_bodies(annotate(read_dance_clip(shared_data, 440, 4)))[..., :2] / 4 + [900, 600]
    error = np.linalg.norm(stack_bodies(annotations)[:, :15, :2] - expected_bodies[:, :15], axis=2)
    assert np.median(error) < 3


def test_joints_agree_with_openpose(shared_data: Path) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames"
    frames = [load_image(path) for path in sorted((folder / "images" / "001_001").glob("*.jpg"))]
    conditioner = load_conditioner("pose", {"input_dir": str(folder / "poses-openpose" / "001_001")})
    openpose_annotations = conditioner.annotate(detect_cuts(frames))
    mediapipe_bodies, openpose_bodies = stack_bodies(annotate(frames)), stack_bodies(list(openpose_annotations))
    error = np.linalg.norm(mediapipe_bodies[:, :15, :2] - openpose_bodies[:, :15, :2], axis=2) / 550
    assert np.nanmedian(error) < 0.025
    assert np.nanpercentile(error, 90) < 0.06


def test_annotate_selects_one_or_both_of_two_people(shared_data: Path) -> None:
    frames = [
        np.hstack([resize_image(frame, 300, 200), np.full((300, 40, 3), 200, np.uint8)])
        for frame in read_dance_clip(shared_data, 360, 4)
    ]
    frames = [np.hstack([left, np.vstack([right[:, ::-1]])]) for left, right in zip(frames, frames[::-1], strict=True)]
    for person, side in (("1", 0), ("2", 1)):
        x = stack_bodies(annotate(frames, person=person))[:, 1, 0]
        assert ((x > 240) == bool(side)).all()
    both = annotate(frames, person="2", num_people=2)
    assert both[0].points["body"].shape == (50, 3)
    assert (stack_bodies(both)[:, 1, 0] > 240).all()
    assert (stack_bodies(both)[:, 26, 0] < 240).all()


def test_annotate_leaves_frames_without_people_empty(shared_data: Path) -> None:
    clip, blank_frame = read_dance_clip(shared_data, 240, 8), np.full((240, 160, 3), 120, np.uint8)
    other_scene = [np.ascontiguousarray(255 - np.roll(frame, 60, axis=1)) for frame in clip[:2]]
    annotations = annotate([*clip[:3], blank_frame, blank_frame, *clip[3:], *other_scene])
    assert [annotation.quality > 0 for annotation in annotations[:10]] == [True] * 3 + [False] * 2 + [True] * 5
    assert np.isnan(annotations[3].points["body"]).all()


def test_smoothing_removes_jitter_and_preserves_motion(shared_data: Path) -> None:
    raw = stack_bodies(annotate(read_dance_clip(shared_data, 240, 24), smoothing=0))
    smoother = PoseSmoother(0.006)
    smoothed = np.stack([smoother(DetectedPose({"body": body})).points["body"] for body in raw])
    raw, smoothed = raw[:, 1:15, :2], smoothed[:, 1:15, :2]
    jitter = [np.median(np.abs(np.diff(points, 2, axis=0))) for points in (raw, smoothed)]
    assert jitter[1] < 0.75 * jitter[0]
    assert np.corrcoef(raw[:, 3].ravel(), smoothed[:, 3].ravel())[0, 1] > 0.999
    assert np.ptp(smoothed[:, 3], axis=0).max() > 0.95 * np.ptp(raw[:, 3], axis=0).max()


def test_face_model_adds_70_points(shared_data: Path) -> None:
    model = shared_data / "models" / "face_mesh_468.task"
    (annotation,) = annotate(read_dance_clip(shared_data, 1080, 1)[:1], face_model=str(model))
    points, body = annotation.points["face"], annotation.points["body"]
    assert points.shape == (70, 3)
    eyes = body[[15, 16], :2]
    distance = np.linalg.norm(eyes[0] - eyes[1])
    np.testing.assert_allclose(points[[68, 69], :2], eyes, atol=0.5 * distance)
    np.testing.assert_allclose(points[30, :2], body[0, :2], atol=0.6 * distance)
    conditioner = load_conditioner("pose", {"face_model": str(model)})
    assert "face_model" in conditioner.options.persistent_values()
    assert str(model) not in str(conditioner.fingerprint())


def test_missing_or_damaged_model_raises_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(mediapipe_tasks, "MODEL_PATH", tmp_path / "pose_landmarker_full.task")
    with pytest.raises(MissingWeightsError, match=r"pose_landmarker_full\.task"):
        annotate([GREY_FRAME])
    (tmp_path / "pose_landmarker_full.task").write_bytes(b"x")
    with pytest.raises(MissingWeightsError, match="sha256"):
        annotate([GREY_FRAME])


@pytest.mark.parametrize("option", ["hands_model", "face_model"])
def test_wrong_kind_of_model_raises_error(tmp_path: Path, option: str) -> None:
    from vid2vid_pose.mediapipe_tasks import MODEL_PATH

    with pytest.raises(MissingWeightsError, match=rf"pose\.{option}=.*absent\.task"):
        annotate([GREY_FRAME], **{option: str(tmp_path / "absent.task")})
    with pytest.raises(MissingWeightsError, match=r"pose_landmarker_full.*(hand|face) model"):
        annotate([GREY_FRAME], **{option: str(MODEL_PATH)})


def test_annotate_prints_nothing_to_the_terminal(shared_data: Path) -> None:
    pytest.importorskip("mediapipe")
    code = (
        "import sys\n"
        "from vid2vid_cli.conditioning import VideoFrame\n"
        "from vid2vid_cli.conditioning.registry import load_conditioner\n"
        "from vid2vid_cli.media.reader import VideoReader\n"
        "frames = VideoReader(__import__('pathlib').Path(sys.argv[1]), max_frames=3)\n"
        "for annotation in load_conditioner('pose').annotate(map(VideoFrame, frames)): assert annotation.quality > 0\n"
        "print('own output', file=sys.stderr)\n"
    )
    path = f"import sys; sys.path[:0] = {[entry for entry in sys.path if entry]!r}\n"
    clip = str(shared_data / "pose" / "dancing_woman.mp4")
    completed = subprocess.run([sys.executable, "-c", path + code, clip], capture_output=True, text=True, check=True)
    assert (completed.stdout, completed.stderr) == ("", "own output\n")


def test_invalid_person_raises_config_error() -> None:
    with pytest.raises(ConfigError, match="tallest"):
        load_conditioner("pose", {"person": "tallest"})
    assert load_conditioner("pose", {"person": "Center"}).options.person == "centre"  # type: ignore[attr-defined]
