"""Squares cut out of pictures, where they lie."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.ops.crop import cut

NAN = float("nan")


def numbered(count: int = 2, height: int = 8, width: int = 10) -> torch.Tensor:
    """(count, 1, height, width): every pixel has a number of its own."""
    return torch.arange(float(count * height * width)).view(count, 1, height, width)


def boxes(*rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows)


def test_squares_by_hand() -> None:
    """About the middle of the box, whatever its size: pixels 2 to 5 each way for a middle at 4."""
    pictures = numbered(1)
    for box in ([4.0, 4, 4, 4], [1.0, 3, 7, 5], [-20.0, 0, 28, 8]):
        assert torch.equal(cut(pictures, boxes([box]), 4), pictures[:, :, 2:6, 2:6])
    assert torch.equal(cut(pictures, boxes([[4.0, 3, 4, 3]]), 3), pictures[:, :, 2:5, 2:5])  # the pixel (2.5, 1.5)


@pytest.mark.parametrize(
    ("x", "y", "left", "top"), [(0, 0, 0, 0), (10, 8, 6, 4), (1, 7.5, 0, 4), (9.9, 2, 6, 0), (5, 4, 3, 2)]
)
def test_squares_are_moved_into_the_picture(x: float, y: float, left: int, top: int) -> None:
    found = cut(numbered(1), boxes([[x, y, x, y]]), 4)
    assert torch.equal(found, numbered(1)[:, :, top : top + 4, left : left + 4])


@pytest.mark.parametrize("box", [[NAN] * 4, [0, 0, NAN, 3], [-9, 3, 8, 5], [9, 3, 12, 5], [4, 6, 4, 11], [4, -5, 4, 4]])
def test_what_is_not_in_the_picture_is_not_cut(box: list[float]) -> None:
    assert cut(numbered(1), boxes([box]), 4) is None


def test_every_picture_has_its_own_boxes() -> None:
    """Two slots each; one of the second picture is empty."""
    pictures = numbered(3)
    at = [[2.0, 2, 2, 2], [6.0, 4, 6, 4]]
    found = cut(pictures, boxes(at, [[NAN] * 4, [5.0, 5, 5, 5]], [[NAN] * 4] * 2), 2)
    assert found is not None
    wanted = [pictures[0, :, 1:3, 1:3], pictures[0, :, 3:5, 5:7], pictures[1, :, 4:6, 4:6]]
    assert torch.equal(found, torch.stack(wanted))


def test_no_square_is_larger_than_the_picture() -> None:
    found = cut(numbered(1), boxes([[3.0, 3, 3, 3]]), 9)
    assert found is not None
    assert torch.equal(found, numbered(1)[:, :, :, :9])


def test_gradients_flow_to_where_it_was_cut() -> None:
    """Twice where two squares overlap."""
    picture = numbered(1).requires_grad_()
    found = cut(picture, boxes([[2.0, 2, 2, 2], [3.0, 2, 3, 2]]), 2)
    assert found is not None
    found.sum().backward()
    wanted = torch.zeros(8, 10)
    wanted[1:3, 1:3] += 1
    wanted[1:3, 2:4] += 1
    assert picture.grad is not None
    assert torch.equal(picture.grad[0, 0], wanted)
