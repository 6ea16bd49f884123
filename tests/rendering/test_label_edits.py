"""Label maps edited on their way to the generator: the same picture as from files that were edited by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import COUNT, HEIGHT, WIDTH, blob_frame, tiny_config

from vid2vid_cli.cli import run
from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.label_editing import LABELS
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.events import Event, Warned, silent
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, plan_transfer, transfer
from vid2vid_cli.rendering.frame_renderer import Rendered, Seen
from vid2vid_cli.rendering.label_edits import Relabelling
from vid2vid_cli.rendering.parse_edits import understand_edits
from vid2vid_cli.tools.inspect import inspect

NAMES = ("road", "wall", "Man", "tree")
ROAD, WALL, MAN, TREE = range(4)
FPS = Fraction(30000, 1001)
ENCODED = 3
"""Grey levels by which x264 makes the same pictures differ; other labels make 10 and more."""
CLASSES = {"kind": "ids", "classes": [{"id": index, "name": name} for index, name in enumerate(NAMES)]}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def label_map(index: int, times: int = 1) -> np.ndarray:
    """A man who passes from the road to the wall; `times` larger."""
    grounds = np.arange(WIDTH)[None] // (WIDTH // 2)
    ids = np.where(blob_frame(index)[:, :, 0] > 200, MAN, grounds).astype(np.uint8)
    return ids.repeat(times, 0).repeat(times, 1)


def things(index: int) -> np.ndarray:
    """Cityscapes' way: the id of the class where there is no instance."""
    map_ = label_map(index).astype(np.uint16)
    return np.where(map_ == MAN, 2001, map_).astype(np.uint16)


def write(folder: str, pictures: list[np.ndarray]) -> Path:
    Path(folder).mkdir(parents=True)
    for index, picture in enumerate(pictures):
        save_png(Path(folder) / f"{index:03d}.png", picture)
    return Path(folder)


