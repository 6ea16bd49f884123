"""Duties of `annotate`: one annotation per frame, streamed, and the same every time."""

# ruff: noqa: D102  (the names of the tests say what they are)
from __future__ import annotations

import json

import numpy as np

from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.testing.checks import (
    check_all_same,
    check_annotation,
    check_render,
    check_same,
    counted,
    layout,
)
from vid2vid_cli.testing.setting import Setting

AHEAD = 64
"""Frames that `annotate` may hold at once."""


class FindingDuties(Setting):
    """What `annotate` owes, whatever it looks for."""

    def test_one_annotation_per_frame_in_order(self) -> None:
        clip, annotations = self.clip(), self.found()
        assert len(annotations) == len(clip), "one annotation per frame"
        for frame, one in zip(clip, annotations, strict=True):
            check_annotation(one, frame)

    def test_something_is_found(self) -> None:
        best = max(one.quality for one in self.found())
        assert best > 0, "clip() shows nothing that the conditioner finds"

    def test_streams(self) -> None:
        """Frames are drawn as they are needed, so that memory does not grow with the clip."""
        self.needs_finding()
        frame = self.clip()[0]
        self.annotations([frame])
        drawn: list[int] = []
        stream = self.made([frame] * 300).annotate(counted(frame, 300, drawn))
        next(stream)
        assert len(drawn) <= AHEAD, "frames drawn before the first annotation"
        stream.close()  # type: ignore[attr-defined]

    def test_frames_are_left_alone(self) -> None:
        clip = [frame.copy() for frame in self.clip()]
        self.annotations(clip)
        for before, after in zip(self.clip(), clip, strict=True):
            np.testing.assert_array_equal(before, after, err_msg="annotate changes the frames, which prepare stores")

    def test_shapes_are_the_same_on_every_frame(self) -> None:
        some = list(self.found())
        if not self.reads_files():
            some += self.annotations([np.zeros_like(self.clip()[0])])
        kinds = list(dict.fromkeys(layout(one) for one in some))
        assert kinds == kinds[:1], "names, shapes and types are the same on every frame, blank ones too"

    def test_odd_sizes_single_blank_and_noise_frames(self) -> None:
        self.needs_finding()
        noise = np.random.default_rng(1).integers(0, 256, (97, 61, 3), dtype=np.uint8)
        for frame in (np.zeros((97, 61, 3), np.uint8), np.full((61, 97, 3), 255, np.uint8), noise):
            (one,) = self.annotations([frame])
            check_annotation(one, frame)
            check_render(self.make(), one)

    def test_nothing_found_is_quality_zero(self) -> None:
        self.needs_finding()
        annotations = self.annotations([np.full((97, 61, 3), 128, np.uint8)] * 2)
        assert [one.quality for one in annotations] == [0.0, 0.0], "an empty grey frame shows nothing"
        statistics = json.loads(json.dumps(self.make().statistics(annotations)))
        assert len(list(self.make().retarget(annotations, statistics, statistics))) == 2

    def test_no_frames(self) -> None:
        assert self.make().statistics([]) == {}
        self.needs_finding()
        assert self.annotations([]) == []

    def test_deterministic_and_clips_do_not_mix(self) -> None:
        clip, first = self.clip(), self.found()
        conditioner = self.made(clip)
        next(conditioner.annotate(clip[::-1]))
        check_all_same(first, list(conditioner.annotate(clip)))

    def test_drawing_options_change_nothing_that_is_found(self) -> None:
        if not self.drawing_options:
            return
        first = self.found()[0]
        other = load_conditioner(self.name, {**self.options, **self.written(), **self.drawing_options})
        check_same(first, next(other.of(self.footage(self.clip())).annotate(self.clip())))
