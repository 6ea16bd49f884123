"""What temporal discriminators see: which frames, which flow, how much of it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from engine.test_training_losses import SIDE, marked
from helpers.factories import some_clips, tiny_config, tiny_state
from torch import Tensor

from vid2vid_cli.engine.step import rates, reference_flow, train_step
from vid2vid_cli.engine.training_losses import group_ends, groups
from vid2vid_cli.networks.flow_estimator import DisTeacher
from vid2vid_cli.ops.warp import warp

Group = tuple[int, ...]


def of_group(part: Tensor, frames: int) -> tuple[list[float], list[float]]:
    """Numbers of the frames and of the flows (in pixels) of one group (3 * frames + 2 * (frames - 1), h, w)."""
    pictures = [float(part[3 * index : 3 * index + 3].unique()) for index in range(frames)]
    flows = [float(part[3 * frames + 2 * k : 3 * frames + 2 * k + 2].unique()) * 20 for k in range(frames - 1)]
    return pictures, [round(flow, 3) for flow in flows]


def judged(kind: str, rate: int, chunks: Sequence[tuple[int, int]]) -> list[list[Group]]:
    """The frames of the groups of three of each chunk, newest group first."""
    found = []
    for first, last in chunks:
        ends = group_ends(kind, rate, 3, first, last)  # type: ignore[arg-type]
        found.append([(end - 2 * rate, end - rate, end) for end in sorted(ends, reverse=True)])
    return found


SIXES = [(0, 6), (6, 12)]


def test_the_published_groups() -> None:
    """The reference's example, section 2.3: chunks of six frames, and of one."""
    assert judged("covering", 1, SIXES) == [[(3, 4, 5), (0, 1, 2)], [(9, 10, 11), (6, 7, 8)]]
    assert judged("covering", 3, SIXES) == [[], [(5, 8, 11), (2, 5, 8)]]
    ones = [(i, i + 1) for i in range(8)]
    assert judged("covering", 1, ones) == [[], []] + [[(i - 2, i - 1, i)] for i in range(2, 8)]
    assert judged("covering", 3, ones) == [[]] * 6 + [[(0, 3, 6)], [(1, 4, 7)]]
    # What reaches back into earlier chunks is asked for again only where new frames are not covered yet.
    assert judged("covering", 1, [(0, 4), (4, 8)]) == [[(1, 2, 3)], [(5, 6, 7), (2, 3, 4)]]


def test_a_group_may_end_at_every_new_frame() -> None:
    assert judged("every", 1, [(0, 3), (3, 5)]) == [[(0, 1, 2)], [(2, 3, 4), (1, 2, 3)]]
    assert judged("every", 3, SIXES) == [[], [(i - 6, i - 3, i) for i in range(11, 5, -1)]]