@pytest.fixture(scope="module")
def model(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `film` with labels and instances: model/run, model/data, model/labels, model/things."""
    root = tmp_path_factory.mktemp("city")
    labels = write(f"{root}/labels", [label_map(index) for index in range(COUNT)])
    ids = write(f"{root}/things", [things(index) for index in range(COUNT)])
    (root / "names.txt").write_text("\n".join(NAMES))
    options = {"labels": {"dir": str(labels), "instances": str(ids), "classes": str(root / "names.txt")}}
    data = prepare(PrepareRequest((film,), ("labels",), root / "data", options), silent).path
    config = tiny_config(schedule={"steps": 2, "clip": 4, "clip_max": 4, "grow_every": 6, "frames_per_update": 2})
    train(TrainRequest(config, "tiny", data, root / "run", device="cpu"), silent)
    return root


def pictures(model: Path, source: Path, instances: Path, **changes: Any) -> list[np.ndarray]:
    tell = changes.pop("tell", silent)
    options = {} if (source / "dataset.json").exists() else {"labels": {"instances": str(instances)}}
    request = SynthesizeRequest(model / "run", source, options=options, device="cpu", precision="fp32", **changes)
    return beside(synthesize(request, tell))


def beside(made: Rendered) -> list[np.ndarray]:
    """The condition and the result of each frame, as the comparison shows them: its right two thirds, or all."""
    assert made.compare is not None
    return [frame[:, -2 * 24 :] for frame in VideoReader(made.compare)]


def away(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """The largest mean difference of two frames."""
    return max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(one, other, strict=True))


def test_replaced_and_removed_as_by_hand(model: Path) -> None:
    """The man vanishes from frame 5 on; in the left half, until 0.5 s, road is tree."""
    edits: dict[str, Any] = {"replace": ("ROAD=tree@-0.5s@0%,0%,50%,100%",), "remove": ("man@5-",)}
    grounds = np.broadcast_to(np.arange(WIDTH) // (WIDTH // 2), (HEIGHT, WIDTH)).astype(np.uint8)
    maps, ids = [], []
    for index in range(COUNT):
        map_, own = (label_map(index), things(index)) if index < 5 else (grounds.copy(), grounds.astype(np.uint16))
        if index < 0.5 * FPS:
            own[:, : WIDTH // 2][map_[:, : WIDTH // 2] == ROAD] = TREE
            map_[:, : WIDTH // 2][map_[:, : WIDTH // 2] == ROAD] = TREE
        maps.append(map_)
        ids.append(own)
    wanted = pictures(model, write("edited", maps), write("edited_things", ids))
    plain = pictures(model, model / "labels", model / "things")
    assert away(plain, wanted) > 10
    told: list[Event] = []
    assert away(pictures(model, model / "labels", model / "things", tell=told.append, **edits), wanted) < ENCODED
    assert [event.message.partition(": ")[2] for event in told if isinstance(event, Warned)] == [
        "the model hardly ever saw tree; what it draws there is a guess."
    ]
    assert away(pictures(model, model / "data", model / "things", **edits), wanted) < ENCODED
    request = TransferRequest(
        next((model.parent.parent).rglob("blob.mp4")),
        model / "run",
        options={"labels": {"dir": str(model / "labels"), "instances": str(model / "things")}},
        device="cpu",
        precision="fp32",
        **edits,
    )
    assert away(beside(transfer(request, silent)), wanted) < ENCODED
    assert dict(plan_transfer(request).rows)["edit"]


def test_boxes_are_in_pixels_of_the_source_as_it_is_stored(model: Path) -> None:
    """Maps of 560 x 400 are the same scene; larger than 512 px they would be reduced while they are read."""
    small = pictures(model, model / "labels", model / "things", replace=("road=tree@0,0,14,20",))
    labels = write("large", [label_map(index, 14) for index in range(4)])
    large_things = write("large_things", [things(index).repeat(14, 0).repeat(14, 1) for index in range(4)])
    large = pictures(model, labels, large_things, replace=("road=tree@0,0,196,280",))
    assert away(small[:4], large) < ENCODED


def test_clips_count_on_and_forget(model: Path) -> None:
    """Two sequences: the second begins at frame 4 of what is written, and remembers nothing of the first."""
    labels = load_conditioner("labels", CLASSES)
    first, second = np.full((6, 6), WALL, np.uint8), np.full((6, 6), WALL, np.uint8)
    first[2:4, 2:4] = TREE
    second[1:5, 1:5] = MAN

    def clip(map_: np.ndarray, count: int) -> list[Seen]:
        return [Seen(None, (Annotation(6, 6, 1.0, images={LABELS: map_}),)) for _ in range(count)]

    editing = Relabelling(understand_edits(["wall=road@5-"], ["man"]), [labels], Fraction(25))
    made = [
        [seen.annotations[0].images[LABELS] for seen in editing.clip(clip(map_, 4), (6, 6))] for map_ in (first, second)
    ]
    assert all(np.array_equal(map_, first) for map_ in made[0])
    assert [map_.tolist() for map_ in made[1]] == [np.full((6, 6), value).tolist() for value in (WALL, *[ROAD] * 3)]
    events: list[Event] = []
    editing.report(events.append)
    assert events == []
    # The same stream at once, in one clip: the tree is remembered.
    editing = Relabelling(understand_edits([], ["man"]), [labels], Fraction(25))
    joined = [seen.annotations[0].images[LABELS] for seen in editing.clip([*clip(first, 4), *clip(second, 4)], (6, 6))]
    assert all(np.array_equal(map_, first) for map_ in joined)


def test_of_several_conditioners_those_with_the_class_are_edited() -> None:
    """Edges stay; a segmentation that knows no such class too."""
    labels, voc = load_conditioner("labels", CLASSES), load_conditioner("segmentation")
    edges = load_conditioner("edges")
    map_ = np.full((2, 2), MAN, np.uint8)
    found = Annotation(2, 2, 1.0, images={LABELS: map_})
    seen = Seen(None, (found, found, found))
    editing = Relabelling(understand_edits(["man=wall"], []), [edges, voc, labels], Fraction(25))
    (made,) = editing.clip([seen], (2, 2))
    assert [int(one.images[LABELS][0, 0]) for one in made.annotations] == [MAN, MAN, WALL]
    empty = Seen(None, (found, found, Annotation(2, 2, 0.0)))
    assert next(iter(editing.clip([empty], (2, 2)))) == empty


def test_what_changes_nothing_is_told(model: Path) -> None:
    events: list[Event] = []
    edits = {"replace": ("tree=road", "wall=road@9s-"), "remove": ("man@-2@90%,0%,100%,100%",)}
    plain = pictures(model, model / "labels", model / "things")
    assert away(pictures(model, model / "labels", model / "things", tell=events.append, **edits), plain) < ENCODED
    assert [event.message for event in events if isinstance(event, Warned)] == [
        "--remove man@-2@90%,0%,100%,100% changed nothing: there is no man there.",
        "--replace tree=road changed nothing: there is no tree.",
        "--replace wall=road@9s- changed nothing: the video has 24 frames, 0.80 s.",
    ]
    full = Seen(None, (Annotation(2, 2, 1.0, images={LABELS: np.full((2, 2), MAN, np.uint8)}),))
    editing = Relabelling(understand_edits([], ["man"]), [load_conditioner("labels", CLASSES)], Fraction(25))
    (made,) = editing.clip([full], (2, 2))
    assert made.annotations[0].images[LABELS].tolist() == [[MAN, MAN]] * 2
    editing.report(events.append)
    assert isinstance(events[-1], Warned)
    assert events[-1].message == "on 1 of 1 frames nothing could be removed: nothing else is there."


def test_classes_that_were_hardly_ever_seen_are_told() -> None:
    editing = Relabelling(
        understand_edits(["man=road", "man=wall", "road=tree"], ["tree"]),
        [load_conditioner("edges"), load_conditioner("labels", CLASSES)],
        Fraction(25),
    )
    for shares, rare in (({"road": 0.9, "wall": 0.0004}, ["wall", "tree"]), ({}, [])):
        events: list[Event] = []
        editing.begin([{}, {"shares": shares}], events.append)
        said = [event.message for event in events if isinstance(event, Warned)]
        assert [message.split(" saw ")[1].partition(";")[0] for message in said] == rare


def test_wrong_words(model: Path, run_folder: Path, dataset: Path) -> None:
    def refused(said: str, checkpoint: Path = model / "run", source: Path = model / "data", **edits: Any) -> str:
        for work in (plan_synthesize, lambda request: synthesize(request, silent)):
            with pytest.raises(ConfigError, match=said) as caught:
                work(SynthesizeRequest(checkpoint, source, device="cpu", **edits))
        assert not list(Path.cwd().glob("*.mp4"))
        return caught.value.hint

    assert refused("there is no class 'raod'", replace=("raod=tree",)).startswith("Did you mean road?")
    assert "inspect" in refused("there is no class 'zebra'", replace=("road=zebra",))
    assert refused("--remove 9: there is no class '9'", remove=("9",))
    refused("both are the class 2", replace=("man=2",))
    refused("sticks out of the frames, which are 56x40", remove=("man@0,0,57,40",))
    refused("sticks out of the frames, which are 56x40", source=model / "labels", remove=("man@0,0,10,41",))
    refused("does not name two classes", replace=("man",))
    assert "Leave" in refused("no label maps to edit; this is driven by edges", run_folder, dataset, remove=("man",))


def test_inspect_names_the_classes(model: Path) -> None:
    named = "0 road, 1 wall, 2 Man, 3 tree"
    assert dict(inspect(model / "run" / "run.ckpt").rows)["labels classes"] == named
    assert dict(inspect(model / "data").rows)["labels classes"] == named
    rows = plan_synthesize(SynthesizeRequest(model / "run", model / "data", remove=("man", "tree@1-2"))).rows
    assert [value for name, value in rows if name == "edit"] == ["remove man", "remove tree@1-2"]


def test_on_the_command_line(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--replace", "road=tree@1-2", "--replace", "wall=1", "--remove", "man@50%,0%,100%,100%"]
    assert run(["synthesize", str(model / "run"), str(model / "data"), *words, "--dry-run"]) == 21
    assert "--replace wall=1: both are the class 1." in capsys.readouterr().err
    words[3] = "wall=road"
    assert run(["synthesize", str(model / "run"), str(model / "data"), *words, "--device", "cpu", "--no-compare"]) == 0
    assert "Warning: --replace road=tree@1-2: the model hardly ever saw tree" in capsys.readouterr().err
    assert list(Path.cwd().iterdir()) == [Path.cwd() / "data_synthesized.mp4"]
