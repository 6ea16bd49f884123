"""Statistics look at some of many annotations, and miss nothing that is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation, spread
from vid2vid_cli.conditioning.registry import load_conditioner


class Clip(Sequence[Annotation]):
    """Annotations made when they are asked for, `height` saying which; something was found on those of `found`."""

    def __init__(self, found: Sequence[int], count: int) -> None:
        self.found, self.count, self.asked = set(found), count, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(index)
        self.asked += 1
        return Annotation(index, 1, float(index in self.found))


def heights(clip: Clip, most: int) -> list[int]:
    return [one.height for one in spread(clip, most)]


def test_few_are_all_taken() -> None:
    assert heights(Clip(range(5), 5), 5) == [0, 1, 2, 3, 4]
    assert heights(Clip([], 0), 5) == []


def test_many_are_taken_evenly_from_end_to_end() -> None:
    clip = Clip(range(1001), 1001)
    assert heights(clip, 5) == [0, 250, 500, 750, 1000]
    assert clip.asked == 5


def test_what_was_not_found_is_left_out_and_what_is_rare_is_looked_for_everywhere() -> None:
    assert heights(Clip([2, 4], 5), 5) == [2, 4]
    assert heights(Clip([250], 1001), 5) == [250]
    assert heights(Clip([3, 700], 1001), 5) == [3, 700]
    assert heights(Clip([], 1001), 5) == []


class Maps(Sequence[Annotation]):
    """A long clip of label maps, of class 0 and at its right of class 1, that is a column wider on every tenth."""

    def __init__(self) -> None:
        self.asked = 0

    def __len__(self) -> int:
        return 5000

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        self.asked += 1
        labels = np.zeros((8, 20), np.uint8)
        labels[:, -5 - (index % 10 == 0) :] = 1
        return Annotation(8, 20, 1.0, images={"labels": labels, "edges": labels * 255, "iuv": labels[..., None]})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("labels", {"classes": "2", "kind": "ids"}),
        ("segmentation", {"backend": "person"}),
        ("edges", {}),
        ("densepose", {}),
    ],
)
def test_statistics_of_a_long_clip_read_a_part_of_it(name: str, options: dict[str, str]) -> None:
    clip = Maps()
    found = load_conditioner(name, options).statistics(clip)
    assert clip.asked < 200
    share = found.get("share") or list(found.get("shares", {1: 0.255}).values())[-1]
    if name == "segmentation":
        share = 1 - found["shares"]["background"]
    assert share == pytest.approx(0.255, abs=0.006)
    assert (found["height"], found["width"]) == (8, 20)
