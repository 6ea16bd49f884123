"""Imported networks have the outputs of the published networks."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
import torch
from helpers.factories import CPU
from helpers.nvidia_reference import (
    ImageGenerator,
    MultiscaleDiscriminator,
    ScaleGenerator,
    generate_frames_float64,
    write_network,
)
from torch import Tensor

from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.build import build_discriminator, discriminator_input_format
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.warm_start import warm_start
from vid2vid_cli.engine.weight_files import load_network_weights
from vid2vid_cli.nvidia_import.conditions import ReleasePreset
from vid2vid_cli.nvidia_import.importer import ImportRequest, ImportResult, import_release, plan_import
from vid2vid_cli.rendering.initial_frame import choose_initial_frame

NUM_FRAMES, CAR_CLASS = 6, 26


def write_release(folder: Path, channels: int, num_scales: int = 1, **settings: object) -> list[ScaleGenerator]:
    """Write the files of a network with `num_scales` scales and return the network."""
    files = [folder / f"latest_net_G{scale}.pth" for scale in range(num_scales)]
    return [
        write_network(ScaleGenerator(channels, scale, **settings), file, seed=scale)  # type: ignore[arg-type, misc]
        for scale, file in enumerate(files)
    ]


def import_network(folder: Path, preset: ReleasePreset, **changes: object) -> ImportResult:
    request = ImportRequest(folder, preset, folder.parent / "made.ckpt", image_size=(64, 96), **changes)  # type: ignore[arg-type]
    return import_release(request, ignore_events)


def street_conditions(height: int, width: int, with_edges: bool = True) -> list[Tensor]:
    """One-hot labels and instance edges of our conditioner, (1, 36, h, w) in {-1, 1} per frame."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(0, 35, (NUM_FRAMES, height // 8, width // 8), generator=generator)
    ids[:, 2:4, 1:3] = CAR_CLASS
    ids = ids.repeat_interleave(8, 1).repeat_interleave(8, 2)
    channels = torch.nn.functional.one_hot(ids, 35).permute(0, 3, 1, 2).float()
    if with_edges:
        channels = torch.cat(
            [channels, (torch.rand(NUM_FRAMES, 1, height, width, generator=generator) > 0.8).float()], 1
        )
    return list((channels * 2 - 1).split(1))


def random_conditions(num_channels: int, height: int, width: int) -> list[Tensor]:
    """Smooth random conditions in [-1, 1]: repeated warping of noise would amplify rounding errors."""
    coarse_noise = (
        torch.rand(NUM_FRAMES, num_channels, height // 8, width // 8, generator=torch.Generator().manual_seed(6)) * 2
        - 1
    )
    return list(torch.nn.functional.interpolate(coarse_noise, (height, width), mode="bilinear").split(1))


def check_matches_reference(
    path: Path,
    scales: list[ScaleGenerator],
    our_conditions: list[Tensor],
    their_conditions: list[Tensor],
    *,
    from_real: bool,
) -> None:
    generator, metadata = load_checkpoint(path, CPU)
    assert metadata.condition_spec.channels == our_conditions[0].shape[1]
    initial_frames = random_conditions(6, *our_conditions[0].shape[-2:])[0].unflatten(1, (2, 3)) if from_real else None
    expected = list(
        generate_frames_float64(
            scales, their_conditions, initial_frames, CAR_CLASS if scales[0].has_foreground else None
        )
    )
    num_past = 2 if from_real else 0
    with torch.no_grad():
        frames = rollout(
            generator,
            our_conditions[num_past : num_past + 4],
            initial_frames=initial_frames,
            past_conditions=our_conditions[:num_past],
        )
        images = [output.image for output in frames]
    for image, reference in zip(images, expected[:4], strict=True):
        assert reference.std() > 0.05  # not constant
        assert (image - reference).abs().max() < 1e-4
    assert (images[1] - images[3]).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("num_scales", "settings", "from_real"),
    [
        (1, {}, True),
        (1, {"has_foreground": True}, False),
        (2, {"has_foreground": True, "num_downsamples": 2, "base_channels": 4}, True),
        (3, {"has_foreground": True}, True),
        (3, {"num_res_blocks": 4, "num_local_res_blocks": 3}, True),
    ],
)
@pytest.mark.slow
def test_import_street_matches_reference(
    tmp_path: Path, num_scales: int, settings: dict[str, int], from_real: bool
) -> None:
    scales = write_release(tmp_path / "label2city", 36, num_scales, **settings)
    conditions = street_conditions(64, 96)
    check_matches_reference(
        import_network(tmp_path / "label2city", "street").path,
        scales,
        conditions,
        [(condition + 1) / 2 for condition in conditions],
        from_real=from_real,
    )


