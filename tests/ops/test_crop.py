"""Square crops around boxes."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.ops.crop import crop_boxes

NAN = float("nan")


def numbered_images(num_images: int = 2, height: int = 8, width: int = 10) -> torch.Tensor:
    """(num_images, 1, height, width): every pixel has a different value."""
    return torch.arange(float(num_images * height * width)).view(num_images, 1, height, width)


def make_boxes(*rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows)


def test_crop_is_centred_on_box() -> None:
    """For any box size: pixels 2 to 5 for a centre at 4."""
    images = numbered_images(1)
    for box in ([4.0, 4, 4, 4], [1.0, 3, 7, 5], [-20.0, 0, 28, 8]):
        assert torch.equal(crop_boxes(images, make_boxes([box]), 4), images[:, :, 2:6, 2:6])
    assert torch.equal(crop_boxes(images, make_boxes([[4.0, 3, 4, 3]]), 3), images[:, :, 2:5, 2:5])


@pytest.mark.parametrize(
    ("x", "y", "left", "top"), [(0, 0, 0, 0), (10, 8, 6, 4), (1, 7.5, 0, 4), (9.9, 2, 6, 0), (5, 4, 3, 2)]
)
def test_crops_are_shifted_into_image(x: float, y: float, left: int, top: int) -> None:
    crops = crop_boxes(numbered_images(1), make_boxes([[x, y, x, y]]), 4)
    assert torch.equal(crops, numbered_images(1)[:, :, top : top + 4, left : left + 4])


@pytest.mark.parametrize("box", [[NAN] * 4, [0, 0, NAN, 3], [-9, 3, 8, 5], [9, 3, 12, 5], [4, 6, 4, 11], [4, -5, 4, 4]])
def test_boxes_outside_image_are_skipped(box: list[float]) -> None:
    assert crop_boxes(numbered_images(1), make_boxes([box]), 4) is None


def test_each_image_has_its_own_boxes() -> None:
    """Two boxes per image; the second image has one valid box, the third none."""
    images = numbered_images(3)
    rows = [[2.0, 2, 2, 2], [6.0, 4, 6, 4]]
    crops = crop_boxes(images, make_boxes(rows, [[NAN] * 4, [5.0, 5, 5, 5]], [[NAN] * 4] * 2), 2)
    assert crops is not None
    expected = [images[0, :, 1:3, 1:3], images[0, :, 3:5, 5:7], images[1, :, 4:6, 4:6]]
    assert torch.equal(crops, torch.stack(expected))


def test_crops_are_not_larger_than_image() -> None:
    crops = crop_boxes(numbered_images(1), make_boxes([[3.0, 3, 3, 3]]), 9)
    assert crops is not None
    assert torch.equal(crops, numbered_images(1)[:, :, :, :9])


def test_gradients_flow_back_to_cropped_pixels() -> None:
    """The gradient is 2 where two crops overlap."""
    image = numbered_images(1).requires_grad_()
    crops = crop_boxes(image, make_boxes([[2.0, 2, 2, 2], [3.0, 2, 3, 2]]), 2)
    assert crops is not None
    crops.sum().backward()
    expected = torch.zeros(8, 10)
    expected[1:3, 1:3] += 1
    expected[1:3, 2:4] += 1
    assert image.grad is not None
    assert torch.equal(image.grad[0, 0], expected)
