"""Duties of `annotate`: one annotation per frame, streamed, and the same every time."""

# ruff: noqa: D102  (the names of the tests say what they are)
from __future__ import annotations

import json

import numpy as np

from vid2vid_cli.testing.checks import (
    check_all_same,
    check_annotation,
    check_equal,
    check_render,
    check_same,
    counted,
    layout,
)
from vid2vid_cli.testing.contract_setup import Setting

AHEAD = 64
"""Frames that `annotate` may hold at once."""


class FindingDuties(Setting):
    """What `annotate` owes, whatever it looks for."""

    def test_one_annotation_per_frame_in_order(self) -> None:
        clip, annotations = self.clip(), self.found()
        assert len(annotations) == len(clip), f"{len(annotations)} annotations of {len(clip)} frames"
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
        assert len(drawn) <= AHEAD, f"{len(drawn)} frames are drawn before the first annotation is given"
        stream.close()  # type: ignore[attr-defined]

    def test_frames_are_left_alone(self) -> None:
        clip = [frame.copy() for frame in self.clip()]
        self.annotations(clip)
        for before, after in zip(self.clip(), clip, strict=True):
            check_equal(before, after, "annotate changes a frame, which prepare stores; it")

    def test_shapes_are_the_same_on_every_frame(self) -> None:
        some = list(self.found())
        if not self.reads_files():
            some += self.annotations([np.zeros_like(self.clip()[0])])
        kinds = list(dict.fromkeys(layout(one) for one in some))
        assert kinds == kinds[:1], f"names, shapes and types are the same on every frame, blank ones too: {kinds[:2]}"

    def test_odd_sizes_single_blank_and_noise_frames(self) -> None:
        self.needs_finding()
        noise = np.random.default_rng(1).integers(0, 256, (97, 61, 3), dtype=np.uint8)
        for frame in (np.zeros((97, 61, 3), np.uint8), np.full((61, 97, 3), 255, np.uint8), noise):
            some = self.annotations([frame])
            assert len(some) == 1, f"{len(some)} annotations of one frame"
            check_annotation(some[0], frame)
            check_render(self.make(), some[0])

    def test_nothing_found_is_quality_zero(self) -> None:
        self.needs_finding()
        annotations = self.annotations([np.full((97, 61, 3), 128, np.uint8)] * 2)
        qualities = [one.quality for one in annotations]
        assert qualities == [0.0, 0.0], f"two empty grey frames show nothing; the qualities are {qualities}"
        statistics = json.loads(json.dumps(self.make().statistics(annotations)))
        assert len(list(self.make().retarget(annotations, statistics, statistics))) == 2

    def test_no_frames(self) -> None:
        assert self.make().statistics([]) == {}
        self.needs_finding()
        assert self.annotations([]) == []

    def test_deterministic_and_clips_do_not_mix(self) -> None:
        clip, first = self.clip(), self.found()
        conditioner = self.made(clip)
        # Another video, begun and never ended: its negative, backwards.
        next(conditioner.annotate([255 - frame for frame in clip[::-1]]))
        check_all_same(first, list(conditioner.annotate(clip)), "a second look at the same clip")

    def test_drawing_options_change_nothing_that_is_found(self) -> None:
        first, clip = self.found()[0], self.clip()
        changed = self.drawing(varied=True).options
        options = self.make().options.model_copy(
            update={name: getattr(changed, name) for name in changed.names("drawing")}
        )
        other = type(self.make())(options).of(self.footage(clip))
        check_same(first, next(other.annotate(clip)), "with other drawing options")
