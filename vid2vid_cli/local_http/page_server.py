"""Pages of this machine, by the HTTP server of the standard library: their address, and who may read them."""

from __future__ import annotations

import errno
import functools
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import SplitResult, parse_qs, urlsplit

from vid2vid_cli.core.errors import ConfigError

LOCAL_HOSTS = ("127.0.0.1", "localhost")
CLIENT_SECONDS = 10.0
"""A client that sends or accepts no data for this time is disconnected."""
RESPONSE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Access:
    """What a request needs to be answered."""

    token: str
    """Token of the URL; "": none."""
    allowed_hosts: frozenset[str]
    """Host headers that are accepted, such as localhost:8600; empty: all. Others are DNS rebinding."""

    def find_problem(self, headers: Message, query: str) -> str:
        """Why a request is refused, or ""."""
        if not is_same_text(parse_qs(query).get("token", [""])[0], self.token):
            return "The token of the URL is missing or wrong"
        if headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate":
            return "Requests of other websites are not answered"
        return self.find_host_problem(headers)

    def find_host_problem(self, headers: Message) -> str:
        """Why a request with any token is refused, or ""."""
        host, origin = headers.get("Host", ""), headers.get("Origin")
        if self.allowed_hosts and host not in self.allowed_hosts:
            return "Unknown host"
        if origin is not None and origin != f"http://{host}":
            return "Requests of other websites are not answered"
        return ""


def is_same_text(text: str, secret: str) -> bool:
    """Whether a text is the secret, in a time that does not depend on their common beginning."""
    return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), secret.encode())


class LocalServer(ThreadingHTTPServer):
    """A server whose requests run in threads of their own, which do not keep the program from ending."""

    daemon_threads = True
    block_on_close = False
    access: Access
    url: str
    """The address of the page, with the token."""


class PageHandler(BaseHTTPRequestHandler):
    """Checks the access of a request. Subclasses define `answer_get`; other methods are refused."""

    server: LocalServer
    timeout = CLIENT_SECONDS
    server_version, sys_version = "vid2vid", ""

    def do_GET(self) -> None:  # noqa: D102 - called by the base class
        self.check_and_answer(self.answer_get)

    def answer_get(self, address: SplitResult) -> None:
        """Answer a GET request that may be answered."""
        raise NotImplementedError

    def find_problem(self, address: SplitResult) -> str:
        """Why the request is refused, or ""."""
        return self.server.access.find_problem(self.headers, address.query)

    def check_and_answer(self, answer: Callable[[SplitResult], None]) -> None:
        """Answer a request that may be answered, and refuse others. A client that has gone is ignored."""
        try:
            address = urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        try:
            if problem := self.find_problem(address):
                self.send_error(HTTPStatus.FORBIDDEN, problem)
            else:
                answer(address)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def send_content(
        self,
        content: bytes,
        content_type: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a complete response."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_page_headers(headers or {})
        self.wfile.write(content)

    def send_json(self, data: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Send a value as JSON."""
        self.send_content(json.dumps(data).encode(), "application/json", status)

    def end_page_headers(self, headers: Mapping[str, str]) -> None:
        """Send these headers, and those of all responses that `headers` does not replace."""
        for name, value in {**RESPONSE_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: stderr is the terminal's."""


def bind_server(
    handler: Callable[..., PageHandler] | functools.partial[PageHandler],
    host: str,
    port: int | None,
    *,
    default_port: int,
    token: str | None,
    needs_token: bool = False,
) -> LocalServer:
    """A server at a port, or at the default port or a free one, that is not started yet.

    A `host` that is not local needs a token; without `token` a random one is used. Raises ConfigError: the address does
    not exist, or the port is in use.
    """
    is_local = host in LOCAL_HOSTS
    for candidate in (default_port, 0) if port is None else (port,):
        try:
            server = LocalServer((host, candidate), handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            reason = error.strerror or str(error)
            raise ConfigError(
                f"The page cannot be served at {host}:{candidate}: {reason}.", "Choose another --host or --port."
            ) from error
        token = token or (secrets.token_urlsafe(16) if needs_token or not is_local else "")
        bound_port = server.server_address[1]
        hosts = frozenset(f"{name}:{bound_port}" for name in LOCAL_HOSTS) if is_local else frozenset[str]()
        server.access = Access(token, hosts)
        server.url = f"http://{host}:{bound_port}/" + (f"?token={token}" if token else "")
        return server
    raise ConfigError(f"The page cannot be served at {host}: no port is free.", "Choose another --host.")
