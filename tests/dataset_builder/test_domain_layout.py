"""CycleGAN's folder layout: each domain becomes a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.images import save_png
from vid2vid_cli.pipelines.prepare import PrepareRequest, plan_prepare, prepare


@pytest.fixture(autouse=True)
def horses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images of a colour per subfolder, in two sizes."""
    monkeypatch.chdir(tmp_path)
    for name, value, count, size in (
        ("trainA", 200, 4, 40),
        ("testA", 180, 2, 40),
        ("trainB", 50, 3, 48),
        ("testB", 30, 2, 48),
    ):
        (tmp_path / "horses" / name).mkdir(parents=True)
        for index in range(count):
            save_png(tmp_path / "horses" / name / f"{index}.png", np.full((size, size, 3), value, np.uint8))
    return Path("horses")


@pytest.mark.parametrize(("domain", "value", "counts"), [("A", 200, (4, 2)), ("B", 50, (3, 2))])
def test_prepare_reads_one_domain(horses: Path, domain: str, value: int, counts: tuple[int, int]) -> None:
    """Without a conditioner it is `none`; the images of a folder are one sequence, although they are unrelated."""
    result = prepare(PrepareRequest((horses,), domain=domain), ignore_events)
    dataset = Dataset(result.path)
    assert result.path == Path(f"datasets/horses_{domain}")
    assert dataset.manifest.conditioner_names == ("none",)
    assert tuple(sum(span.num_frames for span in dataset.frame_ranges(split)) for split in ("train", "val")) == counts
    assert abs(int(dataset.load_frame(0, 0).mean()) - value) <= 1


def test_images_of_different_sizes_stay_one_sequence(horses: Path) -> None:
    """In a video, a change of the size begins a clip; here each image would become one, too short for a dataset."""
    for index in range(4):
        image = np.full((40, 32 + 8 * index, 3), 60 * index, np.uint8)
        for phase in ("train", "test"):
            save_png(horses / f"{phase}A" / f"{index}.png", image)
    manifest = Dataset(prepare(PrepareRequest((horses,), domain="A"), ignore_events).path).manifest
    assert [clip.num_frames for clip in manifest.clips] == [4, 4]


def test_prepare_asks_for_the_domain(horses: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_prepare(PrepareRequest((horses,), ("none",)))
    for domain in ("A", "B"):
        assert f"vid2vid prepare --domain {domain} horses" in caught.value.hint


def test_prepare_refuses_a_domain_of_another_folder(horses: Path) -> None:
    with pytest.raises(ConfigError, match="trainA and trainB"):
        plan_prepare(PrepareRequest((horses / "trainA",), ("none",), domain="A"))
