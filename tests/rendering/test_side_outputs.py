"""Values per frame for the report."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame
from vid2vid_cli.rendering.side_outputs import SYNTHESISED, FrameLog

IMAGE = np.zeros((8, 8, 3), np.uint8)


class Renderer:
    """What the log reads of a renderer."""

    conditioners = (SimpleNamespace(spec=SimpleNamespace(name="pose")),)

    def comparison_images(self, rendered: RenderedFrame) -> dict[str, Any]:
        return {"condition": IMAGE, "result": rendered.image}


def record(frames: list[tuple[bool, float, float | None]]) -> FrameLog:
    """The log of frames with (is_cut, quality, synthesised share)."""
    log = FrameLog()
    for is_cut, quality, share in frames:
        source = AnnotatedFrame(None, is_cut, (), (quality,))
        log.add(cast(FrameRenderer, Renderer()), RenderedFrame(source, IMAGE, synthesised_share=share))
    return log


def test_log_marks_cuts_and_the_start_of_gaps() -> None:
    log = record([(True, 1, None), (False, 0, 0.5), (False, 0, 0.5), (False, 0.5, 0.5), (True, 0, None)])
    assert [(mark.frame, mark.text.split(":")[0]) for mark in log.marks] == [
        (1, "no detection by pose"),
        (4, "cut"),
        (4, "no detection by pose"),
    ]
    assert log.num_missing == {"pose": 3}
    values = [value for _, value in log.strips["pose"].values.points]
    assert np.allclose(values, [1, np.nan, np.nan, 0.5, np.nan], equal_nan=True)
    assert [value for _, value in log.strips[SYNTHESISED].values.points] == [100, 50, 50, 50, 100]
    assert [panel.name for panel in log.panels] == ["condition", "result"]


def test_log_of_a_model_without_flow_has_no_strip_of_it() -> None:
    assert list(record([(True, 1, None), (False, 1, None)]).strips) == ["pose"]
