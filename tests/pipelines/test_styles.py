"""Styles end to end: learned on a film with labels, kept in the checkpoint, chosen in `synthesize`, drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import COUNT, CPU, HEIGHT, WIDTH, blob_frame, tiny_config
from pydantic import ValidationError

from vid2vid_cli.cli import run as command
from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.instances import NUMBERS, class_of, number_of
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.checkpoint import CheckpointInfo, load_checkpoint, load_info
from vid2vid_cli.engine.events import Event, Noticed, Warned, silent
from vid2vid_cli.engine.style_bank import ClassStyles, StyleBank, StyleChoice, Styler, gather
from vid2vid_cli.media.images import load_png, save_png
from vid2vid_cli.networks.style_encoder import style_encoder
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.styles import ShowStylesRequest, show_styles
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.frame_renderer import Painter, Seen
from vid2vid_cli.rendering.style_options import StyleWords, understand_styles
from vid2vid_cli.tools.inspect import inspect
from vid2vid_cli.training.style_collection import pack, unpack
from vid2vid_cli.training_data.training_data import open_subject

NAMES = ("road", "wall", "car")
ROAD, WALL, CAR = range(3)
STYLE = {"features": 3, "width": 4, "downsamples": 2, "clusters": 4}
SCHEDULE = {"steps": 2, "clip": 4, "clip_max": 4, "grow_every": 6, "frames_per_update": 2}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def label_map(index: int) -> np.ndarray:
    """A car that passes from the road to the wall."""
    grounds = np.arange(WIDTH)[None] // (WIDTH // 2)
    return np.where(blob_frame(index)[:, :, 0] > 200, CAR, grounds).astype(np.uint8)


@pytest.fixture(scope="module")
def model(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `film` with labels: model/run, model/data, model/labels."""
    root = tmp_path_factory.mktemp("styles")
    (root / "labels").mkdir()
    for index in range(COUNT):
        save_png(root / "labels" / f"{index:03d}.png", label_map(index))
    (root / "names.txt").write_text("\n".join(NAMES))
    options = {"labels": {"dir": str(root / "labels"), "classes": str(root / "names.txt")}}
    data = prepare(PrepareRequest((film,), ("labels",), root / "data", options), silent).path
    config = tiny_config(schedule=SCHEDULE, style=STYLE)
    train(TrainRequest(config, "tiny", data, root / "run", device="cpu"), silent)
    return root


