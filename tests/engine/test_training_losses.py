"""Which loss looks at which tensor, with frames that say which one they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from vid2vid_cli.config.discriminators import ImageConfig, LossConfig
from vid2vid_cli.core.types import Flow, FrameOutput
from vid2vid_cli.engine import training_losses
from vid2vid_cli.engine.training_losses import Chunk, chunk_of, pair_terms
from vid2vid_cli.networks.discriminator import MultiScaleDiscriminator

SIDE = 2


def marked(offset: float, length: int, channels: int) -> Tensor:
    """(2, length, channels, h, w): clip b, frame i is the number offset + 100 b + i."""
    numbers = offset + 100 * torch.arange(2.0).view(2, 1) + torch.arange(float(length))
    return numbers.view(2, length, 1, 1, 1).expand(2, length, channels, SIDE, SIDE)


def numbers(tensor: Tensor | None) -> list[float]:
    assert tensor is not None
    flat = tensor.flatten(1)
    assert (flat == flat[:, :1]).all()
    return [float(value) for value in flat[:, 0]]


def outputs(first: int, last: int, *, flow: bool = True) -> list[FrameOutput]:
    """Image 2000 + , raw 3000 + , flow 4000 + , mask 5000 + 100 b + i; the first of a clip has no flow."""
    made = []
    for index in range(first, last):
        parts = [marked(offset, last, 1)[:, index] for offset in (2000, 3000, 4000, 5000)]
        moving = flow and index > 0
        image, raw = (part.expand(2, 3, SIDE, SIDE) for part in parts[:2])
        motion = parts[2].expand(2, 2, SIDE, SIDE) if moving else None
        made.append(FrameOutput(image, raw, motion, parts[3] if moving else None))
    return made


def chunk(first: int, last: int, *, flow: bool = True) -> Chunk:
    teacher = Flow(marked(6000, 8, 2), marked(7000, 8, 1))
    fakes = marked(2000, last, 3).clone().requires_grad_()
    boxes = {"face": marked(8000, 8, 2)[..., 0].expand(2, 8, 2, 2).repeat(1, 1, 1, 2)}
    made = outputs(first, last, flow=flow)
    return chunk_of(made, first, marked(1000, 8, 1), marked(0, 8, 3), fakes, teacher, boxes, ImageConfig())


@pytest.mark.parametrize(("first", "last"), [(0, 3), (3, 6), (6, 8), (0, 1), (1, 2)])
def test_every_tensor_of_a_chunk_is_of_its_frame(first: int, last: int) -> None:
    """Also across the border of chunks: what lies before frame i is frame i - 1, in the same clip."""
    of = chunk(first, last)
    frames = [100 * b + i for i in range(first, last) for b in range(2)]
    assert numbers(of.real) == frames
    assert numbers(of.conditions) == [1000 + n for n in frames]
    assert numbers(of.image) == [2000 + n for n in frames]
    assert numbers(of.raw) == [3000 + n for n in frames]
    assert numbers(of.regions["face"]) == [8000 + n for n in frames]
    moving = [n for n in frames if n % 100]
    assert numbers(of.real_before) == [n - 1 for n in moving]
    assert numbers(of.fake_before) == [2000 + n - 1 for n in moving]
    assert numbers(of.teacher) == [6000 + n for n in moving]
    assert numbers(of.confidence) == [7000 + n for n in moving]
    if (first, last) == (0, 1):
        assert of.flow is None
        assert of.occlusion is None
    else:
        assert numbers(of.flow) == [4000 + n for n in moving]
        assert numbers(of.occlusion) == [5000 + n for n in moving]
    assert not of.fake_before.requires_grad


def test_raw_frames_are_judged_too_where_they_differ() -> None:
    assert [numbers(p)[0] for p in training_losses.synthesised(chunk(1, 3))] == [2001, 3001]
    assert [numbers(p)[0] for p in training_losses.synthesised(chunk(0, 3, flow=False))] == [2000]
    assert set(training_losses.motion_terms(chunk(0, 3, flow=False))) == {
        "frame_warp"
    }  # of the teacher's flow, as published
    assert training_losses.motion_terms(chunk(0, 1)) == {}


def of_numbers(**changes: float) -> Chunk:
    """Two still frames, flat: real before 0, real now 0.5, generated before 0.75, generated now 0.125."""
    values = {"real": 0.5, "image": 0.125, "raw": 0.0, "real_before": 0.0, "fake_before": 0.75}
    values |= {"conditions": 0.0, "flow": 1.0, "occlusion": 0.75, "teacher": -2.0, "confidence": 1.0, **changes}
    channels = {"flow": 2, "teacher": 2, "occlusion": 1, "confidence": 1, "conditions": 1}
    return Chunk(**{name: torch.full((2, channels.get(name, 3), 4, 4), value) for name, value in values.items()})


def test_motion_terms_by_hand() -> None:
    terms = {name: float(term) for name, term in training_losses.motion_terms(of_numbers()).items()}
    assert terms == pytest.approx({"flow": 3.0, "flow_warp": 0.5, "frame_warp": 0.625, "occlusion": 0.75})


def test_a_model_without_flow_is_kept_still_by_the_teachers() -> None:
    """Where its frames follow each other; without a teacher, as for single frames, nothing moves."""
    still = replace(of_numbers(), flow=None, occlusion=None)
    terms = {name: float(term) for name, term in training_losses.motion_terms(still).items()}
    assert terms == pytest.approx({"frame_warp": 0.625})
    made, frames = outputs(0, 3, flow=False), marked(0, 3, 3)
    alone = chunk_of(made, 0, marked(0, 3, 1), frames, frames, None, {}, ImageConfig())
    assert alone.teacher.shape == (0, 2, SIDE, SIDE)
    assert training_losses.motion_terms(alone) == {}


def test_motion_terms_count_where_the_teacher_is_sure_alone() -> None:
    of = of_numbers()
    of.confidence[:, :, 2:] = 0
    of.flow[:, :, 2:] = 77
    of.occlusion[:, :, 2:] = 77
    of.image[:, :, 2:] = 77
    terms = {name: float(term) for name, term in training_losses.motion_terms(of).items()}
    assert terms == pytest.approx({"flow": 3.0, "flow_warp": 0.5, "frame_warp": 0.625, "occlusion": 0.75})


def test_the_first_frame_of_a_clip_has_no_motion() -> None:
    """Three generated frames, two of them moving: the first one's error must not count."""
    of = of_numbers()
    longer = {
        name: torch.cat([torch.full((1, *getattr(of, name).shape[1:]), 9.0), getattr(of, name)])
        for name in ("real", "image", "raw", "conditions")
    }
    whole = Chunk(**{**vars(of), **longer})
    terms = {name: float(term) for name, term in training_losses.motion_terms(whole).items()}
    assert terms == pytest.approx({"flow": 3.0, "flow_warp": 0.5, "frame_warp": 0.625, "occlusion": 0.75})


