"""Training and synthesis with reference frames, end to end on the moving blob."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.extremes_conditioner import EXTREMES_PLUGIN
from helpers.factories import CPU, copy_weights, make_blob_video, tensors_equal, tiny_config

from vid2vid_cli.config.config import Config
from vid2vid_cli.core import checkpoint_header
from vid2vid_cli.core.errors import TruncatedCheckpointError
from vid2vid_cli.core.geometry import ImageArray, View
from vid2vid_cli.data import linear_motion
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.engine.weight_files import load_network_weights, load_reference_frames, save_weights
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines import evaluate_paired
from vid2vid_cli.pipelines.adapt import AdaptRequest, adapt
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, TrainResult, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.checkpoint_file import open_checkpoint
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.loaded_model import load_model
from vid2vid_cli.training_data import reference_collection, training_data
from vid2vid_cli.training_data.motion_fit import MIN_FRAMES
from vid2vid_cli.training_data.open_data import open_training_data
from vid2vid_cli.training_data.reference_collection import load_reference_bank

REFERENCES = {"kind": "fast", "past_frames": 1, "num_downsamples": 2, "patch_size": 4, "num_references": 2}


def reference_config(**sections: Mapping[str, Any]) -> Config:
    generator = {**REFERENCES, **sections.pop("generator", {})}
    data = {"height": 32, "reference_bank_size": 6, "reference_gap": 0.05, **sections.pop("data", {})}
    return tiny_config(generator=generator, data=data, **sections)


@pytest.fixture(autouse=True, scope="module")
def _plugin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VID2VID_PLUGINS", EXTREMES_PLUGIN)
        yield


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def disc_dataset(_plugin: None, blob_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blob video with five points per frame. Read-only."""
    out = tmp_path_factory.mktemp("datasets") / "disc"
    return prepare(PrepareRequest((blob_video,), ("extremes",), out), ignore_events).path


def run_train(data: Path, config: Config | None = None, **changes: Any) -> TrainResult:
    emit = changes.pop("emit", ignore_events)
    return train(TrainRequest(config or reference_config(), "fast", data, **{"device": "cpu", **changes}), emit)


