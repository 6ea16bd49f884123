"""The styles that a checkpoint stores, and the style of each object in synthesis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vid2vid_cli.conditioning.instances import InstanceIds, instance_class, instance_number
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.core.model_specs import StyleEncoderSpec
from vid2vid_cli.ops.clustering import GaussianMixture, fit_gaussian_mixture, k_means

Vectors = NDArray[np.float64]
DECIMAL_DIGITS = 4
STYLE_CACHE_SIZE = 4096
FloatRows = tuple[tuple[float, ...], ...]


class ClassStyles(BaseModel):
    """The styles of one class, from its objects in the training frames."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: int = Field(ge=0)
    name: str
    centres: FloatRows
    """(k, f) cluster centres, the largest cluster first."""
    sizes: tuple[int, ...]
    """(k,) objects per cluster."""
    weights: tuple[float, ...]
    """(m,) weights of the Gaussian mixture for random styles."""
    means: FloatRows
    """(m, f)"""
    covariances: tuple[FloatRows, ...]
    """(m, f, f)"""
    min_features: tuple[float, ...]
    """(f,) lower limits of random styles: the minima over all objects."""
    max_features: tuple[float, ...]
    """(f,) upper limits of random styles."""

    @model_validator(mode="after")
    def _check_shapes(self) -> ClassStyles:
        num_features, num_components = len(self.min_features), len(self.weights)
        rows = (*self.centres, *self.means, self.max_features, *(row for matrix in self.covariances for row in matrix))
        has_equal_lengths = (
            all(len(row) == num_features for row in rows)
            and all(len(matrix) == num_features for matrix in self.covariances)
            and len(self.sizes) == len(self.centres) > 0
            and len(self.means) == len(self.covariances) == num_components > 0
        )
        if not has_equal_lengths:
            raise ValueError("the arrays of the styles do not match in length")
        if min(self.weights) < 0 or sum(self.weights) <= 0:
            raise ValueError("the weights of the styles are not positive")
        return self

    @staticmethod
    def from_features(id_: int, name: str, vectors: Vectors, num_clusters: int) -> ClassStyles:
        """Fit clusters and mixture to the features (n, f) of n objects."""
        centres, sizes = k_means(vectors, num_clusters)
        mixture = fit_gaussian_mixture(vectors)
        return ClassStyles(
            id=id_,
            name=name,
            centres=_to_rows(centres),
            sizes=tuple(sizes.tolist()),
            weights=tuple(mixture.weights.tolist()),
            means=_to_rows(mixture.means),
            covariances=tuple(_to_rows(covariance, 2 * DECIMAL_DIGITS) for covariance in mixture.covariances),
            min_features=_to_rows(vectors.min(0, keepdims=True))[0],
            max_features=_to_rows(vectors.max(0, keepdims=True))[0],
        )

    def sample(self, rng: np.random.Generator) -> Vectors:
        """Draw a random style (f,) from the mixture."""
        mixture = GaussianMixture(*(np.array(values) for values in (self.weights, self.means, self.covariances)))
        return np.clip(mixture.sample(rng), self.min_features, self.max_features)


class StyleBank(BaseModel):
    """The styles of a checkpoint, and the architecture of its style encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature_channels: int = Field(ge=1, le=64)
    base_channels: int = Field(ge=1, le=1024)
    num_downsamples: int = Field(ge=1, le=8)
    thing_class_ids: tuple[int, ...]
    """Classes whose connected regions are separate objects."""
    classes: tuple[ClassStyles, ...]
    example_annotations: tuple[dict[str, Any], ...]
    """Annotations of one training frame that contains many classes, one per conditioner."""

    @model_validator(mode="after")
    def _check_features(self) -> StyleBank:
        if any(len(styles.min_features) != self.feature_channels for styles in self.classes):
            raise ValueError(f"a class does not have {self.feature_channels} features")
        return self

    @property
    def encoder_spec(self) -> StyleEncoderSpec:
        """Architecture of the style encoder."""
        return StyleEncoderSpec(self.feature_channels, self.base_channels, self.num_downsamples)


@dataclass(frozen=True, kw_only=True)
class StyleChoice:
    """The user's selection of styles. The first field that applies to an object is used."""

    object_clusters: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """(class id, object number) -> cluster, counted from 0."""
    class_clusters: Mapping[int, int] = field(default_factory=dict)
    """Class id -> cluster."""
    class_vectors: Mapping[int, Vectors] = field(default_factory=dict)
    """Class id -> style (f,), encoded from a reference image."""
    seed: int | None = None
    """Each object gets a random style from the mixture of its class. None: all objects get the first cluster."""


class StyleAssigner:
    """The style of each object: a pure function of the choice, the class and the object number.

    It has no state, so memory does not grow with the length of the video, and an object that reappears keeps its style.
    """

    def __init__(self, bank: StyleBank, choice: StyleChoice) -> None:
        self.bank, self.choice = bank, choice
        self.object_style = lru_cache(STYLE_CACHE_SIZE)(self._compute_style)
        self._class_styles = {styles.id: styles for styles in bank.classes}

    def __call__(self, ids: InstanceIds) -> FloatArray:
        """Instance ids (h, w) of a frame -> (f, h, w) in [-1, 1]; zero without an instance or for an unknown class."""
        flat = ids.ravel()
        starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
        instance_ids, style_rows = np.unique(flat[starts], return_inverse=True)
        style_table = np.stack([self.object_style(int(instance)) for instance in instance_ids]).astype(np.float32)
        style_rows = np.repeat(style_rows.ravel(), np.diff(np.append(starts, len(flat))))
        return np.ascontiguousarray(style_table[style_rows].T).reshape(-1, *ids.shape)

    def _compute_style(self, instance: int) -> Vectors:
        """The style (f,) of one object."""
        object_number, class_id = int(instance_number(np.array(instance))), int(instance_class(np.array(instance)))
        class_styles = self._class_styles.get(class_id)
        if class_styles is None:
            return np.zeros(self.bank.feature_channels)
        cluster = self.choice.object_clusters.get((class_id, object_number), self.choice.class_clusters.get(class_id))
        if cluster is None and class_id in self.choice.class_vectors:
            return self.choice.class_vectors[class_id]
        if cluster is None and self.choice.seed is not None:
            return class_styles.sample(np.random.default_rng([self.choice.seed, class_id, object_number]))
        return np.array(class_styles.centres[cluster or 0])


def _to_rows(values: Vectors, digits: int = DECIMAL_DIGITS) -> FloatRows:
    return tuple(tuple(round(float(value), digits) for value in row) for row in values)


def group_by_class(
    observations: Sequence[tuple[int, float, Vectors]], min_share: float, min_objects: int
) -> dict[int, Vectors]:
    """(class id, share of the image area, features) of objects -> features (n, f) of each class.

    Objects below `min_share` are left out, because their features are dominated by their surroundings; but at least the
    `min_objects` largest of a class are kept.
    """
    objects_by_class: dict[int, list[tuple[float, Vectors]]] = {}
    for class_id, share, vector in observations:
        objects_by_class.setdefault(class_id, []).append((share, vector))
    class_vectors = {}
    for class_id, objects in sorted(objects_by_class.items()):
        ordered = sorted(objects, key=lambda entry: -entry[0])
        large = [entry for entry in ordered if entry[0] >= min_share]
        class_vectors[class_id] = np.stack(
            [vector for _, vector in (large if len(large) >= min_objects else ordered[:min_objects])]
        )
    return class_vectors