def test_the_flow_is_followed_in_both_warps() -> None:
    """A ramp moved by one pixel: only the right flow, in the right direction, takes it back."""
    ramp = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 3, 4, 8) / 8
    now = torch.cat([ramp[..., 1:], ramp[..., -1:]], -1)  # now[x] = before[x + 1]
    right = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 8)
    ones = torch.ones(1, 1, 4, 8)
    for flow, good in ((right, True), (-right, False)):
        of = Chunk(ones, now, now, now, flow, ones, ramp, ramp, flow, ones)
        terms = training_losses.motion_terms(of)
        assert (float(terms["flow_warp"]) < 1e-5) is good
        assert (float(terms["frame_warp"]) < 1e-5) is good


class Echo(nn.Module):
    """One scale; the features are the picture it is shown, the score its mean."""

    def forward(self, picture: Tensor) -> list[list[Tensor]]:
        return [[picture, picture.mean((1, 2, 3), keepdim=True)]]


def test_image_terms_by_hand() -> None:
    """The mean over one condition channel (0) and three colours is 3/4 of the picture; one layer is weighted 4."""
    terms = training_losses.image_terms(of_numbers(), Echo(), lambda a, b: (a - b).mean(), LossConfig(pixel=1.0))
    seen = {name: float(term) for name, term in terms.items()}
    assert seen == pytest.approx(
        {
            "adversarial": (0.75 * 0.125 - 1) ** 2 + 1.0,
            "feature_matching": 4 * 0.75 * (0.375 + 0.5),
            "perceptual": -(0.375 + 0.5),
            "pixel": 0.375 + 0.5,
        }
    )
    names = set(training_losses.image_terms(of_numbers(), Echo(), None, LossConfig(pixel=0.0)))
    assert names == {"adversarial", "feature_matching"}


