from __future__ import annotations

import numpy as np
import pytest
from helpers.video_files import solid_frame

from vid2vid_cli.media import contact_sheet as sheet_module
from vid2vid_cli.media.contact_sheet import contact_sheet, side_by_side


def test_contact_sheet_keeps_aspect_ratios() -> None:
    rows = [
        [solid_frame((200, 0, 0), 100, 100), solid_frame((0, 200, 0), 50, 200)],
        [solid_frame((0, 0, 200), 300, 100), np.full((40, 40), 130, np.uint8), np.full((9, 9, 1), 70, np.uint8)],
    ]
    sheet = contact_sheet(rows, labels=["first", "second"], height=80)
    assert sheet.dtype == np.uint8
    sizes = {}
    for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200), (130, 130, 130), (70, 70, 70)):
        ys, xs = np.nonzero((sheet == colour).all(axis=2))
        sizes[colour] = (np.ptp(ys) + 1, np.ptp(xs) + 1)
    # A cell is 80 pixels high and 320 wide, the width of the widest image.
    assert list(sizes.values()) == [(80, 80), (80, 320), (80, 27), (80, 80), (80, 80)]


def test_captions_are_drawn_within_bars() -> None:
    row = [solid_frame((90, 90, 90), 64, 64)] * 3
    without_captions = contact_sheet([row], height=64)
    with_captions = contact_sheet([row], labels=["frames"], titles=["a", "b", "c"], height=64)
    bar_height = with_captions.shape[0] - without_captions.shape[0]
    assert bar_height == 2 * sheet_module.BAR_HEIGHT_PX + sheet_module.GAP_PX
    assert (with_captions[:bar_height] > 200).any()
    long_caption_image = side_by_side([row[0]], ["a caption that is much too long for its image"], 64)
    assert long_caption_image.shape == (64 + sheet_module.BAR_HEIGHT_PX, 64, 3)
    right_margin = long_caption_image[: sheet_module.BAR_HEIGHT_PX, -sheet_module.TEXT_MARGIN_PX + 2 :]
    assert (right_margin == sheet_module.BAR_GREY).all()
    assert side_by_side([row[0]], ["Größe"], 64).shape == long_caption_image.shape


def test_contact_sheet_respects_max_width() -> None:
    sheet = contact_sheet([[solid_frame((9, 9, 9), 100, 200)] * 20], height=200, max_width=1000)
    assert sheet.shape[1] <= 1000 + sheet_module.GAP_PX


def test_side_by_side_has_even_size_and_order() -> None:
    sheet = side_by_side([solid_frame((200, 0, 0), 61, 97), solid_frame((0, 200, 0), 30, 30)], [], 63)
    assert sheet.shape[0] == 64
    assert sheet.shape[1] % 2 == 0
    assert tuple(sheet[30, 5]) == (200, 0, 0)
    assert tuple(sheet[30, -10]) == (0, 200, 0)


def test_contact_sheet_rejects_bad_images() -> None:
    with pytest.raises(ValueError, match="contact sheet"):
        contact_sheet([[]])
    with pytest.raises(ValueError, match="uint8"):
        side_by_side([np.zeros((4, 4, 3), np.float32)], [], 4)
