"""The styles of a dataset: what a trained encoder sees in its training frames, class by class."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.instances import class_of, instance_classes
from vid2vid_cli.config.style import StyleConfig
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.dataset import Span
from vid2vid_cli.engine.inference import evenly
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.style_bank import ClassStyles, StyleBank, gather
from vid2vid_cli.engine.styles import seen_styles
from vid2vid_cli.networks.style_encoder import StyleEncoder
from vid2vid_cli.training_data.training_data import Subject

PIECES = 64
"""Short clips, spread over the training frames, whose objects are looked at."""
FRAMES = 4
"""Of each."""
LEAST = 1 / 1024
"""Share of the picture from which on an object is looked at; published: 1 / 64, which at 512 px is a car near by."""


@torch.inference_mode()
def collect_styles(
    subject: Subject, sampler: ClipSampler, config: StyleConfig, encoder: StyleEncoder, machine: Machine
) -> StyleBank:
    """What there is to choose from: the features of objects in training frames, in clusters and as mixtures."""
    found: list[tuple[int, float, NDArray[np.float64]]] = []
    richest: tuple[int, Span] = (0, sampler.runs[0])
    for piece in _pieces(sampler.runs):
        clip = sampler.span(piece).to(machine.device)
        with machine.autocast():
            pooled = seen_styles(encoder, clip)
        classes = class_of(pooled.ids.cpu().numpy())
        shares = pooled.pixels.cpu().numpy() / clip.frames[0, :, 0].numel()
        vectors = pooled.means.cpu().numpy().astype(np.float64)
        found += [one for one in zip(classes.tolist(), shares.tolist(), vectors, strict=True) if one[0] >= 0]
        richest = max(richest, (len(set(classes[shares >= LEAST].tolist())), piece), key=lambda one: one[0])
    names = {one.id: one.name for one in instance_classes(subject.conditioners)}
    gathered = gather(found, LEAST, config.clusters)
    first = richest[1]
    shown = [subject.dataset.annotation(first.clip, first.first, one.spec.name) for one in subject.conditioners]
    return StyleBank(
        features=config.features,
        width=config.width,
        downsamples=config.downsamples,
        things=tuple(sorted(sampler.things or ())),
        classes=tuple(ClassStyles.of(id_, names[id_], own, config.clusters) for id_, own in gathered.items()),
        frame=tuple(pack(annotation) for annotation in shown),
    )


def _pieces(runs: Sequence[Span]) -> list[Span]:
    """Short clips spread over all stretches, as many as there are up to a limit."""
    pieces = [
        Span(run.clip, first, min(run.last, first + FRAMES))
        for run in runs
        for first in range(run.first, run.last, FRAMES)
    ]
    return [pieces[index] for index in evenly(len(pieces), PIECES)]


def pack(annotation: Annotation) -> dict[str, Any]:
    """An annotation as plain JSON data."""
    return {
        "height": annotation.height,
        "width": annotation.width,
        "quality": annotation.quality,
        "points": {name: _packed(points) for name, points in annotation.points.items()},
        "images": {name: _packed(image) for name, image in annotation.images.items()},
    }


def unpack(data: Mapping[str, Any]) -> Annotation:
    """The inverse. Raises ValueError, KeyError or zlib.error for damaged data."""
    points = {name: _unpacked(one) for name, one in data["points"].items()}
    images = {name: _unpacked(one) for name, one in data["images"].items()}
    return Annotation(int(data["height"]), int(data["width"]), float(data["quality"]), points, images)


def _packed(array: NDArray[Any]) -> dict[str, Any]:
    squeezed = zlib.compress(np.ascontiguousarray(array).tobytes(), 9)
    return {"kind": array.dtype.str, "shape": list(array.shape), "zlib": base64.b64encode(squeezed).decode("ascii")}


def _unpacked(data: Mapping[str, Any]) -> NDArray[Any]:
    content = zlib.decompress(base64.b64decode(data["zlib"]))
    return np.frombuffer(content, np.dtype(data["kind"])).reshape(data["shape"])
