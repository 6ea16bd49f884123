"""The model card: what it states about frames, footage and licences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, ConditionerConfig, ReferenceRecord, load_metadata
from vid2vid_cli.tools.model_card import build_model_card, describe_frames


@pytest.fixture
def metadata(run_folder: Path) -> CheckpointMetadata:
    return load_metadata(run_folder / "blob.ckpt")


def card(metadata: CheckpointMetadata, **changes: Any) -> str:
    options = {"licence": "", "has_preview": False, "version": "1", **changes}
    return build_model_card(metadata, "ada/dancer", **options)


def test_card_states_the_number_of_reference_frames(metadata: CheckpointMetadata) -> None:
    references = ReferenceRecord(annotations=(({},),) * 5, file_sizes=(1,) * 5, view=metadata.view)
    text = card(metadata.model_copy(update={"references": references}))
    assert "contains 5 frames of the training video" in text
    assert "contains no frames" in describe_frames(metadata)


def test_card_lists_the_licences_of_all_models_that_were_used(metadata: CheckpointMetadata) -> None:
    conditioners = [
        ConditionerConfig(name=name, options={}, channels=1, statistics={}) for name in ("landmarks", "other")
    ]
    training = {**metadata.training, "perceptual_network": "efficientnet_lite0", "licence": "CC BY-NC-SA 4.0"}
    text = card(metadata.model_copy(update={"conditioners": tuple(conditioners), "training": training}))
    assert "| initial weights | CC BY-NC-SA 4.0 |" in text
    for name in ("face\\_mesh\\_478.task", "efficientnet-lite0-57934424.pth"):
        assert f"| {name} | Apache-2.0" in text
    assert "| conditioner other | unknown" in text


def test_card_says_what_is_unknown_and_has_no_preview_without_one(metadata: CheckpointMetadata) -> None:
    text = card(metadata.model_copy(update={"training": {}}))
    assert "| footage | length not recorded |" in text
    assert "has named no licence" in text
    assert "preview.png" not in text
    assert "license:" not in text


def test_card_does_not_interpret_names_as_markdown(metadata: CheckpointMetadata) -> None:
    text = card(metadata.model_copy(update={"name": "a|b <i>[x](y)"}))
    assert "# a\\|b \\<i\\>\\[x\\](y)" in text
