"""`push`, `pull` and hf:ORG/NAME against a local server that answers as the hub does."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.factories import blob_frame
from helpers.hub_server import READ_ONLY_TOKEN, TOKEN, HubServer, Repository, serve_hub
from helpers.video_files import write_video

from vid2vid_cli.cli import run_command_line
from vid2vid_cli.core.errors import ConfigError, HubError, MissingPackageError, TruncatedCheckpointError
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.engine.hub import HubReference, download_checkpoint, parse_hub_reference
from vid2vid_cli.engine.run_folder import resolve_checkpoint
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.pull import PullRequest, pull
from vid2vid_cli.pipelines.push import PushRequest, find_local_paths, plan_push, push
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer

NAME = "ada/dancer"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """An empty hub, a valid token, and an empty cache and working directory."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("VID2VID_OFFLINE", "0")
    with serve_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def push_run(run_folder: Path, **changes: Any) -> Any:
    return push(PushRequest(run_folder, NAME, **{"consent": True, **changes}), ignore_events)


def test_push_uploads_checkpoint_card_and_preview_in_one_commit(hub: HubServer, run_folder: Path) -> None:
    result = push_run(run_folder, licence="cc-by-nc-4.0")
    repository = hub.repositories[NAME]
    files = repository.commits[repository.references["main"]]
    assert set(files) == {".gitattributes", "README.md", "blob.ckpt", "preview.png"}
    assert files["blob.ckpt"] == (run_folder / "blob.ckpt").read_bytes()
    assert files["preview.png"] == (run_folder / "samples" / "step_0000004.png").read_bytes()
    assert not repository.private
    assert len(repository.commits) == 2
    assert (result.commit, result.url) == (
        repository.references["main"],
        f"{hub.url}/{NAME}/commit/{repository.references['main']}",
    )
    _, front_matter, text = files["README.md"].decode().split("---\n", 2)
    data = yaml.safe_load(front_matter)
    assert (data["library_name"], data["license"]) == ("vid2vid", "cc-by-nc-4.0")
    assert {"vid2vid", "synthetic-media", "edges"} <= set(data["tags"])
    for part in ("(preview.png)", "has agreed", "synthetic", f"hf:{NAME}", "| conditioner edges | Apache-2.0 |"):
        assert part in text
    assert "| footage | 0:01 |" in text
    assert re.search(r"\| psnr\\_val \| [0-9.]+ \|", text)


def test_card_has_the_newest_evaluation_of_the_checkpoint(hub: HubServer, run_folder: Path, dataset: Path) -> None:
    shutil.copytree(run_folder, "runs/blob")

    def card() -> str:
        rows = plan_push(PushRequest(Path("runs/blob"), NAME)).rows
        return "\n".join(value for name, value in rows if name == "card")

    assert "## Evaluation" not in card()
    evaluate(EvaluateRequest(Path("runs/blob"), dataset, device="cpu", baselines=False), ignore_events)
    assert "| metric | model | real |" in card()
    assert re.search(r"\| psnr \(dB\), best: higher \| [0-9.]+ \| - \|", card())
    assert re.search(r"\| ssim \(1\), best: higher \| [0-9.]+ \| 1 \|", card())
    assert str(dataset.parent) not in card()
    future = time.time() + 60
    os.utime("runs/blob/blob.ckpt", (future, future))  # trained on
    assert "## Evaluation" not in card()


def test_push_requires_consent_before_anything_is_sent(hub: HubServer, run_folder: Path) -> None:
    with pytest.raises(ConfigError, match="--consent is missing"):
        push_run(run_folder, consent=False)
    assert ("consent", "missing: push requires --consent") in plan_push(PushRequest(run_folder, NAME)).rows
    assert hub.requests == []


def test_push_of_a_file_without_a_run_has_no_preview_and_says_so(hub: HubServer, run_folder: Path) -> None:
    Path("copy.ckpt").write_bytes((run_folder / "blob.ckpt").read_bytes())
    events: list[Event] = []
    push(PushRequest(Path("copy.ckpt"), NAME, consent=True), events.append)
    repository = hub.repositories[NAME]
    assert "preview.png" not in repository.commits[repository.references["main"]]
    assert any(isinstance(event, InfoEvent) and "--preview" in event.message for event in events)