@pytest.mark.parametrize(("channels", "num_scales"), [(15, 2), (1, 1)])
def test_import_face_matches_reference(tmp_path: Path, channels: int, num_scales: int) -> None:
    scales = write_release(tmp_path / "edge2face", channels, num_scales)
    conditions = random_conditions(channels, 64, 64)
    check_matches_reference(
        import_network(tmp_path / "edge2face", "face").path,
        scales,
        conditions,
        [(condition + 1) / 2 for condition in conditions],
        from_real=True,
    )


def test_import_pose_matches_reference(tmp_path: Path) -> None:
    """Published conditions are DensePose as V, U, I and the OpenPose image; ours are I, U, V and the image."""
    scales = write_release(tmp_path / "pose", 6, 2)
    our_conditions = random_conditions(6, 64, 32)
    their_conditions = [condition[:, [2, 1, 0, 3, 4, 5]] for condition in our_conditions]
    checkpoint = import_network(tmp_path / "pose", "pose").path
    metadata = load_metadata(checkpoint)
    assert [conditioner.name for conditioner in metadata.conditioners] == ["densepose", "pose"]
    assert metadata.initial_frames == "zeros"
    check_matches_reference(checkpoint, scales, our_conditions, their_conditions, from_real=False)


def test_import_openpose_without_flow_matches_reference(tmp_path: Path) -> None:
    scales = write_release(tmp_path / "pose", 3, 1, has_flow=False, past_frames=1)
    conditions = random_conditions(3, 64, 32)
    checkpoint = import_network(tmp_path / "pose", "pose").path
    assert [conditioner.name for conditioner in load_metadata(checkpoint).conditioners] == ["pose"]
    generator, _ = load_checkpoint(checkpoint, CPU)
    for output, reference in zip(
        rollout(generator, conditions[:2]), generate_frames_float64(scales, conditions[:2], None), strict=True
    ):
        assert output.flow is None
        assert (output.image - reference).abs().max() < 1e-4


@pytest.mark.parametrize(("name", "settings"), [("G_1024", {}), ("G_2048", {"num_local_res_blocks": 2})])
def test_import_image_generator_matches_reference(tmp_path: Path, name: str, settings: dict[str, int]) -> None:
    """The published generator has no edge channel; ours ignores it, so that the same labels drive both generators."""
    write_release(tmp_path / "label2city", 36)
    reference = write_network(
        ImageGenerator(35, **settings), tmp_path / "label2city_single" / f"latest_net_{name}.pth", legacy_format=True
    )
    result = import_network(tmp_path / "label2city", "street")
    assert result.image_generator_path == tmp_path / "made_image.ckpt"
    generator, metadata = load_checkpoint(result.image_generator_path, CPU)
    video_metadata = load_metadata(result.path)
    assert (video_metadata.initial_frames, metadata.condition_spec.channels) == ("real", 36)
    choice = choose_initial_frame(str(result.image_generator_path), video_metadata, result.path, has_real_frames=False)
    assert choice.path == result.image_generator_path
    labels = street_conditions(32, 64)[0]
    (output,) = rollout(generator, [labels])
    with torch.no_grad():
        assert (output.image - reference((labels[:, :35] + 1) / 2)).abs().max() < 1e-4


