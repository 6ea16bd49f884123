"""Traced generators: frames equal those of the generator itself, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.factories import CPU
from networks.test_fast import tiny_generator
from networks.test_reference_blend import random_references, trained_generator
from networks.test_spade import tiny_generator as tiny_spade
from torch import Tensor, nn

from vid2vid_cli.core.types import FrameOutput, FrameReferences
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.traced_generator import OUTPUT_FIELDS, TraceableGenerator, TracedGenerator

BF16 = replace(CPU, precision="bf16", channels_last=True)
CONDITIONS = torch.rand(5, 1, 2, 33, 46, generator=torch.Generator().manual_seed(3)) * 2 - 1


def generate(
    generator: SequentialGenerator, runtime: Runtime, references: list[FrameReferences] | None, conditions: Tensor
) -> list[FrameOutput]:
    with runtime.inference():
        return list(rollout(generator, conditions, references=references))


def check_equal(
    generator: TraceableGenerator,
    runtime: Runtime,
    references: list[FrameReferences] | None = None,
    conditions: Tensor = CONDITIONS,
) -> TracedGenerator:
    if runtime.channels_last:
        generator.to(memory_format=torch.channels_last)
        conditions = torch.stack([item.contiguous(memory_format=torch.channels_last) for item in conditions])
    traced = TracedGenerator(generator, runtime)
    expected = generate(generator, runtime, references, conditions)
    for _ in range(2):  # the second time with recorded graphs
        for output, reference in zip(generate(traced, runtime, references, conditions), expected, strict=True):
            for name in OUTPUT_FIELDS:
                value, target = getattr(output, name), getattr(reference, name)
                assert (value is None) == (target is None), name
                assert value is None or torch.equal(value, target), name
    return traced


@pytest.mark.parametrize("runtime", [CPU, BF16], ids=["fp32", "bf16"])
def test_frames_equal_those_of_the_generator(runtime: Runtime) -> None:
    generator = tiny_generator()
    nn.init.normal_(generator.flow_head.weight, 0, 0.3)  # type: ignore[union-attr]
    traced = check_equal(generator, runtime)
    assert len(traced._graphs) == 1
    check_equal(tiny_generator(past_frames=0, has_flow=False), runtime)


@pytest.mark.parametrize("runtime", [CPU, BF16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["fast", "spade"])
def test_number_of_references_may_change(kind: str, runtime: Runtime) -> None:
    """Each number has a graph of its own, and so have references that were embedded ahead."""
    generator = trained_generator() if kind == "fast" else tiny_spade()
    references = [random_references(33, 46, count) for count in (2, 2, 3, 2, 3)]
    assert generator.reference_blend is not None
    assert len(check_equal(generator, runtime, references)._graphs) == 2
    with runtime.inference():
        embedded = [generator.reference_blend.embed(item, 33, 46) for item in references]
    ahead = [replace(item, embedded=value) for item, value in zip(references, embedded, strict=True)]
    check_equal(generator, runtime, ahead[:2] + references[2:])


def test_each_size_has_a_graph() -> None:
    """Sizes are constants of a graph."""
    traced = check_equal(tiny_generator(), CPU)
    other = torch.rand(3, 1, 2, 64, 32)
    expected = generate(traced.generator, CPU, None, other)
    for output, reference in zip(generate(traced, CPU, None, other), expected, strict=True):
        assert torch.equal(output.image, reference.image)
    assert len(traced._graphs) == 2


def test_tracing_prints_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    check_equal(trained_generator(), CPU, [random_references(33, 46)] * 5)
    assert not [warning for warning in recwarn if "trac" in str(warning.message).lower()]
