"""The HTTP side of the fake API server: lists, watch streams, and the answers that go wrong."""

from __future__ import annotations

import json
import queue
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.reviews import REVIEWS, review, served
from tests.fakes.store import JSON, BadToken, Change, Expired, Kind
from tests.fakes.writing import Refused, write

if TYPE_CHECKING:
    from tests.fakes.kubernetes import FakeKubernetes

_PATH = re.compile(
    r"(?P<root>/api/v1|/apis/[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)(/(?P<name>[^/]+)(/(?P<part>[a-z]+))?)?"
)
ACCOUNT = "system:serviceaccount:kubegraf:kubegraf"
END = object()  # a watch ends as one does whose time is up
CUT = object()  # its connection breaks


@dataclass(frozen=True)
class Asked:
    """One request; header names in lower case.

    `verb`: list, watch, get, create or update; "" for what is no resource.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    plural: str = ""
    namespace: str = ""
    verb: str = ""
    at: float = field(default_factory=time.monotonic)


@dataclass
class Fault:
    """What to answer once instead of the truth; `hang`: nothing at all."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    plural: str
    verb: str
    hang: bool = False

    def fits(self, asked: Asked) -> bool:
        """Whether it is meant for this request."""
        return self.plural in ("", asked.plural) and self.verb in ("", asked.verb)


@dataclass
class Watch:
    """An open stream: what it is of, and what is yet to be sent on it. `silent` ones send nothing more."""

    kind: Kind
    namespace: str
    bookmarks: bool
    frames: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    silent: bool = False


