"""The pose plugin with MediaPipe: the contract, real footage, several people, smoothing, hands and face."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.synthetic_people import hand, person
from vid2vid_pose import mediapipe_tasks
from vid2vid_pose.backend import Backend, Person, score_of
from vid2vid_pose.hands_and_face import Parts, face_box, hand_box, nearest_hand
from vid2vid_pose.tracking import Follower, Smoother

from vid2vid_cli.conditioning import Annotation, Bytes
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError, MissingWeightsError
from vid2vid_cli.media.images import load_picture, resize_to
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.testing import ConditionerContract

GREY = np.full((120, 90, 3), 128, np.uint8)


@lru_cache(maxsize=4)
def dance(path: Path, height: int, count: int, start: float = 0.0) -> tuple[Bytes, ...]:
    """The first frames of a dancing woman, 2/3 as wide as high."""
    frames = VideoReader(path / "pose" / "dancing_woman.mp4", max_frames=count, start=start)
    return tuple(resize_to(frame, height, height * 2 // 3) for frame in frames)


def annotate(frames: Sequence[Bytes], **options: object) -> list[Annotation]:
    pytest.importorskip("mediapipe")
    return list(load_conditioner("pose", options).annotate(frames))


def bodies(annotations: Sequence[Annotation]) -> Any:
    return np.stack([one.points["body"] for one in annotations])


class TestBlaze(ConditionerContract):
    name = "pose"
    options: ClassVar = {"backend": "mediapipe"}
    other_options: ClassVar = {"smooth": "0.05"}
    drawing_options: ClassVar = {"drop": 0.5}
    folder: ClassVar[Path]

    @pytest.fixture(autouse=True)
    def _real(self, shared_data: Path) -> None:
        pytest.importorskip("mediapipe")
        type(self).folder = shared_data

    def clip(self) -> Sequence[Bytes]:
        return dance(self.folder, 240, 5)


# Real footage


@pytest.mark.parametrize(("height", "count"), [(1080, 12), (160, 24)])
def test_a_dancing_woman_is_found(shared_data: Path, height: int, count: int) -> None:
    annotations = annotate(dance(shared_data, height, count))
    assert np.mean([one.quality > 0.5 for one in annotations]) >= 0.95
    points = bodies(annotations) / height
    assert (points[:, 0, 1] < points[:, 8, 1]).all()
    assert (points[:, 8, 1] < points[:, [11, 14], 1].min(axis=1)).all()
    assert (points[:, 2, 0] < points[:, 5, 0]).mean() > 0.9


def test_somebody_far_away_is_found(shared_data: Path) -> None:
    frames = []
    for small in dance(shared_data, 110, 4):
        frame = np.full((1080, 1440, 3), 120, np.uint8)
        frame[600:710, 900 : 900 + small.shape[1]] = small
        frames.append(frame)
    annotations = annotate(frames)
    assert [one.quality > 0.5 for one in annotations] == [True] * 4
    near = bodies(annotate(dance(shared_data, 440, 4)))[..., :2] / 4 + [900, 600]
    error = np.linalg.norm(bodies(annotations)[:, :15, :2] - near[:, :15], axis=2)
    assert np.median(error) < 3


def test_the_joints_are_those_that_openpose_finds(shared_data: Path) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames"
    frames = [load_picture(path) for path in sorted((folder / "images" / "001_001").glob("*.jpg"))]
    truth = load_conditioner("pose", {"json_dir": str(folder / "poses-openpose" / "001_001")}).annotate(frames)
    mine, theirs = bodies(annotate(frames)), bodies(list(truth))
    error = np.linalg.norm(mine[:, :15, :2] - theirs[:, :15, :2], axis=2) / 550
    assert np.nanmedian(error) < 0.025
    assert np.nanpercentile(error, 90) < 0.06


def test_one_of_two_is_chosen_and_both_can_be_drawn(shared_data: Path) -> None:
    frames = [
        np.hstack([resize_to(f, 300, 200), np.full((300, 40, 3), 200, np.uint8)]) for f in dance(shared_data, 360, 4)
    ]
    frames = [np.hstack([a, np.vstack([b[:, ::-1]])]) for a, b in zip(frames, frames[::-1], strict=True)]
    for who, side in (("1", 0), ("2", 1)):
        x = bodies(annotate(frames, person=who))[:, 1, 0]
        assert ((x > 240) == bool(side)).all()
    pair = annotate(frames, person="2", people=2)
    assert pair[0].points["body"].shape == (50, 3)
    assert (bodies(pair)[:, 1, 0] > 240).all()
    assert (bodies(pair)[:, 26, 0] < 240).all()


def test_a_gap_is_empty_and_a_cut_finds_anew(shared_data: Path) -> None:
    one, wall = dance(shared_data, 240, 8), np.full((240, 160, 3), 120, np.uint8)
    other = [np.ascontiguousarray(255 - np.roll(frame, 60, axis=1)) for frame in one[:2]]
    annotations = annotate([*one[:3], wall, wall, *one[3:], *other])
    assert [a.quality > 0 for a in annotations[:10]] == [True] * 3 + [False] * 2 + [True] * 5
    assert np.isnan(annotations[3].points["body"]).all()


def test_smoothing_removes_jitter_and_keeps_the_dance(shared_data: Path) -> None:
    raw = bodies(annotate(dance(shared_data, 240, 24), smooth=0))
    smoother = Smoother(0.006)
    smooth = np.stack([smoother(Person({"body": one})).points["body"] for one in raw])
    raw, smooth = raw[:, 1:15, :2], smooth[:, 1:15, :2]
    jitter = [np.median(np.abs(np.diff(points, 2, axis=0))) for points in (raw, smooth)]
    assert jitter[1] < 0.75 * jitter[0]
    assert np.corrcoef(raw[:, 3].ravel(), smooth[:, 3].ravel())[0, 1] > 0.999
    assert np.ptp(smooth[:, 3], axis=0).max() > 0.95 * np.ptp(raw[:, 3], axis=0).max()


def test_a_face_model_of_the_user_gives_seventy_points(shared_data: Path) -> None:
    model = shared_data / "models" / "face_mesh_468.task"
    (one,) = annotate(dance(shared_data, 1080, 1)[:1], face_model=str(model))
    points, body = one.points["face"], one.points["body"]
    assert points.shape == (70, 3)
    eyes = body[[15, 16], :2]
    distance = np.linalg.norm(eyes[0] - eyes[1])
    np.testing.assert_allclose(points[[68, 69], :2], eyes, atol=0.5 * distance)
    np.testing.assert_allclose(points[30, :2], body[0, :2], atol=0.6 * distance)
    conditioner = load_conditioner("pose", {"face_model": str(model)})
    assert "face_model" in conditioner.options.lasting()
    assert str(model) not in str(conditioner.fingerprint())


# Models


def test_a_damaged_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(mediapipe_tasks, "MODEL", tmp_path / "pose_landmarker_full.task")
    with pytest.raises(MissingWeightsError, match="is missing"):
        annotate([GREY])
    (tmp_path / "pose_landmarker_full.task").write_bytes(b"x")
    with pytest.raises(MissingWeightsError, match="is damaged"):
        annotate([GREY])


@pytest.mark.parametrize("option", ["hands_model", "face_model"])
def test_models_of_another_kind_are_refused(tmp_path: Path, option: str) -> None:
    from vid2vid_pose.mediapipe_tasks import MODEL

    with pytest.raises(MissingWeightsError, match=rf"pose\.{option}=.*absent\.task"):
        annotate([GREY], **{option: str(tmp_path / "absent.task")})
    with pytest.raises(MissingWeightsError, match=r"is not a (hand|face) model"):
        annotate([GREY], **{option: str(MODEL)})


def test_the_terminal_stays_clean(shared_data: Path) -> None:
    pytest.importorskip("mediapipe")
    code = (
        "import sys\n"
        "from vid2vid_cli.conditioning.registry import load_conditioner\n"
        "from vid2vid_cli.media.reader import VideoReader\n"
        "frames = VideoReader(__import__('pathlib').Path(sys.argv[1]), max_frames=3)\n"
        "for one in load_conditioner('pose').annotate(frames): assert one.quality > 0\n"
        "print('mine', file=sys.stderr)\n"
    )
    path = f"import sys; sys.path[:0] = {[entry for entry in sys.path if entry]!r}\n"
    clip = str(shared_data / "pose" / "dancing_woman.mp4")
    done = subprocess.run([sys.executable, "-c", path + code, clip], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "mine\n")


def test_nobody_else_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="write largest, centre, or 1, 2"):
        load_conditioner("pose", {"person": "tallest"})
    assert load_conditioner("pose", {"person": "Center"}).options.person == "centre"  # type: ignore[attr-defined]


# Following and smoothing, without a detector


class Scripted(Backend):
    """Gives people as they are told."""

    smooth = 0.0

    def __init__(self, frames: Sequence[Sequence[Person]]) -> None:
        self.frames, self.near, self.forgotten = frames, list[int](), 0

    def people(self, frame: Bytes, index: int, near: Sequence[Any]) -> list[Person]:
        self.near.append(len(near))
        return list(self.frames[index])

    def forget(self) -> None:
        self.forgotten += 1


def test_quality_is_confidence_times_share() -> None:
    body = person(confidence=0.8)
    assert score_of(body) == pytest.approx(0.8)
    body[[3, 4, 10]] = np.nan
    assert score_of(body) == pytest.approx(0.8 * 12 / 15)
    assert score_of(np.full((25, 3), np.nan, np.float32)) == 0.0


def test_the_backend_is_told_who_is_followed_until_a_cut() -> None:
    street, room = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    here = [Person({"body": person(60, 10, 100)})]
    backend = Scripted([here] * 30 + [[]] * 3 + [here] * 2)
    follower = Follower(backend, "largest", 1, None)
    found = [follower.annotate(street).quality > 0 for _ in range(33)] + [follower.annotate(room).quality > 0]
    assert found == [True] * 30 + [False] * 3 + [True]
    assert backend.near == [0] + [1] * 32 + [0]
    assert backend.forgotten == 1


def test_jitter_is_removed_and_a_jump_passes() -> None:
    random, smoother, still = np.random.default_rng(0), Smoother(0.006), person(high=200)
    noise = np.pad(random.normal(0, 0.5, (60, 25, 2)), ((0, 0), (0, 0), (0, 1)))
    noisy = (still + noise).astype(np.float32)
    smooth = np.stack([smoother(Person({"body": one})).points["body"] for one in noisy])
    steps = [np.abs(np.diff(points[10:, :, :2], axis=0)).mean() for points in (noisy, smooth)]
    assert steps[1] < 0.5 * steps[0]
    moved = still.copy()
    moved[[3, 4], 0] -= 40
    after = smoother(Person({"body": moved})).points["body"]
    np.testing.assert_allclose(after[[3, 4], 0], moved[[3, 4], 0], atol=1.5)
    np.testing.assert_allclose(after[[6, 7], :2], still[[6, 7], :2], atol=1.5)


def test_points_come_and_go_through_smoothing() -> None:
    smoother, body = Smoother(0.01), person()
    gone = body.copy()
    gone[4] = np.nan
    smoother(Person({"body": body}))
    assert np.isnan(smoother(Person({"body": gone})).points["body"][4]).all()
    moved = body + np.float32([0.5, 0, 0])
    back = smoother(Person({"body": moved})).points["body"]
    np.testing.assert_array_equal(back[4], moved[4])
    assert not np.array_equal(back[3], moved[3])


# Hands and faces, on results as MediaPipe gives them


def test_hands_are_looked_for_beyond_the_wrist() -> None:
    body = person(160, 30, 200)
    place = hand_box(body, 3, 4)
    assert place is not None
    (x0, y0, x1, y1), forearm = place
    assert forearm == pytest.approx(33, abs=1)
    assert x0 < body[4, 0] < x1
    assert (y0 + y1) / 2 > body[4, 1] + 5
    body[4] = np.nan
    assert hand_box(body, 3, 4) is None
    foreshortened = person(160, 30, 200)
    foreshortened[4, :2] = foreshortened[3, :2] + 2
    small = hand_box(foreshortened, 3, 4)
    assert small is not None
    assert small[0][2] - small[0][0] > 40


def test_the_nearest_hand_is_taken() -> None:
    hands = [hand(100, 100), hand(160, 100)]
    np.testing.assert_array_equal(nearest_hand(hands, np.array([155, 98]), 20), hands[1])
    assert np.isnan(nearest_hand(hands, np.array([130, 98]), 20)).all()
    assert np.isnan(nearest_hand([], np.array([130, 98]), 20)).all()


def test_hand_results_become_points_of_the_frame() -> None:
    """A landmarker that answers as MediaPipe's does: a hand in shares of what it is shown."""
    seen: list[tuple[int, ...]] = []

    class Landmarker:
        def see(self, image: Bytes) -> Any:
            seen.append(image.shape)
            marks = [SimpleNamespace(x=0.5, y=0.25 + 0.02 * i) for i in range(21)]
            return SimpleNamespace(hand_landmarks=[marks], handedness=[[SimpleNamespace(score=0.9)]])

        def close(self) -> None:
            seen.clear()

    parts = Parts(None, None)
    parts._hands = Landmarker()  # type: ignore[assignment]
    body = person(160, 30, 200)
    body[7] = np.nan
    found = parts.add(np.zeros((300, 320, 3), np.uint8), Person({"body": body})).points
    assert np.isnan(found["left_hand"]).all()
    box, forearm = hand_box(body, 3, 4) or ((0, 0, 0, 0), 0)
    assert seen == [pytest.approx((1.8 * forearm, 1.8 * forearm, 3), abs=2)]
    assert found["right_hand"][0] == pytest.approx([(box[0] + box[2]) / 2, box[1] + 0.25 * 1.8 * forearm, 0.9], abs=1.5)
    assert np.ptp(found["right_hand"][:, 1]) == pytest.approx(0.4 * 1.8 * forearm, abs=1)


def test_a_face_is_looked_for_about_the_head() -> None:
    body = person(160, 60, 200)
    x0, y0, x1, y1 = face_box(body) or (0, 0, 0, 0)
    assert (x0 + x1) / 2 == pytest.approx(160, abs=1)
    assert y0 < 40
    assert y1 > 75
    body[[0, 15, 16, 17, 18]] = np.nan
    assert face_box(body) is None


def test_mediapipe_alone_needs_one_core_and_no_more(tmp_path: Path) -> None:
    assert load_conditioner("pose", {"backend": "mediapipe"}).serial
    assert not load_conditioner("pose", {"backend": "onnx", "weights": str(tmp_path / "dwpose.onnx")}).serial
    assert not load_conditioner("pose", {"backend": "mediapipe", "json_dir": str(tmp_path)}).serial
