"""Duties after `annotate`: render, picture, augment, classes, statistics, retarget."""

# ruff: noqa: D102  (the names of the tests say what they are)
from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation
from vid2vid_cli.core.geometry import View
from vid2vid_cli.testing.checks import check_all_same, check_equal, check_render, check_untouched, layout, run
from vid2vid_cli.testing.contract_setup import Setting

_RENDER_IS_LIGHT = """
import json, pickle, sys
from pathlib import Path
import numpy
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.geometry import View
annotations = pickle.loads(Path(sys.argv[3]).read_bytes())
conditioner = load_conditioner(sys.argv[1], json.loads(sys.argv[4]))
view = View.of_box((0, 0, annotations[0].width, annotations[0].height), 32, 48)
conditioner.render(annotations[0], view), conditioner.picture(annotations[0], view)
conditioner.regions(annotations[0], view)
conditioner.augment(annotations, numpy.random.default_rng(0)), conditioner.classes()
statistics = conditioner.statistics(annotations)
list(conditioner.retarget(annotations, statistics, statistics))
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


class ShowingDuties(Setting):
    """What training and synthesis ask of a conditioner, where its libraries and files may be absent."""

    def test_render_and_picture_at_any_size(self) -> None:
        for one in self.found():
            check_render(self.make(), one)

    def test_several_threads_may_render_at_once(self) -> None:
        """Training draws its clips so; nothing that one call made is another's to draw on."""
        conditioner, found = self.make(), list(self.found()) * 2
        view = View.of_box((0.0, 0.0, float(found[0].width), float(found[0].height)), 40, 56)
        wanted = [conditioner.render(one, view).copy() for one in found]
        with ThreadPoolExecutor(4) as pool:
            drawn = list(pool.map(lambda one: conditioner.render(one, view), found))
        for one, other in zip(wanted, drawn, strict=True):
            check_equal(one, other, "what render gives in one of several threads")

    def test_render_does_not_change_the_annotation(self) -> None:
        before = pickle.dumps(self.found())
        check_render(self.make(), self.found()[0])
        self.make().statistics(self.found())
        check_untouched(self.found(), before, "render, picture or statistics changed what they were given")

    def test_render_needs_no_heavy_library(self, tmp_path: Path) -> None:
        (tmp_path / "annotations").write_bytes(pickle.dumps(self.found()))
        names = ["torch", *(requirement.module for requirement in self.spec().requires)]
        lasting = json.dumps(self.make().options.lasting())
        imported = run(_RENDER_IS_LIGHT, self.name, json.dumps(names), str(tmp_path / "annotations"), lasting)
        assert imported == [], f"training would need {', '.join(imported)}: import that inside annotate"

    def test_regions_are_boxes_in_the_picture(self) -> None:
        conditioner = self.make()
        whole = View.of_box((0.0, 0.0, float(self.found()[0].width), float(self.found()[0].height)), 96, 96)
        counts: dict[str, int] = {}
        for one in self.found():
            regions, none = conditioner.regions(one, whole), conditioner.regions(replace(one, quality=0.0), whole)
            for found in (regions, none):
                assert tuple(found) == conditioner.offers, f"regions finds {tuple(found)}"
                for name, boxes in found.items():
                    count = counts.setdefault(name, len(boxes))
                    assert boxes.shape == (count, 4), f"{name}: boxes (n, 4), n the same on every frame"
                    assert boxes.dtype == np.float32, f"{name}: boxes are float32, not {boxes.dtype}"
                    upside_down = (boxes[:, 2:] < boxes[:, :2]).any()
                    assert not upside_down, f"{name}: a box is (x0, y0, x1, y1), and x1, y1 are not the smaller"
            for boxes in none.values():
                assert np.isnan(boxes).all(), "where nothing was found, no region is"
            near = conditioner.regions(one, View.of_box((0.0, 0.0, float(one.width), float(one.height)), 192, 192))
            for name, boxes in regions.items():
                same = np.allclose(near[name], 2 * boxes, atol=4, equal_nan=True)
                assert same, f"{name}: boxes are in pixels of the picture, and twice as far in one twice as large"

    def test_augment_is_one_for_one(self) -> None:
        found, conditioner = self.found(), self.drawing(varied=True)
        before = pickle.dumps(found)
        varied = conditioner.augment(found, np.random.default_rng(5))
        check_untouched(found, before, "augment changes a copy; the annotations are drawn from again")
        assert len(varied) == len(found), f"augment makes {len(varied)} annotations of {len(found)}"
        for one, other in zip(found, varied, strict=True):
            assert (one.height, one.width) == (other.height, other.width)
            assert layout(one) == layout(other), f"augment makes {layout(other)} of {layout(one)}"
            check_render(conditioner, other)
        assert len(conditioner.augment([], np.random.default_rng(5))) == 0

    def test_augment_draws_from_the_given_random(self) -> None:
        found, conditioner = self.found(), self.drawing(varied=True)
        for seed in range(8):  # a coin of its own may fall on the same side a few times
            one, other = (conditioner.augment(found, np.random.default_rng(seed)) for _ in range(2))
            check_all_same(one, other, "two draws from equal generators")

    def test_augment_does_nothing_unless_asked(self) -> None:
        varied = self.drawing(varied=False).augment(self.found(), np.random.default_rng(5))
        check_all_same(self.found(), varied, "with the drawing options at their defaults")

    def test_classes_name_every_label(self) -> None:
        classes = self.make().classes()
        ids = [one.id for one in classes]
        assert len(set(ids)) == len(ids), "an id occurs twice"
        for one in classes:
            assert 0 <= one.id <= 65535, f"{one.name}: ids go from 0 to 65535, {one.id} does not"
            assert one.name, f"the class {one.id} has no name"
            assert len(one.colour) == 3, f"{one.name}: the colour is RGB, not {one.colour}"
            assert all(0 <= part <= 255 for part in one.colour), f"{one.name}: colours go from 0 to 255: {one.colour}"
        if self.spec().output == "labels":
            occur = {int(value) for found in self.found() for value in _labels(found)}
            strange = sorted(occur - set(ids))
            assert strange == [], f"classes() does not declare the ids {strange[:8]}, which occur"

    def test_statistics_are_json(self) -> None:
        statistics = self.make().statistics(self.found())
        assert json.loads(json.dumps(statistics)) == statistics
        if "focus" in statistics:
            x0, y0, x1, y1 = statistics["focus"]
            assert (x0 < x1, y0 < y1) == (True, True), f"focus is a box (x0, y0, x1, y1), not {statistics['focus']}"

    def test_retarget_is_one_for_one(self) -> None:
        annotations, conditioner = list(self.found()), self.make()
        if not self.reads_files():
            annotations += self.annotations([np.zeros_like(self.clip()[0])])
        statistics = conditioner.statistics(annotations)
        result = list(conditioner.retarget(iter(annotations), statistics, statistics))
        assert len(result) == len(annotations), f"retarget makes {len(result)} annotations of {len(annotations)}"
        for one, other in zip(annotations, result, strict=True):
            assert (one.quality > 0) == (other.quality > 0), "what was found stays found, what was not stays not found"
        assert len(list(conditioner.retarget(annotations, {}, {}))) == len(annotations), "empty statistics will do"


def _labels(one: Annotation) -> np.ndarray[Any, Any]:
    """Every id of its label maps: the images (height, width) uint8."""
    maps = [np.unique(image) for image in one.images.values() if image.ndim == 2 and image.dtype == np.uint8]
    return np.unique(np.concatenate(maps)) if maps else np.zeros(0)
