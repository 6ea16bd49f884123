"""k-means and Gaussian mixtures, deterministic for the same points."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
SEED = 0
KMEANS_ATTEMPTS = 4
MAX_ITERATIONS, TOLERANCE = 100, 1e-5
MIN_POINTS_PER_GAUSSIAN = 8
MAX_GAUSSIANS = 5
MIN_STD = 0.01
"""Smallest standard deviation of a Gaussian along any axis."""


def k_means(points: Float64Array, num_clusters: int) -> tuple[Float64Array, NDArray[np.int64]]:
    """(n, d) -> centres (k, d) and sizes (k,) of at most `num_clusters` clusters, the largest first."""
    num_clusters = min(num_clusters, len(points))
    if num_clusters <= 1:
        return points.mean(0, keepdims=True), np.array([len(points)])
    cv2.setRNGSeed(SEED)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, MAX_ITERATIONS, TOLERANCE)
    initial_labels = np.zeros((len(points), 1), np.int32)
    result = cv2.kmeans(
        points.astype(np.float32), num_clusters, initial_labels, criteria, KMEANS_ATTEMPTS, cv2.KMEANS_PP_CENTERS
    )
    sizes = np.bincount(result[1].ravel(), minlength=num_clusters)
    order = np.argsort(-sizes, kind="stable")
    centres: Float64Array = np.asarray(result[2], dtype=np.float64)[order]
    return centres[sizes[order] > 0], sizes[order][sizes[order] > 0]


class GaussianMixture(NamedTuple):
    """A mixture of m Gaussians."""

    weights: Float64Array
    """(m,) with sum 1."""
    means: Float64Array
    """(m, d)"""
    covariances: Float64Array
    """(m, d, d)"""

    def sample(self, rng: np.random.Generator) -> Float64Array:
        """Draw a random point (d,)."""
        component = rng.choice(len(self.weights), p=self.weights / self.weights.sum())
        return rng.multivariate_normal(self.means[component], self.covariances[component], method="cholesky")


def fit_gaussian_mixture(points: Float64Array) -> GaussianMixture:
    """Fit a Gaussian mixture to points (n, d) by expectation-maximisation, the number of Gaussians chosen by BIC.

    BIC (Schwarz, Annals of Statistics 1978): log-likelihood - 0.5 log(n) num_parameters.
    """
    num_points, num_dims = points.shape
    best, best_score = _fit_single_gaussian(points), -np.inf
    for num_gaussians in range(1, min(MAX_GAUSSIANS, num_points // MIN_POINTS_PER_GAUSSIAN) + 1):
        mixture = _fit_by_em(points, num_gaussians)
        num_parameters = num_gaussians * (1 + num_dims + num_dims * (num_dims + 1) // 2) - 1
        score = log_likelihood(points, mixture) - 0.5 * np.log(num_points) * num_parameters
        if score > best_score:
            best, best_score = mixture, score
    return best


def log_likelihood(points: Float64Array, mixture: GaussianMixture) -> float:
    """Log-likelihood of all points (n, d)."""
    offsets = points[:, None] - mixture.means
    precision = np.linalg.inv(mixture.covariances)
    mahalanobis = np.einsum("nmi,mij,nmj->nm", offsets, precision, offsets)
    log_determinant = np.linalg.slogdet(2 * np.pi * mixture.covariances)[1]
    terms = np.log(mixture.weights) - 0.5 * (mahalanobis + log_determinant)
    max_term = terms.max(1)
    return float((max_term + np.log(np.exp(terms - max_term[:, None]).sum(1))).sum())


def _fit_single_gaussian(points: Float64Array) -> GaussianMixture:
    """One Gaussian with the mean and covariance of all points."""
    centred = points - points.mean(0)
    covariance = centred.T @ centred / len(points)
    return GaussianMixture(np.ones(1), points.mean(0, keepdims=True), _regularize_covariances(covariance[None]))


def _fit_by_em(points: Float64Array, num_gaussians: int) -> GaussianMixture:
    if num_gaussians == 1:
        return _fit_single_gaussian(points)
    cv2.setRNGSeed(SEED)
    em = cv2.ml.EM.create()
    em.setClustersNumber(num_gaussians)
    em.setCovarianceMatrixType(cv2.ml.EM_COV_MAT_GENERIC)
    em.setTermCriteria((cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, MAX_ITERATIONS, TOLERANCE))
    em.trainEM(points)
    weights = np.maximum(np.asarray(em.getWeights(), dtype=np.float64).ravel(), 1e-6)
    covariances = np.stack([np.asarray(covariance, dtype=np.float64) for covariance in em.getCovs()])
    return GaussianMixture(
        weights / weights.sum(), np.asarray(em.getMeans(), np.float64), _regularize_covariances(covariances)
    )


def _regularize_covariances(covariances: Float64Array) -> Float64Array:
    """Make covariances (m, d, d) symmetric, with eigenvalues of at least MIN_STD squared."""
    symmetric = (covariances + covariances.transpose(0, 2, 1)) / 2
    eigenvalues, eigenvectors = np.linalg.eigh(symmetric)
    eigenvalues = np.maximum(eigenvalues, MIN_STD**2)
    return np.asarray((eigenvectors * eigenvalues[:, None]) @ eigenvectors.transpose(0, 2, 1))