def test_local_paths_in_the_metadata_are_found(run_folder: Path) -> None:
    metadata = load_metadata(run_folder / "blob.ckpt")
    assert find_local_paths(metadata) == []
    settings = {"data": {"attributes_file": "/home/ada/list.csv", "height": 24}, "summary": "a/b"}
    training = {"files": ["/data/x.pth"], "dataset": "blob"}
    changed = metadata.model_copy(update={"training_config": settings, "training": training})
    assert find_local_paths(changed) == ["/data/x.pth", "/home/ada/list.csv"]


def test_private_push_never_goes_to_a_public_repository(hub: HubServer, run_folder: Path) -> None:
    push_run(run_folder, private=True)
    assert hub.repositories[NAME].private
    push_run(run_folder, private=True)  # again: the same repository
    hub.repositories[NAME].private = False
    num_commits = len(hub.repositories[NAME].commits)
    with pytest.raises(HubError, match="is public"):
        push_run(run_folder, private=True)
    assert len(hub.repositories[NAME].commits) == num_commits


def test_push_leaves_a_repository_with_one_checkpoint(hub: HubServer, run_folder: Path) -> None:
    push_run(run_folder)
    push_run(run_folder)  # again: the file is replaced
    repository = hub.repositories[NAME]
    commit = repository.references["main"]
    Path("other.ckpt").write_bytes((run_folder / "blob.ckpt").read_bytes())
    with pytest.raises(HubError, match=r"blob\.ckpt.*other\.ckpt was not uploaded") as caught:
        push_run(Path("other.ckpt"))
    assert "another repository" in caught.value.hint
    assert repository.references["main"] == commit
    assert pull(PullRequest(NAME), ignore_events).path == Path("blob.ckpt")


def test_checkpoints_in_folders_of_a_repository_are_left_alone(hub: HubServer, run_folder: Path) -> None:
    hub.repositories[NAME] = Repository()
    hub.repositories[NAME].commit({"checkpoints/step.ckpt": b"not one of vid2vid"})
    push_run(run_folder)
    assert pull(PullRequest(NAME), ignore_events).path == Path("blob.ckpt")
    assert not any(request.endswith("step.ckpt") for request in hub.requests)


def test_download_accepts_any_type_of_the_companion(hub: HubServer, run_folder: Path) -> None:
    """A checkpoint of another program: what is wrong with it is said by what reads it."""
    content = (run_folder / "blob.ckpt").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = json.loads(header["__metadata__"]["vid2vid"]) | {"image_generator": ["blob.ckpt"]}
    header["__metadata__"]["vid2vid"] = json.dumps(metadata)
    text = json.dumps(header).encode()
    hub.repositories[NAME] = Repository()
    hub.repositories[NAME].commit({"blob.ckpt": struct.pack("<Q", len(text)) + text + content[8 + length :]})
    assert download_checkpoint(HubReference(NAME)).name == "blob.ckpt"


def test_push_refuses_damaged_checkpoints(hub: HubServer, run_folder: Path) -> None:
    content = bytearray((run_folder / "blob.ckpt").read_bytes())
    content[-1] ^= 1
    Path("bad.ckpt").write_bytes(content)
    with pytest.raises(TruncatedCheckpointError):
        push_run(Path("bad.ckpt"))
    assert hub.requests == []