@pytest.fixture
def info(model: Path) -> CheckpointInfo:
    return load_info(model / "run" / "run.ckpt")


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What the painter gives to the encoder: x264 does not always make the same of it."""
    given: list[np.ndarray] = []
    paint = Painter.paint

    def watched(self: Painter, source: Iterable[Seen]) -> Iterator[tuple[Seen, np.ndarray]]:
        for seen, picture in paint(self, source):
            given.append(picture)
            yield seen, picture

    monkeypatch.setattr(Painter, "paint", watched)
    return given


class Studio:
    """Renders labels, and says what was painted."""

    def __init__(self, painted: list[np.ndarray]) -> None:
        self.painted = painted

    def __call__(self, model: Path, source: str = "labels", tell: Any = silent, **words: Any) -> np.ndarray:
        self.painted.clear()
        request = SynthesizeRequest(
            model / "run", model / source, device="cpu", precision="fp32", compare=False, style=StyleWords(**words)
        )
        synthesize(request, tell)
        return np.stack(self.painted).astype(int)


@pytest.fixture
def pictures(painted: list[np.ndarray]) -> Studio:
    return Studio(painted)


def away(one: np.ndarray, other: np.ndarray) -> float:
    """The mean difference."""
    return float(np.abs(one - other).mean())


def test_what_the_checkpoint_knows(model: Path, info: CheckpointInfo) -> None:
    bank = info.styles
    assert bank is not None
    assert [(one.id, one.name) for one in bank.classes] == list(enumerate(NAMES))
    assert bank.things == (CAR,)
    assert (info.layout.channels, info.layout.shown) == (3, 6)
    for one in bank.classes:
        assert 1 <= len(one.centres) <= 4
        assert list(one.sizes) == sorted(one.sizes, reverse=True)
        assert sum(one.weights) == pytest.approx(1)
    generator, _ = load_checkpoint(model / "run" / "run.ckpt", CPU)
    assert style_encoder(generator) is not None


def test_clips_come_with_the_objects_that_their_conditions_show(model: Path) -> None:
    """However they are seen: the class of each pixel is that of the channel which is on."""
    data = {"shift": 0.2, "zoom": 0.2, "flip": 0.5}
    config = tiny_config(data=data, schedule={**SCHEDULE, "batch": 3}, style={**STYLE, "things": ["CAR"]})
    subject = open_subject(model / "data", config)
    for step in range(3):
        clip = subject.sampler(config).draw(step, 4)
        assert clip.instances is not None
        np.testing.assert_array_equal(class_of(clip.instances.numpy()), clip.conditions.argmax(2).numpy())
        numbers = number_of(clip.instances.numpy())
        assert set(numbers[clip.conditions.argmax(2).numpy() == CAR]) <= {1, 2}
    assert subject.sampler(tiny_config(schedule=SCHEDULE)).draw(0, 4).instances is None


def test_settings_that_do_not_fit(model: Path) -> None:
    config = tiny_config(style={**STYLE, "things": ["cat"]})
    subject = open_subject(model / "data", config)
    with pytest.raises(ConfigError, match="no class 'cat'") as caught:
        subject.sampler(config)
    assert "car" in caught.value.hint
    with pytest.raises(ValidationError, match="too small for the styles: at least 64 pixels"):
        tiny_config(style={"features": 3, "downsamples": 5})


def test_inspect_counts_them(model: Path) -> None:
    rows = dict(inspect(model / "run" / "run.ckpt").rows)
    assert rows["styles"].startswith("road ")
    assert not any("zlib" in value or "frame" in name for name, value in rows.items())


def test_seeds_differ_and_each_gives_the_same_again(model: Path, pictures: Studio) -> None:
    plain, again = pictures(model), pictures(model)
    seven, eight, seven_again = (pictures(model, seed=seed) for seed in (7, 8, 7))
    assert away(plain, again) == 0
    assert away(seven, seven_again) == 0
    assert min(away(seven, eight), away(seven, plain)) > 0
    assert away(seven, pictures(model, "data", seed=7)) == 0


def test_transfer_gives_the_same_styles(model: Path, film: Path, pictures: Studio) -> None:
    """Its frames are those of the film, which the labels are of, so that all is as in `synthesize`."""
    wanted = pictures(model, seed=7)
    pictures.painted.clear()
    files = {"labels": {"dir": str(model / "labels")}}
    words = {"device": "cpu", "precision": "fp32", "compare": False, "style": StyleWords(seed=7)}
    transfer(TransferRequest(film, model / "run", options=files, **words), silent)
    assert away(np.stack(pictures.painted).astype(int), wanted) == 0


def test_a_style_by_number_is_that_cluster(model: Path, pictures: Studio, info: CheckpointInfo) -> None:
    assert info.styles is not None
    wall = info.styles.classes[WALL]
    assert len(wall.centres) > 1
    chosen = understand_styles(StyleWords(styles=("WALL=2", "car#3=1")), info)
    assert (dict(chosen.clusters), dict(chosen.objects)) == ({WALL: 1}, {(CAR, 3): 0})
    np.testing.assert_allclose(Styler(info.styles, chosen).style(WALL << NUMBERS), wall.centres[1])
    assert away(pictures(model), pictures(model, styles=("wall=2",))) > 0


@pytest.mark.parametrize(
    ("words", "complaint", "remedy"),
    [
        ({"styles": ("wal=1",)}, "no styles of 'wal'", "Did you mean wall"),
        ({"styles": ("sea=1",)}, "no styles of 'sea'", "road, wall, car"),
        ({"styles": ("wall=99",)}, "wall has the styles 1 to", "styles show"),
        ({"styles": ("wall=0",)}, "wall has the styles 1 to", "styles show"),
        ({"styles": ("wall",)}, "not understood", "--style car=3"),
        ({"labels": ("a.png",)}, "labels of a photo", "--style-from"),
    ],
)
def test_what_cannot_be(model: Path, words: dict[str, Any], complaint: str, remedy: str) -> None:
    request = SynthesizeRequest(model / "run", model / "labels", style=StyleWords(**words))
    with pytest.raises(ConfigError, match=complaint) as caught:
        plan_synthesize(request)
    assert remedy in caught.value.hint


@pytest.mark.parametrize("words", [{"seed": 0}, {"styles": ("car=1",)}, {"photo": Path("a.png")}])
def test_a_model_without_styles(run_folder: Path, dataset: Path, words: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="blob knows no styles") as caught:
        plan_synthesize(SynthesizeRequest(run_folder, dataset, style=StyleWords(**words)))
    assert "style.features=3" in caught.value.hint


def test_styles_of_a_photo(model: Path, pictures: Studio) -> None:
    save_png(Path("photo.png"), blob_frame(3)[:, :, ::-1].copy())
    save_png(Path("photo_labels.png"), np.minimum(label_map(3), WALL))
    events: list[Event] = []
    with pytest.raises(ConfigError, match="are needed") as caught:
        pictures(model, photo=Path("photo.png"))
    assert "--style-labels" in caught.value.hint
    photo = {"photo": Path("photo.png"), "labels": ("photo_labels.png",)}
    made = pictures(model, tell=events.append, **photo)
    assert away(made, pictures(model)) > 0
    assert any(isinstance(one, Noticed) and "styles of road, wall as in photo.png" in one.message for one in events)
    assert away(made, pictures(model, styles=("wall=1",), **photo)) > 0


def test_without_labels_a_photo_is_one_object(film: Path, tmp_path: Path, pictures: Studio) -> None:
    data = prepare(PrepareRequest((film,), ("edges",), tmp_path / "data"), silent).path
    plain = tiny_config(schedule=SCHEDULE, style=STYLE)
    with pytest.raises(ConfigError, match="edges has no classes, so the whole picture is one object") as caught:
        open_subject(data, plain).sampler(plain)
    assert "generator.norm=group" in caught.value.hint
    config = tiny_config(schedule=SCHEDULE, style=STYLE, generator={"norm": "group"})
    train(TrainRequest(config, "tiny", data, tmp_path / "run", device="cpu"), silent)
    save_png(Path("photo.png"), blob_frame(3)[:, :, ::-1].copy())
    events: list[Event] = []
    made = pictures(tmp_path, "data", events.append, photo=Path("photo.png"))
    assert any(isinstance(one, Noticed) and "styles of picture as in" in one.message for one in events)
    assert away(made, pictures(tmp_path, "data", styles=("picture=1",))) > 0


def test_evaluate_gives_each_class_its_most_common_style(model: Path) -> None:
    measured = evaluate(EvaluateRequest(model / "run", model / "data", Path("e.json"), "cpu", precision="fp32"), silent)
    kept = load_info(model / "run" / "run.ckpt").training["psnr_held_out"]
    assert measured.metrics["psnr"] == pytest.approx(kept, abs=0.05)


def test_the_sheet(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["styles", "show", str(model / "run"), "--device", "cpu", "--precision", "fp32", "--json"]) == 0
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert done["path"] == "run_styles.png"
    assert list(done["classes"]) == list(NAMES)
    sheet = load_png(Path("run_styles.png"))
    request = ShowStylesRequest(model / "run", model / "data", Path("again.png"), "cpu", "fp32")
    assert load_png(show_styles(request, silent).path).shape == sheet.shape


def test_a_sheet_says_what_is_not_on_its_frame(model: Path, film: Path) -> None:
    Path("bare").mkdir()
    for index in range(COUNT):
        save_png(Path("bare") / f"{index:03d}.png", np.minimum(label_map(index), WALL))
    options = {"labels": {"dir": "bare", "classes": str(model / "names.txt")}}
    data = prepare(PrepareRequest((film,), ("labels",), Path("other"), options), silent).path
    events: list[Event] = []
    show_styles(ShowStylesRequest(model / "run", data, None, "cpu", "fp32"), events.append)
    assert [one.message for one in events if isinstance(one, Warned)] == [
        "the frame shows no car; another may: --data DATASET"
    ]


def bank() -> StyleBank:
    random = np.random.default_rng(0)
    reds, blues = (np.array(m) + 0.02 * random.standard_normal((30, 3)) for m in ((0.8, -0.5, 0), (-0.6, 0.5, 0.3)))
    vectors = np.concatenate([reds, blues[:20]])
    classes = (ClassStyles.of(CAR, "car", vectors, 2),)
    return StyleBank(features=3, width=4, downsamples=2, things=(CAR,), classes=classes, frame=())


def test_every_object_has_one_style_whatever_the_frame() -> None:
    styler = Styler(bank(), StyleChoice(seed=7))
    first, second = (CAR << NUMBERS) + 1, (CAR << NUMBERS) + 2
    frame = np.array([[first, first, -1, second], [first, ROAD, second, second]], dtype=np.int64)
    frame[1, 1] = ROAD << NUMBERS
    maps = styler(frame)
    assert maps.shape == (3, 2, 4)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps[:, frame == first], np.tile(styler.style(first)[:, None], 3), atol=1e-6)
    np.testing.assert_array_equal(maps[:, frame == second], styler(frame[:, ::-1])[:, frame[:, ::-1] == second])
    assert not maps[:, frame < 0].any()
    assert not maps[:, frame == ROAD << NUMBERS].any()


def test_drawn_styles_are_as_the_training_showed_them() -> None:
    known = bank()
    styles = np.array([Styler(known, StyleChoice(seed=3)).style((CAR << NUMBERS) + n) for n in range(100)])
    centres = np.array(known.classes[0].centres)
    nearest = np.linalg.norm(styles[:, None] - centres, axis=-1)
    assert (nearest.min(1) < 0.2).all()
    assert 40 <= (nearest.argmin(1) == 0).sum() <= 80
    assert len(np.unique(styles, axis=0)) == 100


def test_small_objects_do_not_count_unless_there_are_no_others() -> None:
    found = [(CAR, 0.2, np.ones(3)), (CAR, 0.0001, np.zeros(3)), (ROAD, 0.0002, np.zeros(3))]
    gathered = gather(found, 0.001, 1)
    assert gathered[CAR].tolist() == [[1, 1, 1]]
    assert gathered[ROAD].tolist() == [[0, 0, 0]]
    assert len(gather(found, 0.001, 2)[CAR]) == 2


def test_an_annotation_survives_json() -> None:
    found = Annotation(
        HEIGHT,
        WIDTH,
        0.5,
        {"face": np.array([[1.5, np.nan]], np.float32)},
        {"labels": label_map(2), "instances": label_map(2).astype(np.uint16) * 1000},
    )
    again = unpack(json.loads(json.dumps(pack(found))))
    assert (again.height, again.width, again.quality) == (HEIGHT, WIDTH, 0.5)
    for name, points in found.points.items():
        np.testing.assert_array_equal(again.points[name], points)
    for name, image in found.images.items():
        assert again.images[name].dtype == image.dtype
        np.testing.assert_array_equal(again.images[name], image)
