"""Styles: training, storage in the checkpoint, selection in `synthesize`, and `styles show`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import CPU, HEIGHT, NUM_FRAMES, WIDTH, blob_frame, tiny_config
from pydantic import ValidationError

from vid2vid_cli.cli import run_command_line as command
from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.annotation_json import annotation_from_json, annotation_to_json
from vid2vid_cli.conditioning.instances import INSTANCE_BITS, instance_class, instance_number
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, WarningEvent, ignore_events
from vid2vid_cli.engine.style_bank import ClassStyles, StyleAssigner, StyleBank, StyleChoice, group_by_class
from vid2vid_cli.media.images import load_png, save_png
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.styles import ShowStylesRequest, show_styles
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.frame_renderer import FrameRenderer, ResumePoint
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame
from vid2vid_cli.rendering.style_options import StyleOptions, parse_styles
from vid2vid_cli.tools.inspect import inspect_path
from vid2vid_cli.training_data.open_data import open_training_data

CLASS_NAMES = ("road", "wall", "car")
ROAD, WALL, CAR = range(3)
STYLE_SETTINGS = {"feature_channels": 3, "base_channels": 4, "num_downsamples": 2, "num_clusters": 4}
SCHEDULE_SETTINGS = {
    "max_steps": 2,
    "clip_length": 4,
    "max_clip_length": 4,
    "clip_growth_interval": 6,
    "frames_per_update": 2,
}


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def label_map(index: int) -> np.ndarray:
    """A car that moves from the road to the wall."""
    background = np.arange(WIDTH)[None] // (WIDTH // 2)
    return np.where(blob_frame(index)[:, :, 0] > 200, CAR, background).astype(np.uint8)


@pytest.fixture(scope="module")
def style_model(blob_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `blob_video` with labels; folders run, data and labels."""
    root = tmp_path_factory.mktemp("styles")
    (root / "labels").mkdir()
    for index in range(NUM_FRAMES):
        save_png(root / "labels" / f"{index:03d}.png", label_map(index))
    (root / "names.txt").write_text("\n".join(CLASS_NAMES))
    options = {"labels": {"input_dir": str(root / "labels"), "classes": str(root / "names.txt")}}
    data = prepare(PrepareRequest((blob_video,), ("labels",), root / "data", options=options), ignore_events).path
    config = tiny_config(schedule=SCHEDULE_SETTINGS, style=STYLE_SETTINGS)
    train(TrainRequest(config, "tiny", data, root / "run", device="cpu"), ignore_events)
    return root


@pytest.fixture
def metadata(style_model: Path) -> CheckpointMetadata:
    return load_metadata(style_model / "run" / "run.ckpt")


