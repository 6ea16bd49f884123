"""A local HTTP server with the parts of the Hugging Face Hub's API that uploads and downloads of models use."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import unquote, urlsplit

from helpers.local_server import QuietHandler, serve_requests

TOKEN = "hf_valid"
READ_ONLY_TOKEN = "hf_read"


@dataclass
class Repository:
    """A model repository: its commits by id, and what its branches and tags point to."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes], reference: str = "main") -> str:
        """Add or replace files of a branch; returns the id of the commit."""
        previous = self.references.get(reference, "")
        tree = {**self.commits.get(previous, {}), **files}
        oid = sha1(f"{previous}{sorted((name, sha1(tree[name]).hexdigest()) for name in tree)}".encode()).hexdigest()
        self.commits[oid] = tree
        self.references[reference] = oid
        return oid


@dataclass
class HubServer:
    """The repositories by id, uploaded large files by sha256, and the requests that were received."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    large_files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""


class ApiError(Exception):
    """A response with an error code of the hub."""

    def __init__(self, status: int, code: str = "", message: str = "", *, url: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.url = status, code, message, url


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    """Serve an empty hub on 127.0.0.1; `url` is the value for HF_ENDPOINT."""
    hub = HubServer()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with serve_requests(handler) as hub.url:
        yield hub


class _Handler(QuietHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self._read_body()
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        try:
            for pattern, method in _ROUTES:
                if match := re.fullmatch(pattern, f"{self.command} {path}"):
                    content, headers = method(self, body, *match.groups())
                    return self._send(200, content, headers)
            raise ApiError(404, "", f"no route for {self.command} {path}")
        except ApiError as error:
            headers = {"X-Error-Message": error.message} | ({"X-Error-Code": error.code} if error.code else {})
            self._send(error.status, json.dumps({"error": error.message, "url": error.url}).encode(), headers)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _require_write(self) -> None:
        if self._token() == READ_ONLY_TOKEN:
            raise ApiError(403, "", "You don't have the rights to create a model under this namespace")
        if self._token() != TOKEN:
            raise ApiError(401, "", "Invalid credentials in Authorization header")

    def _find(self, name: str, revision: str = "main") -> tuple[Repository, str]:
        """The repository and the commit of a revision, for a token that may read it."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and self._token() not in (TOKEN, READ_ONLY_TOKEN)):
            raise ApiError(401, "RepoNotFound" if self._token() else "", "Repository not found")
        oid = repository.references.get(revision, revision)
        if oid not in repository.commits:
            raise ApiError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository, oid

    def create(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        self._require_write()
        data = json.loads(body)
        name = "/".join(filter(None, (data.get("organization"), data["name"])))
        if name in self.hub.repositories:
            raise ApiError(409, "", "You already created this model repo", url=f"{self.hub.url}/{name}")
        is_private = bool(data.get("private")) or data.get("visibility") == "private"
        self.hub.repositories[name] = Repository(is_private)
        self.hub.repositories[name].commit({".gitattributes": b""})
        return _json({"url": f"{self.hub.url}/{name}", "name": name, "id": name})

    def info(self, body: bytes, name: str, revision: str | None) -> tuple[bytes, dict[str, str]]:
        repository, oid = self._find(name, revision or "main")
        siblings = [{"rfilename": file} for file in sorted(repository.commits[oid])]
        record = {"id": name, "modelId": name, "private": repository.private, "tags": [], "downloads": 0, "likes": 0}
        return _json({**record, "sha": oid, "siblings": siblings})

    def tree(self, body: bytes, name: str, revision: str) -> tuple[bytes, dict[str, str]]:
        repository, oid = self._find(name, revision)
        files = repository.commits[oid].items()
        return _json(
            [{"type": "file", "path": path, "size": len(data), "oid": sha1(data).hexdigest()} for path, data in files]
        )

    def validate(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        return _json({"errors": [], "warnings": []})

    def preupload(self, body: bytes, name: str, revision: str) -> tuple[bytes, dict[str, str]]:
        self._require_write()
        paths = [file["path"] for file in json.loads(body)["files"]]
        modes = {path: "lfs" if path.endswith((".ckpt", ".png")) else "regular" for path in paths}
        return _json({"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes.items()]})

    def batch(self, body: bytes, name: str) -> tuple[bytes, dict[str, str]]:
        self._require_write()
        objects = [
            {
                "oid": item["oid"],
                "size": item["size"],
                "actions": {"upload": {"href": f"{self.hub.url}/large/{item['oid']}", "header": {}}},
            }
            for item in json.loads(body)["objects"]
        ]
        return _json({"transfer": "basic", "objects": objects})

    def store(self, body: bytes, oid: str) -> tuple[bytes, dict[str, str]]:
        if sha256(body).hexdigest() != oid:
            raise ApiError(400, "", "wrong content")
        self.hub.large_files[oid] = body
        return b"", {}

    def commit(self, body: bytes, name: str, revision: str) -> tuple[bytes, dict[str, str]]:
        self._require_write()
        files: dict[str, bytes] = {}
        for line in body.splitlines():
            record = json.loads(line)
            value = record["value"]
            if record["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif record["key"] == "lfsFile":
                files[value["path"]] = self.hub.large_files[value["oid"]]
        oid = self.hub.repositories[name].commit(files, revision)
        url = f"{self.hub.url}/{name}/commit/{oid}"
        return _json({"success": True, "commitUrl": url, "commitOid": oid, "hookOutput": ""})

    def resolve(self, body: bytes, name: str, revision: str, path: str) -> tuple[bytes, dict[str, str]]:
        repository, oid = self._find(name, revision)
        content = repository.commits[oid].get(path)
        if content is None:
            raise ApiError(404, "EntryNotFound", "Entry not found")
        headers = {"ETag": f'"{sha256(content).hexdigest()}"', "X-Repo-Commit": oid, "Content-Type": "text/plain"}
        return content, headers


def _json(data: Any) -> tuple[bytes, dict[str, str]]:
    return json.dumps(data).encode(), {}


_NAME, _REVISION = r"([^/]+/[^/]+)", r"([^/]+)"
_ROUTES: list[tuple[str, Any]] = [
    ("POST /api/repos/create", _Handler.create),
    ("POST /api/validate-yaml", _Handler.validate),
    (f"GET /api/models/{_NAME}(?:/revision/{_REVISION})?", _Handler.info),
    (f"GET /api/models/{_NAME}/tree/{_REVISION}", _Handler.tree),
    (f"POST /api/models/{_NAME}/preupload/{_REVISION}", _Handler.preupload),
    (f"POST /api/models/{_NAME}/commit/{_REVISION}", _Handler.commit),
    (rf"POST /{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT /large/(.*)", _Handler.store),
    (f"(?:GET|HEAD) /{_NAME}/resolve/{_REVISION}/(.*)", _Handler.resolve),
]
