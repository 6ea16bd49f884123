"""The rollout: past frames, windows, laziness, and how far gradients flow back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar

import pytest
import torch
from helpers.factories import CountingGenerator
from torch import Tensor

from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.networks.composite import CompositeGenerator


def numbered_conditions(length: int, size: int = 4) -> list[Tensor]:
    """All values of condition i are i."""
    return [torch.full((1, 1, size, size), float(index)) for index in range(length)]


def constant_value(tensor: Tensor) -> float:
    """The value of a constant tensor."""
    values = tensor.unique().tolist()
    assert len(values) == 1
    return float(values[0])


def test_rollout_of_counting_generator_counts() -> None:
    assert [constant_value(output.image) for output in rollout(CountingGenerator(), numbered_conditions(5))] == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_past_is_zeros_then_last_frames_oldest_first() -> None:
    generator = CountingGenerator(past_frames=3)
    list(rollout(generator, numbered_conditions(5)))
    values = [[constant_value(past[:, index]) for index in range(3)] for past in generator.past_inputs]
    assert values == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert generator.first_frame_flags == [True, False, False, False, False]


def test_past_contains_final_image_not_raw_image() -> None:
    class OffsetRawGenerator(CountingGenerator):
        def __call__(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
            output = super().__call__(window, past, is_first_frame)
            return FrameOutput(output.image, output.image + 50)

    generator = OffsetRawGenerator()
    assert [constant_value(output.image) for output in rollout(generator, numbered_conditions(3))] == [1, 2, 3]
    assert constant_value(generator.past_inputs[2][:, -1]) == 2


def test_window_repeats_first_condition() -> None:
    generator = CountingGenerator(past_frames=2)
    list(rollout(generator, numbered_conditions(5)))
    values = [[constant_value(window[:, index]) for index in range(3)] for window in generator.window_inputs]
    assert values == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]


def test_frame_wise_model_gets_one_condition_and_no_past() -> None:
    shapes = []

    class FrameWise:
        num_scales, past_frames, window_size = 1, 0, 1

        def __call__(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
            shapes.append((tuple(window.shape), tuple(past[0].shape)))
            return FrameOutput(window[:, 0], window[:, 0])

    assert [constant_value(output.image) for output in rollout(FrameWise(), numbered_conditions(3))] == [0, 1, 2]
    assert shapes == [((1, 1, 1, 4, 4), (1, 0, 3, 4, 4))] * 3


@pytest.mark.parametrize(
    ("initial_values", "expected_pasts"),
    [([8, 9], [[8, 9], [9, 10], [10, 11]]), ([9], [[9, 9], [9, 10]]), ([7, 8, 9], [[8, 9], [9, 10]])],
)
def test_past_begins_with_initial_frames(initial_values: list[float], expected_pasts: list[list[float]]) -> None:
    generator = CountingGenerator(past_frames=2)
    initial_frames = torch.tensor(initial_values).view(1, -1, 1, 1, 1).expand(1, len(initial_values), 3, 4, 4)
    outputs = list(rollout(generator, numbered_conditions(len(expected_pasts)), initial_frames=initial_frames))
    assert [[constant_value(past[:, index]) for index in range(2)] for past in generator.past_inputs] == expected_pasts
    assert generator.first_frame_flags == [False] * len(expected_pasts)
    assert constant_value(outputs[0].image) == 10


def test_window_of_one_is_not_copied() -> None:
    pointers = []

    class PointerRecorder(CountingGenerator):
        def __call__(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
            pointers.append(window.data_ptr())
            return super().__call__(window, past, is_first_frame)

    generator, clip = PointerRecorder(), numbered_conditions(3)
    generator.window_size = 1
    assert [constant_value(output.image) for output in rollout(generator, clip)] == [1, 2, 3]
    assert pointers == [condition.data_ptr() for condition in clip]


def test_each_scale_has_its_own_past() -> None:
    class MultiScaleCounter:
        num_scales, past_frames, window_size = 3, 1, 2
        pasts: ClassVar[list[list[tuple[int, float]]]] = []

        def __call__(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
            self.pasts.append([(frames.shape[-1], constant_value(frames)) for frames in past])
            images = [frames[:, -1] + step for frames, step in zip(past, (1, 10, 100), strict=True)]
            return FrameOutput(images[0], images[0], coarse_images=tuple(images[1:]))

    generator = MultiScaleCounter()
    list(rollout(generator, numbered_conditions(3, size=7)))
    assert generator.pasts == [[(7, n), (4, 10 * n), (2, 100 * n)] for n in range(3)]


def test_rollout_reads_conditions_lazily() -> None:
    """Frame i needs the conditions up to i only."""
    requested = []

    def endless_conditions() -> Iterator[Tensor]:
        index = 0
        while True:
            requested.append(index)
            yield torch.full((1, 1, 4, 4), float(index))
            index += 1

    stream = rollout(CountingGenerator(), endless_conditions())
    assert requested == []
    for index in range(6):
        next(stream)
        assert requested == list(range(index + 1))


def tiny_generator() -> CompositeGenerator:
    torch.manual_seed(0)
    return CompositeGenerator(1, base_channels=4, num_downsamples=1, num_res_blocks=2, kernel_size=3)


@pytest.mark.parametrize("changed_index", [0, 2, 4])
def test_condition_affects_its_own_and_later_frames_only(changed_index: int) -> None:
    generator = tiny_generator()
    clip = list(torch.rand(5, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
    changed_clip = [condition.clone() for condition in clip]
    changed_clip[changed_index] = 1 - changed_clip[changed_index]
    with torch.no_grad():
        before, after = (
            [output.image for output in rollout(generator, conditions)] for conditions in (clip, changed_clip)
        )
    equal = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert equal == [True] * changed_index + [False] * (5 - changed_index)


def test_rollout_in_parts_equals_rollout_at_once() -> None:
    generator = tiny_generator()
    clip = list(torch.rand(6, 1, 1, 16, 16))
    with torch.no_grad():
        at_once = [output.image for output in rollout(generator, clip)]
        stream = rollout(generator, clip)
        in_parts = [output.image for size in (2, 1, 3) for output in islice(stream, size)]
    assert all(torch.equal(a, b) for a, b in zip(at_once, in_parts, strict=True))


@pytest.mark.parametrize(
    ("bptt_frames", "expected_gradients"), [(1, [1, 1, 1, 1, 1, 1]), (3, [1, 2, 3, 1, 2, 3]), (9, [1, 2, 3, 4, 5, 6])]
)
def test_gradients_flow_through_bptt_frames(bptt_frames: int, expected_gradients: list[int]) -> None:
    """Each frame adds the weight to the last one, so the gradient is the number of frames it flowed through."""
    weight = torch.tensor(0.5, requires_grad=True)

    class WeightAdder(CountingGenerator):
        def __call__(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
            image = past[0][:, -1] + weight
            return FrameOutput(image, image)

    outputs = list(rollout(WeightAdder(), numbered_conditions(6), bptt_frames=bptt_frames))
    assert [constant_value(output.image.detach()) for output in outputs] == pytest.approx([0.5, 1, 1.5, 2, 2.5, 3])
    gradients = [torch.autograd.grad(output.image.mean(), weight, retain_graph=True)[0].item() for output in outputs]
    assert gradients == pytest.approx(expected_gradients)
