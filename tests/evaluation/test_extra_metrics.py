"""The metrics of `--metric`: what is missing is named with a command, and distortions move each one the right way."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.evaluation import extra_metrics
from vid2vid_cli.evaluation.extra_metrics import ExtraMetrics, load_extra_metrics
from vid2vid_cli.evaluation.measured import mean_metrics, measured_flicker, measured_frames, measured_warping
from vid2vid_cli.evaluation.metric_info import compares_with_real, metric_direction, shown_name
from vid2vid_cli.media.metric_weights import ALEXNET_WEIGHTS
from vid2vid_cli.metrics.image import psnr, sharpness, ssim
from vid2vid_cli.metrics.temporal import colour_drift
from vid2vid_cli.networks.flow_estimator import clip_flow
from vid2vid_cli.requests.parsers import extra_metrics as parse_metrics

CPU = torch.device("cpu")
ALEXNET_CHANNELS = {0: (3, 64, 11), 3: (64, 192, 5), 6: (192, 384, 3), 8: (384, 256, 3), 10: (256, 256, 3)}
"""Layer -> input channels, output channels, kernel size."""


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture(scope="module")
def alexnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of torchvision's AlexNet, without the classifier."""
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.manual_seed(0)
    state = {}
    for layer, (inputs, outputs, size) in ALEXNET_CHANNELS.items():
        state[f"features.{layer}.weight"] = torch.randn(outputs, inputs, size, size) / (inputs * size * size) ** 0.5
        state[f"features.{layer}.bias"] = torch.zeros(outputs)
    torch.save(state, path)
    return path


def load(requested: dict[str, Path | None], size: tuple[int, int] = (176, 176)) -> ExtraMetrics:
    return load_extra_metrics(requested, CPU, size, fps=25.0)


def test_parse_metrics() -> None:
    assert parse_metrics(["lpips", "fid=a/b.pth"]) == {"lpips": None, "fid": Path("a/b.pth")}
    assert parse_metrics(["fid=x", "all"])["fid"] == Path("x")
    assert set(parse_metrics(["all"])) == {"ms_ssim", "lpips", "fid", "kid", "fvd", "cvvdp", "identity"}
    for text in ("lpip", "lpips=", "all=x", "", "cvvdp=x"):
        with pytest.raises(ValueError, match="lpips"):
            parse_metrics([text])


def test_missing_packages_are_named_with_their_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra_metrics, "find_spec", lambda name: None)
    metrics = load(dict.fromkeys(parse_metrics(["all"])))
    assert (metrics.frames, metrics.clips, metrics.sets) == ({}, {}, [])
    for name in ("ms_ssim", "lpips", "fid", "kid"):
        assert 'pip install "vid2vid-cli[metrics]"' in metrics.not_computed[name]
    assert metrics.not_computed["fvd"].endswith("pip install cd-fvd")
    assert metrics.not_computed["cvvdp"].endswith("pip install cvvdp")


