"""Imported generators give the output of networks made from the published layer lists, with the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.published_translation import published_resnet, published_unet
from torch import nn
from typer.testing import CliRunner

from vid2vid_cli.cli import app
from vid2vid_cli.core.errors import ConfigError, ForeignCheckpointError, TruncatedCheckpointError
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.published_weights import read_state_dict
from vid2vid_cli.engine.runtime import choose_runtime
from vid2vid_cli.requests.prepare import ImportGeneratorRequest
from vid2vid_cli.translation_import.convert import Statistics, convert_weights, generator_config
from vid2vid_cli.translation_import.importer import import_generator
from vid2vid_cli.translation_import.layers import read_architecture


def randomize(network: nn.Module) -> nn.Module:
    """Random weights and running statistics, as large as those of trained networks."""
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2, generator=generator)
        elif value.is_floating_point():
            value.normal_(0, 0.15, generator=generator)
    return network.eval()


def imported(network: nn.Module, path: Path, statistics: Statistics = "running", prefix: str = "") -> nn.Module:
    torch.save({f"{prefix}{name}": value for name, value in network.state_dict().items()}, path)
    weights = read_state_dict(path)
    architecture = read_architecture(weights, path)
    generator = build_generator(generator_config(architecture, statistics), ConditionSpec(architecture.in_channels, ()))
    shapes = {name: tuple(value.shape) for name, value in generator.state_dict().items()}
    converted = convert_weights(architecture, weights, expected_shapes=shapes, statistics=statistics, path=path)
    generator.load_state_dict(converted)
    return generator.eval()


@torch.no_grad()
def assert_same_output(ours: nn.Module, theirs: nn.Module, size: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    expected = theirs(image)
    assert expected.std() > 0.01
    assert (ours(image[:, None], []).image - expected).abs().max() < 1e-4


@pytest.mark.parametrize("num_blocks", [6, 9])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("dropout", [False, True])
def test_resnet_output_equals_published(tmp_path: Path, num_blocks: int, norm: str, dropout: bool) -> None:
    network = randomize(published_resnet(3, 8, num_blocks=num_blocks, norm=norm, dropout=dropout))
    assert_same_output(imported(network, tmp_path / "g.pth", prefix="module."), network, (32, 48))


@pytest.mark.parametrize("num_levels", [7, 8])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("dropout", [False, True])
def test_unet_output_equals_published(tmp_path: Path, num_levels: int, norm: str, dropout: bool) -> None:
    network = randomize(published_unet(3, 4, num_levels=num_levels, norm=norm, dropout=dropout))
    side = 1 << num_levels
    assert_same_output(imported(network, tmp_path / "g.pth"), network, (side, 2 * side))


def test_statistics_of_the_frame_equal_training_mode(tmp_path: Path) -> None:
    network = randomize(published_unet(3, 4, num_levels=7, dropout=False))
    assert_same_output(imported(network, tmp_path / "g.pth", "frame"), network.train(), (128, 256))


def test_running_statistics_of_instance_norm_are_ignored(tmp_path: Path) -> None:
    network = randomize(published_resnet(3, 4, num_blocks=6))
    state = dict(network.state_dict()) | {"model.2.running_mean": torch.ones(4), "model.2.running_var": torch.ones(4)}
    torch.save(state, tmp_path / "old.pth")
    assert read_architecture(read_state_dict(tmp_path / "old.pth"), tmp_path / "old.pth").norm == "instance"
    request = ImportGeneratorRequest(tmp_path / "old.pth", tmp_path / "old.ckpt", conditioner="edges")
    imported_file = import_generator(request, ignore_events)
    assert imported_file.path.is_file()
    assert imported_file.num_parameters == sum(p.numel() for p in network.parameters())


def import_edges(file: Path) -> Path:
    request = ImportGeneratorRequest(file, file.with_suffix(".ckpt"), conditioner="edges")
    return import_generator(request, ignore_events).path


@torch.no_grad()
def test_edges_equal_dark_lines_in_three_channels(tmp_path: Path) -> None:
    network = randomize(published_unet(3, 4, num_levels=7, dropout=False))
    torch.save(network.state_dict(), tmp_path / "g.pth")
    generator, metadata = load_checkpoint(import_edges(tmp_path / "g.pth"), choose_runtime("cpu", "fp32"))
    edges = torch.rand(1, 1, 1, 128, 128) * 2 - 1
    expected = network(-edges[:, 0].expand(-1, 3, -1, -1))
    assert [conditioner.name for conditioner in metadata.conditioners] == ["edges"]
    assert (generator.eval()(edges, []).image - expected).abs().max() < 1e-4


def test_parameter_counts_equal_published() -> None:
    with torch.device("meta"):
        networks = published_resnet(3), published_resnet(3, num_blocks=6), published_unet(3)
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [11_378_179, 7_837_699, 54_413_955]


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save(nn.ModuleDict({"model": nn.Sequential(nn.Conv2d(6, 8, 4))}).state_dict(), path)
    with pytest.raises(ForeignCheckpointError, match="discriminator"):
        import_edges(path)
    torch.save({"model_down_seg.1.weight": torch.zeros(1, 1, 1, 1)}, path)
    with pytest.raises(ForeignCheckpointError, match="NVIDIA"):
        import_edges(path)
    network = published_resnet(3, 4, num_blocks=6)
    state = network.state_dict()
    torch.save({name: value for name, value in state.items() if name != "model.7.bias"}, path)
    with pytest.raises(ForeignCheckpointError, match=r"model\.7\.bias"):
        import_edges(path)
    torch.jit.script(nn.Conv2d(1, 1, 1)).save(str(path))
    with pytest.raises(ForeignCheckpointError, match="TorchScript"):
        import_edges(path)
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(TruncatedCheckpointError):
        import_edges(path)


def test_conditioner_with_other_channels_is_refused(tmp_path: Path) -> None:
    torch.save(published_resnet(4, 4, num_blocks=6).state_dict(), tmp_path / "g.pth")
    with pytest.raises(ConfigError, match="4 input channels"):
        import_edges(tmp_path / "g.pth")


def test_command_writes_checkpoint(tmp_path: Path) -> None:
    torch.save(published_resnet(3, 4, num_blocks=6).state_dict(), tmp_path / "g.pth")
    arguments = ["import", "cyclegan", str(tmp_path / "g.pth"), "-c", "edges", "--out", str(tmp_path / "made.ckpt")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    metadata = load_checkpoint(tmp_path / "made.ckpt", choose_runtime("cpu", "fp32"))[1]
    assert metadata.output_size == (256, 256)
