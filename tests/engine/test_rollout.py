"""The recursion, by arithmetic: what is fed back, when, and how far gradients reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar

import pytest
import torch
from helpers.factories import Counting
from torch import Tensor

from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.networks.composite import CompositeGenerator


def conditions(count: int, size: int = 4) -> list[Tensor]:
    """Condition i is the number i everywhere."""
    return [torch.full((1, 1, size, size), float(index)) for index in range(count)]


def number(tensor: Tensor) -> float:
    values = tensor.unique().tolist()
    assert len(values) == 1
    return float(values[0])


def test_last_frame_plus_one_unrolls_one_two_three() -> None:
    assert [number(output.image) for output in rollout(Counting(), conditions(5))] == [1, 2, 3, 4, 5]


def test_the_past_is_zeros_and_then_the_last_frames_oldest_first() -> None:
    generator = Counting(past=3)
    list(rollout(generator, conditions(5)))
    seen = [[number(past[:, index]) for index in range(3)] for past in generator.pasts]
    assert seen == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert generator.firsts == [True, False, False, False, False]


def test_the_blend_is_fed_back_and_not_the_raw_frame() -> None:
    class Blending(Counting):
        def __call__(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
            output = super().__call__(window, past, first)
            return FrameOutput(output.image, output.image + 50)

    generator = Blending()
    assert [number(output.image) for output in rollout(generator, conditions(3))] == [1, 2, 3]
    assert number(generator.pasts[2][:, -1]) == 2


def test_the_window_repeats_the_first_condition() -> None:
    generator = Counting(past=2)
    list(rollout(generator, conditions(5)))
    seen = [[number(window[:, index]) for index in range(3)] for window in generator.windows]
    assert seen == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]


def test_a_frame_wise_model_sees_one_condition_and_no_past() -> None:
    shapes = []

    class FrameWise:
        scales, past, window = 1, 0, 1

        def __call__(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
            shapes.append((tuple(window.shape), tuple(past[0].shape)))
            return FrameOutput(window[:, 0], window[:, 0])

    assert [number(o.image) for o in rollout(FrameWise(), conditions(3))] == [0, 1, 2]
    assert shapes == [((1, 1, 1, 4, 4), (1, 0, 3, 4, 4))] * 3


@pytest.mark.parametrize(
    ("given", "seen"), [([8, 9], [[8, 9], [9, 10], [10, 11]]), ([9], [[9, 9], [9, 10]]), ([7, 8, 9], [[8, 9], [9, 10]])]
)
def test_the_recursion_begins_with_the_frames_it_is_given(given: list[float], seen: list[list[float]]) -> None:
    generator = Counting(past=2)
    begin = torch.tensor(given).view(1, -1, 1, 1, 1).expand(1, len(given), 3, 4, 4)
    outputs = list(rollout(generator, conditions(len(seen)), begin=begin))
    assert [[number(past[:, index]) for index in range(2)] for past in generator.pasts] == seen
    assert generator.firsts == [False] * len(seen)
    assert number(outputs[0].image) == 10


def test_a_window_of_one_is_no_copy() -> None:
    shown = []

    class Looking(Counting):
        def __call__(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
            shown.append(window.data_ptr())
            return super().__call__(window, past, first)

    generator, clip = Looking(), conditions(3)
    generator.window = 1
    assert [number(output.image) for output in rollout(generator, clip)] == [1, 2, 3]
    assert shown == [condition.data_ptr() for condition in clip]


def test_each_scale_is_fed_its_own_frames() -> None:
    class Scaled:
        scales, past, window = 3, 1, 2
        pasts: ClassVar[list[list[tuple[int, float]]]] = []

        def __call__(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
            self.pasts.append([(frames.shape[-1], number(frames)) for frames in past])
            images = [frames[:, -1] + step for frames, step in zip(past, (1, 10, 100), strict=True)]
            return FrameOutput(images[0], images[0], coarse=tuple(images[1:]))

    generator = Scaled()
    list(rollout(generator, conditions(3, size=7)))
    assert generator.pasts == [[(7, n), (4, 10 * n), (2, 100 * n)] for n in range(3)]


def test_no_condition_is_asked_for_too_early() -> None:
    """An endless film: frame i needs condition i and nothing after it."""
    asked = []

    def endless() -> Iterator[Tensor]:
        index = 0
        while True:
            asked.append(index)
            yield torch.full((1, 1, 4, 4), float(index))
            index += 1

    stream = rollout(Counting(), endless())
    assert asked == []
    for index in range(6):
        next(stream)
        assert asked == list(range(index + 1))


def small() -> CompositeGenerator:
    torch.manual_seed(0)
    return CompositeGenerator(1, width=4, downsamples=1, blocks=2, kernel=3)


@pytest.mark.parametrize("changed", [0, 2, 4])
def test_a_condition_changes_its_own_frame_and_those_after_it_only(changed: int) -> None:
    generator = small()
    clip = list(torch.rand(5, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
    other = [c.clone() for c in clip]
    other[changed] = 1 - other[changed]
    with torch.no_grad():
        before, after = ([o.image for o in rollout(generator, c)] for c in (clip, other))
    equal = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert equal == [True] * changed + [False] * (5 - changed)


def test_drawing_in_parts_is_drawing_at_once() -> None:
    generator = small()
    clip = list(torch.rand(6, 1, 1, 16, 16))
    with torch.no_grad():
        whole = [o.image for o in rollout(generator, clip)]
        stream = rollout(generator, clip)
        parts = [o.image for size in (2, 1, 3) for o in islice(stream, size)]
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize(
    ("every", "reach"), [(1, [1, 1, 1, 1, 1, 1]), (3, [1, 2, 3, 1, 2, 3]), (9, [1, 2, 3, 4, 5, 6])]
)
def test_how_far_gradients_reach(every: int, reach: list[int]) -> None:
    """Each frame adds the weight once to the last one: the gradient counts the frames it flowed through."""
    weight = torch.tensor(0.5, requires_grad=True)

    class Adding(Counting):
        def __call__(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
            image = past[0][:, -1] + weight
            return FrameOutput(image, image)

    outputs = list(rollout(Adding(), conditions(6), detach_every=every))
    assert [number(o.image.detach()) for o in outputs] == pytest.approx([0.5, 1, 1.5, 2, 2.5, 3])
    found = [torch.autograd.grad(o.image.mean(), weight, retain_graph=True)[0].item() for o in outputs]
    assert found == pytest.approx(reach)