class TestDiscriminators:
    """Import of discriminators."""

    def test_import_discriminator_outputs_match_reference(self, tmp_path: Path) -> None:
        """Conditions in [0, 1] precede the frame; the finest scale is the last published one and our first one."""
        write_release(tmp_path / "city", 36)
        image_reference = write_network(
            MultiscaleDiscriminator(39, 3, base_channels=4, max_channels=8), tmp_path / "city" / "latest_net_D.pth"
        )
        temporal_reference = write_network(
            MultiscaleDiscriminator(13), tmp_path / "city" / "latest_net_D_T1.pth", seed=1
        )
        result = import_network(tmp_path / "city", "street")
        networks, config = (
            load_network_weights(result.path),
            resolve_config("street", result.config_path, (), {}).config,
        )
        assert config.discriminators.temporal.frame_strides == (3,)
        image, conditions = random_conditions(3, 64, 96)[0], street_conditions(64, 96)[0]
        inputs = discriminator_input_format(config.discriminators.image).concatenate(conditions, image)
        discriminator = build_discriminator(config.discriminators.image, 39, 64)
        discriminator.load_state_dict(networks["image_discriminator"])
        self.assert_same_outputs(discriminator(inputs), image_reference(torch.cat([(conditions + 1) / 2, image], 1)))
        clip, temporal_discriminators = (
            random_conditions(13, 64, 96)[0],
            torch.nn.ModuleDict({"3": build_discriminator(config.discriminators.temporal, 13, 64)}),
        )
        temporal_discriminators.load_state_dict(networks["temporal_discriminators"])
        self.assert_same_outputs(temporal_discriminators["3"](clip), temporal_reference(clip))

    @staticmethod
    def assert_same_outputs(actual: list[list[Tensor]], expected: list[list[Tensor]]) -> None:
        assert [len(copy) for copy in actual] == [len(copy) for copy in expected]
        for feature, reference in zip(chain(*actual), chain(*expected), strict=True):
            assert reference.std() > 0.01
            assert (feature - reference).abs().max() < 1e-4

    def test_warm_start_loads_imported_discriminators(self, tmp_path: Path) -> None:
        """The written config builds networks that all imported weights of a pose release fit."""
        folder = tmp_path / "pose"
        write_release(folder, 6, 2, base_channels=16)
        for name, discriminator in (
            ("D", MultiscaleDiscriminator(9, 3)),
            ("D_T0", MultiscaleDiscriminator(13)),
            ("D_f", MultiscaleDiscriminator(9, 1)),
        ):
            write_network(discriminator, folder / f"latest_net_{name}.pth")
        result = import_network(folder, "pose")
        config = resolve_config("pose", result.config_path, (), {}).config
        assert config.discriminators.region.names == ("face",)
        assert config.discriminators.image.condition_range == (-1, 1)
        assert config.conditioner_options["pose"]["min_confidence"] == 0.01
        state = build_train_state(config, load_metadata(result.path).condition_spec, CPU)
        report = warm_start(state, result.path)
        assert (report.new_modules, report.num_matched) == (
            (),
            sum(len(network.state_dict()) for network in state.trainable_networks().values()),
        )
        # Published order: DensePose as V, U, I, then OpenPose, then the frame.
        published_weight = torch.load(folder / "latest_net_D_f.pth", weights_only=True)["scale0_layer0.0.weight"]
        our_weight = state.region_discriminators["face"].discriminators["16"].stages[0][0].weight
        assert torch.equal(our_weight, published_weight[:, [2, 1, 0, 3, 4, 5, 6, 7, 8]])

    @pytest.mark.parametrize(
        ("name", "discriminator", "message"),
        [
            (
                "D",
                MultiscaleDiscriminator(14),
                "14 input channels",
            ),
            ("D_T0", MultiscaleDiscriminator(12), "12 input channels"),
            ("D", torch.nn.Conv2d(3, 3, 4), "not a vid2vid discriminator"),
        ],
    )
    def test_import_skips_unsupported_discriminators(
        self, tmp_path: Path, name: str, discriminator: torch.nn.Module, message: str
    ) -> None:
        write_release(tmp_path / "face", 15)
        write_network(discriminator, tmp_path / "face" / f"latest_net_{name}.pth")
        request = ImportRequest(tmp_path / "face", "face", tmp_path / "made.ckpt")
        (reason,) = (value for name, value in plan_import(request).rows if name == "skipped")
        assert message in reason
        assert set(load_network_weights(import_release(request, ignore_events).path)) == {"generator"}


def test_import_legacy_torch_and_data_parallel_files(tmp_path: Path) -> None:
    scale = write_network(ScaleGenerator(15), tmp_path / "a" / "latest_net_G0.pth", legacy_format=True)
    torch.save({f"module.{k}": v for k, v in scale.state_dict().items()}, tmp_path / "a" / "7_net_G0.pth")
    parallel_path = import_network(tmp_path / "a", "face").path
    (tmp_path / "a" / "latest_net_G0.pth").unlink()
    legacy_path = import_network(tmp_path / "a", "face").path
    assert legacy_path.name == "made-2.ckpt"
    first, second = (load_checkpoint(path, CPU)[0].state_dict() for path in (parallel_path, legacy_path))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


class TestForegroundIds:
    """Classes of the foreground branch, which the files do not contain."""

    @pytest.mark.parametrize(("ids", "num_remarks"), [(None, 1), ((24, 26), 0)])
    def test_import_reports_assumed_foreground_ids(
        self, tmp_path: Path, ids: tuple[int, ...] | None, num_remarks: int
    ) -> None:
        write_release(tmp_path / "city", 36, has_foreground=True)
        request = ImportRequest(tmp_path / "city", "street", foreground_ids=ids)
        remarks = [text for name, text in plan_import(request).rows if name == "note" and "--foreground-ids" in text]
        assert len(remarks) == num_remarks

    @pytest.mark.parametrize(("has_foreground", "ids"), [(False, (26,)), (True, (26, 35))])
    def test_import_rejects_foreground_ids(self, tmp_path: Path, has_foreground: bool, ids: tuple[int, ...]) -> None:
        write_release(tmp_path / "city", 36, has_foreground=has_foreground)
        with pytest.raises(ConfigError, match="--foreground-ids"):
            plan_import(ImportRequest(tmp_path / "city", "street", foreground_ids=ids))