@pytest.fixture(scope="module")
def disc_run(disc_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A run of four steps with two references per frame. Read-only."""
    return run_train(disc_dataset, out=tmp_path_factory.mktemp("runs") / "disc")


def test_checkpoint_contains_reference_frames(disc_run: TrainResult) -> None:
    metadata = load_metadata(disc_run.checkpoint)
    assert metadata.references is not None
    assert len(metadata.references.annotations) == len(metadata.references.file_sizes) == 6
    bank = load_reference_bank(disc_run.checkpoint, metadata)
    assert bank is not None
    assert (bank.num_per_frame, len(bank)) == (2, 6)
    assert bank.frames[5].shape[0] == bank.frames[5].shape[1] == bank.view.height >= 32
    assert bank.frames[5].std() > 10
    assert np.isfinite(bank.descriptors).all()
    generator, _ = load_checkpoint(disc_run.checkpoint, CPU)
    assert not any("references." in name for name in generator.state_dict())


def test_train_collects_the_references_once(disc_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    banks: list[ReferenceBank] = []
    collect = training_data.collect_references

    def count_banks(*args: Any, **settings: Any) -> ReferenceBank:
        banks.append(collect(*args, **settings))
        return banks[-1]

    monkeypatch.setattr(training_data, "collect_references", count_banks)
    run_train(disc_dataset, max_steps=1)
    assert len(banks) == 1


@pytest.mark.parametrize("kind", ["fast", "spade"])
def test_resumed_training_equals_uninterrupted(disc_dataset: Path, disc_run: TrainResult, kind: str) -> None:
    config = reference_config(generator={"kind": kind})
    whole = disc_run if kind == "fast" else run_train(disc_dataset, config, out=Path("whole"))
    first = run_train(disc_dataset, config, max_steps=2)
    resumed = run_train(disc_dataset, config, resume=first.path, max_steps=4)
    assert tensors_equal(*(copy_weights(load_checkpoint(result.checkpoint, CPU)[0]) for result in (whole, resumed)))
    assert np.array_equal(*(load_reference_frames(result.checkpoint) for result in (whole, resumed)))
    assert not tensors_equal(
        *(copy_weights(load_checkpoint(path, CPU)[0]) for path in (disc_run.checkpoint, _reseeded(disc_dataset)))
    )


def _reseeded(data: Path) -> Path:
    return run_train(data, reference_config(runtime={"precision": "fp32", "seed": 1}), out=Path("other")).checkpoint


def record_frames(monkeypatch: pytest.MonkeyPatch) -> list[ImageArray]:
    """The frames that `FrameRenderer` generates, before they are encoded."""
    frames: list[ImageArray] = []
    render = FrameRenderer.render

    def recording(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for rendered in render(*args, **kwargs):
            frames.append(rendered.image)
            yield rendered

    monkeypatch.setattr(FrameRenderer, "render", recording)
    return frames


def record_measured(monkeypatch: pytest.MonkeyPatch) -> list[ImageArray]:
    """The frames that `evaluate` measures."""
    frames: list[ImageArray] = []
    generate: Callable[..., torch.Tensor] = evaluate_paired.generate_images

    def recording(*args: Any) -> torch.Tensor:
        images = generate(*args)
        frames.extend(map(to_uint8_image, images))
        return images

    monkeypatch.setattr(evaluate_paired, "generate_images", recording)
    return frames


def test_synthesize_saves_weights_of_references(disc_run: TrainResult, disc_dataset: Path, tmp_path: Path) -> None:
    request = SynthesizeRequest(
        disc_run.path,
        disc_dataset,
        tmp_path / "x.mp4",
        split="val",
        save=("references",),
        device="cpu",
        precision="fp32",
        compare=False,
    )
    result = synthesize(request, ignore_events)
    frames = list(VideoReader(result.layer_paths["references"]))
    assert len(frames) == result.num_frames
    height, width = probe(result.path).height, probe(result.path).width
    assert frames[0].shape[1] > 2 * width  # several references and the synthesised image
    assert frames[0].shape[0] >= height + 24


@pytest.mark.parametrize("source", ["same", "shifted"])
def test_evaluated_frames_equal_synthesized_ones(
    disc_run: TrainResult, disc_dataset: Path, monkeypatch: pytest.MonkeyPatch, source: str, tmp_path: Path
) -> None:
    """Also for another dataset, of a larger video, whose frames are cropped differently."""
    if source == "shifted":
        disc_dataset = prepare(
            PrepareRequest((wide_video(tmp_path / "wide.mp4"),), ("extremes",), tmp_path / "wide"), ignore_events
        ).path
    synthesized, measured = record_frames(monkeypatch), record_measured(monkeypatch)
    request = SynthesizeRequest(disc_run.path, disc_dataset, split="val", device="cpu", precision="fp32", compare=False)
    result = synthesize(request, ignore_events)
    evaluate(EvaluateRequest(disc_run.path, disc_dataset, Path("e"), device="cpu", precision="fp32"), ignore_events)
    assert result.num_frames == len(synthesized) == len(measured) == 5
    for a, b in zip(synthesized, measured, strict=True):
        assert np.array_equal(a, b)
    assert np.abs(synthesized[0].astype(int) - synthesized[-1]).max() > 10
    assert json.loads(Path("e/metrics.json").read_text())["rows"]["model"]["psnr"] > 5


def wide_video(path: Path) -> Path:
    from helpers.factories import FPS, NUM_FRAMES, blob_frame
    from helpers.video_files import write_video

    return write_video(path, [blob_frame(index, 48, 96) for index in range(NUM_FRAMES)], FPS)


def test_transfer_uses_references(disc_run: TrainResult, blob_video: Path) -> None:
    request = TransferRequest(blob_video, disc_run.path, device="cpu", precision="fp32", compare=False)
    result = transfer(request, ignore_events)
    assert (result.num_frames, probe(result.path).height) == (24, 32)


def test_source_with_other_points_is_rendered_alike(
    disc_run: TrainResult, blob_video: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Points that the references do not have (as hands from a file) are ignored."""
    frames = record_frames(monkeypatch)
    extra = tmp_path / "extra.txt"
    extra.touch()
    for options in ({}, {"extremes": {"extra_path": str(extra)}}):
        request = TransferRequest(
            blob_video,
            disc_run.path,
            Path(f"{len(options)}.mp4"),
            device="cpu",
            precision="fp32",
            compare=False,
            max_frames=8,
            options=options,
        )
        transfer(request, ignore_events)
    assert len(frames) == 16
    assert np.array_equal(frames[:8], frames[8:])


def test_training_with_other_points_than_the_source(
    blob_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The references have points that the source lacks."""
    extra = tmp_path / "extra.txt"
    extra.touch()
    request = PrepareRequest(
        (blob_video,), ("extremes",), tmp_path / "set", options={"extremes": {"extra_path": str(extra)}}
    )
    data = prepare(request, ignore_events).path
    run = run_train(data, max_steps=1)
    assert len(load_metadata(run.checkpoint).references.annotations[0][0]["points"]) == 2  # type: ignore[union-attr]
    frames = record_frames(monkeypatch)
    transfer(TransferRequest(blob_video, run.path, device="cpu", compare=False, max_frames=4), ignore_events)
    assert len(frames) == 4


def test_warm_start_without_references(disc_dataset: Path, disc_run: TrainResult) -> None:
    plain = run_train(disc_dataset, reference_config(generator={"num_references": 0}), out=Path("plain"), max_steps=1)
    assert load_metadata(plain.checkpoint).references is None
    with_references = run_train(disc_dataset, out=Path("with"), init_from=plain.path, max_steps=1)
    assert load_metadata(with_references.checkpoint).references is not None
    from_references = run_train(disc_dataset, out=Path("again"), init_from=disc_run.checkpoint, max_steps=1)
    assert num_references(from_references.checkpoint) == 6


@pytest.mark.parametrize(("max_frames", "expected"), [(10, 3), (None, 2)])
def test_adapt_gives_few_frames_more_references(
    max_frames: int | None, expected: int, disc_run: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    video, events = make_blob_video(tmp_path / "new.mp4", MIN_FRAMES), list[Event]()
    request = AdaptRequest(disc_run.path, video, max_frames=max_frames, max_steps=1, device="cpu")
    result = adapt(request, events.append)
    assert RunFolder(result.path).load_config().generator.num_references == expected
    assert any("3 reference frames" in text for text in messages_of(events)) is (expected == 3)
    assert not any("randomly initialised" in text for text in messages_of(events))


@pytest.mark.parametrize("conditioner", ["edges", "labels"])
def test_conditioners_without_points(
    conditioner: str, dataset: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No alignment by points: nearest frames by their conditions, and static positions."""
    data = dataset if conditioner == "edges" else label_dataset(tmp_path)
    config = reference_config(generator={"num_references": 1})
    run = run_train(data, config, max_steps=2, out=Path("run"))
    assert not load_metadata(run.checkpoint).references.annotations[0][0]["points"]  # type: ignore[union-attr]
    synthesized, measured = record_frames(monkeypatch), record_measured(monkeypatch)
    request = SynthesizeRequest(run.path, data, split="val", device="cpu", precision="fp32", compare=False)
    synthesize(request, ignore_events)
    evaluate(EvaluateRequest(run.path, data, Path("e"), device="cpu", precision="fp32"), ignore_events)
    assert np.array_equal(synthesized, measured)


def label_dataset(folder: Path) -> Path:
    from helpers.factories import NUM_FRAMES, blob_frame

    from vid2vid_cli.media.images import save_png

    (folder / "labels").mkdir()
    for index in range(NUM_FRAMES):
        save_png(folder / "labels" / f"{index:03}.png", (blob_frame(index)[:, :, 0] > 180).astype(np.uint8))
    video = make_blob_video(folder / "video.mp4")
    options = {"labels": {"input_dir": str(folder / "labels"), "format": "ids", "classes": "2"}}
    return prepare(PrepareRequest((video,), ("labels",), folder / "set", options=options), ignore_events).path


def num_references(checkpoint: Path) -> int:
    references = load_metadata(checkpoint).references
    assert references is not None
    return len(references.file_sizes)


def messages_of(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, InfoEvent)]


def test_train_says_once_that_the_checkpoint_contains_real_frames(disc_dataset: Path) -> None:
    events: list[Event] = []
    config = reference_config(data={"reference_gap": 0})
    run = run_train(disc_dataset, config, max_steps=1, emit=events.append)
    view = View.from_json(load_metadata(run.checkpoint).references.view)  # type: ignore[union-attr]
    size = f"{view.width}x{view.height}"
    (message,) = [message for message in messages_of(events) if "real frames" in message]
    assert message.startswith(f"the .ckpt will contain 6 real frames of the dataset ({size}, ")
    assert not any("reference_" in message for message in messages_of(events))


def test_train_says_that_references_are_close_in_time(disc_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    config = reference_config(data={"reference_bank_size": 200, "reference_gap": 9.0})
    monkeypatch.setattr(training_data, "MAX_GAP_SHARE", 1.0)
    run = run_train(disc_dataset, config, max_steps=1, emit=events.append)
    assert 2 <= num_references(run.checkpoint) <= 19
    assert sum("reference_gap=9" in text and "closer in time" in text for text in messages_of(events)) == 1


@pytest.mark.parametrize("gap", [0.1, 9.0])
def test_gap_is_at_most_a_tenth_of_the_training_frames(disc_dataset: Path, gap: float) -> None:
    config = reference_config(data={"reference_gap": gap})
    data = open_training_data(disc_dataset, config)
    source = data.build_sampler(config).reference_source
    assert source is not None
    assert source.gap_frames == min(2, round(gap * float(data.dataset.fps)))  # 19 training frames


@pytest.mark.parametrize("limit", ["MAX_RECORD_BYTES", "MAX_FRAMES_BYTES", "MAX_ANNOTATION_BYTES"])
def test_bank_is_limited_by_its_size(disc_dataset: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """A `.ckpt` with a larger header could not be read. The frames that are left cover the others."""
    motion_bytes = 2 * 4 / 3 * linear_motion.MAX_ARRAY_BYTES  # base64, of the dataset and of all datasets
    assert reference_collection.MAX_RECORD_BYTES + motion_bytes < 0.95 * checkpoint_header._MAX_HEADER_BYTES
    full_size = {"MAX_RECORD_BYTES": 800, "MAX_FRAMES_BYTES": 5000, "MAX_ANNOTATION_BYTES": 200}[limit]
    monkeypatch.setattr(reference_collection, limit, full_size)
    config = reference_config()
    source = open_training_data(disc_dataset, config).build_sampler(config).reference_source
    assert source is not None
    assert 2 <= len(source.bank) < 6
    assert len(source.bank) + source.bank.num_left_out == 6
    assert list(source.bank.frame_ids) == sorted(source.bank.frame_ids)


def damage(checkpoint: Path, out: Path, change: str) -> Path:
    """A copy of a checkpoint with a valid checksum, whose references are damaged."""
    weights: dict[str, torch.Tensor] = dict(load_network_weights(checkpoint)["generator"])
    frames = torch.from_numpy(load_reference_frames(checkpoint).copy())
    metadata = load_metadata(checkpoint).model_dump(mode="json")
    annotations = metadata["references"]["annotations"]
    match change:
        case "count":
            frames = frames[1:]
        case "file sizes":
            metadata["references"]["file_sizes"][0] += 1
        case "not an image":
            frames[:100] = 0
        case "size":
            metadata["references"]["view"]["width"] += 1
        case "dtype":
            frames = frames.float()
        case "axes":
            frames = frames[None]
        case "no record":
            metadata["references"] = None
        case "no annotations":
            metadata["references"]["annotations"] = []
        case "conditioners":
            annotations[2] = annotations[2] * 2
        case "view":
            metadata["references"]["view"]["matrix"] = [[0, 0, 0], [0, 0, 0]]
        case "points list":
            annotations[0][0]["points"] = []
        case "annotation size":
            annotations[0][0]["width"] = 10**9
        case "quality":
            annotations[0][0]["quality"] = float("inf")
        case "no points key":
            del annotations[0][0]["points"]
        case _:
            annotations[0][0]["points"]["disc"] |= {
                "base64": {"data": "@@@"},
                "zlib": {"data": "AAAA"},
                "shape": {"shape": [7, 2]},
                "shape type": {"shape": "ab"},
                "negative shape": {"shape": [-1, -10]},
                "huge": {"shape": [1 << 40, 2]},
                "array dtype": {"dtype": "<f8"},
                "object dtype": {"dtype": "|O"},
                "unknown dtype": {"dtype": "float99"},
            }[change]
    if change != "no tensor":
        weights["references.frames"] = frames
    save_weights(out, weights, json.dumps(metadata))
    return out


DAMAGES = (
    *(
        "count",
        "size",
        "dtype",
        "axes",
        "file sizes",
        "not an image",
        "no record",
        "no annotations",
        "conditioners",
        "view",
        "points list",
    ),
    *("annotation size", "quality", "no points key", "base64", "zlib", "shape", "shape type", "negative shape"),
    *("huge", "array dtype", "object dtype", "unknown dtype"),
)


@pytest.mark.parametrize("change", DAMAGES)
def test_damaged_references_are_refused(disc_run: TrainResult, tmp_path: Path, change: str) -> None:
    path = damage(disc_run.checkpoint, tmp_path / "damaged.ckpt", change)
    with pytest.raises(TruncatedCheckpointError, match=r"damaged\.ckpt") as caught:
        load_model(open_checkpoint(path, "frames"), "cpu", "fp32")
    assert caught.value.exit_code == 33


def test_missing_reference_tensor_is_refused(disc_run: TrainResult, tmp_path: Path) -> None:
    path = tmp_path / "without.ckpt"
    metadata = load_metadata(disc_run.checkpoint)
    save_weights(path, load_network_weights(disc_run.checkpoint)["generator"], metadata.model_dump_json())
    with pytest.raises(TruncatedCheckpointError, match="without"):
        load_model(open_checkpoint(path, "frames"), "cpu", "fp32")


def test_undamaged_copy_is_accepted(disc_run: TrainResult, tmp_path: Path) -> None:
    """The copy that the tests of damages change is itself valid."""
    path = tmp_path / "copy.ckpt"
    weights: dict[str, torch.Tensor] = dict(load_network_weights(disc_run.checkpoint)["generator"])
    weights["references.frames"] = torch.from_numpy(load_reference_frames(disc_run.checkpoint))
    save_weights(path, weights, load_metadata(disc_run.checkpoint).model_dump_json())
    bank = load_model(open_checkpoint(path, "frames"), "cpu", "fp32").reference_bank
    original = load_reference_bank(disc_run.checkpoint, load_metadata(disc_run.checkpoint))
    assert bank is not None
    assert original is not None
    assert np.array_equal(bank.descriptors, original.descriptors)