def test_real_frames_are_judged_for_the_generator_only_where_features_are_matched() -> None:
    class Counter(Echo):
        asked = 0

        def forward(self, picture: Tensor) -> list[list[Tensor]]:
            self.asked += 1
            return super().forward(picture)

    pair = {"1": (of_numbers().real, of_numbers().image)}
    for weights, asked, groups_asked in (
        ({}, 3, 2),
        ({"feature_matching": 0.0, "temporal_feature_matching": 0.0}, 2, 1),
    ):
        judge, over_time, losses = Counter(), Counter(), LossConfig(**weights)
        terms = training_losses.image_terms(of_numbers(), judge, None, losses)
        terms |= pair_terms("temporal", pair, nn.ModuleDict({"1": over_time}), losses)
        assert (judge.asked, over_time.asked) == (asked, groups_asked)
        assert ("feature_matching" in terms, "temporal_feature_matching" in terms) == (not weights, not weights)


def test_the_terms_of_several_networks_are_summed() -> None:
    one, other = of_numbers(), of_numbers(image=1.5)
    pairs = {"1": (one.real, one.image), "3": (other.real, other.image)}
    judges = nn.ModuleDict({"1": Echo(), "3": Echo()})
    for kind in ("temporal", "region"):
        terms = {name: float(term) for name, term in pair_terms(kind, pairs, judges, LossConfig()).items()}  # type: ignore[arg-type]
        adversarial, matching = (0.125 - 1) ** 2 + (1.5 - 1) ** 2, 4 * (0.375 + 1.0)
        assert terms == pytest.approx({f"{kind}_adversarial": adversarial, f"{kind}_feature_matching": matching})
    assert pair_terms("region", {}, judges, LossConfig()) == {}


def test_the_real_side_gives_the_generator_no_gradient() -> None:
    of = of_numbers()
    of.real.requires_grad_()
    of.image.requires_grad_()
    sum(training_losses.image_terms(of, Echo(), None, LossConfig()).values()).backward()  # type: ignore[union-attr]
    assert of.real.grad is None
    assert of.image.grad is not None
    fake = of.image.detach().requires_grad_()
    terms = pair_terms("temporal", {"1": (of.real, fake)}, nn.ModuleDict({"1": Echo()}), LossConfig())
    assert float(terms["temporal_adversarial"].detach()) == pytest.approx((0.125 - 1) ** 2)
    assert float(terms["temporal_feature_matching"].detach()) == pytest.approx(4 * 0.375)
    sum(terms.values()).backward()  # type: ignore[union-attr]
    assert of.real.grad is None
    assert fake.grad is not None


@pytest.mark.parametrize("gan", ["least_squares", "hinge"])
def test_the_discriminators_loss_is_each_fake_against_the_real_one(gan: str) -> None:
    """All pictures go through the network together, and come out as if alone."""
    torch.manual_seed(0)
    judge, losses = MultiScaleDiscriminator(2, height=16, scales=2, width=4, layers=1), LossConfig(gan=gan)  # type: ignore[arg-type]
    real, *fakes = (torch.rand(3, 2, 16, 16) for _ in range(3))
    compare = training_losses.GAN_LOSSES[gan][1]
    alone = [compare(training_losses.scores(judge(real)), training_losses.scores(judge(fake))) for fake in fakes]
    together = training_losses.discriminator_loss(real, fakes, judge, losses)
    assert float(together.detach()) == pytest.approx(float((alone[0] + alone[1]).detach()), rel=1e-5)
    fakes[0].requires_grad_()
    training_losses.discriminator_loss(real, fakes, judge, losses).backward()
    assert fakes[0].grad is None
