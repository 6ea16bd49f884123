"""`export`: parity with torch, dynamic size, first frame, references, metadata, errors; and the file as a target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.test_checkpoint import make_metadata
from helpers.factories import tiny_config

from vid2vid_cli.core.errors import (
    ConfigError,
    DeviceError,
    ForeignCheckpointError,
    MissingFileError,
    TruncatedCheckpointError,
    Vid2VidError,
)
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import FrameOutput, FrameReferences
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import save_checkpoint
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.onnx_export import check_exportable, example_inputs, export_graph
from vid2vid_cli.engine.onnx_files import (
    METADATA_SHA256_KEY,
    VERSION_KEY,
    check_export_entries,
    load_export_metadata,
    metadata_path,
    save_export_metadata,
)
from vid2vid_cli.engine.onnx_generator import OnnxGenerator, choose_provider
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.media.probe import probe
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.networks.generators import Generator
from vid2vid_cli.pipelines.export import ExportRequest, export
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.rendering.checkpoint_file import open_checkpoint
from vid2vid_cli.rendering.hardware import choose_hardware
from vid2vid_cli.rendering.loaded_model import load_model

SMALL = {"base_channels": 4, "num_downsamples": 1, "num_res_blocks": 2, "kernel_size": 3}
KINDS: dict[str, dict[str, Any]] = {
    "composite": {"num_scales": 2, "past_frames": 2, "num_local_res_blocks": 1},
    "fast": {"past_frames": 1, "num_downsamples": 2, "patch_size": 4, "num_references": 2},
    "spade": {"past_frames": 1, "num_downsamples": 3, "patch_size": 4, "num_references": 2},
    "unet": {"past_frames": 0, "flow": False, "num_downsamples": 2},
    "resnet": {"past_frames": 0, "flow": False},
}


def make_file(folder: Path, kind: str) -> tuple[Generator, OnnxGenerator]:
    """A new generator, and the same as an exported file."""
    torch.manual_seed(0)
    data = {"height": 32}
    config = tiny_config(generator={**SMALL, "kind": kind, **KINDS[kind]}, data=data).generator
    generator = build_generator(config, ConditionSpec(1)).eval().requires_grad_(False)
    if kind in ("composite", "fast", "spade"):  # the flow heads are zero before the training
        for name, weight in generator.named_parameters():
            if "flow_head" in name:
                torch.nn.init.normal_(weight, 0, 0.1)
    is_spade = kind == "spade"  # as fast: the metadata of this test have no reference frames
    metadata = make_metadata(
        generator=config.model_copy(update={"num_references": 0, "kind": "fast" if is_spade else kind})
    )
    path = folder / f"{kind}.onnx"
    entries = save_export_metadata(path, metadata, path)
    export_graph(check_exportable(generator, kind, half=False), path, metadata=entries)
    return generator, OnnxGenerator(path, load_export_metadata(path), "cpu")


def random_rollout(
    generator: SequentialGenerator, size: tuple[int, int], num_references: int, initial_frames: torch.Tensor | None
) -> Iterator[FrameOutput]:
    rng = torch.Generator().manual_seed(1)
    conditions = [torch.rand(1, 1, *size, generator=rng) * 2 - 1 for _ in range(4)]
    references = None
    if num_references:
        shape, grid = (1, num_references, 3, size[0] + 3, size[1]), [(side + 6) // 8 + 1 for side in size]
        references = [
            FrameReferences(
                torch.rand(shape, generator=rng),
                torch.rand(1, num_references, 3, *size, generator=rng),
                torch.rand(1, num_references, 2, *grid, generator=rng) * 2 - 1,
                torch.full((1, num_references), 1 / num_references),
                torch.rand(1, num_references, 2, *grid, generator=rng) * 4 - 2,
            )
            for _ in conditions
        ]
    return rollout(generator, conditions, initial_frames=initial_frames, references=references)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_exported_generator_equals_torch(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    generator, exported = make_file(tmp_path, kind)
    for size, num_references in (((24, 24), 2), ((29, 43), 3)):
        for initial_frames in (None, torch.rand(1, 1, 3, *size)):
            count = num_references if kind in ("fast", "spade") else 0
            with torch.inference_mode():
                expected = list(random_rollout(generator, size, count, initial_frames))
                actual = list(random_rollout(exported, size, count, initial_frames))
            for first, second in zip(expected, actual, strict=True):
                assert psnr(second.image, first.image) > 60
                assert psnr(second.raw, first.raw) > 60
                assert (first.flow is None) == (second.flow is None)
            flows = [(a.flow, b.flow) for a, b in zip(expected, actual, strict=True) if a.flow is not None]
            for flow, exported_flow in flows[:1]:  # later frames amplify the rounding errors of the first
                torch.testing.assert_close(exported_flow, flow, atol=1e-3, rtol=1e-3)
            has_motion = kind in ("composite", "fast", "spade")
            assert torch.equal(expected[1].image, expected[1].raw) != has_motion


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A frame-wise checkpoint of an edges model."""
    config = tiny_config(generator={**SMALL, "kind": "resnet", **KINDS["resnet"]}).generator
    path = tmp_path / "a.ckpt"
    save_checkpoint(path, build_generator(config, ConditionSpec(1)), make_metadata(generator=config))
    return path


