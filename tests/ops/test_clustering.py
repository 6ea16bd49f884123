"""Groups among points: three that are plain to see, and fewer points than groups."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.ops.clustering import NARROWEST, fit_mixture, k_means, log_likelihood

MIDDLES = np.array([[-0.6, 0.1, 0.4], [0.5, 0.5, -0.4], [0.1, -0.7, 0.0]])
SIZES = (60, 30, 10)
WIDTHS = np.array([0.06, 0.02, 0.03])


def points() -> np.ndarray:
    random = np.random.default_rng(3)
    parts = [m + WIDTHS * random.standard_normal((n, 3)) for m, n in zip(MIDDLES, SIZES, strict=True)]
    return random.permutation(np.concatenate(parts))


def test_k_means_finds_three_groups_the_largest_first() -> None:
    centres, sizes = k_means(points(), 3)
    np.testing.assert_allclose(centres, MIDDLES, atol=0.05)
    assert sizes.tolist() == list(SIZES)


def test_the_same_points_give_the_same_groups() -> None:
    one, other = k_means(points(), 7), k_means(points(), 7)
    assert np.array_equal(one[0], other[0])
    first, second = fit_mixture(points()), fit_mixture(points())
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_points_than_groups(count: int) -> None:
    centres, sizes = k_means(MIDDLES[:count], 10)
    np.testing.assert_allclose(np.sort(centres, 0), np.sort(MIDDLES[:count], 0), atol=1e-6)
    assert sizes.tolist() == [1] * count
    drawn = fit_mixture(MIDDLES[:1]).draw(np.random.default_rng(0))
    assert np.abs(drawn - MIDDLES[0]).max() < 6 * NARROWEST


def test_a_mixture_finds_as_many_gaussians_as_there_are() -> None:
    mixture = fit_mixture(points())
    order = np.argsort(-mixture.weights)
    np.testing.assert_allclose(mixture.weights[order], np.array(SIZES) / sum(SIZES), atol=0.02)
    np.testing.assert_allclose(mixture.means[order], MIDDLES, atol=0.05)
    deviations = np.sqrt(np.diagonal(mixture.covariances[order[0]]))
    np.testing.assert_allclose(deviations, WIDTHS, rtol=0.35)


def test_what_is_drawn_is_spread_as_the_points_are() -> None:
    mixture, random = fit_mixture(points()), np.random.default_rng(1)
    drawn = np.array([mixture.draw(random) for _ in range(400)])
    nearest = np.linalg.norm(drawn[:, None] - MIDDLES, axis=-1)
    assert (nearest.min(1) < 0.3).all()
    np.testing.assert_allclose(np.bincount(nearest.argmin(1)) / 400, np.array(SIZES) / sum(SIZES), atol=0.07)


def test_the_likelihood_of_one_gaussian() -> None:
    one = fit_mixture(points()[:4])
    away = points()[:4] - one.means
    inside = [d @ np.linalg.inv(one.covariances[0]) @ d for d in away]
    size = np.log(np.linalg.det(2 * np.pi * one.covariances[0]))
    assert log_likelihood(points()[:4], one) == pytest.approx(-0.5 * (sum(inside) + 4 * size))