def test_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As after `pip install --no-deps cvvdp`."""
    (tmp_path / "pycvvdp").mkdir()
    (tmp_path / "pycvvdp" / "__init__.py").write_text("import absent_module_of_cvvdp")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pycvvdp", raising=False)
    problem = load({"cvvdp": None}).not_computed["cvvdp"]
    assert "absent_module_of_cvvdp" in problem
    assert problem.endswith("pip install cvvdp")


def test_missing_weights_are_named_with_their_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extra_metrics, "find_spec", lambda name: object())
    metrics = load({"lpips": None, "fid": None, "kid": None, "fvd": None})
    assert (metrics.frames, metrics.sets) == ({}, [])
    assert "vid2vid weights fetch alexnet-owt-7be5be79.pth" in metrics.not_computed["lpips"]
    for name in ("fid", "kid"):
        assert "vid2vid weights fetch weights-inception" in metrics.not_computed[name]
    assert "--metric fvd=FILE" in metrics.not_computed["fvd"]
    damaged = tmp_path / "torch" / "hub" / "checkpoints" / ALEXNET_WEIGHTS.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"x")
    assert "damaged" in load({"lpips": None}).not_computed["lpips"]


def test_ms_ssim_needs_large_frames() -> None:
    pytest.importorskip("torchmetrics")
    assert "128x96" in load({"ms_ssim": None}, (96, 128)).not_computed["ms_ssim"]


def test_named_weights_are_checked_and_become_part_of_the_name(alexnet_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    pytest.importorskip("torchvision")
    (name,) = load({"lpips": alexnet_file}).frames
    assert name.startswith("lpips_torchmetrics_alexnet_sha_")
    assert (shown_name(name), metric_direction(name), compares_with_real(name)) == ("LPIPS", "lower", True)
    state = torch.load(alexnet_file, weights_only=True)
    wrong = tmp_path / "wrong.pth"
    for key, value in (("features.3.weight", torch.zeros(1)), ("features.3.weight", None)):
        changed = {**state, key: value} if value is not None else {k: v for k, v in state.items() if k != key}
        torch.save(changed, wrong)
        with pytest.raises(Vid2VidError, match=r"features\.3\.weight"):
            load({"lpips": wrong})
    wrong.write_bytes(b"<html>")
    with pytest.raises(Vid2VidError, match="web page"):
        load({"lpips": wrong})


def test_inception_of_a_wrong_file_is_an_error(alexnet_file: Path) -> None:
    pytest.importorskip("torchmetrics")
    pytest.importorskip("torch_fidelity")
    with pytest.raises(Vid2VidError, match="does not match"):
        load({"fid": alexnet_file})


def test_cvvdp_of_equal_clips_is_ten() -> None:
    pytest.importorskip("pycvvdp", reason="pip install cvvdp")
    ((name, measure),) = load({"cvvdp": None}).clips.items()
    real = moving_clip(8, 64)
    assert metric_direction(name) == "higher"
    assert measure(real, real) == pytest.approx(10, abs=1e-3)
    assert measure(DISTORTIONS["blur"](real), real) < 9.5


def test_fvd_of_equal_clips_is_zero(tmp_path: Path) -> None:
    """With random weights of I3D. The clips of a row that is too short have none."""
    i3d = pytest.importorskip("cdfvd.third_party.i3d.pytorch_i3d", reason="pip install cd-fvd")
    torch.manual_seed(0)
    torch.save(i3d.InceptionI3d(400, in_channels=3).state_dict(), tmp_path / "i3d.pt")
    (metric,) = load({"fvd": tmp_path / "i3d.pt"}).sets
    real = moving_clip(32, 32)
    metric.add("real", real[:20])
    assert set(metric.results("real")[1]) == {"fvd"}
    metric.add("real", real[:16])
    for row, images in (("equal", real), ("frozen", DISTORTIONS["frozen"](real)), ("short", real[:16])):
        metric.add(row, images)
    values, problems = metric.results("real")
    assert (set(values), problems) == ({"equal", "frozen"}, {})
    (name,) = values["equal"]
    assert values["equal"][name] == pytest.approx(0, abs=1e-9)
    assert values["frozen"][name] > 10 * abs(values["equal"][name])
    assert name.startswith("fvd_cdfvd_i3d_sha_")
    assert name.endswith("_16_frames_n2")


def test_own_warping_error_leaves_out_other_motion() -> None:
    """Frames that move twice as fast as the real ones."""
    real = moving_clip()
    flow, confidence = clip_flow(real)
    fast = torch.stack([frame.roll(-2 * index, dims=2) for index, frame in enumerate(real)])
    by_real_flow = measured_warping(fast, flow, confidence).means["warping_error"][0]
    by_own_flow = measured_warping(fast, clip_flow(fast)[0], confidence, "own_warping_error").means
    assert by_own_flow["own_warping_error"][0] < 0.5 * by_real_flow


def moving_clip(num_frames: int = 16, size: int = 176) -> Tensor:
    """A smooth random texture that moves by two pixels a frame, and changes its brightness slowly."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 3, 24, 24, generator=generator) * 2 - 1
    wide = F.interpolate(coarse, (size, size + 2 * num_frames), mode="bicubic").clamp(-1, 1)[0] * 0.7
    wide += 0.1 * (torch.rand(wide.shape, generator=generator) - 0.5)
    frames = [wide[:, :, 2 * index : 2 * index + size] + 0.1 * index / num_frames for index in range(num_frames)]
    return torch.stack(frames)


