"""The landmark error by hand."""

from __future__ import annotations

import numpy as np

from vid2vid_cli.metrics.landmarks import landmark_error


def test_by_hand() -> None:
    wanted = np.zeros((3, 68, 2), np.float32)
    wanted[:, 36], wanted[:, 45] = (10, 0), (60, 0)
    found = wanted.copy()
    found[0] += (3, 4)  # every point 5 pixels off, of 50 between the eyes: 10 %
    found[1, 0] += (0, 68)  # one point of 68 off by 68: a mean of 1 pixel, 2 %
    found[2, 5] = np.nan
    errors = landmark_error(found, wanted)
    assert np.allclose(errors[:2], [10.0, 2.0])
    assert np.isnan(errors[2])


def test_the_norm_is_that_of_the_wanted_face() -> None:
    wanted = np.zeros((1, 68, 2), np.float32)
    wanted[:, 45] = (30, 40)
    assert np.allclose(landmark_error(wanted * 2, wanted), 100 / 68)