@pytest.mark.parametrize(("token", "message"), [("hf_wrong", "valid token"), (READ_ONLY_TOKEN, "does not allow")])
def test_push_reports_refused_tokens(
    token: str, message: str, hub: HubServer, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(HubError, match=message) as caught:
        push_run(run_folder)
    assert "hf auth login" in caught.value.hint
    assert hub.repositories == {}


def test_pull_copies_the_checkpoint_and_overwrites_nothing(hub: HubServer, run_folder: Path) -> None:
    result = push_run(run_folder)
    content = (run_folder / "blob.ckpt").read_bytes()
    first = pull(PullRequest(NAME), ignore_events)
    second = pull(PullRequest(f"hf:{NAME}@{result.commit}"), ignore_events)
    assert [str(first.path), str(second.path)] == ["blob.ckpt", "blob-2.ckpt"]
    assert first.commit == second.commit == result.commit
    assert first.path.read_bytes() == second.path.read_bytes() == content
    assert sum(request.endswith("blob.ckpt") and request.startswith("GET") for request in hub.requests) == 1


def test_pull_gets_the_named_revision(hub: HubServer, run_folder: Path) -> None:
    push_run(run_folder)
    repository = hub.repositories[NAME]
    repository.references["v1"] = repository.references["main"]
    repository.commit({"blob.ckpt": b"another version"})
    assert pull(PullRequest(f"{NAME}@v1"), ignore_events).path.read_bytes() == (run_folder / "blob.ckpt").read_bytes()


def test_hub_reference_is_taken_as_target_and_then_works_offline(
    hub: HubServer, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_run(run_folder)
    write_video(Path("clip.mp4"), [blob_frame(index) for index in range(3)], 25)
    request = TransferRequest(Path("clip.mp4"), Path(f"hf:{NAME}"), device="cpu", precision="fp32", compare=False)
    assert transfer(request, ignore_events).path == Path("clip_as_blob.mp4")
    monkeypatch.setenv("VID2VID_OFFLINE", "1")
    hub.requests.clear()
    assert resolve_checkpoint(Path(f"hf:{NAME}")).read_bytes() == (run_folder / "blob.ckpt").read_bytes()
    assert hub.requests == []
    with pytest.raises(HubError) as caught:
        resolve_checkpoint(Path("hf:ada/other"))
    assert "VID2VID_OFFLINE" in caught.value.hint


def test_missing_repositories_revisions_and_checkpoints_are_named(hub: HubServer) -> None:
    hub.repositories["ada/secret"] = Repository(private=True)
    hub.repositories["ada/empty"] = Repository()
    hub.repositories["ada/empty"].commit({"README.md": b""})
    for name, message in (
        ("ada/none", "does not exist"),
        ("ada/empty@v9", "no revision v9"),
        ("ada/empty", "has none"),
    ):
        with pytest.raises(HubError, match=message):
            pull(PullRequest(name), ignore_events)
    assert list(Path().glob("*.ckpt")) == []


def test_private_repository_needs_a_token(hub: HubServer, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push_run(run_folder, private=True)
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "none")
    with pytest.raises(HubError, match=r"valid token|private"):
        pull(PullRequest(NAME), ignore_events)


def test_unreachable_hub_is_an_error(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="cannot be read"):
        pull(PullRequest(NAME), ignore_events)


def test_missing_package_is_named(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError) as caught:
        pull(PullRequest(NAME), ignore_events)
    assert caught.value.hint == 'pip install "vid2vid-cli[hub]"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada/dancer", HubReference("ada/dancer")),
        ("hf:ada/dancer@v1.0", HubReference("ada/dancer", "v1.0")),
        ("hf:ada/dancer@refs/pr/1", HubReference("ada/dancer", "refs/pr/1")),
    ],
)
def test_parse_hub_reference(text: str, expected: HubReference) -> None:
    assert parse_hub_reference(text) == expected


@pytest.mark.parametrize("text", ["dancer", "hf:", "a/b/c", "ada/dancer@", "ada/dan cer", "../dancer.ckpt"])
def test_parse_hub_reference_refuses_other_texts(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_hub_reference(text)


def test_commands_print_url_and_path(
    hub: HubServer, run_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_command_line(["push", str(run_folder), NAME]) == 21
    assert run_command_line(["push", str(run_folder), NAME, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out.splitlines()[-1])["plan"]
    assert plan["repository"] == f"{NAME}, public"
    assert not any(request.startswith("POST") for request in hub.requests)
    assert run_command_line(["push", str(run_folder), NAME, "--consent"]) == 0
    assert capsys.readouterr().out.strip().startswith(f"{hub.url}/{NAME}/commit/")
    assert run_command_line(["pull", NAME, "--out", "x.ckpt"]) == 0
    assert capsys.readouterr().out.strip() == "x.ckpt"
    assert run_command_line(["inspect", f"hf:{NAME}"]) == 0
    assert run_command_line(["pull", "ada/none"]) == 60
