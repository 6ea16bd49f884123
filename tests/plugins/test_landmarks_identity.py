"""Identities of faces by dlib's network."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.synthetic_faces import face_annotation, place_face, schematic_face
from vid2vid_landmarks import identity

from vid2vid_cli.conditioning import Identifier


def test_identifier_is_missing_without_dlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "find_spec", lambda name: None)
    assert identity.load_identifier() == 'pip install "vid2vid-cli[dlib]"'


def test_vectors_of_equal_faces_are_equal() -> None:
    """The face is cut out at the landmarks: the same pixels at another place give nearly the same vector."""
    pytest.importorskip("dlib", reason='pip install "vid2vid-cli[dlib]"')
    identifier = identity.load_identifier()
    assert isinstance(identifier, Identifier)
    assert identifier.name == "dlib_resnet_v1"
    image = np.zeros((240, 320, 3), np.uint8)
    image[40:200, 60:260] = np.random.default_rng(0).integers(0, 255, (20, 25, 3)).repeat(8, 0).repeat(8, 1)
    points = place_face(schematic_face(), 100, 150, 120)
    vector = identifier.describe(image, face_annotation(points))
    moved = identifier.describe(np.roll(image, 8, axis=1), face_annotation(points + np.array([8, 0])))
    other = identifier.describe(255 - image, face_annotation(points))
    assert vector.shape == (128,)
    assert np.linalg.norm(moved - vector) < 0.05
    assert np.linalg.norm(other - vector) > 0.1