def swap_frames(clip: Tensor) -> Tensor:
    """Each two neighbours in the other order."""
    return clip.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


DISTORTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "blur": lambda clip: F.avg_pool2d(F.pad(clip, (3, 3, 3, 3), mode="replicate"), 7, 1),
    "shift": lambda clip: clip.roll(4, dims=2),
    "frozen": lambda clip: clip[:1].expand_as(clip),
    "swapped": swap_frames,
    "noise": lambda clip: clip + 0.1 * torch.randn(clip.shape, generator=torch.Generator().manual_seed(0)),
}
IMAGE_METRICS = ("psnr", "ssim", "MS-SSIM", "LPIPS")
WORSE: dict[str, tuple[str, ...]] = {
    "blur": (*IMAGE_METRICS, "sharpness"),
    "shift": (*IMAGE_METRICS, "warping_error", "flicker"),
    "frozen": (*IMAGE_METRICS, "flicker", "colour_drift"),
    "swapped": (*IMAGE_METRICS, "warping_error", "flicker"),
    "noise": (*IMAGE_METRICS, "warping_error", "own_warping_error"),
}
"""Distortion -> the metrics that it must worsen. A blurred video has as little flicker as a sharp one, and a frozen one
is as steady as none; none of the others may get better."""
LOWER_WITHOUT_MERIT = {
    (distortion, name) for distortion in ("blur", "frozen") for name in ("warping_error", "own_warping_error")
}
"""Fine detail and motion are what the warping error measures, so it is shown beside that of the real frames."""


@pytest.mark.parametrize("distortion", list(DISTORTIONS))
def test_distortions_move_metrics_the_right_way(distortion: str, alexnet_file: Path) -> None:
    pytest.importorskip("torchmetrics")
    pytest.importorskip("torchvision")
    real = moving_clip()
    flow, confidence = clip_flow(real)
    extra = load({"ms_ssim": None, "lpips": alexnet_file})

    def measure(images: Tensor) -> dict[str, float]:
        frames = {"psnr": psnr(images, real).clamp(max=100), "ssim": ssim(images, real)}
        frames["sharpness"] = sharpness(images, real)
        frames |= {shown_name(name): function(images[::5], real[::5]) for name, function in extra.frames.items()}
        measured = measured_frames({name: values.double().numpy() for name, values in frames.items()})
        measured |= measured_warping(images, flow, confidence) | measured_flicker(images, real)
        measured |= measured_warping(images, clip_flow(images)[0], confidence, "own_warping_error")
        return {**mean_metrics([measured.means]), "colour_drift": float(colour_drift(images, real))}

    best, distorted = measure(real), measure(DISTORTIONS[distortion](real))
    higher = {"psnr", "ssim", "MS-SSIM"}
    for name, value in distorted.items():
        loss = best[name] - value if name in higher or name == "sharpness" else value - best[name]
        if name in WORSE[distortion]:
            assert loss > 1e-3 * max(1, abs(best[name])) or loss > 0.05 * abs(best[name]) > 0, (name, best[name], value)
        elif (distortion, name) not in LOWER_WITHOUT_MERIT and name != "sharpness":
            assert loss > -1e-3, (name, best[name], value)
