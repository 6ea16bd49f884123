"""Masked differences and the weighted sum."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.losses.reconstruction import masked_l1, weighted_sum


def test_masked_l1_averages_over_mask() -> None:
    value = torch.tensor([[[[1.0, 2.0], [10.0, 10.0]], [[3.0, 4.0], [10.0, 10.0]]]])
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert float(masked_l1(value, torch.zeros_like(value), mask)) == pytest.approx(2.5)
    assert float(masked_l1(value, 1.0, mask)) == pytest.approx(1.5)


def test_masked_l1_does_not_depend_on_mask_area() -> None:
    value, mask = torch.full((2, 3, 8, 8), 0.25), torch.zeros(2, 1, 8, 8)
    mask[0, 0, :2, :2] = 1
    assert float(masked_l1(value, torch.zeros_like(value), mask)) == pytest.approx(0.25)
    assert float(masked_l1(value, torch.zeros_like(value), torch.ones_like(mask))) == pytest.approx(0.25)


def test_masked_l1_of_empty_mask_is_zero() -> None:
    value = torch.ones(1, 3, 4, 4, requires_grad=True)
    loss = masked_l1(value, torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.equal(value.grad, torch.zeros_like(value))


def test_weighted_sum_by_hand() -> None:
    terms = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    assert float(weighted_sum(terms, {"a": 10.0, "b": 0.5, "unused": 7.0})) == pytest.approx(21.5)


def test_weighted_sum_rejects_missing_weight() -> None:
    with pytest.raises(KeyError, match="pixle"):
        weighted_sum({"pixle": torch.tensor(1.0)}, {"l1": 1.0})
