"""Generation of clips, conversion to images, and quality."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import CPU, CountingGenerator, random_clips, tiny_config

from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.inference import generate_clip, to_uint8_image, validation_psnr
from vid2vid_cli.engine.runtime import Runtime


def test_to_uint8_image_rounds_and_clamps() -> None:
    values = torch.tensor([-1.0, 1.0, 0.0, -3.0, 3.0, 1 / 255, -1 + 1.4 / 127.5, -1 + 1.6 / 127.5])
    image = to_uint8_image(values.view(1, 2, 4).expand(3, 2, 4))
    assert image.shape == (2, 4, 3)
    # 127.5 is rounded to even.
    assert image[:, :, 0].flatten().tolist() == [0, 255, 128, 0, 255, 128, 1, 2]


def test_to_uint8_image_keeps_channel_order() -> None:
    assert to_uint8_image(torch.tensor([1.0, -1.0, 0.2]).view(3, 1, 1)).tolist() == [[[255, 0, 153]]]


def test_validation_psnr_is_mean_over_frames() -> None:
    clip = ClipBatch(torch.zeros(1, 2, 1, 4, 4), torch.zeros(1, 2, 3, 4, 4))
    images = [torch.full((1, 3, 4, 4), value) for value in (0.2, 0.02)]
    assert validation_psnr([FrameOutput(image, image) for image in images], clip) == pytest.approx(30.0, abs=1e-3)


def test_generate_clip_is_rollout_without_gradients() -> None:
    outputs = generate_clip(CountingGenerator(), torch.zeros(1, 3, 1, 4, 4), CPU)
    assert [float(output.image.mean()) for output in outputs] == [1, 2, 3]
    generator = build_generator(tiny_config().generator, ConditionSpec(1))
    for precision in ("fp32", "bf16"):
        outputs = generate_clip(generator, random_clips().conditions, Runtime(torch.device("cpu"), precision, True))
        assert len(outputs) == 4
        assert not outputs[-1].image.requires_grad
        assert outputs[-1].image.dtype == torch.float32


@pytest.mark.parametrize(
    ("length", "num_indices", "expected"), [(5, 3, [0, 2, 4]), (2, 6, [0, 1]), (1, 6, [0]), (100, 2, [0, 99])]
)
def test_evenly_spaced_includes_ends(length: int, num_indices: int, expected: list[int]) -> None:
    assert evenly_spaced(length, num_indices) == expected
