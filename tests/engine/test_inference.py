"""Looking at what was learned."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import CPU, Counting, some_clips, tiny_config

from vid2vid_cli.core.types import ClipBatch, ConditionLayout, FrameOutput
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.inference import evenly, generate, held_out_quality, to_picture
from vid2vid_cli.engine.runtime import Machine


def test_pictures_are_rounded_and_clamped() -> None:
    values = torch.tensor([-1.0, 1.0, 0.0, -3.0, 3.0, 1 / 255, -1 + 1.4 / 127.5, -1 + 1.6 / 127.5])
    picture = to_picture(values.view(1, 2, 4).expand(3, 2, 4))
    assert picture.shape == (2, 4, 3)
    # 127.5 is rounded to the even neighbour.
    assert picture[:, :, 0].flatten().tolist() == [0, 255, 128, 0, 255, 128, 1, 2]


def test_red_stays_red() -> None:
    assert to_picture(torch.tensor([1.0, -1.0, 0.2]).view(3, 1, 1)).tolist() == [[[255, 0, 153]]]


def test_quality_is_the_mean_over_frames() -> None:
    clip = ClipBatch(torch.zeros(1, 2, 1, 4, 4), torch.zeros(1, 2, 3, 4, 4))
    images = [torch.full((1, 3, 4, 4), value) for value in (0.2, 0.02)]
    assert held_out_quality([FrameOutput(i, i) for i in images], clip) == pytest.approx(30.0, abs=1e-3)


def test_generating_is_the_rollout_without_gradients() -> None:
    outputs = generate(Counting(), torch.zeros(1, 3, 1, 4, 4), CPU)
    assert [float(output.image.mean()) for output in outputs] == [1, 2, 3]
    generator = build_generator(tiny_config().generator, ConditionLayout(1))
    for precision in ("fp32", "bf16"):
        outputs = generate(generator, some_clips().conditions, Machine(torch.device("cpu"), precision, True))
        assert len(outputs) == 4
        assert not outputs[-1].image.requires_grad
        assert outputs[-1].image.dtype == torch.float32


@pytest.mark.parametrize(
    ("count", "wanted", "expected"), [(5, 3, [0, 2, 4]), (2, 6, [0, 1]), (1, 6, [0]), (100, 2, [0, 99])]
)
def test_evenly(count: int, wanted: int, expected: list[int]) -> None:
    assert evenly(count, wanted) == expected