@pytest.mark.slow
def test_export_and_synthesize(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    out = tmp_path / "blob.onnx"
    result = export(ExportRequest(run_folder, out, check=True, data=dataset), ignore_events)
    assert (result.path, result.num_bytes) == (out, out.stat().st_size)
    assert result.min_psnr is not None
    assert result.min_psnr > 60
    assert open_checkpoint(out, "frames").metadata == open_checkpoint(run_folder, "frames").metadata
    video = tmp_path / "out.mp4"
    request = SynthesizeRequest(out, dataset, video, backend="onnxruntime", provider="cpu", compare=False)
    assert ("checkpoint", "blob, 24x24") in plan_synthesize(request).rows
    assert synthesize(request, ignore_events).num_frames == 24
    assert (probe(video).height, probe(video).width) == (24, 24)
    half = export(ExportRequest(run_folder, tmp_path / "half.onnx", half=True, check=True), ignore_events)
    assert half.min_psnr is not None
    assert half.min_psnr > 50
    metadata_path(half.path).replace(metadata_path(out))  # equal metadata: the files may be exchanged
    open_checkpoint(out, "frames")
    save_export_metadata(out, make_metadata(), out)
    with pytest.raises(ForeignCheckpointError, match="same export"):
        load_model(open_checkpoint(out, "frames"), "cpu", "auto")


def test_export_metadata_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    entries = save_export_metadata(path, make_metadata(), path)
    path.write_bytes(b"")
    assert load_export_metadata(path) == make_metadata()
    check_export_entries(path, entries)
    for changes in ({VERSION_KEY: "0"}, {METADATA_SHA256_KEY: "0"}):
        with pytest.raises(ForeignCheckpointError):
            check_export_entries(path, {**entries, **changes})
    with pytest.raises(ForeignCheckpointError):
        check_export_entries(path, {})


def test_exported_file_errors(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "a.onnx"
    with pytest.raises(MissingFileError, match="does not exist"):
        open_checkpoint(path, "frames")
    path.write_bytes(b"no model")
    with pytest.raises(MissingFileError, match=r"a\.onnx\.meta"):
        open_checkpoint(path, "frames")
    save_export_metadata(path, make_metadata(), path)
    with pytest.raises(TruncatedCheckpointError, match="ONNX"):
        load_model(open_checkpoint(path, "frames"), "cpu", "auto")


@pytest.mark.parametrize(
    ("suffix", "options", "error"),
    [
        (".ckpt", {"backend": "onnxruntime"}, ConfigError),
        (".ckpt", {"provider": "cpu"}, ConfigError),
        (".onnx", {"backend": "torch"}, ConfigError),
        (".onnx", {"precision": "bf16"}, ConfigError),
        (".onnx", {"precision": "fp16"}, ConfigError),
        (".onnx", {"compiled_model": "vid2vid"}, ConfigError),
        (".onnx", {"provider": "coreml"}, DeviceError),
    ],
)
def test_hardware_that_does_not_fit_the_file(
    suffix: str, options: dict[str, str], error: type[Vid2VidError], checkpoint: Path
) -> None:
    pytest.importorskip("onnxruntime")
    path = checkpoint.with_suffix(suffix)
    if suffix == ".onnx":
        path.write_bytes(b"")
        save_export_metadata(path, make_metadata(), path)
    settings = {"device": "auto", "precision": "auto", **options}
    with pytest.raises(error):
        choose_hardware(open_checkpoint(path, "frames").path, **settings)


def test_choose_provider() -> None:
    pytest.importorskip("onnxruntime")
    assert choose_provider("auto", "cpu") == "cpu"
    assert choose_provider("cpu", "cuda") == "cpu"


def test_export_refuses_other_models_and_exported_files(tmp_path: Path) -> None:
    config = tiny_config(generator={**SMALL, "target": "labels", "past_frames": 2}).generator
    with pytest.raises(ConfigError):
        check_exportable(build_generator(config, ConditionSpec(2)), "x", half=False)
    path = tmp_path / "a.onnx"
    path.write_bytes(b"")
    save_export_metadata(path, make_metadata(), path)
    with pytest.raises(ConfigError, match="already"):
        export(ExportRequest(path), ignore_events)


def test_example_inputs_need_padding_at_all_levels() -> None:
    config = tiny_config(generator={**SMALL, "kind": "unet", **KINDS["unet"], "num_downsamples": 4}).generator
    generator = check_exportable(build_generator(config, ConditionSpec(1)), "x", half=False)
    height = example_inputs(generator)[0]["window"].shape[-2]
    for _ in range(4):
        assert height % 2
        height = (height + 1) // 2