@pytest.mark.parametrize("length", [1, 2, 6, 40])
@pytest.mark.parametrize("rate", [1, 3, 9])
def test_sparse_groups_share_no_frame_and_leave_none_out(rate: int, length: int) -> None:
    """Whatever the chunks are; every rate-th frame of the clip is in one group, up to the last whole group."""
    chunks = [(first, first + length) for first in range(0, 120, length)]
    found = [frame for chunk in judged("sparse", rate, chunks) for group in reversed(chunk) for frame in group]
    assert found == list(range(0, rate * len(found), rate))
    assert len(found) >= 3 * (120 // (3 * rate))
    assert judged("sparse", 3, SIXES)[1] == [(0, 3, 6)]


@pytest.mark.parametrize(
    ("rate", "size", "first", "last", "ends"),
    [
        (1, 3, 0, 6, [2, 3, 4, 5]),
        (1, 3, 4, 6, [4, 5]),
        (3, 3, 6, 9, [6, 7, 8]),
        (3, 3, 3, 9, [6, 7, 8]),
        (2, 2, 0, 4, [2, 3]),
    ],
)
def test_groups_by_hand(rate: int, size: int, first: int, last: int, ends: Sequence[int]) -> None:
    """Frames `rate` apart, oldest first, and the flow into each but the first; one group per frame and clip."""
    assert group_ends("every", rate, size, first, last) == ends
    found = groups(marked(0, last, 3), marked(6000, 12, 2), rate, size, ends)
    assert found.shape == (2 * len(ends), 3 * size + 2 * (size - 1), SIDE, SIDE)
    expected = []
    for end in ends:
        indices = [end - rate * back for back in reversed(range(size))]
        for b in range(2):
            expected.append(([100.0 * b + i for i in indices], [6000.0 + 100 * b + i for i in indices[1:]]))
    assert [of_group(part, size) for part in found] == expected


def moving(length: int, dx: int, dy: int) -> Tensor:
    """(1, length, 3, 96, 96): each frame looks `dx`, `dy` pixels further into a texture, so that this is its flow."""
    noise = np.random.default_rng(0).uniform(-1, 1, (160, 160, 3)).astype(np.float32)
    texture = cv2.GaussianBlur(noise, (0, 0), 3.0)
    texture /= np.abs(texture).max()
    places = [(32 + dy * i, 32 + dx * i) for i in range(length)]
    frames = [texture[y : y + 96, x : x + 96].transpose(2, 0, 1) for y, x in places]
    return torch.from_numpy(np.stack(frames)[None])


@pytest.mark.parametrize("rate", [1, 3, 9])
def test_long_range_flow_is_the_motion_over_all_of_those_frames(rate: int) -> None:
    """With a known motion of (1, -1) pixels a frame: what is `rate` frames apart has moved `rate` times as far."""
    frames = moving(2 * rate + 1, 1, -1)
    found = reference_flow(DisTeacher(), frames, rate)
    inner = (slice(None), slice(rate, None), slice(None), slice(28, -28), slice(28, -28))
    mean = found.flow[inner].mean((0, 1, 3, 4))
    assert torch.allclose(mean, torch.tensor([1.0, -1.0]) * rate, atol=0.3)
    assert found.confidence[inner].mean() > 0.9
    # And so it stands in the groups, beside the frames it leads between, in units of 20 pixels.
    group = groups(frames, found.flow, rate, 3, [2 * rate])
    before, now, shift = group[:, 3:6], group[:, 6:9], group[:, 11:13] * 20
    apart = (warp(before, shift) - now)[..., 28:-28, 28:-28].abs().mean()
    assert apart < 0.1 * (before - now)[..., 28:-28, 28:-28].abs().mean()


@pytest.mark.parametrize(("kind", "ends"), [("every", (10, 6)), ("covering", (5, 3)), ("sparse", (4, 1))])
def test_the_setting_decides_how_much_is_judged(kind: str, ends: tuple[int, int]) -> None:
    """Of twelve frames in chunks of four; each group is shown real and generated, in both networks' updates."""
    config = tiny_config(temporal={"groups": kind}, schedule={"frames_per_update": 4})
    trainer, state = tiny_state(config)
    counts: dict[str, int] = {"1": 0, "3": 0}
    for rate, judge in state.temporal.items():
        judge.register_forward_hook(lambda _, shown, __, rate=rate: counts.update({rate: counts[rate] + len(shown[0])}))
    train_step(trainer, state, some_clips(length=12))
    assert counts == {"1": 4 * ends[0], "3": 4 * ends[1]}


def test_flow_is_asked_for_only_where_it_is_needed() -> None:
    still = dict.fromkeys(("temporal_adversarial", "temporal_feature_matching"), 0.0)
    assert rates(tiny_config()) == [1, 3]
    assert rates(tiny_config(losses=still)) == [1]
    assert rates(tiny_config(temporal={"rates": (3,)})) == [1, 3]
    assert rates(tiny_config(generator={"flow": False}, losses=still)) == [1]  # to keep its frames still
    plain = {"flow": False, "past": 0}
    assert rates(tiny_config(generator=plain)) == [1, 3]
    assert rates(tiny_config(generator=plain, losses=still)) == []
    trainer, state = tiny_state(tiny_config(generator=plain, losses=still))
    terms = train_step(trainer, state, some_clips(length=3))
    assert set(terms) == {"adversarial", "feature_matching", "pixel", "discriminator"}
    trainer, state = tiny_state(tiny_config(generator=plain, temporal={"rates": (1,)}))
    assert "frame_warp" not in train_step(trainer, state, some_clips(length=3))


@pytest.mark.parametrize("wrong", [(0,), (1, 1), (1, 3, 9, 27), (-3,)])
def test_rates_that_make_no_sense_are_refused(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="spacings"):
        tiny_config(temporal={"rates": wrong})


def test_three_rates_reach_over_nineteen_frames() -> None:
    """And not over eighteen: each rate has a discriminator that is asked and trained where its groups fit."""
    trainer, state = tiny_state(tiny_config(temporal={"rates": (1, 3, 9)}, schedule={"frames_per_update": 6}))
    judged = {f"temporal_discriminator_{rate}" for rate in (1, 3, 9)}
    assert judged - set(train_step(trainer, state, some_clips(length=18))) == {"temporal_discriminator_9"}
    assert judged <= set(train_step(trainer, state, some_clips(length=19)))
