"""The page over a real socket: who is answered, what is sent, and what is refused."""

from __future__ import annotations

import functools
import http.client
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from vid2vid_cli.local_http.page_server import bind_server
from vid2vid_cli.ui.page_handler import MAX_BODY_BYTES, UiHandler
from vid2vid_cli.ui.state import UiState

CONTENT = bytes(range(256)) * 8


class Served(NamedTuple):
    """A served project."""

    folder: Path
    state: UiState
    address: str
    token: str

    @property
    def files(self) -> str:
        return f"/files/{self.state.file_token}"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "project"
    (folder / "clips").mkdir(parents=True)
    (folder / "clips" / "a b.mp4").write_bytes(CONTENT)
    (folder / "report.html").write_text("<title>report</title>")
    (folder / "notes.txt").write_text("private")
    (folder / ".secret.mp4").write_bytes(CONTENT)
    (tmp_path / "outside.mp4").write_bytes(CONTENT)
    (folder / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    state = UiState(folder)
    handler = functools.partial(UiHandler, state)
    server = bind_server(handler, "127.0.0.1", None, default_port=0, token=None, needs_token=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Served(folder, state, f"127.0.0.1:{server.server_port}", server.access.token)
    state.close()
    server.shutdown()
    server.server_close()


def request(served: Served, method: str, path: str, body: object = None, **headers: str) -> Answer:
    """Send one request. Names of headers with _ for -."""
    connection = http.client.HTTPConnection(served.address, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    if content is not None:
        sent.setdefault("Content-Type", "application/json")
    connection.request(method, path, content, sent)
    response = connection.getresponse()
    answer = Answer(response.status, dict(response.getheaders()), response.read())
    connection.close()
    return answer


def with_token(served: Served, path: str) -> str:
    return f"{path}?token={served.token}"


PATHS = ("/", "/setup.json", "/events")


@pytest.mark.parametrize("path", PATHS)
def test_get_needs_token_and_own_host(served: Served, path: str) -> None:
    url = with_token(served, path)
    assert request(served, "GET", path).status == 403
    assert request(served, "GET", f"{path}?token={served.token[:-1]}x").status == 403
    assert request(served, "GET", f"{path}?token={served.state.file_token}").status == 403
    assert request(served, "GET", url, Host="evil.example").status == 403
    assert request(served, "GET", url, Host="127.0.0.1:1").status == 403
    assert request(served, "GET", url, Origin="http://evil.example").status == 403
    assert request(served, "GET", url, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
    assert request(served, "GET", url, origin="http://evil.example").status == 403
    assert request(served, "GET", url, sec_fetch_site="cross-site").status == 403
    assert request(served, "GET", with_token(served, "/../../etc/passwd")).status == 404


def test_post_needs_token_origin_type_and_size(served: Served) -> None:
    body = {"form": "train", "values": {}}
    for path in ("/preview", "/start", "/stop", "/upload"):
        url = with_token(served, path)
        assert request(served, "POST", path, body).status == 403
        assert request(served, "POST", url, body, Origin="http://evil.example").status == 403
        assert request(served, "POST", url, body, Origin="null").status == 403  # a report
        assert request(served, "POST", url, body, Host="evil.example").status == 403
    url = with_token(served, "/preview")
    assert request(served, "POST", url, body, Content_Type="text/plain").status == 415
    assert request(served, "POST", url, body, Content_Length="x").status == 411
    assert request(served, "POST", url, None, Content_Length=str(MAX_BODY_BYTES + 1)).status == 413
    assert request(served, "POST", url, b"[1]").status == 400
    assert request(served, "POST", url, b"{").status == 400
    assert request(served, "POST", with_token(served, "/files/x"), body).status == 403
    assert request(served, "POST", with_token(served, "/other"), body).status == 404
    assert request(served, "POST", url, body, Origin=f"http://{served.address}").status == 200
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
        assert request(served, method, url).status == 501
    assert served.state.jobs.to_json() == []


def test_page_executes_only_its_own_scripts(served: Served) -> None:
    answer = request(served, "GET", with_token(served, "/"))
    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)
    assert nonce is not None
    assert answer.body.count(f'nonce="{nonce[1]}"'.encode()) == 2
    assert b"{{" not in answer.body
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert nonce[1] not in request(served, "GET", with_token(served, "/")).headers["Content-Security-Policy"]


def test_files_are_sent_in_ranges(served: Served) -> None:
    url = f"{served.files}/clips/a%20b.mp4?17"
    whole = request(served, "GET", url)
    assert (whole.status, whole.body, whole.headers["Content-Type"]) == (200, CONTENT, "video/mp4")
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = request(served, "GET", url, Range="bytes=300-309")
    assert (part.status, part.body) == (206, CONTENT[300:310])
    assert part.headers["Content-Range"] == f"bytes 300-309/{len(CONTENT)}"
    assert request(served, "GET", url, Range="bytes=-5").body == CONTENT[-5:]
    outside = request(served, "GET", url, Range="bytes=99999-")
    assert (outside.status, outside.headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")


def test_report_runs_without_rights(served: Served) -> None:
    """Its scripts are of another origin, and the token in its address starts nothing."""
    report = request(served, "GET", f"{served.files}/report.html")
    assert report.status == 200
    assert "sandbox" in report.headers["Content-Security-Policy"]
    assert "allow-same-origin" not in report.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("../outside.mp4", 403),
        ("%2e%2e/outside.mp4", 403),
        ("..%2foutside.mp4", 403),
        ("clips/../../outside.mp4", 403),
        ("/etc/passwd", 403),
        ("%2fetc%2fpasswd", 403),
        ("link.mp4", 403),
        (".secret.mp4", 403),
        ("notes.txt", 403),
        ("a%00b.mp4", 403),
        ("none.mp4", 404),
        ("clips", 403),
        ("", 403),
    ],
)
def test_files_outside_the_project_are_refused(served: Served, path: str, status: int) -> None:
    answer = request(served, "GET", f"{served.files}/{path}")
    assert answer.status == status
    assert CONTENT not in answer.body


def test_files_need_their_token_and_own_host(served: Served) -> None:
    path = "clips/a%20b.mp4"
    assert request(served, "GET", f"/files/{served.token}/{path}").status == 403
    assert request(served, "GET", f"/files//{path}?token={served.token}").status == 403
    assert request(served, "GET", f"{served.files}/{path}", Host="evil.example").status == 403
    assert request(served, "GET", f"{served.files}/{path}", Origin="null").status == 403
    assert request(served, "GET", f"{served.files}/{path}", origin="null").status == 403
    assert request(served, "GET", f"{served.files}/{path}", host=served.address).status == 200


def test_setup_lists_conditioners_presets_and_forms(served: Served) -> None:
    setup = request(served, "GET", with_token(served, "/setup.json")).json
    names = [row["name"] for row in setup["conditioners"]]
    assert {"edges", "landmarks"} <= set(names)
    assert names.index("landmarks") < names.index("edges") < names.index("none") == len(names) - 1
    assert {"tiny", "fast"} <= {row["name"] for row in setup["presets"]}
    assert set(setup["forms"]) == {"prepare", "train", "transfer", "resume"}
    assert setup["files_url"] == f"{served.files}/"


def test_preview_and_start_answer_errors_with_the_field(served: Served) -> None:
    body = {"form": "prepare", "values": {"videos": "clips/a b.mp4", "conditioners": ["edges"]}}
    answer = request(served, "POST", with_token(served, "/preview"), body)
    assert answer.json["command"] == "vid2vid prepare --conditioner edges 'clips/a b.mp4'"
    body["values"] = {"videos": "link.mp4", "conditioners": ["edges"]}
    answer = request(served, "POST", with_token(served, "/start"), body)
    assert (answer.status, answer.json["field"]) == (400, "videos")
    assert request(served, "POST", with_token(served, "/start"), {"form": "rm", "values": {}}).status == 400
    assert request(served, "POST", with_token(served, "/stop"), {"number": 7}).status == 400


def test_upload_stores_a_video_under_a_new_name(served: Served) -> None:
    def upload(name: str) -> Answer:
        return request(served, "POST", f"{with_token(served, '/upload')}&name={name}", CONTENT)

    assert upload("new.mp4").json == {"path": "new.mp4"}
    assert (served.folder / "new.mp4").read_bytes() == CONTENT
    assert upload("new.mp4").json == {"path": "new-2.mp4"}
    for name in ("..%2Fx.mp4", "x.py", ".x.mp4", "", "a%2Fb.mp4", "-x.mp4", "a%00.mp4"):
        assert upload(name).status == 400
    assert not (served.folder.parent / "x.mp4").exists()


def test_interrupted_upload_leaves_no_file(served: Served) -> None:
    connection = http.client.HTTPConnection(served.address, timeout=20)
    connection.putrequest("POST", f"{with_token(served, '/upload')}&name=cut.mp4")
    connection.putheader("Content-Length", "5000")
    connection.endheaders(b"x" * 100)
    assert connection.sock is not None
    connection.sock.shutdown(1)
    assert connection.getresponse().status == 400
    assert [path.name for path in served.folder.iterdir() if "cut" in path.name] == []


def test_events_send_the_state_and_its_changes(served: Served) -> None:
    connection = http.client.HTTPConnection(served.address, timeout=20)
    connection.request("GET", with_token(served, "/events"))
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream"

    def read_state() -> Any:
        line = response.readline()
        assert response.readline() == b"\n"
        return json.loads(line.removeprefix(b"data: "))

    first = read_state()
    assert first["videos"] == ["clips/a b.mp4"]
    assert "link.mp4" in "".join(first["notes"])
    assert first["jobs"] == []
    body = {"form": "prepare", "values": {"videos": "clips/a b.mp4", "conditioners": ["edges"]}}
    assert request(served, "POST", with_token(served, "/start"), body).json == {"number": 1}
    state = read_state()
    while state["jobs"][0]["state"] != "failed":
        state = read_state()
    assert state["jobs"][0]["exit_code"] == 11
    connection.close()


def test_open_code_leads_to_the_page_once(served: Served) -> None:
    assert request(served, "GET", "/open?code=").status == 403
    path = f"/open?code={served.state.create_open_code()}"
    assert request(served, "GET", f"{path}x").status == 403
    answer = request(served, "GET", path)
    assert (answer.status, answer.headers["Location"]) == (302, f"http://{served.address}/?token={served.token}")
    assert request(served, "GET", path).status == 403


def test_number_of_pages_is_limited(served: Served) -> None:
    while served.state.viewers.acquire(blocking=False):
        pass
    assert request(served, "GET", with_token(served, "/events")).status == 503