def status_object(code: int, reason: str, message: str, **details: Any) -> JSON:
    """A Status, the API's form of an error."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        **({"details": details} if details else {}),
        "code": code,
    }


def bookmark_line(kind: Kind, version: int) -> bytes:
    """A bookmark as a real server sends it: an object nearly empty, with nulls where lists would be."""
    obj: JSON = {"kind": kind.name, "apiVersion": kind.api_version}
    obj["metadata"] = {"resourceVersion": str(version), "creationTimestamp": None}
    if kind.name == "Pod":
        obj["spec"] = {"containers": None}
        obj["status"] = {}
    return json.dumps({"type": "BOOKMARK", "object": obj}, separators=(",", ":")).encode() + b"\n"


def field_selector(text: str) -> Callable[[JSON], bool]:
    """What a field selector selects: `involvedObject.uid=1234,type=Warning`."""
    wanted = [part.partition("=") for part in text.split(",") if part]

    def fits(obj: JSON) -> bool:
        for path, _, value in wanted:
            found: Any = obj
            for name in path.split("."):
                found = found.get(name, {})
            if found != value:
                return False
        return True

    return fits


def break_connection(connection: socket.socket) -> None:
    """End a connection both ways, at once, whoever is reading or writing."""
    try:
        # Of a TLS socket the plain one beneath, or a closing handshake would be a polite end.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # already gone, which is what was wanted


class Server(ThreadingHTTPServer):
    """Listens for the fake; a thread per connection."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, fake: FakeKubernetes) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", fake.port), Handler)
        if fake.tls:
            self.socket = fake.tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: connections break here all the time, that is what the server is for."""


class Handler(BaseHTTPRequestHandler):
    """One connection and its requests, one after another."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.fake = self.server.fake
        self.fake._connections.add(self.connection)

    def finish(self) -> None:
        self.fake._connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was asked is in `requests`."""

    def do_GET(self) -> None:
        """Answer one request."""
        self._request("")

    def do_POST(self) -> None:
        """Create an object."""
        self._request("create")

    def do_PUT(self) -> None:
        """Update an object."""
        self._request("update")

    def _request(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        headers = {name.lower(): value for name, value in self.headers.items()}
        match = _PATH.fullmatch(url.path)
        parts = match.groupdict("") if match else dict.fromkeys(_PATH.groupindex, "")
        if match and not verb:
            verb = "get" if parts["name"] else "watch" if query.get("watch") in ("1", "true") else "list"
        plural = "/".join(filter(None, (parts["plural"], parts["part"])))
        asked = Asked(url.path, query, headers, plural, parts["namespace"], verb)
        with self.fake._lock:
            self.fake.requests.append(asked)
        fault = self.fake._take_fault(asked)
        if fault and fault.hang:
            self._wait_for_the_client_to_leave()
            return
        if fault:
            self._answer(fault.status, fault.body, fault.headers)
        elif self.fake.token and self.headers.get("Authorization") != f"Bearer {self.fake.token}":
            self._status(401, "Unauthorized", "Unauthorized")
        elif url.path == "/version":
            self._json({"major": "1", "minor": "36", "gitVersion": "v1.36.2", "platform": "linux/amd64"})
        elif (url.path, "") in self.fake._forbidden:
            message = f'forbidden: User "{self.fake.account}" cannot get path "{url.path}"'
            self._status(403, "Forbidden", message)
        elif url.path in ("/readyz", "/livez", "/healthz"):
            self._answer(200 if self.fake.ready else 500, b"ok" if self.fake.ready else b"not ok")
        elif found := served(list(self.fake.store.kinds.values()), url.path):
            self._json(found)
        elif verb == "create" and parts["plural"] in REVIEWS and (plural, verb) not in self.fake._forbidden:
            self._json(review(self.fake, plural, self.fake.account, json.loads(body)), 201)
        else:
            kinds = (k for k in list(self.fake.store.kinds.values()) if k.plural == parts["plural"])
            kind = next((k for k in kinds if k.root == parts["root"]), None)
            if kind is None:
                self._answer(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
            else:
                self._resource(kind, parts["name"], asked, body)

    def _resource(self, kind: Kind, name: str, asked: Asked, body: bytes) -> None:
        forbidden = self.fake._forbidden
        if (asked.plural, "") in forbidden or (asked.plural, asked.verb) in forbidden:
            scope = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
            message = (
                f'{kind.plural} is forbidden: User "{self.fake.account}" cannot {asked.verb} resource'
                f' "{asked.plural}" in API group "{kind.group}" {scope}'
            )
            self._status(403, "Forbidden", message, kind=kind.plural)
        elif asked.plural == "pods/log":
            self._log(name, asked)
        elif asked.verb == "get":
            obj = self.fake.store.get(kind.name, name, asked.namespace)
            if obj:
                self._json(obj)
            else:
                self._status(
                    404, "NotFound", f'{kind.plural} "{name}" not found', name=name, kind=kind.plural
                )
        elif asked.verb in ("create", "update"):
            self._write(kind, name, asked, body)
        elif asked.verb == "list":
            self._list(kind, asked)
        else:
            self._watch(kind, asked)

    def _write(self, kind: Kind, name: str, asked: Asked, body: bytes) -> None:
        try:
            written = write(self.fake, kind, asked.verb, name, asked.namespace, json.loads(body))
        except Refused as refused:
            self._status(*refused.answer)
        else:
            self._json(written, 201 if asked.verb == "create" else 200)

    def _log(self, name: str, asked: Asked) -> None:
        container, previous = asked.query.get("container", ""), asked.query.get("previous") == "true"
        text = self.fake._logs.get((asked.namespace, name, container, previous))
        if text is None:
            which = "previous terminated container" if previous else "container"
            message = f'{which} "{container}" in pod "{name}" not found'
            self._status(400, "BadRequest", message)
            return
        lines = text.splitlines(keepends=True)[-int(asked.query.get("tailLines", 10**9)) :]
        body = b"".join(lines)[: int(asked.query.get("limitBytes", 10**9))]
        self._answer(200, body, {"Content-Type": "text/plain"})

    def _list(self, kind: Kind, asked: Asked) -> None:
        try:
            limit = int(asked.query.get("limit", 0))
            chosen = field_selector(asked.query.get("fieldSelector", ""))
            token = asked.query.get("continue", "")
            page = self.fake.store.page(kind, asked.namespace, limit, token, chosen)
        except Expired:
            message = "The provided continue parameter is too old to display a consistent list result."
            self._status(410, "Expired", message)
        except BadToken as error:
            message = f"invalid continue token: continue key is not valid: {error}"
            self._status(400, "BadRequest", message)
        else:
            self._json(page)

    def _watch(self, kind: Kind, asked: Asked) -> None:
        fake, text = self.fake, asked.query.get("resourceVersion", "")
        if text and not text.isdecimal():
            self._status(500, "", f'resourceVersion: Invalid value: "{text}": invalid syntax')
            return
        version = int(text or 0)
        watch = Watch(kind, asked.namespace, asked.query.get("allowWatchBookmarks") in ("1", "true"))
        with fake._lock:
            expired = 0 < version < fake.store.compacted
            if expired and fake.gone_as_status:
                self._status(410, "Expired", f"too old resource version: {version} ({fake.store.compacted})")
                return
            if expired:
                message = f"too old resource version: {version} ({fake.store.compacted})"
                line = json.dumps({"type": "ERROR", "object": status_object(410, "Expired", message)})
                watch.frames.put(line.encode() + b"\n")
                watch.frames.put(END)
            elif version:
                for change in fake.store.since(version, kind, asked.namespace):
                    watch.frames.put(change.line())
            else:
                for obj in fake.store.of(kind, asked.namespace):
                    watch.frames.put(Change(0, "ADDED", kind, obj).line())
            # From the future: nothing is sent until the counter has caught up, and a test's never does.
            watch.silent = version > fake.store.version
            fake._watches.append(watch)
        try:
            self._stream(watch, float(asked.query.get("timeoutSeconds", 3600)))
        finally:
            with fake._lock:
                fake._watches.remove(watch)

    def _stream(self, watch: Watch, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            try:
                frame = watch.frames.get(timeout=0.05)
            except queue.Empty:
                if time.monotonic() > deadline:
                    break
                if self._client_left():
                    self.close_connection = True
                    return
                continue
            if frame is CUT:
                self.close_connection = True
                break_connection(self.connection)
                return
            if frame is END:
                break
            if not watch.silent:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
        self.wfile.write(b"0\r\n\r\n")

    def _client_left(self) -> bool:
        """Whether there is something to read: a client says nothing during a watch, so it has closed."""
        try:
            return bool(select.select([self.connection], [], [], 0)[0])
        except (OSError, ValueError):
            return True

    def _wait_for_the_client_to_leave(self) -> None:
        pause = threading.Event()
        while self.fake._http is self.server and not self._client_left():
            pause.wait(0.02)
        self.close_connection = True

    def _status(self, code: int, reason: str, message: str, **details: Any) -> None:
        self._json(status_object(code, reason, message, **details), code)

    def _json(self, document: JSON, status: int = 200) -> None:
        self._answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
