"""Groups among points: k-means, and mixtures of Gaussians. The same points give the same groups."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
SEED = 0
ATTEMPTS = 4
STEPS, PRECISE = 100, 1e-5
PER_GAUSSIAN = 8
"""Points that a Gaussian is fitted to at least."""
MOST = 5
"""Gaussians of a mixture."""
NARROWEST = 0.01
"""Standard deviation that a Gaussian has at least, along every axis."""


def k_means(points: Points, count: int) -> tuple[Points, NDArray[np.int64]]:
    """(n, d) -> the centres of `count` groups, (k, d), and their sizes (k,), the largest first; fewer where n is."""
    count = min(count, len(points))
    if count <= 1:
        return points.mean(0, keepdims=True), np.array([len(points)])
    cv2.setRNGSeed(SEED)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, STEPS, PRECISE)
    start = np.zeros((len(points), 1), np.int32)
    found = cv2.kmeans(points.astype(np.float32), count, start, criteria, ATTEMPTS, cv2.KMEANS_PP_CENTERS)
    sizes = np.bincount(found[1].ravel(), minlength=count)
    order = np.argsort(-sizes, kind="stable")
    centres: Points = np.asarray(found[2], dtype=np.float64)[order]
    return centres[sizes[order] > 0], sizes[order][sizes[order] > 0]


class Mixture(NamedTuple):
    """A mixture of m Gaussians."""

    weights: Points
    """(m,) sum 1."""
    means: Points
    """(m, d)"""
    covariances: Points
    """(m, d, d)"""

    def draw(self, random: np.random.Generator) -> Points:
        """A point (d,)."""
        chosen = random.choice(len(self.weights), p=self.weights / self.weights.sum())
        return random.multivariate_normal(self.means[chosen], self.covariances[chosen], method="cholesky")


def fit_mixture(points: Points) -> Mixture:
    """The mixture that explains points (n, d) best: by expectation and maximisation, the number of Gaussians by BIC.

    Schwarz, Annals of Statistics 1978: the log-likelihood, less half the log of n for every number that was fitted.
    """
    length, width = points.shape
    best, best_score = _gaussian(points), -np.inf
    for count in range(1, min(MOST, length // PER_GAUSSIAN) + 1):
        found = _expectation_maximisation(points, count)
        numbers = count * (1 + width + width * (width + 1) // 2) - 1
        score = log_likelihood(points, found) - 0.5 * np.log(length) * numbers
        if score > best_score:
            best, best_score = found, score
    return best


def log_likelihood(points: Points, mixture: Mixture) -> float:
    """The logarithm of the density of all points (n, d) together."""
    away = points[:, None] - mixture.means
    inverse = np.linalg.inv(mixture.covariances)
    distance = np.einsum("nmi,mij,nmj->nm", away, inverse, away)
    size = np.linalg.slogdet(2 * np.pi * mixture.covariances)[1]
    terms = np.log(mixture.weights) - 0.5 * (distance + size)
    top = terms.max(1)
    return float((top + np.log(np.exp(terms - top[:, None]).sum(1))).sum())


def _gaussian(points: Points) -> Mixture:
    """One Gaussian about all points."""
    centred = points - points.mean(0)
    covariance = centred.T @ centred / len(points)
    return Mixture(np.ones(1), points.mean(0, keepdims=True), _wide(covariance[None]))


def _expectation_maximisation(points: Points, count: int) -> Mixture:
    if count == 1:
        return _gaussian(points)
    cv2.setRNGSeed(SEED)
    model = cv2.ml.EM.create()
    model.setClustersNumber(count)
    model.setCovarianceMatrixType(cv2.ml.EM_COV_MAT_GENERIC)
    model.setTermCriteria((cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, STEPS, PRECISE))
    model.trainEM(points)
    weights = np.maximum(np.asarray(model.getWeights(), dtype=np.float64).ravel(), 1e-6)
    covariances = np.stack([np.asarray(one, dtype=np.float64) for one in model.getCovs()])
    return Mixture(weights / weights.sum(), np.asarray(model.getMeans(), np.float64), _wide(covariances))


def _wide(covariances: Points) -> Points:
    """Symmetric, and nowhere narrower than is sensible: points that are all the same have a width too."""
    same = (covariances + covariances.transpose(0, 2, 1)) / 2
    values, vectors = np.linalg.eigh(same)
    values = np.maximum(values, NARROWEST**2)
    return np.asarray((vectors * values[:, None]) @ vectors.transpose(0, 2, 1))
