"""An HTTP receiver on loopback that records what it is sent and answers by a script."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message as Headers
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import PATIENCE, until

Body = bytes | str | dict[str, Any] | list[Any]
Answer = tuple[int, Mapping[str, str], Body]

OK: Answer = (200, {}, b"ok")


@dataclass(frozen=True)
class Received:
    """One request as it came in; `at` is its arrival by `time.monotonic()`, in seconds."""

    method: str
    path: str
    headers: Headers
    body: bytes
    at: float

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


Script = Sequence[Answer] | Callable[[Received], Answer]


class Receiver:
    """A server on a free loopback port. `script` says what it answers; when a list is used up, 200 "ok".

    A callable may block: each request has a thread of its own.
    """

    def __init__(self, script: Script = ()) -> None:
        self.requests: list[Received] = []
        self._lock = threading.Lock()
        self._script: Script = script
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The address without a path: `http://127.0.0.1:port`."""
        return f"http://{self.host}"

    def script(self, script: Script) -> None:
        """Answer the coming requests by `script`: a list of (status, headers, body), or a callable."""
        with self._lock:
            self._script = list(script) if not callable(script) else script

    def wait_for(self, count: int, timeout: float = PATIENCE) -> list[Received]:
        """The requests once there are at least `count`; AssertionError if they do not come in time."""
        until(
            lambda: len(self.requests) >= count,
            timeout,
            what=f"{count} requests at {self.url} (there were {len(self.requests)})",
        )
        return list(self.requests)

    def close(self) -> None:
        """Stop listening and cut the connections that are open."""
        self._server.shutdown()
        self._server.cut_all()
        self._server.server_close()
        self._thread.join(5)

    def take(self, request: Received) -> Answer:
        """Record `request` and say what to answer."""
        with self._lock:
            self.requests.append(request)
            script = self._script
            if not callable(script):
                number = len(script)
                answer, self._script = (script[0], script[1:]) if number else (OK, ())
                return answer
        return script(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024  # of five, the default, most of a burst of connections would be ignored
    receiver: Receiver

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut_all(self) -> None:
        """Close kept-alive connections, so that their threads end and no socket is left to the collector."""
        for request in list(self._open):
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is the test's business, not a traceback among its output."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The head and the body leave in one segment each; without this the second waits 40 ms for an ACK.
    disable_nagle_algorithm = True
    server: _Server

    def handle_any(self) -> None:
        at = time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, answer = self.server.receiver.take(
            Received(self.command, self.path, self.headers, body, at)
        )
        content = _encoded(answer)
        self.send_response(status)
        given = {name.lower() for name in headers}
        if isinstance(answer, dict | list) and "content-type" not in given:
            self.send_header("Content-Type", "application/json")
        if "content-length" not in given:
            self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the requests are on record."""


def _encoded(body: Body) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()
