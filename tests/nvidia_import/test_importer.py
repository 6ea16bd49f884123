"""What comes out of an imported network is what comes out of the published one."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
import torch
from helpers.factories import CPU
from helpers.nvidia_reference import Discriminator, Scale, Single, exactly, written
from torch import Tensor

from vid2vid_cli.config.resolve import load_layers
from vid2vid_cli.engine.build import build_discriminator, build_state
from vid2vid_cli.engine.checkpoint import load_checkpoint, load_info, load_networks
from vid2vid_cli.engine.events import silent
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.training_losses import shown
from vid2vid_cli.engine.warm_start import grow
from vid2vid_cli.nvidia_import.conditions import Preset
from vid2vid_cli.nvidia_import.importer import Imported, ImportRequest, import_release, plan_import
from vid2vid_cli.rendering.initial_frame import First, choose_first

FRAMES, CAR = 6, 26


def release(folder: Path, channels: int, count: int = 1, **shape: object) -> list[Scale]:
    """The files of a network with `count` scales, and the network."""
    files = [folder / f"latest_net_G{scale}.pth" for scale in range(count)]
    return [
        written(Scale(channels, scale, **shape), file, seed=scale)  # type: ignore[arg-type, misc]
        for scale, file in enumerate(files)
    ]


def imported(folder: Path, preset: Preset, **changes: object) -> Imported:
    request = ImportRequest(folder, preset, folder.parent / "made.ckpt", size=(64, 96), **changes)  # type: ignore[arg-type]
    return import_release(request, silent)


def streets(height: int, width: int, edges: bool = True) -> list[Tensor]:
    """One-hot labels and outlines as our conditioner gives them, (1, 36, h, w) of -1 and 1."""
    random = torch.Generator().manual_seed(5)
    ids = torch.randint(0, 35, (FRAMES, height // 8, width // 8), generator=random)
    ids[:, 2:4, 1:3] = CAR
    ids = ids.repeat_interleave(8, 1).repeat_interleave(8, 2)
    planes = torch.nn.functional.one_hot(ids, 35).permute(0, 3, 1, 2).float()
    if edges:
        planes = torch.cat([planes, (torch.rand(FRAMES, 1, height, width, generator=random) > 0.8).float()], 1)
    return list((planes * 2 - 1).split(1))


def drawings(channels: int, height: int, width: int) -> list[Tensor]:
    """Anything between -1 and 1 that a picture can be: rounding errors of warped noise would multiply."""
    coarse = torch.rand(FRAMES, channels, height // 8, width // 8, generator=torch.Generator().manual_seed(6)) * 2 - 1
    return list(torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear").split(1))


def compare(path: Path, scales: list[Scale], ours: list[Tensor], theirs: list[Tensor], *, real: bool) -> None:
    generator, info = load_checkpoint(path, CPU)
    assert info.layout.channels == ours[0].shape[1]
    begin = drawings(6, *ours[0].shape[-2:])[0].unflatten(1, (2, 3)) if real else None
    wanted = list(exactly(scales, theirs, begin, CAR if scales[0].front else None))
    seen = 2 if real else 0
    with torch.no_grad():
        frames = rollout(generator, ours[seen : seen + 4], begin=begin, seen=ours[:seen])
        made = [output.image for output in frames]
    for frame, other in zip(made, wanted[:4], strict=True):
        assert other.std() > 0.05  # neither black nor all the same
        assert (frame - other).abs().max() < 1e-4
    assert (made[1] - made[3]).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("count", "shape", "real"),
    [
        (1, {}, True),
        (1, {"front": True}, False),
        (2, {"front": True, "downs": 2, "width": 4}, True),
        (3, {"front": True}, True),
        (3, {"blocks": 4, "local": 3}, True),
    ],
)
def test_streets_are_the_published_ones(tmp_path: Path, count: int, shape: dict[str, int], real: bool) -> None:
    scales = release(tmp_path / "label2city", 36, count, **shape)
    ours = streets(64, 96)
    compare(imported(tmp_path / "label2city", "street").path, scales, ours, [(one + 1) / 2 for one in ours], real=real)


@pytest.mark.parametrize(("channels", "count"), [(15, 2), (1, 1)])
def test_faces_are_the_published_ones(tmp_path: Path, channels: int, count: int) -> None:
    scales = release(tmp_path / "edge2face", channels, count)
    ours = drawings(channels, 64, 64)
    compare(imported(tmp_path / "edge2face", "face").path, scales, ours, [(one + 1) / 2 for one in ours], real=True)


def test_dancers_are_the_published_ones(tmp_path: Path) -> None:
    """There a frame is V, U, I of DensePose, and the drawing; ours are I, U, V, and the drawing."""
    scales = release(tmp_path / "pose", 6, 2)
    ours = drawings(6, 64, 32)
    theirs = [one[:, [2, 1, 0, 3, 4, 5]] for one in ours]
    made = imported(tmp_path / "pose", "pose").path
    info = load_info(made)
    assert ([use.name for use in info.conditioners], info.first) == (["densepose", "pose"], "zeros")
    compare(made, scales, ours, theirs, real=False)


def test_of_openpose_alone_there_is_no_flow(tmp_path: Path) -> None:
    scales = release(tmp_path / "pose", 3, 1, flow=False, past=1)
    ours = drawings(3, 64, 32)
    made = imported(tmp_path / "pose", "pose").path
    assert [use.name for use in load_info(made).conditioners] == ["pose"]
    generator, _ = load_checkpoint(made, CPU)
    for output, other in zip(rollout(generator, ours[:2]), exactly(scales, ours[:2], None), strict=True):
        assert output.flow is None
        assert (output.image - other).abs().max() < 1e-4


@pytest.mark.parametrize(("name", "shape"), [("G_1024", {}), ("G_2048", {"local": 2})])
def test_the_first_frame_is_the_published_one(tmp_path: Path, name: str, shape: dict[str, int]) -> None:
    """It sees labels without outlines; ours is given both, so that the same labels drive it and the video."""
    release(tmp_path / "label2city", 36)
    single = written(Single(35, **shape), tmp_path / "label2city_single" / f"latest_net_{name}.pth", old=True)
    made = imported(tmp_path / "label2city", "street")
    assert made.first == tmp_path / "made_first.ckpt"
    generator, info = load_checkpoint(made.first, CPU)
    video = load_info(made.path)
    assert (video.first, info.layout.channels) == ("real", 36)
    assert choose_first(str(made.first), video, made.path, real=False) == First("single", made.first)
    labels = streets(32, 64)[0]
    (output,) = rollout(generator, [labels])
    with torch.no_grad():
        assert (output.image - single((labels[:, :35] + 1) / 2)).abs().max() < 1e-4


class TestJudges:
    """Discriminators come along, for training to go on from."""

    def test_what_they_say_is_what_the_published_ones_say(self, tmp_path: Path) -> None:
        """Frames below conditions from 0 to 1 between zeros; the finest copy is the last of theirs, our first."""
        release(tmp_path / "city", 36)
        frames = written(Discriminator(39, 3, width=4, widest=8), tmp_path / "city" / "latest_net_D.pth")
        motion = written(Discriminator(13), tmp_path / "city" / "latest_net_D_T1.pth", seed=1)
        made = imported(tmp_path / "city", "street")
        saved, config = load_networks(made.path), load_layers("street", made.settings, (), {}).config
        assert config.temporal.rates == (3,)
        picture, signed = drawings(3, 64, 96)[0], streets(64, 96)[0]
        seen = shown(signed, picture, config.discriminator)
        ours = build_discriminator(config.discriminator, 39, 64)
        ours.load_state_dict(saved["discriminator"])
        self.same(ours(seen), frames(torch.cat([(signed + 1) / 2, picture], 1)))
        group, rates = drawings(13, 64, 96)[0], torch.nn.ModuleDict({"3": build_discriminator(config.temporal, 13, 64)})
        rates.load_state_dict(saved["temporal"])
        self.same(rates["3"](group), motion(group))

    @staticmethod
    def same(ours: list[list[Tensor]], theirs: list[list[Tensor]]) -> None:
        assert [len(copy) for copy in ours] == [len(copy) for copy in theirs]
        for one, other in zip(chain(*ours), chain(*theirs), strict=True):
            assert other.std() > 0.01
            assert (one - other).abs().max() < 1e-4

    def test_training_begins_with_all_of_them(self, tmp_path: Path) -> None:
        """A dancer at two scales, its face too; the settings beside it build the networks that they fit."""
        folder = tmp_path / "pose"
        release(folder, 6, 2, width=16)
        for name, judge in (("D", Discriminator(9, 3)), ("D_T0", Discriminator(13)), ("D_f", Discriminator(9, 1))):
            written(judge, folder / f"latest_net_{name}.pth")
        made = imported(folder, "pose")
        config = load_layers("pose", made.settings, (), {}).config
        assert config.region.names == ("face",)
        assert config.discriminator.unit_conditions is False
        assert config.conditioner_options["pose"]["least"] == 0.01
        state = build_state(config, load_info(made.path).layout, CPU)
        grown = grow(state, made.path)
        assert (grown.new, grown.taken) == ((), sum(len(one.state_dict()) for one in state.networks().values()))
        # theirs sees V, U, I of DensePose, and below all else the frame
        theirs = torch.load(folder / "latest_net_D_f.pth", weights_only=True)["scale0_layer0.0.weight"]
        ours = state.region["face"].copies["16"].stages[0][0].weight
        assert torch.equal(ours, theirs[:, [2, 1, 0, 3, 4, 5, 6, 7, 8]])

    @pytest.mark.parametrize(
        ("name", "judge", "words"),
        [
            ("D", Discriminator(14), "it sees 14 channels, and this network has 15 of conditions and 3 of a frame"),
            ("D_T0", Discriminator(12), "its 12 channels are no group of frames"),
            ("D", torch.nn.Conv2d(3, 3, 4), "not those of a vid2vid discriminator"),
        ],
    )
    def test_others_are_left_out(self, tmp_path: Path, name: str, judge: torch.nn.Module, words: str) -> None:
        release(tmp_path / "face", 15)
        written(judge, tmp_path / "face" / f"latest_net_{name}.pth")
        request = ImportRequest(tmp_path / "face", "face", tmp_path / "made.ckpt")
        (said,) = (said for kind, said in plan_import(request).rows if kind == "left out")
        assert words in said
        assert set(load_networks(import_release(request, silent).path)) == {"generator"}


def test_files_of_a_torch_of_2018_and_of_data_parallel_networks(tmp_path: Path) -> None:
    scale = written(Scale(15), tmp_path / "a" / "latest_net_G0.pth", old=True)
    torch.save({f"module.{k}": v for k, v in scale.state_dict().items()}, tmp_path / "a" / "7_net_G0.pth")
    one = imported(tmp_path / "a", "face").path
    (tmp_path / "a" / "latest_net_G0.pth").unlink()
    other = imported(tmp_path / "a", "face").path
    assert other.name == "made-2.ckpt"
    first, second = (load_checkpoint(path, CPU)[0].state_dict() for path in (one, other))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