@pytest.fixture
def rendered_images(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The rendered images before encoding, as x264 is not deterministic."""
    images: list[np.ndarray] = []
    original_render = FrameRenderer.render

    def recording_render(
        self: FrameRenderer, source: Iterable[AnnotatedFrame], *, num_given_frames: int, resume: ResumePoint
    ) -> Iterator[RenderedFrame]:
        for rendered_frame in original_render(self, source, num_given_frames=num_given_frames, resume=resume):
            images.append(rendered_frame.image)
            yield rendered_frame

    monkeypatch.setattr(FrameRenderer, "render", recording_render)
    return images


class StyledSynthesizer:
    """Runs `synthesize` and returns the rendered images."""

    def __init__(self, rendered_images: list[np.ndarray]) -> None:
        self.rendered_images = rendered_images

    def __call__(self, model: Path, source: str = "labels", emit: Any = ignore_events, **style: Any) -> np.ndarray:
        self.rendered_images.clear()
        request = SynthesizeRequest(
            model / "run",
            model / source,
            device="cpu",
            precision="fp32",
            compare=False,
            style_options=StyleOptions(**style),
        )
        synthesize(request, emit)
        return np.stack(self.rendered_images).astype(int)


@pytest.fixture
def synthesize_styled(rendered_images: list[np.ndarray]) -> StyledSynthesizer:
    return StyledSynthesizer(rendered_images)


def mean_difference(first: np.ndarray, second: np.ndarray) -> float:
    """The mean absolute difference."""
    return float(np.abs(first - second).mean())


def test_checkpoint_stores_style_bank(style_model: Path, metadata: CheckpointMetadata) -> None:
    bank = metadata.style_bank
    assert bank is not None
    assert [(style_class.id, style_class.name) for style_class in bank.classes] == list(enumerate(CLASS_NAMES))
    assert bank.thing_class_ids == (CAR,)
    assert (metadata.condition_spec.channels, metadata.condition_spec.input_channels) == (3, 6)
    for style_class in bank.classes:
        assert 1 <= len(style_class.centres) <= 4
        assert list(style_class.sizes) == sorted(style_class.sizes, reverse=True)
        assert sum(style_class.weights) == pytest.approx(1)
    generator, _ = load_checkpoint(style_model / "run" / "run.ckpt", CPU)
    assert generator.style_encoder is not None


def test_sampler_instances_match_conditions(style_model: Path) -> None:
    """With augmentation, the class of each pixel is that of its active channel."""
    config = tiny_config(
        augmentation={"max_translate": 0.2, "max_zoom": 0.2, "hflip_prob": 0.5},
        schedule={**SCHEDULE_SETTINGS, "batch_size": 3},
        style={**STYLE_SETTINGS, "thing_classes": ["CAR"]},
    )
    training_data = open_training_data(style_model / "data", config)
    for step in range(3):
        clip = training_data.build_sampler(config).sample_batch(step, 4)
        assert clip.instances is not None
        np.testing.assert_array_equal(instance_class(clip.instances.numpy()), clip.conditions.argmax(2).numpy())
        numbers = instance_number(clip.instances.numpy())
        assert set(numbers[clip.conditions.argmax(2).numpy() == CAR]) <= {1, 2}
    assert training_data.build_sampler(tiny_config(schedule=SCHEDULE_SETTINGS)).sample_batch(0, 4).instances is None


def test_style_settings_reject_invalid_values(style_model: Path) -> None:
    config = tiny_config(style={**STYLE_SETTINGS, "thing_classes": ["cat"]})
    training_data = open_training_data(style_model / "data", config)
    with pytest.raises(ConfigError, match="cat") as caught:
        training_data.build_sampler(config)
    assert "car" in caught.value.hint
    with pytest.raises(ValidationError, match="64"):
        tiny_config(style={"feature_channels": 3, "num_downsamples": 5})


def test_inspect_path_counts_styles(style_model: Path) -> None:
    rows = dict(inspect_path(style_model / "run" / "run.ckpt").rows)
    assert rows["styles"].startswith("road ")
    assert not any("zlib" in value or "example" in name for name, value in rows.items())


def test_synthesize_style_seed_is_reproducible(style_model: Path, synthesize_styled: StyledSynthesizer) -> None:
    default, default_again = synthesize_styled(style_model), synthesize_styled(style_model)
    seed_7, seed_8, seed_7_again = (synthesize_styled(style_model, seed=seed) for seed in (7, 8, 7))
    assert mean_difference(default, default_again) == 0
    assert mean_difference(seed_7, seed_7_again) == 0
    assert min(mean_difference(seed_7, seed_8), mean_difference(seed_7, default)) > 0
    assert mean_difference(seed_7, synthesize_styled(style_model, "data", seed=7)) == 0


def test_transfer_matches_synthesize_styles(
    style_model: Path, blob_video: Path, synthesize_styled: StyledSynthesizer
) -> None:
    """The labels belong to the source of the transfer, so the result equals that of `synthesize`."""
    expected = synthesize_styled(style_model, seed=7)
    synthesize_styled.rendered_images.clear()
    files = {"labels": {"input_dir": str(style_model / "labels")}}
    settings = {"device": "cpu", "precision": "fp32", "compare": False, "style_options": StyleOptions(seed=7)}
    transfer(TransferRequest(blob_video, style_model / "run", options=files, **settings), ignore_events)
    assert mean_difference(np.stack(synthesize_styled.rendered_images).astype(int), expected) == 0


def test_parse_styles_selects_cluster_by_number(
    style_model: Path, synthesize_styled: StyledSynthesizer, metadata: CheckpointMetadata
) -> None:
    assert metadata.style_bank is not None
    wall_styles = metadata.style_bank.classes[WALL]
    assert len(wall_styles.centres) > 1
    style_choice = parse_styles(StyleOptions(assignments=("WALL=2", "car#3=1")), metadata)
    assert (dict(style_choice.class_clusters), dict(style_choice.object_clusters)) == ({WALL: 1}, {(CAR, 3): 0})
    np.testing.assert_allclose(
        StyleAssigner(metadata.style_bank, style_choice).object_style(WALL << INSTANCE_BITS), wall_styles.centres[1]
    )
    assert mean_difference(synthesize_styled(style_model), synthesize_styled(style_model, assignments=("wall=2",))) > 0


@pytest.mark.parametrize(
    ("style_options", "setting", "hint"),
    [
        ({"assignments": ("wal=1",)}, "wal", "Did you mean wall"),
        ({"assignments": ("sea=1",)}, "sea", "road, wall, car"),
        ({"assignments": ("wall=99",)}, "wall=99", "styles show"),
        ({"assignments": ("wall=0",)}, "wall=0", "styles show"),
        ({"assignments": ("wall",)}, "--style wall", "--style car=3"),
        ({"reference_labels": ("a.png",)}, "--style-labels", "--style-from"),
    ],
)
def test_parse_styles_rejects_invalid_options(
    style_model: Path, style_options: dict[str, Any], setting: str, hint: str
) -> None:
    request = SynthesizeRequest(
        style_model / "run", style_model / "labels", style_options=StyleOptions(**style_options)
    )
    with pytest.raises(ConfigError, match=setting) as caught:
        plan_synthesize(request)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "style_options", [{"seed": 0}, {"assignments": ("car=1",)}, {"reference_image": Path("a.png")}]
)
def test_plan_synthesize_rejects_styles_of_unstyled_model(
    run_folder: Path, dataset: Path, style_options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="blob") as caught:
        plan_synthesize(SynthesizeRequest(run_folder, dataset, style_options=StyleOptions(**style_options)))
    assert "style.feature_channels=3" in caught.value.hint


def test_synthesize_styles_from_reference_image(style_model: Path, synthesize_styled: StyledSynthesizer) -> None:
    save_png(Path("photo.png"), blob_frame(3)[:, :, ::-1].copy())
    save_png(Path("photo_labels.png"), np.minimum(label_map(3), WALL))
    events: list[Event] = []
    with pytest.raises(ConfigError, match="labels") as caught:
        synthesize_styled(style_model, reference_image=Path("photo.png"))
    assert "--style-labels" in caught.value.hint
    reference = {"reference_image": Path("photo.png"), "reference_labels": ("photo_labels.png",)}
    images = synthesize_styled(style_model, emit=events.append, **reference)
    assert mean_difference(images, synthesize_styled(style_model)) > 0
    assert any(isinstance(event, InfoEvent) and "road, wall as in photo.png" in event.message for event in events)
    assert mean_difference(images, synthesize_styled(style_model, assignments=("wall=1",), **reference)) > 0


def test_synthesize_reference_without_labels_is_one_object(
    blob_video: Path, tmp_path: Path, synthesize_styled: StyledSynthesizer
) -> None:
    data = prepare(PrepareRequest((blob_video,), ("edges",), tmp_path / "data"), ignore_events).path
    invalid_config = tiny_config(schedule=SCHEDULE_SETTINGS, style=STYLE_SETTINGS)
    with pytest.raises(ConfigError, match="edges") as caught:
        open_training_data(data, invalid_config).build_sampler(invalid_config)
    assert "generator.norm=group" in caught.value.hint
    config = tiny_config(schedule=SCHEDULE_SETTINGS, style=STYLE_SETTINGS, generator={"norm": "group"})
    train(TrainRequest(config, "tiny", data, tmp_path / "run", device="cpu"), ignore_events)
    save_png(Path("photo.png"), blob_frame(3)[:, :, ::-1].copy())
    events: list[Event] = []
    images = synthesize_styled(tmp_path, "data", events.append, reference_image=Path("photo.png"))
    assert any(isinstance(event, InfoEvent) and "styles of image as in" in event.message for event in events)
    assert mean_difference(images, synthesize_styled(tmp_path, "data", assignments=("image=1",))) > 0


def test_evaluate_uses_most_common_styles(style_model: Path) -> None:
    result = evaluate(
        EvaluateRequest(style_model / "run", style_model / "data", Path("e"), device="cpu", precision="fp32"),
        ignore_events,
    )
    training_psnr = load_metadata(style_model / "run" / "run.ckpt").training["psnr_val"]
    assert result.metrics["psnr"] == pytest.approx(training_psnr, abs=0.05)


def test_show_styles_writes_sheet(style_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        command(["styles", "show", str(style_model / "run"), "--device", "cpu", "--precision", "fp32", "--json"]) == 0
    )
    payload = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert payload["path"] == "run_styles.png"
    assert list(payload["cluster_sizes"]) == list(CLASS_NAMES)
    sheet = load_png(Path("run_styles.png"))
    request = ShowStylesRequest(
        style_model / "run", style_model / "data", Path("again.png"), device="cpu", precision="fp32"
    )
    assert load_png(show_styles(request, ignore_events).path).shape == sheet.shape


def test_show_styles_generates_in_a_thread(style_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the main thread OpenMP's busy waiting makes it several times slower where cores are shared."""
    forward, is_main_thread = CompositeGenerator.forward, list[bool]()

    def record_thread(self: CompositeGenerator, *args: Any) -> Any:
        is_main_thread.append(threading.current_thread() is threading.main_thread())
        return forward(self, *args)

    monkeypatch.setattr(CompositeGenerator, "forward", record_thread)
    request = ShowStylesRequest(style_model / "run", out=Path("sheet.png"), device="cpu", precision="fp32")
    num_images = sum(map(len, show_styles(request, ignore_events).cluster_sizes.values()))
    past_frames = load_metadata(style_model / "run" / "run.ckpt").generator.past_frames
    assert is_main_thread == [False] * (num_images * (past_frames + 1))


def test_show_styles_warns_about_missing_classes(style_model: Path, blob_video: Path) -> None:
    Path("bare").mkdir()
    for index in range(NUM_FRAMES):
        save_png(Path("bare") / f"{index:03d}.png", np.minimum(label_map(index), WALL))
    options = {"labels": {"input_dir": "bare", "classes": str(style_model / "names.txt")}}
    data = prepare(PrepareRequest((blob_video,), ("labels",), Path("other"), options=options), ignore_events).path
    events: list[Event] = []
    show_styles(ShowStylesRequest(style_model / "run", data, device="cpu", precision="fp32"), events.append)
    (message,) = [event.message for event in events if isinstance(event, WarningEvent)]
    assert "car" in message
    assert "--data" in message


def make_style_bank() -> StyleBank:
    rng = np.random.default_rng(0)
    reds, blues = (np.array(m) + 0.02 * rng.standard_normal((30, 3)) for m in ((0.8, -0.5, 0), (-0.6, 0.5, 0.3)))
    vectors = np.concatenate([reds, blues[:20]])
    classes = (ClassStyles.from_features(CAR, "car", vectors, 2),)
    return StyleBank(
        feature_channels=3,
        base_channels=4,
        num_downsamples=2,
        thing_class_ids=(CAR,),
        classes=classes,
        example_annotations=(),
    )


def test_style_assigner_gives_one_style_per_object() -> None:
    style_assigner = StyleAssigner(make_style_bank(), StyleChoice(seed=7))
    first, second = (CAR << INSTANCE_BITS) + 1, (CAR << INSTANCE_BITS) + 2
    frame = np.array([[first, first, -1, second], [first, ROAD, second, second]], dtype=np.int64)
    frame[1, 1] = ROAD << INSTANCE_BITS
    maps = style_assigner(frame)
    assert maps.shape == (3, 2, 4)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(
        maps[:, frame == first], np.tile(style_assigner.object_style(first)[:, None], 3), atol=1e-6
    )
    np.testing.assert_array_equal(maps[:, frame == second], style_assigner(frame[:, ::-1])[:, frame[:, ::-1] == second])
    assert not maps[:, frame < 0].any()
    assert not maps[:, frame == ROAD << INSTANCE_BITS].any()


def test_style_assigner_samples_training_distribution() -> None:
    style_bank = make_style_bank()
    styles = np.array(
        [StyleAssigner(style_bank, StyleChoice(seed=3)).object_style((CAR << INSTANCE_BITS) + n) for n in range(100)]
    )
    centres = np.array(style_bank.classes[0].centres)
    distances = np.linalg.norm(styles[:, None] - centres, axis=-1)
    assert (distances.min(1) < 0.2).all()
    assert 40 <= (distances.argmin(1) == 0).sum() <= 80
    assert len(np.unique(styles, axis=0)) == 100


def test_group_by_class_ignores_small_objects() -> None:
    object_features = [(CAR, 0.2, np.ones(3)), (CAR, 0.0001, np.zeros(3)), (ROAD, 0.0002, np.zeros(3))]
    grouped = group_by_class(object_features, 0.001, 1)
    assert grouped[CAR].tolist() == [[1, 1, 1]]
    assert grouped[ROAD].tolist() == [[0, 0, 0]]
    assert len(group_by_class(object_features, 0.001, 2)[CAR]) == 2


def test_annotation_json_round_trip() -> None:
    annotation = Annotation(
        HEIGHT,
        WIDTH,
        0.5,
        {"face": np.array([[1.5, np.nan]], np.float32)},
        {"labels": label_map(2), "instances": label_map(2).astype(np.uint16) * 1000},
    )
    restored = annotation_from_json(json.loads(json.dumps(annotation_to_json(annotation))))
    assert (restored.height, restored.width, restored.quality) == (HEIGHT, WIDTH, 0.5)
    for name, points in annotation.points.items():
        np.testing.assert_array_equal(restored.points[name], points)
    for name, image in annotation.images.items():
        assert restored.images[name].dtype == image.dtype
        np.testing.assert_array_equal(restored.images[name], image)
