"""Plugin landmarks with its detectors: the contract, synthetic faces, and real faces where the footage is available."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from helpers.synthetic_faces import eye_distance, relative_gap, stack_points
from vid2vid_landmarks import backends, mediapipe_mesh

from vid2vid_cli.conditioning import Annotation, MissingPackageError, MissingWeightsError, UInt8Array, detect_cuts
from vid2vid_cli.conditioning.registry import find_conditioners, load_conditioner, missing_requirements
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import synthetic_clip, synthetic_face
from vid2vid_cli.testing import ConditionerContract

BACKENDS = ("mediapipe", "dlib")


def require_backend(backend: str) -> None:
    for module in {"mediapipe": ["mediapipe"], "dlib": ["dlib"]}[backend]:
        pytest.importorskip(module)


def annotate(frames: list[UInt8Array], **options: object) -> list[Annotation]:
    return list(load_conditioner("landmarks", options).annotate(detect_cuts(frames)))


class TestMediaPipe(ConditionerContract):
    name = "landmarks"
    options: ClassVar = {"backend": "mediapipe"}
    alternative_options: ClassVar = {"smoothing": "0.05"}

    def annotate(self, frames):  # type: ignore[no-untyped-def]
        require_backend("mediapipe")
        return super().annotate(frames)


class TestDlib(ConditionerContract):
    name = "landmarks"
    options: ClassVar = {"backend": "dlib", "distance_maps": False, "background_edges": True}
    alternative_options: ClassVar = {"backend": "mediapipe"}

    def clip(self) -> list[UInt8Array]:
        return synthetic_clip(3)

    def annotate(self, frames):  # type: ignore[no-untyped-def]
        require_backend("dlib")
        return super().annotate(frames)


@pytest.mark.parametrize("backend", BACKENDS)
def test_annotate_locates_synthetic_face(backend: str) -> None:
    require_backend(backend)
    (annotation,) = annotate([synthetic_face(240, 320, x=140, y=110, half_height=60)], backend=backend)
    points = annotation.points["face"]
    assert annotation.quality > 0.5
    np.testing.assert_allclose(points[[37, 38, 40, 41]].mean(axis=0), [140 - 0.36 * 60, 107], atol=5)
    np.testing.assert_allclose(points[[43, 44, 46, 47]].mean(axis=0), [140 + 0.36 * 60, 107], atol=5)
    np.testing.assert_allclose(points[30], [140, 110 + 0.35 * 60], atol=7)
    assert points[0, 0] < points[8, 0] < points[16, 0]
    assert points[8, 1] == pytest.approx(110 + 1.18 * 60, abs=10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_annotate_detects_face_on_small_frame(backend: str) -> None:
    require_backend(backend)
    (annotation,) = annotate([synthetic_face(97, 131)], backend=backend)
    assert annotation.quality > 0
    assert 15 < eye_distance(annotation.points["face"]) < 30


def test_annotate_detects_small_face_on_large_frame() -> None:
    require_backend("mediapipe")
    frames = [synthetic_face(720, 960, x=300 + i, y=200, half_height=40) for i in range(4)]
    for i, annotation in enumerate(annotate(frames, backend="mediapipe", smoothing=0)):
        assert annotation.quality > 0
        np.testing.assert_allclose(annotation.points["face"][27:31, 0].mean(), 300 + i, atol=4)


def test_annotate_follows_mouth_and_eyelids() -> None:
    require_backend("mediapipe")
    frames = [
        synthetic_face(240, 320, half_height=70, mouth_openness=m, eye_openness=e)
        for m, e in [(0, 1)] * 4 + [(1, 1)] * 3 + [(0, 0)] * 3
    ]
    points = stack_points(annotate(frames, backend="mediapipe"))
    mouth, eyes = relative_gap(points, 62, 66), relative_gap(points, 37, 41)
    assert mouth[4:7].min() > 0.2
    assert mouth[:4].max() < 0.1
    assert eyes[7:].mean() < 0.8 * eyes[:4].mean()


def test_annotate_leaves_frames_without_face_empty() -> None:
    require_backend("mediapipe")
    face, blank_frame = synthetic_face(), np.full((192, 256, 3), 120, np.uint8)
    annotations = annotate([face, face, blank_frame, face, face], backend="mediapipe")
    assert [annotation.quality > 0 for annotation in annotations] == [True, True, False, True, True]
    assert np.isnan(annotations[2].points["face"]).all()


def test_annotate_tracks_the_larger_face() -> None:
    require_backend("mediapipe")
    left, right = synthetic_face(240, 200, half_height=50), synthetic_face(240, 300, half_height=72)
    both = np.hstack([left, right])
    annotation, *_ = annotate([both] * 2, backend="mediapipe")
    assert annotation.points["face"][:, 0].mean() > 200


def test_backends_agree_on_synthetic_face() -> None:
    """Only eyes and nose must agree closely, because neither detector was trained on drawings."""
    require_backend("mediapipe")
    require_backend("dlib")
    frame = synthetic_face(240, 320, half_height=70)
    (mesh_points,), (dlib_points,) = (stack_points(annotate([frame], backend=backend)) for backend in BACKENDS)
    error = np.linalg.norm(mesh_points - dlib_points, axis=1) / eye_distance(dlib_points)
    assert error[27:48].mean() < 0.12


def test_annotate_prints_nothing_to_the_terminal() -> None:
    require_backend("mediapipe")
    code = (
        "from vid2vid_cli.conditioning import VideoFrame\n"
        "from vid2vid_cli.conditioning.registry import load_conditioner\n"
        "from vid2vid_cli.media.synthetic import synthetic_face\n"
        "import sys\n"
        "frames = [synthetic_face(480, 640, half_height=40)] * 2\n"
        "conditioner = load_conditioner('landmarks', {'backend': 'mediapipe'})\n"
        "assert len(list(conditioner.annotate(map(VideoFrame, frames)))) == 2\n"
        "print('own output', file=sys.stderr)\n"
    )
    path = f"import sys; sys.path[:0] = {[entry for entry in sys.path if entry]!r}\n"
    completed = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, check=True)
    assert completed.stdout == ""
    assert completed.stderr == "own output\n"


def test_closing_the_stream_early_closes_the_landmarker() -> None:
    require_backend("mediapipe")
    stream = load_conditioner("landmarks", {"backend": "mediapipe"}).annotate(detect_cuts([synthetic_face()] * 5))
    next(stream)
    stream.close()  # type: ignore[attr-defined]


def test_missing_or_damaged_model_raises_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_backend("mediapipe")

    monkeypatch.setattr(mediapipe_mesh, "MODEL_PATH", tmp_path / "face_mesh_478.task")
    with pytest.raises(MissingWeightsError, match=r"face_mesh_478\.task"):
        annotate([synthetic_face()], backend="mediapipe")
    (tmp_path / "face_mesh_478.task").write_bytes(b"something else")
    with pytest.raises(MissingWeightsError, match="sha256"):
        annotate([synthetic_face()], backend="mediapipe")


def test_missing_backends_raise_error_with_install_command(monkeypatch: pytest.MonkeyPatch) -> None:

    from vid2vid_cli.conditioning import registry

    monkeypatch.setattr(backends, "_is_importable", lambda module: False)
    monkeypatch.setattr(registry, "is_installed", lambda module: False)
    with pytest.raises(MissingPackageError) as error_info:
        annotate([synthetic_face()])
    assert error_info.value.hint == 'pip install "vid2vid-cli[landmarks]"'
    entry = next(annotation for annotation in find_conditioners() if annotation.name == "landmarks")
    assert (entry.status, entry.remedy) == ("needs packages", 'pip install "vid2vid-cli[landmarks]"')
    assert entry.spec is not None
    assert len(missing_requirements(entry.spec)) == 3
    assert load_conditioner("landmarks").fingerprint()["backend"] is None


@cache
def annotate_clip(
    path: Path, backend: str, num_frames: int, smoothing: float = 0.01, start: float = 0.0
) -> tuple[Annotation, ...]:
    frames = VideoReader(path, max_frames=num_frames, start=start)
    return tuple(
        load_conditioner("landmarks", {"backend": backend, "smoothing": smoothing}).annotate(detect_cuts(frames))
    )


@pytest.mark.parametrize(
    ("clip", "num_frames"),
    [("face/carphone_pristine.mp4", 120), ("face/talking_man.mp4", 40), ("face/turning_man.mp4", 40)],
)
def test_annotate_detects_real_faces(shared_data: Path, clip: str, num_frames: int) -> None:
    require_backend("mediapipe")
    annotations = annotate_clip(shared_data / clip, "mediapipe", num_frames)
    assert len(annotations) == num_frames
    assert np.mean([annotation.quality > 0.3 for annotation in annotations]) >= 0.95


@pytest.mark.parametrize(
    ("clip", "max_feature_error", "max_jaw_error"),
    [
        ("face/carphone_pristine.mp4", 0.05, 0.14),
        ("face/talking_man.mp4", 0.04, 0.09),
        ("face/turning_man.mp4", 0.05, 0.09),
        ("pose/dancing_woman.mp4", 0.06, 0.09),
    ],
)
def test_backends_agree_on_real_faces(
    shared_data: Path, clip: str, max_feature_error: float, max_jaw_error: float
) -> None:
    """Mean distance in eye distances, on frames where both backends detect the face."""
    require_backend("mediapipe")
    require_backend("dlib")
    dlib_annotations = annotate_clip(shared_data / clip, "dlib", 10, 0.0)
    mesh_annotations = annotate_clip(shared_data / clip, "mediapipe", 10, 0.0)
    pairs = [
        (a.points["face"], b.points["face"])
        for a, b in zip(mesh_annotations, dlib_annotations, strict=True)
        if a.quality and b.quality
    ]
    assert len(pairs) >= 9
    error = np.mean([np.linalg.norm(a - b, axis=1) / eye_distance(b) for a, b in pairs], axis=0)
    assert error[17:].mean() < max_feature_error
    assert error[:17].mean() < max_jaw_error


@pytest.mark.parametrize(
    ("clip", "start", "num_frames", "upper", "lower"),
    [("face/carphone_pristine.mp4", 0.0, 80, 62, 66), ("face/talking_man.mp4", 9.0, 50, 37, 41)],
    ids=["mouth", "blink"],
)
def test_smoothing_preserves_mouth_and_blink(
    shared_data: Path, clip: str, start: float, num_frames: int, upper: int, lower: int
) -> None:
    require_backend("mediapipe")
    raw, smoothed = (
        stack_points(list(annotate_clip(shared_data / clip, "mediapipe", num_frames, smoothing, start)))
        for smoothing in (0, 0.01)
    )
    before, after = relative_gap(raw, upper, lower), relative_gap(smoothed, upper, lower)
    assert np.ptp(before) > 0.06
    assert np.corrcoef(before, after)[0, 1] > 0.99
    assert np.ptp(after) > 0.95 * np.ptp(before)
    jitter = [np.median(np.abs(np.diff(points, 2, axis=0))) for points in (raw, smoothed)]
    assert jitter[1] < 0.95 * jitter[0]
