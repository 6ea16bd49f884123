"""`--provenance`: the C2PA manifests of rendered videos, read back with the library's reader."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.factories import blob_frame
from helpers.video_files import write_video

from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.batch import plan_pairs
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.provenance import IDENTITY_LABEL, SYNTHETIC_SOURCE, is_signed, load_signing_key
from vid2vid_cli.rendering.render_identity import read_identity
from vid2vid_cli.requests.batch import TransferBatchRequest

c2pa = pytest.importorskip("c2pa")
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa  # noqa: E402

NUM_FRAMES = 3


@pytest.fixture(autouse=True)
def _clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(Path("clip.mp4"), [blob_frame(index) for index in range(NUM_FRAMES)], 25)


def write_key(path: Path, key: Any, password: bytes | None = None) -> Path:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, encryption)
        if not isinstance(key, ed25519.Ed25519PrivateKey)
        else key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    return path


def read_manifest(path: Path) -> tuple[dict[str, Any], str, set[str]]:
    """(active manifest, validation state, codes of problems) of a file."""
    store = json.loads(c2pa.Reader(str(path)).json())
    codes = {status["code"] for status in store.get("validation_status", [])}
    return store["manifests"][store["active_manifest"]], store["validation_state"], codes


def run_transfer(run_folder: Path, **changes: Any) -> Any:
    options = {"device": "cpu", "precision": "fp32", **changes}
    return transfer(TransferRequest(Path("clip.mp4"), run_folder, **options), ignore_events)


def test_videos_are_signed_as_synthetic_and_play_as_before(run_folder: Path) -> None:
    key = write_key(Path("key.pem"), ec.generate_private_key(ec.SECP256R1()))
    result = run_transfer(run_folder, provenance=key, save=("raw",))
    for path in (result.path, result.compare_path, *result.layer_paths.values()):
        manifest, state, codes = read_manifest(path)
        assert (state, codes) == ("Valid", {"signingCredential.untrusted"}), path  # the certificate is self-signed
        assert manifest["title"] == path.name
        assert len(list(VideoReader(path))) == NUM_FRAMES
    assertions = {
        item["label"].removesuffix(".v2"): item["data"] for item in read_manifest(result.path)[0]["assertions"]
    }
    (action,) = assertions["c2pa.actions"]["actions"]
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", SYNTHETIC_SOURCE)
    identity = read_identity(result.path)  # the comment is still there
    assert identity is not None
    assert assertions[IDENTITY_LABEL]["checkpoint"] == identity.checkpoint
    plain = run_transfer(run_folder, compare=False, out=Path("plain.mp4"))
    with pytest.raises(c2pa.C2paError):
        read_manifest(plain.path)
    report_video = result.report_path.with_name("comparison.mp4")
    assert report_video.read_bytes() == result.compare_path.read_bytes()


def test_skip_done_signs_what_has_no_manifest(run_folder: Path) -> None:
    """A plain video of the same identity is done without --provenance, and only then."""
    key = write_key(Path("key.pem"), ec.generate_private_key(ec.SECP256R1()))
    request = TransferBatchRequest(
        (Path("clip.mp4"),), (run_folder,), device="cpu", precision="fp32", compare=False, skip_done=True
    )

    def plan(request: TransferBatchRequest) -> tuple[str, bool]:
        (pair,) = plan_pairs(request, ignore_events)
        return pair.path.name, pair.is_done

    path = run_transfer(run_folder, compare=False).path
    assert not is_signed(path)
    assert plan(request) == (path.name, True)
    signed_request = replace(request, provenance=key)
    assert plan(signed_request) == ("clip_as_blob-2.mp4", False)
    assert plan(replace(signed_request, overwrite=True)) == (path.name, False)
    run_transfer(run_folder, compare=False, provenance=key, overwrite=True)
    assert is_signed(path)
    assert plan(signed_request) == plan(request) == (path.name, True)


def test_changed_video_does_not_validate(run_folder: Path) -> None:
    key = write_key(Path("key.pem"), ec.generate_private_key(ec.SECP256R1()))
    path = run_transfer(run_folder, provenance=key, compare=False).path
    content = bytearray(path.read_bytes())
    content[content.index(b"mdat") + 40] ^= 1
    path.write_bytes(content)
    assert "assertion.bmffHash.mismatch" in read_manifest(path)[2]


def test_certificates_of_the_file_are_used() -> None:
    own_key = ec.generate_private_key(ec.SECP256R1())
    made = load_signing_key(write_key(Path("key.pem"), own_key))
    both = Path("both.pem")
    both.write_bytes(Path("key.pem").read_bytes() + made.certificates)
    assert load_signing_key(both).certificates == made.certificates
    other = write_key(Path("other.pem"), ec.generate_private_key(ec.SECP256R1()))
    other.write_bytes(other.read_bytes() + made.certificates)
    with pytest.raises(ConfigError, match="first certificate"):
        load_signing_key(other)


@pytest.mark.parametrize(
    ("make_key", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP384R1()), "es384"),
        (ed25519.Ed25519PrivateKey.generate, "ed25519"),
        (lambda: rsa.generate_private_key(65537, 2048), "ps256"),
    ],
)
def test_supported_keys_sign_a_video(make_key: Any, algorithm: str, run_folder: Path) -> None:
    key = write_key(Path("key.pem"), make_key())
    assert load_signing_key(key).algorithm == algorithm
    assert read_manifest(run_transfer(run_folder, provenance=key, compare=False).path)[1] == "Valid"


def test_keys_that_cannot_sign_are_refused_before_rendering(run_folder: Path) -> None:
    write_key(Path("small.pem"), rsa.generate_private_key(65537, 1024))
    write_key(Path("dsa.pem"), dsa.generate_private_key(1024))
    write_key(Path("locked.pem"), ec.generate_private_key(ec.SECP256R1()), b"secret")
    Path("text.pem").write_text("no key")
    for name in ("small.pem", "dsa.pem", "locked.pem", "text.pem"):
        with pytest.raises(ConfigError, match=name):
            run_transfer(run_folder, provenance=Path(name))
    with pytest.raises(MissingFileError):
        run_transfer(run_folder, provenance=Path("none.pem"))
    assert list(Path().glob("*.mp4")) == [Path("clip.mp4")]


def test_formats_without_manifests_are_refused(run_folder: Path) -> None:
    key = write_key(Path("key.pem"), ec.generate_private_key(ec.SECP256R1()))
    for out in (Path("x.mkv"), Path("x.gif")):
        with pytest.raises(ConfigError, match="not signed"):
            run_transfer(run_folder, provenance=key, out=out)
    with pytest.raises(ConfigError, match="not signed"):
        run_transfer(run_folder, provenance=key, format="png")
