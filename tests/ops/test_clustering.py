"""k-means and Gaussian mixtures of three separate clusters, and of few points."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.ops.clustering import MIN_STD, fit_gaussian_mixture, k_means, log_likelihood

CENTRES = np.array([[-0.6, 0.1, 0.4], [0.5, 0.5, -0.4], [0.1, -0.7, 0.0]])
SIZES = (60, 30, 10)
STDS = np.array([0.06, 0.02, 0.03])


def cluster_points() -> np.ndarray:
    rng = np.random.default_rng(3)
    clusters = [centre + STDS * rng.standard_normal((n, 3)) for centre, n in zip(CENTRES, SIZES, strict=True)]
    return rng.permutation(np.concatenate(clusters))


def test_k_means_finds_clusters_largest_first() -> None:
    centres, sizes = k_means(cluster_points(), 3)
    np.testing.assert_allclose(centres, CENTRES, atol=0.05)
    assert sizes.tolist() == list(SIZES)


def test_clustering_is_deterministic() -> None:
    first_result, second_result = k_means(cluster_points(), 7), k_means(cluster_points(), 7)
    assert np.array_equal(first_result[0], second_result[0])
    first, second = fit_gaussian_mixture(cluster_points()), fit_gaussian_mixture(cluster_points())
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("num_points", [1, 2])
def test_fewer_points_than_clusters(num_points: int) -> None:
    centres, sizes = k_means(CENTRES[:num_points], 10)
    np.testing.assert_allclose(np.sort(centres, 0), np.sort(CENTRES[:num_points], 0), atol=1e-6)
    assert sizes.tolist() == [1] * num_points
    sample = fit_gaussian_mixture(CENTRES[:1]).sample(np.random.default_rng(0))
    assert np.abs(sample - CENTRES[0]).max() < 6 * MIN_STD


def test_fit_gaussian_mixture_finds_three_gaussians() -> None:
    mixture = fit_gaussian_mixture(cluster_points())
    order = np.argsort(-mixture.weights)
    np.testing.assert_allclose(mixture.weights[order], np.array(SIZES) / sum(SIZES), atol=0.02)
    np.testing.assert_allclose(mixture.means[order], CENTRES, atol=0.05)
    deviations = np.sqrt(np.diagonal(mixture.covariances[order[0]]))
    np.testing.assert_allclose(deviations, STDS, rtol=0.35)


def test_mixture_samples_follow_the_points() -> None:
    mixture, rng = fit_gaussian_mixture(cluster_points()), np.random.default_rng(1)
    samples = np.array([mixture.sample(rng) for _ in range(400)])
    distances = np.linalg.norm(samples[:, None] - CENTRES, axis=-1)
    assert (distances.min(1) < 0.3).all()
    np.testing.assert_allclose(np.bincount(distances.argmin(1)) / 400, np.array(SIZES) / sum(SIZES), atol=0.07)


def test_log_likelihood_of_one_gaussian() -> None:
    gaussian = fit_gaussian_mixture(cluster_points()[:4])
    offsets = cluster_points()[:4] - gaussian.means
    mahalanobis = [d @ np.linalg.inv(gaussian.covariances[0]) @ d for d in offsets]
    log_determinant = np.log(np.linalg.det(2 * np.pi * gaussian.covariances[0]))
    assert log_likelihood(cluster_points()[:4], gaussian) == pytest.approx(
        -0.5 * (sum(mahalanobis) + 4 * log_determinant)
    )
