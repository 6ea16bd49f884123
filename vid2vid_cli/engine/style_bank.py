"""The styles that a checkpoint knows, and which of them each object is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vid2vid_cli.conditioning.instances import Ids, class_of, number_of
from vid2vid_cli.core.geometry import Floats
from vid2vid_cli.core.types import StyleShape
from vid2vid_cli.ops.clustering import Mixture, fit_mixture, k_means

Vectors = NDArray[np.float64]
DIGITS = 4
KEPT = 4096
"""Objects whose styles are not worked out again on each frame."""
Rows = tuple[tuple[float, ...], ...]


class ClassStyles(BaseModel):
    """The styles of one class of objects, as training frames showed them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    name: str
    centres: Rows
    """(k, f) of k-means, that of the most objects first."""
    sizes: tuple[int, ...]
    """(k,) objects in each."""
    weights: tuple[float, ...]
    """(m,) of the mixture of Gaussians that styles are drawn from."""
    means: Rows
    covariances: tuple[Rows, ...]
    lowest: tuple[float, ...]
    """(f,) the box that all objects lie in; what is drawn stays in it."""
    highest: tuple[float, ...]

    @staticmethod
    def of(id_: int, name: str, vectors: Vectors, clusters: int) -> ClassStyles:
        """Those of objects with these features, (n, f)."""
        centres, sizes = k_means(vectors, clusters)
        mixture = fit_mixture(vectors)
        return ClassStyles(
            id=id_,
            name=name,
            centres=_rows(centres),
            sizes=tuple(sizes.tolist()),
            weights=tuple(mixture.weights.tolist()),
            means=_rows(mixture.means),
            covariances=tuple(_rows(one, 2 * DIGITS) for one in mixture.covariances),
            lowest=_rows(vectors.min(0, keepdims=True))[0],
            highest=_rows(vectors.max(0, keepdims=True))[0],
        )

    def draw(self, random: np.random.Generator) -> Vectors:
        """A style (f,) from the mixture."""
        mixture = Mixture(*(np.array(part) for part in (self.weights, self.means, self.covariances)))
        return np.clip(mixture.draw(random), self.lowest, self.highest)


class StyleBank(BaseModel):
    """All that synthesis must know of styles besides the encoder's weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: int
    width: int
    downsamples: int
    things: tuple[int, ...]
    """Ids of the classes whose regions are objects of their own."""
    classes: tuple[ClassStyles, ...]
    frame: tuple[dict[str, Any], ...]
    """What each conditioner found on a training frame that shows many of the classes."""

    @property
    def shape(self) -> StyleShape:
        """Of the encoder."""
        return StyleShape(self.features, self.width, self.downsamples)


@dataclass(frozen=True)
class StyleChoice:
    """Which styles are wanted; where several say something of an object, the first of these that does."""

    objects: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """(id of a class, number of an object) -> cluster, counted from 0."""
    clusters: Mapping[int, int] = field(default_factory=dict)
    """Id of a class -> cluster."""
    vectors: Mapping[int, Vectors] = field(default_factory=dict)
    """Id of a class -> the style itself (f,), as it was seen in a photo."""
    seed: int | None = None
    """Every object gets a style of its own, drawn from the mixture of its class. None: all get the first cluster."""


class Styler:
    """Gives every object its style: a pure function of the choice, the class and the number of the object.

    Nothing need be remembered, so that the length of a video does not matter; an object that comes back is as it was.
    """

    def __init__(self, bank: StyleBank, choice: StyleChoice) -> None:
        self.bank, self.choice = bank, choice
        self.style = lru_cache(KEPT)(self._style)
        self._classes = {one.id: one for one in bank.classes}

    def __call__(self, ids: Ids) -> Floats:
        """(h, w) instances of a frame -> (f, h, w) in [-1, 1]; zero where there is none, or of an unknown class."""
        flat = ids.ravel()
        starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
        found, rows = np.unique(flat[starts], return_inverse=True)
        table = np.stack([self.style(int(one)) for one in found]).astype(np.float32)
        rows = np.repeat(rows.ravel(), np.diff(np.append(starts, len(flat))))
        return np.ascontiguousarray(table[rows].T).reshape(-1, *ids.shape)

    def _style(self, instance: int) -> Vectors:
        """That of one object, (f,)."""
        one, of = int(number_of(np.array(instance))), int(class_of(np.array(instance)))
        known = self._classes.get(of)
        if known is None:
            return np.zeros(self.bank.features)
        cluster = self.choice.objects.get((of, one), self.choice.clusters.get(of))
        if cluster is None and of in self.choice.vectors:
            return self.choice.vectors[of]
        if cluster is None and self.choice.seed is not None:
            return known.draw(np.random.default_rng([self.choice.seed, of, one]))
        return np.array(known.centres[cluster or 0])


def _rows(values: Vectors, digits: int = DIGITS) -> Rows:
    return tuple(tuple(round(float(value), digits) for value in row) for row in values)


def gather(found: Sequence[tuple[int, float, Vectors]], least: float, fewest: int) -> dict[int, Vectors]:
    """(class, share of the picture, features) of objects -> (n, f) of each class, without those that are small.

    Objects below `least` of the picture are left out (a few pixels say little, and mostly of what is beside them),
    but for the `fewest` largest of a class.
    """
    classes: dict[int, list[tuple[float, Vectors]]] = {}
    for of, share, vector in found:
        classes.setdefault(of, []).append((share, vector))
    gathered = {}
    for of, objects in sorted(classes.items()):
        ordered = sorted(objects, key=lambda one: -one[0])
        large = [one for one in ordered if one[0] >= least]
        gathered[of] = np.stack([vector for _, vector in (large if len(large) >= fewest else ordered[:fewest])])
    return gathered
