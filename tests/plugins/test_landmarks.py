"""The landmarks plugin with its detectors: the contract, drawn faces, and real ones where they are at hand."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from helpers.synthetic_faces import eye_distance, gap, stacked
from vid2vid_landmarks import backends, mediapipe_mesh

from vid2vid_cli.conditioning import Annotation, Bytes, MissingPackageError, MissingWeightsError
from vid2vid_cli.conditioning.registry import check_requirements, find_conditioners, load_conditioner
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import drawn_clip, drawn_face
from vid2vid_cli.testing import ConditionerContract

BACKENDS = ("mediapipe", "dlib")


def need(backend: str) -> None:
    for module in {"mediapipe": ["mediapipe"], "dlib": ["dlib"]}[backend]:
        pytest.importorskip(module)


def annotate(frames: list[Bytes], **options: object) -> list[Annotation]:
    return list(load_conditioner("landmarks", options).annotate(frames))


class TestMesh(ConditionerContract):
    name = "landmarks"
    options: ClassVar = {"backend": "mediapipe"}
    other_options: ClassVar = {"smooth": "0.05"}

    def annotations(self, frames):  # type: ignore[no-untyped-def]
        need("mediapipe")
        return super().annotations(frames)


class TestHog(ConditionerContract):
    name = "landmarks"
    options: ClassVar = {"backend": "dlib", "distance_maps": False, "background_edges": True}
    other_options: ClassVar = {"backend": "mediapipe"}

    def clip(self) -> list[Bytes]:
        return drawn_clip(3)

    def annotations(self, frames):  # type: ignore[no-untyped-def]
        need("dlib")
        return super().annotations(frames)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_drawn_face_is_found_where_it_is(backend: str) -> None:
    need(backend)
    (one,) = annotate([drawn_face(240, 320, x=140, y=110, size=60)], backend=backend)
    points = one.points["face"]
    assert one.quality > 0.5
    np.testing.assert_allclose(points[[37, 38, 40, 41]].mean(axis=0), [140 - 0.36 * 60, 107], atol=5)
    np.testing.assert_allclose(points[[43, 44, 46, 47]].mean(axis=0), [140 + 0.36 * 60, 107], atol=5)
    np.testing.assert_allclose(points[30], [140, 110 + 0.35 * 60], atol=7)
    assert points[0, 0] < points[8, 0] < points[16, 0]
    assert points[8, 1] == pytest.approx(110 + 1.18 * 60, abs=10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_small_frames_are_enlarged(backend: str) -> None:
    need(backend)
    (one,) = annotate([drawn_face(97, 131)], backend=backend)
    assert one.quality > 0
    assert 15 < eye_distance(one.points["face"]) < 30


def test_a_far_face_is_looked_at_closely() -> None:
    need("mediapipe")
    frames = [drawn_face(720, 960, x=300 + i, y=200, size=40) for i in range(4)]
    for i, one in enumerate(annotate(frames, backend="mediapipe", smooth=0)):
        assert one.quality > 0
        np.testing.assert_allclose(one.points["face"][27:31, 0].mean(), 300 + i, atol=4)


def test_mouth_and_blinks_are_seen() -> None:
    need("mediapipe")
    frames = [drawn_face(240, 320, size=70, mouth=m, eyes=e) for m, e in [(0, 1)] * 4 + [(1, 1)] * 3 + [(0, 0)] * 3]
    points = stacked(annotate(frames, backend="mediapipe"))
    mouth, eyes = gap(points, 62, 66), gap(points, 37, 41)
    assert mouth[4:7].min() > 0.2
    assert mouth[:4].max() < 0.1
    assert eyes[7:].mean() < 0.8 * eyes[:4].mean()


def test_gaps_are_empty_and_not_bridged() -> None:
    need("mediapipe")
    face, wall = drawn_face(), np.full((192, 256, 3), 120, np.uint8)
    annotations = annotate([face, face, wall, face, face], backend="mediapipe")
    assert [one.quality > 0 for one in annotations] == [True, True, False, True, True]
    assert np.isnan(annotations[2].points["face"]).all()


def test_the_largest_of_two_faces_is_followed() -> None:
    need("mediapipe")
    left, right = drawn_face(240, 200, size=50), drawn_face(240, 300, size=72)
    both = np.hstack([left, right])
    one, *_ = annotate([both] * 2, backend="mediapipe")
    assert one.points["face"][:, 0].mean() > 200


def test_backends_agree_on_a_drawn_face() -> None:
    """A drawing is no face either was made for, so only the eyes and the nose must agree closely."""
    need("mediapipe")
    need("dlib")
    frame = drawn_face(240, 320, size=70)
    (mesh,), (hog,) = (stacked(annotate([frame], backend=backend)) for backend in BACKENDS)
    error = np.linalg.norm(mesh - hog, axis=1) / eye_distance(hog)
    assert error[27:48].mean() < 0.12


def test_the_terminal_stays_clean() -> None:
    need("mediapipe")
    code = (
        "from vid2vid_cli.conditioning.registry import load_conditioner\n"
        "from vid2vid_cli.media.synthetic import drawn_face\n"
        "import sys\n"
        "frames = [drawn_face(480, 640, size=40)] * 2\n"
        "for one in load_conditioner('landmarks', {'backend': 'mediapipe'}).annotate(frames): pass\n"
        "print('mine', file=sys.stderr)\n"
    )
    path = f"import sys; sys.path[:0] = {[entry for entry in sys.path if entry]!r}\n"
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == "mine\n"


def test_an_early_end_closes_the_landmarker() -> None:
    need("mediapipe")
    stream = load_conditioner("landmarks", {"backend": "mediapipe"}).annotate([drawn_face()] * 5)
    next(stream)
    stream.close()  # type: ignore[attr-defined]


def test_a_damaged_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("mediapipe")

    monkeypatch.setattr(mediapipe_mesh, "MODEL", tmp_path / "face_mesh_468.task")
    with pytest.raises(MissingWeightsError, match=r"face_mesh_468\.task"):
        annotate([drawn_face()], backend="mediapipe")
    (tmp_path / "face_mesh_468.task").write_bytes(b"something else")
    with pytest.raises(MissingWeightsError, match="sha256"):
        annotate([drawn_face()], backend="mediapipe")


def test_without_any_backend_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:

    from vid2vid_cli.conditioning import registry

    monkeypatch.setattr(backends, "_there", lambda module: False)
    monkeypatch.setattr(registry, "is_installed", lambda module: False)
    with pytest.raises(MissingPackageError) as caught:
        annotate([drawn_face()])
    assert caught.value.hint == 'pip install "vid2vid-cli[landmarks]"'
    entry = next(one for one in find_conditioners() if one.name == "landmarks")
    assert (entry.status, entry.remedy) == ("needs packages", 'pip install "vid2vid-cli[landmarks]"')
    assert entry.spec is not None
    assert len(check_requirements(entry.spec)) == 3
    assert load_conditioner("landmarks").fingerprint()["backend"] is None


# Real faces


@cache
def real(path: Path, backend: str, count: int, smooth: float = 0.01, start: float = 0.0) -> tuple[Annotation, ...]:
    frames = VideoReader(path, max_frames=count, start=start)
    return tuple(load_conditioner("landmarks", {"backend": backend, "smooth": smooth}).annotate(frames))


@pytest.mark.parametrize(
    ("clip", "count"), [("face/carphone_pristine.mp4", 120), ("face/talking_man.mp4", 40), ("face/turning_man.mp4", 40)]
)
def test_real_faces_are_found(shared_data: Path, clip: str, count: int) -> None:
    need("mediapipe")
    annotations = real(shared_data / clip, "mediapipe", count)
    assert len(annotations) == count
    assert np.mean([one.quality > 0.3 for one in annotations]) >= 0.95


@pytest.mark.parametrize(
    ("clip", "features", "jaw"),
    [
        ("face/carphone_pristine.mp4", 0.05, 0.14),
        ("face/talking_man.mp4", 0.04, 0.09),
        ("face/turning_man.mp4", 0.05, 0.09),
        ("pose/dancing_woman.mp4", 0.06, 0.09),
    ],
)
def test_the_mesh_agrees_with_dlib(shared_data: Path, clip: str, features: float, jaw: float) -> None:
    """Mean distance in parts of the distance of the outer eye corners; where dlib finds the face."""
    need("mediapipe")
    need("dlib")
    hog = real(shared_data / clip, "dlib", 10, 0.0)
    mesh = real(shared_data / clip, "mediapipe", 10, 0.0)
    pairs = [(a.points["face"], b.points["face"]) for a, b in zip(mesh, hog, strict=True) if a.quality and b.quality]
    assert len(pairs) >= 9
    error = np.mean([np.linalg.norm(a - b, axis=1) / eye_distance(b) for a, b in pairs], axis=0)
    assert error[17:].mean() < features
    assert error[:17].mean() < jaw


@pytest.mark.parametrize(
    ("clip", "start", "count", "upper", "lower"),
    [("face/carphone_pristine.mp4", 0.0, 80, 62, 66), ("face/talking_man.mp4", 9.0, 50, 37, 41)],
    ids=["mouth", "blink"],
)
def test_smoothing_keeps_a_real_mouth_and_a_blink(
    shared_data: Path, clip: str, start: float, count: int, upper: int, lower: int
) -> None:
    need("mediapipe")
    raw, smooth = (stacked(list(real(shared_data / clip, "mediapipe", count, s, start))) for s in (0, 0.01))
    before, after = gap(raw, upper, lower), gap(smooth, upper, lower)
    assert np.ptp(before) > 0.06
    assert np.corrcoef(before, after)[0, 1] > 0.99
    assert np.ptp(after) > 0.95 * np.ptp(before)
    jitter = [np.median(np.abs(np.diff(points, 2, axis=0))) for points in (raw, smooth)]
    assert jitter[1] < 0.95 * jitter[0]


def test_mediapipe_alone_needs_one_core_and_no_more(tmp_path: Path) -> None:
    assert load_conditioner("landmarks", {"backend": "mediapipe"}).serial
    assert not load_conditioner("landmarks", {"backend": "dlib"}).serial
    assert not load_conditioner("landmarks", {"backend": "mediapipe", "points_dir": str(tmp_path)}).serial
