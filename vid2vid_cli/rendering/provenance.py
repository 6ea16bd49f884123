"""C2PA manifests in rendered videos: signed statements that a video is synthetic, and what it was made with."""

from __future__ import annotations

import datetime
import importlib.util
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vid2vid_cli import __version__
from vid2vid_cli.core.errors import ConfigError, MissingPackageError, Vid2VidError
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.media.files import atomic_write
from vid2vid_cli.media.images import encode_jpeg
from vid2vid_cli.media.os_errors import read_error
from vid2vid_cli.media.output_formats import OutputFormat
from vid2vid_cli.rendering.render_identity import RenderIdentity, identify_render
from vid2vid_cli.requests.render import SynthesizeRequest, TransferRequest

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

INSTALL_COMMAND = 'pip install "vid2vid-cli[provenance]"'
MIME_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}
SYNTHETIC_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
IDENTITY_LABEL = "org.vid2vid.render"
"""Label of the assertion with the digests of checkpoint, source and options, those of the file's comment."""
CERTIFICATE_DAYS = 365
_KEY_HINT = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem"


@dataclass(frozen=True)
class SigningKey:
    """A private key and the certificates of its public key, PEM."""

    algorithm: str
    """As C2PA names it, such as es256."""
    key: bytes
    certificates: bytes
    is_self_signed: bool


def check_provenance(request: SynthesizeRequest | TransferRequest, path: Path, output_format: OutputFormat) -> None:
    """Check before rendering that the videos can be signed, by signing a small image.

    Raises MissingPackageError, MissingFileError, PermissionDeniedError, ConfigError (format, key or certificate).
    """
    if request.provenance is None:
        return
    if not any(suffix in MIME_TYPES for suffix in output_format.suffixes):
        raise ConfigError(f"--provenance: {path} is a {output_format.title}, which is not signed.", "Write MP4 or MOV.")
    key = load_signing_key(request.provenance)
    sample = encode_jpeg(np.zeros((16, 16, 3), np.uint8))
    try:
        manifest = build_manifest("sample.jpg", RenderIdentity("", "", ""), is_composite=False)
        _sign(key, manifest, "image/jpeg", BytesIO(sample), BytesIO())
    except Exception as error:
        raise ConfigError(
            f"--provenance {request.provenance} cannot sign: {error}.",
            "The certificates must be valid now, in the order from that of the key to its issuers, with the key usage "
            "digitalSignature; without certificates in the file, one is made.",
        ) from error


def sign_videos(
    request: SynthesizeRequest | TransferRequest, checkpoint: Path, videos: list[Path], emit: EventHandler
) -> None:
    """Sign videos in place, if the request asks for it. Raises Vid2VidError: they are complete, but not signed."""
    if request.provenance is None:
        return
    key = load_signing_key(request.provenance)
    is_composite = isinstance(request, TransferRequest) and request.background_options.keep_size
    identity = identify_render(checkpoint, request)
    for path in videos:
        manifest = build_manifest(path.name, identity, is_composite=is_composite)
        mime_type = MIME_TYPES[path.suffix.lower()]

        def write(temp_path: Path, source: Path = path, manifest: Any = manifest, mime_type: str = mime_type) -> None:
            with source.open("rb") as unsigned, temp_path.open("w+b") as signed:
                _sign(key, manifest, mime_type, unsigned, signed)

        try:
            atomic_write(path, write)
        except Vid2VidError:
            raise
        except Exception as error:
            raise Vid2VidError(f"{path} is complete, but was not signed: {error}.", "Render it again.") from error
    signer = "a self-signed certificate, which viewers show as unknown" if key.is_self_signed else "the certificate"
    emit(InfoEvent(f"C2PA manifest in {', '.join(path.name for path in videos)}, signed with {signer}"))


def is_signed(video: Path) -> bool:
    """Whether a video has a manifest of `sign_videos`, with any key. Raises MissingPackageError."""
    _require_package()
    import c2pa

    try:
        with c2pa.Reader(str(video)) as reader:
            return IDENTITY_LABEL in reader.json()
    except c2pa.C2paError:  # no manifest, or a damaged one
        return False


def build_manifest(title: str, identity: RenderIdentity, *, is_composite: bool) -> dict[str, Any]:
    """The manifest of a video. `is_composite`: generated pixels are pasted on frames of a camera."""
    agent = {"name": "vid2vid-cli", "version": __version__}
    action = {
        "action": "c2pa.created",
        "digitalSourceType": COMPOSITE_SOURCE if is_composite else SYNTHETIC_SOURCE,
        "softwareAgent": agent,
    }
    digests = {"checkpoint": identity.checkpoint, "source": identity.source, "options": identity.options}
    return {
        "title": title,
        "claim_generator_info": [agent],
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [action]}},
            {"label": IDENTITY_LABEL, "data": digests},
        ],
    }


def load_signing_key(path: Path) -> SigningKey:
    """The private key in a PEM file, with the certificates in it, or a self-signed one that is made now.

    Raises MissingPackageError, MissingFileError, PermissionDeniedError, ConfigError (no key, an encrypted or
    unsupported one, or the first certificate is of another key).
    """
    _require_package()
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        content = path.read_bytes()
    except OSError as error:
        raise read_error(path, error) from error
    try:
        key: Any = serialization.load_pem_private_key(content, None)
        certificates = x509.load_pem_x509_certificates(content) if b"BEGIN CERTIFICATE" in content else []
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"--provenance {path} contains no private key that can be read (PEM, not encrypted): {error}.", _KEY_HINT
        ) from error
    algorithm = _choose_algorithm(key, path)
    if certificates and certificates[0].public_key() != key.public_key():
        raise ConfigError(f"--provenance {path}: the first certificate is not that of the private key.", _KEY_HINT)
    chain = certificates or [_make_certificate(key)]
    return SigningKey(
        algorithm,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in chain),
        chain[0].issuer == chain[0].subject,
    )


def _require_package() -> None:
    if importlib.util.find_spec("c2pa") is None:
        raise MissingPackageError("--provenance requires the package c2pa, which is not installed.", INSTALL_COMMAND)


def _choose_algorithm(key: Any, path: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in curves:
        return curves[key.curve.name]
    raise ConfigError(
        f"--provenance {path}: C2PA does not sign with this kind of key.",
        f"Use P-256, P-384, P-521, Ed25519, or RSA with at least 2048 bits: {_KEY_HINT}",
    )


def _make_certificate(key: Any) -> Certificate:
    """A self-signed certificate of a key, with the fields that C2PA requires."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "vid2vid user"),
            x509.NameAttribute(NameOID.COMMON_NAME, "vid2vid (self-signed)"),
        ]
    )
    now, public_key = datetime.datetime.now(datetime.timezone.utc), key.public_key()
    other_usages = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign"), False
    )
    usage = x509.KeyUsage(
        digital_signature=True, crl_sign=False, encipher_only=False, decipher_only=False, **other_usages
    )
    builder = (
        x509.CertificateBuilder(name, name, public_key, x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key), critical=False)
    )
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _sign(key: SigningKey, manifest: dict[str, Any], mime_type: str, source: Any, target: Any) -> None:
    """Copy a file with a signed manifest from one binary stream to another."""
    import c2pa

    info = c2pa.C2paSignerInfo(key.algorithm.encode(), key.certificates, key.key, None)
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(manifest)) as builder:
        builder.sign(signer, mime_type, source, target)
