"""Contract tests for render, visualize, region_boxes, subject_masks, augment, classes, statistics and retarget."""

# ruff: noqa: D102  (the test names describe the tests)
from __future__ import annotations

import json
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation, SubjectImage
from vid2vid_cli.conditioning.plugin_results import bones_problem, descriptor_problem, mask_problem
from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.images import view_image
from vid2vid_cli.testing.checks import (
    annotation_layout,
    check_equal_arrays,
    check_equal_clips,
    check_render,
    check_unmodified,
    run_python,
)
from vid2vid_cli.testing.contract_setup import ContractSetup

_RENDER_IMPORTS_SCRIPT = """
import json, pickle, sys
from pathlib import Path
import numpy
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.geometry import View
annotations = pickle.loads(Path(sys.argv[3]).read_bytes())
conditioner = load_conditioner(sys.argv[1], json.loads(sys.argv[4]))
view = View.from_box((0, 0, annotations[0].width, annotations[0].height), 32, 48)
conditioner.render(annotations[0], view), conditioner.visualize(annotations[0], view)
conditioner.region_boxes(annotations[0], view)
conditioner.augment(annotations, numpy.random.default_rng(0)), conditioner.classes()
statistics = conditioner.statistics(annotations)
list(conditioner.retarget(annotations, statistics, statistics))
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


class RenderTests(ContractSetup):
    """Tests for the methods that training and synthesis use, without the conditioner's libraries and files."""

    def test_render_and_visualize_at_any_size(self) -> None:
        for annotation in self.clip_annotations():
            check_render(self.make_conditioner(), annotation)

    def test_describe_and_bones(self) -> None:
        """Reference frames are compared by their descriptors, and aligned by the rows that the bones name."""
        conditioner, annotations = self.make_conditioner(), self.clip_annotations()
        view = View.from_box((0.0, 0.0, float(annotations[0].width), float(annotations[0].height)), 40, 56)
        shapes = []
        for annotation in annotations:
            before = pickle.dumps(annotation)
            descriptor = conditioner.describe(annotation, view)
            check_unmodified(annotation, before, "describe modifies the annotation")
            assert not (problem := descriptor_problem(descriptor)), f"describe: {problem}"
            shapes.append(descriptor.shape)
        assert len(set(shapes)) == 1, f"the descriptors have different lengths: {sorted(set(shapes))}"
        bones = conditioner.bones()
        assert not (problem := bones_problem(bones)), f"bones: {problem}"
        for name, rows in (item for part in conditioner.shape_parts.values() for item in part.items()):
            num_points = len(annotations[0].points.get(name, rows))
            assert max(rows, default=-1) < num_points, f"shape_parts: {name!r} has only {num_points} points"
        for name, pairs in bones.items():
            num_points = len(annotations[0].points.get(name, ()))
            assert not pairs or max(map(max, pairs)) < num_points, f"bones: {name!r} has only {num_points} points"

    def test_subject_masks(self) -> None:
        """Results are composited through the masks; frames of another size and without a detection are included."""
        conditioner, annotations, frames = self.make_conditioner(), self.clip_annotations(), self.clip()
        if not conditioner.subject:
            return
        full_box = (0.0, 0.0, float(annotations[0].width), float(annotations[0].height))
        views = [View.from_box(full_box, 90, 70), View.from_box(full_box, *frames[0].shape[:2])]
        images = [
            SubjectImage(view_image(frame, view), annotation, view)
            for frame, annotation in zip(frames, annotations, strict=True)
            for view in views
        ]
        masks = list(conditioner.subject_masks(iter(images)))
        assert len(masks) == len(images), "subject_masks: it does not return one mask for each image"
        for mask, subject in zip(masks, images, strict=True):
            assert not (problem := mask_problem(mask, subject)), f"subject_masks: {problem}"
            if subject.annotation.quality == 0:
                assert not mask.any(), "subject_masks: it covers something on a frame without a detection"

    def test_render_is_thread_safe(self) -> None:
        """Training renders in several threads: calls must not share buffers."""
        conditioner, annotations = self.make_conditioner(), list(self.clip_annotations()) * 2
        view = View.from_box((0.0, 0.0, float(annotations[0].width), float(annotations[0].height)), 40, 56)
        expected = [conditioner.render(annotation, view).copy() for annotation in annotations]
        with ThreadPoolExecutor(4) as pool:
            rendered = list(pool.map(lambda annotation: conditioner.render(annotation, view), annotations))
        for expected_channels, channels in zip(expected, rendered, strict=True):
            check_equal_arrays(expected_channels, channels, "the result of render in several threads")

    def test_render_does_not_modify_annotations(self) -> None:
        before = pickle.dumps(self.clip_annotations())
        check_render(self.make_conditioner(), self.clip_annotations()[0])
        self.make_conditioner().statistics(self.clip_annotations())
        check_unmodified(self.clip_annotations(), before, "render, visualize or statistics modify the annotations")

    def test_render_imports_no_heavy_library(self, tmp_path: Path) -> None:
        (tmp_path / "annotations").write_bytes(pickle.dumps(self.clip_annotations()))
        module_names = ["torch", *(requirement.module for requirement in self.spec().requires)]
        persistent_json = json.dumps(self.make_conditioner().options.persistent_values())
        imported = run_python(
            _RENDER_IMPORTS_SCRIPT, self.name, json.dumps(module_names), str(tmp_path / "annotations"), persistent_json
        )
        assert imported == [], f"training would require {', '.join(imported)}: import it inside annotate"

    def test_region_boxes_are_valid(self) -> None:
        conditioner = self.make_conditioner()
        full_view = View.from_box(
            (0.0, 0.0, float(self.clip_annotations()[0].width), float(self.clip_annotations()[0].height)), 96, 96
        )
        counts: dict[str, int] = {}
        for annotation in self.clip_annotations():
            regions, empty_regions = (
                conditioner.region_boxes(annotation, full_view),
                conditioner.region_boxes(replace(annotation, quality=0.0), full_view),
            )
            for region_boxes in (regions, empty_regions):
                assert tuple(region_boxes) == conditioner.region_names, (
                    f"region_boxes returns {tuple(region_boxes)} instead of {conditioner.region_names}"
                )
                for name, boxes in region_boxes.items():
                    count = counts.setdefault(name, len(boxes))
                    assert boxes.shape == (count, 4), f"{name}: boxes must be (n, 4) with constant n, not {boxes.shape}"
                    assert boxes.dtype == np.float32, f"{name}: boxes must be float32, not {boxes.dtype}"
                    is_inverted = (boxes[:, 2:] < boxes[:, :2]).any()
                    assert not is_inverted, f"{name}: a box has x1 < x0 or y1 < y0"
            for boxes in empty_regions.values():
                assert np.isnan(boxes).all(), "boxes must be NaN if the quality is 0"
            scaled_regions = conditioner.region_boxes(
                annotation, View.from_box((0.0, 0.0, float(annotation.width), float(annotation.height)), 192, 192)
            )
            for name, boxes in regions.items():
                is_scaled = np.allclose(scaled_regions[name], 2 * boxes, atol=4, equal_nan=True)
                assert is_scaled, f"{name}: boxes must be in pixels of the view"

    def test_measure_has_the_same_names_for_all_annotations(self) -> None:
        conditioner = self.make_conditioner()
        annotations = self.clip_annotations()
        names = tuple(conditioner.measure(annotations[0]))
        for annotation in annotations:
            empty = replace(annotation, quality=0.0)
            assert tuple(conditioner.measure(annotation)) == names, "measure returns different names for two frames"
            assert tuple(conditioner.measure(empty)) == names, "measure returns other names if the quality is 0"
            assert all(math.isnan(value) for value in conditioner.measure(empty).values()), (
                "values must be NaN if the quality is 0"
            )

    def test_augment_keeps_layout(self) -> None:
        annotations, conditioner = self.clip_annotations(), self.make_for_rendering(is_varied=True)
        before = pickle.dumps(annotations)
        augmented = conditioner.augment(annotations, np.random.default_rng(5))
        check_unmodified(annotations, before, "augment modifies the annotations; it must return copies")
        assert len(augmented) == len(annotations), (
            f"augment returns {len(augmented)} annotations for {len(annotations)}"
        )
        for annotation, augmented_annotation in zip(annotations, augmented, strict=True):
            assert (annotation.height, annotation.width) == (augmented_annotation.height, augmented_annotation.width)
            assert annotation_layout(annotation) == annotation_layout(augmented_annotation), (
                f"augment changes the layout to {annotation_layout(augmented_annotation)}"
            )
            check_render(conditioner, augmented_annotation)
        assert len(conditioner.augment([], np.random.default_rng(5))) == 0

    def test_augment_uses_given_rng(self) -> None:
        annotations, conditioner = self.clip_annotations(), self.make_for_rendering(is_varied=True)
        for seed in range(8):  # a different generator may give equal results by chance
            first_clip, second_clip = (conditioner.augment(annotations, np.random.default_rng(seed)) for _ in range(2))
            check_equal_clips(first_clip, second_clip, "augment with equal random generators")

    def test_augment_is_off_by_default(self) -> None:
        augmented = self.make_for_rendering(is_varied=False).augment(self.clip_annotations(), np.random.default_rng(5))
        check_equal_clips(self.clip_annotations(), augmented, "augment with default render options")

    def test_classes_cover_all_labels(self) -> None:
        classes = self.make_conditioner().classes()
        ids = [label_class.id for label_class in classes]
        assert len(set(ids)) == len(ids), f"classes() has duplicate ids: {ids}"
        for label_class in classes:
            name, colour = label_class.name, label_class.colour
            assert 0 <= label_class.id <= 65535, f"{name}: the id must be in 0..65535, not {label_class.id}"
            assert name, f"the class {label_class.id} has no name"
            assert len(colour) == 3, f"{name}: the colour must be RGB, not {colour}"
            assert all(0 <= channel <= 255 for channel in colour), f"{name}: colours must be in 0..255: {colour}"
        if self.spec().output == "labels":
            used_ids = {int(value) for annotation in self.clip_annotations() for value in _label_ids(annotation)}
            undeclared_ids = sorted(used_ids - set(ids))
            assert undeclared_ids == [], f"classes() does not contain the ids {undeclared_ids[:8]} of the label maps"

    def test_statistics_are_json(self) -> None:
        statistics = self.make_conditioner().statistics(self.clip_annotations())
        assert json.loads(json.dumps(statistics)) == statistics
        if "subject_box" in statistics:
            x0, y0, x1, y1 = statistics["subject_box"]
            assert (x0 < x1, y0 < y1) == (True, True), (
                f"subject_box must be (x0, y0, x1, y1), not {statistics['subject_box']}"
            )

    def test_retarget_keeps_length(self) -> None:
        annotations, conditioner = list(self.clip_annotations()), self.make_conditioner()
        if not self.uses_input_files():
            annotations += self.annotate([np.zeros_like(self.clip()[0])])
        statistics = conditioner.statistics(annotations)
        result = list(conditioner.retarget(iter(annotations), statistics, statistics))
        assert len(result) == len(annotations), f"retarget yields {len(result)} annotations for {len(annotations)}"
        for annotation, retargeted in zip(annotations, result, strict=True):
            assert (annotation.quality > 0) == (retargeted.quality > 0), (
                "retarget must not change whether there is a detection (quality > 0)"
            )
        assert len(list(conditioner.retarget(annotations, {}, {}))) == len(annotations), (
            "retarget must accept empty statistics"
        )


def _label_ids(annotation: Annotation) -> np.ndarray[Any, Any]:
    """Return all ids of the label maps, i.e. of the images (height, width) uint8."""
    maps = [np.unique(image) for image in annotation.images.values() if image.ndim == 2 and image.dtype == np.uint8]
    return np.unique(np.concatenate(maps)) if maps else np.zeros(0)
