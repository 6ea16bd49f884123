from __future__ import annotations

import numpy as np
import pytest
from helpers.video_files import flat

from vid2vid_cli.media import contact_sheet as sheet_module
from vid2vid_cli.media.contact_sheet import contact_sheet, side_by_side


def test_every_picture_is_on_the_sheet_with_its_shape_kept() -> None:
    rows = [
        [flat((200, 0, 0), 100, 100), flat((0, 200, 0), 50, 200)],
        [flat((0, 0, 200), 300, 100), np.full((40, 40), 130, np.uint8), np.full((9, 9, 1), 70, np.uint8)],
    ]
    out = contact_sheet(rows, labels=["first", "second"], height=80)
    assert out.dtype == np.uint8
    sizes = {}
    for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200), (130, 130, 130), (70, 70, 70)):
        ys, xs = np.nonzero((out == colour).all(axis=2))
        sizes[colour] = (np.ptp(ys) + 1, np.ptp(xs) + 1)
    # A cell is 80 high and as wide as the widest picture needs, 320.
    assert list(sizes.values()) == [(80, 80), (80, 320), (80, 27), (80, 80), (80, 80)]


def test_captions_are_drawn_and_fit() -> None:
    row = [flat((90, 90, 90), 64, 64)] * 3
    bare = contact_sheet([row], height=64)
    named = contact_sheet([row], labels=["frames"], titles=["a", "b", "c"], height=64)
    bars = named.shape[0] - bare.shape[0]
    assert bars == 2 * sheet_module.BAR_HEIGHT + sheet_module.GAP
    assert (named[:bars] > 200).any()
    long = side_by_side([row[0]], ["a caption that is much too long for its picture"], 64)
    assert long.shape == (64 + sheet_module.BAR_HEIGHT, 64, 3)
    assert (long[: sheet_module.BAR_HEIGHT, -sheet_module.MARGIN + 2 :] == sheet_module.BAR).all(), (
        "nothing is cut through"
    )
    assert side_by_side([row[0]], ["Größe"], 64).shape == long.shape


def test_a_wide_sheet_gets_smaller_cells() -> None:
    out = contact_sheet([[flat((9, 9, 9), 100, 200)] * 20], height=200, widest=1000)
    assert out.shape[1] <= 1000 + sheet_module.GAP


def test_side_by_side_is_even_and_in_order() -> None:
    out = side_by_side([flat((200, 0, 0), 61, 97), flat((0, 200, 0), 30, 30)], [], 63)
    assert out.shape[0] == 64
    assert out.shape[1] % 2 == 0
    assert tuple(out[30, 5]) == (200, 0, 0)
    assert tuple(out[30, -10]) == (0, 200, 0)


def test_mistakes_are_said() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([[]])
    with pytest.raises(ValueError, match="uint8"):
        side_by_side([np.zeros((4, 4, 3), np.float32)], [], 4)
