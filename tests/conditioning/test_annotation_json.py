"""Annotations as JSON data: what a file of kilobytes must not do."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.annotation_json import (
    annotation_from_json,
    annotation_to_json,
    annotations_from_json,
    array_to_json,
)
from vid2vid_cli.data.linear_motion import LinearMotion

SIDE = 1 << 11
ZEROS = array_to_json(np.zeros((SIDE, SIDE), np.uint8))
"""4 MB in some kilobytes."""


def test_annotation_from_json_limits_all_arrays_together() -> None:
    document = {**annotation_to_json(Annotation(SIDE, SIDE, 1.0)), "images": {str(index): ZEROS for index in range(20)}}
    assert len(annotation_from_json(document).images) == 20
    tracemalloc.start()
    with pytest.raises(ValueError, match="at most 3000000 are read"):
        annotation_from_json(document, max_bytes=2 * SIDE**2 + 3_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * SIDE**2


def test_annotations_from_json_share_the_limit() -> None:
    documents = [{**annotation_to_json(Annotation(SIDE, SIDE, 1.0)), "images": {"a": ZEROS}}] * 3
    assert len(annotations_from_json(documents, max_bytes=3 * SIDE**2)) == 3
    with pytest.raises(ValueError, match=f"at most {SIDE**2 - 1} are read"):
        annotations_from_json(documents, max_bytes=3 * SIDE**2 - 1)


def test_motion_from_json_refuses_large_arrays_before_they_are_decompressed() -> None:
    names = ("rows", "mean_shape", "components", "place_mean", "place_scale", "max_differences", "origin")
    document = {"step": 1.0, "coefficients": ZEROS, **dict.fromkeys(names, ZEROS)}
    tracemalloc.start()
    with pytest.raises(ValueError, match="at most"):
        LinearMotion.from_json(document)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < SIDE**2
