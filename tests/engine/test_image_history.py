"""The history of generated images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vid2vid_cli.engine.image_history import ImageHistory


def numbered(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def values_of(images: Tensor) -> list[int]:
    return [int(value) for value in images[:, 0, 0, 0]]


def test_history_returns_new_images_until_it_is_full() -> None:
    history = ImageHistory(3)
    assert values_of(history.exchange(numbered(1, 2))) == [1, 2]
    assert values_of(history.exchange(numbered(3))) == [3]
    assert len(history) == 3


def test_history_returns_each_older_image_once() -> None:
    """About half of the new images are replaced; what is returned leaves the history."""
    torch.manual_seed(0)
    history = ImageHistory(10)
    history.exchange(numbered(*range(10)))
    returned = [value for index in range(10, 410) for value in values_of(history.exchange(numbered(index)))]
    replaced = [value for index, value in zip(range(10, 410), returned, strict=True) if value != index]
    assert 150 < len(replaced) < 250
    assert len(set(replaced)) == len(replaced)


def test_history_of_size_zero_returns_new_images_detached() -> None:
    images = numbered(1).clone().requires_grad_()
    exchanged = ImageHistory(0).exchange(images)
    assert values_of(exchanged) == [1]
    assert not exchanged.requires_grad


@pytest.mark.parametrize("num_images", [0, 2, 5])
def test_history_state_restores_the_same_sequence(num_images: int) -> None:
    original, restored = ImageHistory(4), ImageHistory(4)
    if num_images:
        original.exchange(numbered(*range(num_images)))
    restored.load_state_dict(original.state_dict())
    for index in range(20, 40):
        torch.manual_seed(index)
        first = original.exchange(numbered(index))
        torch.manual_seed(index)
        assert torch.equal(first, restored.exchange(numbered(index)))
