"""Contract tests for `annotate`: one annotation per frame, streaming, determinism."""

# ruff: noqa: D102  (the test names describe the tests)
from __future__ import annotations

import json

import numpy as np

from vid2vid_cli.conditioning.spec import FRAME_CONDITIONER
from vid2vid_cli.conditioning.video_frame import VideoFrame, detect_cuts
from vid2vid_cli.testing.checks import (
    annotation_layout,
    check_annotation,
    check_equal_annotations,
    check_equal_arrays,
    check_equal_clips,
    check_render,
    repeat_frame,
)
from vid2vid_cli.testing.contract_setup import ContractSetup, skip_test

MAX_BUFFERED_FRAMES = 64
"""Maximum number of frames that `annotate` may read ahead."""


class AnnotateTests(ContractSetup):
    """Tests for `annotate` of any conditioner."""

    def test_one_annotation_per_frame_in_order(self) -> None:
        clip, annotations = self.clip(), self.clip_annotations()
        assert len(annotations) == len(clip), f"annotate yields {len(annotations)} annotations for {len(clip)} frames"
        for frame, annotation in zip(clip, annotations, strict=True):
            check_annotation(annotation, frame)

    def test_detects_something(self) -> None:
        best_quality = max(annotation.quality for annotation in self.clip_annotations())
        assert best_quality > 0, "the conditioner detects nothing on clip()"

    def test_annotate_is_streaming(self) -> None:
        """Frames are read when they are needed, so that memory does not grow with the length of the clip."""
        self.require_detector()
        frame = self.clip()[0]
        self.annotate([frame])
        consumed_indices: list[int] = []
        stream = self.make_bound_conditioner([frame] * 300).annotate(repeat_frame(frame, 300, consumed_indices))
        next(stream)
        assert len(consumed_indices) <= MAX_BUFFERED_FRAMES, (
            f"annotate reads {len(consumed_indices)} frames before it yields the first annotation"
        )
        stream.close()  # type: ignore[attr-defined]

    def test_frames_are_not_modified(self) -> None:
        clip = [frame.copy() for frame in self.clip()]
        self.annotate(clip)
        for before, after in zip(self.clip(), clip, strict=True):
            check_equal_arrays(before, after, "annotate modifies a frame, which prepare stores; it")

    def test_layout_is_constant(self) -> None:
        annotations = list(self.clip_annotations())
        if not self.uses_input_files():
            annotations += self.annotate([np.zeros_like(self.clip()[0])])
        layouts = list(dict.fromkeys(annotation_layout(annotation) for annotation in annotations))
        assert layouts == layouts[:1], (
            f"names, shapes and dtypes must be the same on every frame, including blank ones: {layouts[:2]}"
        )

    def test_odd_sizes_single_blank_and_noise_frames(self) -> None:
        self.require_detector()
        noise = np.random.default_rng(1).integers(0, 256, (97, 61, 3), dtype=np.uint8)
        for frame in (np.zeros((97, 61, 3), np.uint8), np.full((61, 97, 3), 255, np.uint8), noise):
            annotations = self.annotate([frame])
            assert len(annotations) == 1, f"annotate yields {len(annotations)} annotations for one frame"
            check_annotation(annotations[0], frame)
            check_render(self.make_conditioner(), annotations[0])

    def test_no_detection_has_zero_quality(self) -> None:
        self.require_detector()
        if self.name == FRAME_CONDITIONER:
            skip_test(f"{self.name} detects nothing")
        annotations = self.annotate([np.full((97, 61, 3), 128, np.uint8)] * 2)
        qualities = [annotation.quality for annotation in annotations]
        assert qualities == [0.0, 0.0], f"the quality of blank grey frames must be 0, not {qualities}"
        statistics = json.loads(json.dumps(self.make_conditioner().statistics(annotations)))
        assert len(list(self.make_conditioner().retarget(annotations, statistics, statistics))) == 2

    def test_empty_clip(self) -> None:
        assert self.make_conditioner().statistics([]) == {}
        self.require_detector()
        assert self.annotate([]) == []

    def test_deterministic_and_stateless(self) -> None:
        clip, expected = self.clip(), self.clip_annotations()
        conditioner = self.make_bound_conditioner(clip)
        # Another video that is started and not finished: the negative, reversed.
        next(conditioner.annotate(VideoFrame(255 - frame) for frame in clip[::-1]))
        check_equal_clips(
            expected, list(conditioner.annotate(detect_cuts(clip))), "second call of annotate on the same clip"
        )

    def test_render_options_do_not_change_annotations(self) -> None:
        expected, clip = self.clip_annotations()[0], self.clip()
        changed_options = self.make_for_rendering(is_varied=True).options
        options = self.make_conditioner().options
        render_values = {name: getattr(changed_options, name) for name in options.names_with_role("rendering")}
        options = type(options).model_validate({**options.model_dump(), **render_values})
        conditioner = type(self.make_conditioner())(options).bind(self.video_context(clip))
        check_equal_annotations(expected, next(conditioner.annotate(detect_cuts(clip))), "with other render options")
