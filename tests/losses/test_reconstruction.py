"""Masked differences and the weighted sum."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.losses.reconstruction import masked_l1, total


def test_the_mean_is_over_the_mask_alone() -> None:
    value = torch.tensor([[[[1.0, 2.0], [10.0, 10.0]], [[3.0, 4.0], [10.0, 10.0]]]])
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert float(masked_l1(value, torch.zeros_like(value), mask)) == pytest.approx(2.5)
    assert float(masked_l1(value, 1.0, mask)) == pytest.approx(1.5)


def test_a_small_trusted_area_weighs_as_much_as_a_large_one() -> None:
    value, mask = torch.full((2, 3, 8, 8), 0.25), torch.zeros(2, 1, 8, 8)
    mask[0, 0, :2, :2] = 1
    assert float(masked_l1(value, torch.zeros_like(value), mask)) == pytest.approx(0.25)
    assert float(masked_l1(value, torch.zeros_like(value), torch.ones_like(mask))) == pytest.approx(0.25)


def test_an_empty_mask_gives_zero_and_no_nan() -> None:
    value = torch.ones(1, 3, 4, 4, requires_grad=True)
    loss = masked_l1(value, torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.equal(value.grad, torch.zeros_like(value))


def test_the_total_by_hand() -> None:
    terms = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    assert float(total(terms, {"a": 10.0, "b": 0.5, "unused": 7.0})) == pytest.approx(21.5)


def test_a_missing_weight_is_a_bug_and_not_a_zero() -> None:
    with pytest.raises(KeyError, match="pixle"):
        total({"pixle": torch.tensor(1.0)}, {"pixel": 1.0})
