"""Appearance of people: colour histograms of boxes."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.conditioning.appearance import appearance_distance, measure_appearance

BOX = (10.0, 10.0, 40.0, 100.0)


def textured_frame(upper: tuple[int, int, int], lower: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    frame = np.zeros((120, 60, 3), np.int16)
    frame[:55], frame[55:] = upper, lower
    frame += np.random.default_rng(seed).integers(-8, 9, frame.shape, np.int16)
    return frame.clip(0, 255).astype(np.uint8)


def test_measure_appearance_gives_normalised_histograms() -> None:
    appearance = measure_appearance(textured_frame((200, 30, 30), (30, 30, 200)), BOX)
    assert appearance is not None
    np.testing.assert_allclose(appearance.sum(axis=1), [1, 1], atol=1e-6)


@pytest.mark.parametrize("box", [(-50.0, 0.0, -10.0, 50.0), (5.0, 5.0, 5.5, 90.0), (0.0, 500.0, 40.0, 600.0)])
def test_measure_appearance_outside_frame_is_unknown(box: tuple[float, float, float, float]) -> None:
    assert measure_appearance(textured_frame((1, 2, 3), (4, 5, 6)), box) is None


def test_appearance_distance_separates_colours() -> None:
    red_blue, same, blue_red = (
        measure_appearance(frame, BOX)
        for frame in (
            textured_frame((200, 30, 30), (30, 30, 200)),
            textured_frame((200, 30, 30), (30, 30, 200), seed=1),
            textured_frame((30, 30, 200), (200, 30, 30)),
        )
    )
    assert appearance_distance(red_blue, same) < 0.2
    assert appearance_distance(red_blue, blue_red) > 0.8
    assert appearance_distance(red_blue, None) == 0
