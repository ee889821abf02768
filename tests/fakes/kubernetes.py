"""A Kubernetes API server for tests: real HTTP on loopback, and every fault a watcher must survive.

    with FakeKubernetes() as server:
        server.put(pod("web-1"))
        server.kubeconfig(tmp_path / "config")
        ...
        server.put(crash_looping(pod("web-1")))     # every open watch of pods is told
        server.cut_watches()                        # their connections break
        server.compact()                            # and the next watch from an old version is 410 Gone

Objects are dicts as the API would send them (see `tests.fakes.objects`). What was asked is in `requests`, and
`open_watches()` counts the streams, so that a test can wait on a condition.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from tests.fakes.serving import (
    ACCOUNT,
    CUT,
    END,
    Asked,
    Fault,
    Server,
    Watch,
    bookmark_line,
    break_connection,
    status_object,
)
from tests.fakes.store import JSON, Change, Kind, Store


class FakeKubernetes:
    """The server. Starts with `with` or `start()`; `stop()` and `start()` again keep port and objects.

    `token`: what a client must bear; "" lets everyone in. `tls`: serve https with this context.
    """

    def __init__(self, *, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.token = token
        self.tls = tls
        self.store = Store()
        self.account = ACCOUNT
        self.ready = True
        self.gone_as_status = False
        self.missing_namespaces: set[str] = set()
        self.requests: list[Asked] = []
        self.port = 0
        self._faults: list[Fault] = []
        self._logs: dict[tuple[str, str, str, bool], bytes] = {}
        self._forbidden: set[tuple[str, str]] = set()
        self._watches: list[Watch] = []
        self._connections: set[socket.socket] = set()
        self._lock = self.store.lock
        self._http: Server | None = None

    def __enter__(self) -> FakeKubernetes:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- on and off -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen on loopback: the port of last time, or a free one."""
        self._http = Server(self)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True, name="fake-api").start()

    def stop(self) -> None:
        """Go away: nothing listens, and every connection is broken."""
        if self._http is None:
            return
        self._http.shutdown()
        self._http.server_close()
        self._http = None
        with self._lock:
            self._faults.clear()
            for watch in self._watches:
                watch.frames.put(CUT)
            connections = list(self._connections)
        for connection in connections:
            break_connection(connection)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def kubeconfig(self, path: Path, *, context: str = "fake", **parts: JSON) -> Path:
        """Write `kubeconfig_text` to a file; its path."""
        path.write_text(self.kubeconfig_text(context=context, **parts))
        return path

    def kubeconfig_text(
        self, *, context: str = "fake", cluster: JSON | None = None, user: JSON | None = None
    ) -> str:
        """A kubeconfig for this server with that context; `cluster` adds to it, `user` replaces it."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": context, "cluster": {"server": self.url, **(cluster or {})}}],
            "users": [{"name": context, "user": user or ({"token": self.token} if self.token else {})}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        }
        return json.dumps(document, indent=2)

    # --- objects ----------------------------------------------------------------------------------------

    def put(self, obj: JSON) -> JSON:
        """Create or update an object and tell the watches; the object as stored."""
        with self._lock:
            change = self.store.put(obj)
            self._publish(change)
        return change.object

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Delete an object and tell the watches: `server.delete("Pod", "web-1", "shop")`."""
        served = self.store.kinds[kind]
        with self._lock:
            self._publish(
                self.store.delete(kind, name, namespace or ("default" if served.namespaced else ""))
            )

    def log(
        self,
        name: str,
        text: str | bytes,
        namespace: str = "default",
        *,
        container: str = "app",
        previous: bool = True,
    ) -> None:
        """What a pod's container logged, or in its `previous` run."""
        data = text.encode() if isinstance(text, str) else text
        self._logs[namespace, name, container, previous] = data

    def install(self, kind: Kind) -> None:
        """Serve another kind from now on, as when a CustomResourceDefinition is created."""
        with self._lock:
            self.store.kinds[kind.name] = kind

    def uninstall(self, kind: str) -> Kind:
        """Serve a kind no longer: its watches end, and its path answers 404 in plain text."""
        with self._lock:
            removed = self.store.kinds.pop(kind)
        self.end_watches(removed.plural)
        return removed

    def compact(self) -> None:
        """Forget history: a watch from an older version is told 410, a half-read list as well."""
        self.store.compact()

    def _publish(self, change: Change) -> None:
        for watch in self._watches:
            within = change.object["metadata"].get("namespace", "")
            if watch.kind == change.kind and watch.namespace in ("", within):
                watch.frames.put(change.line())

    # --- faults -----------------------------------------------------------------------------------------

    def fail_next(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | JSON = b"",
        *,
        plural: str = "",
        verb: str = "",
        times: int = 1,
    ) -> None:
        """Answer the next request(s) of that plural and verb (list, watch, get) with this instead."""
        if isinstance(body, dict):
            body = json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        with self._lock:
            self._faults += [Fault(status, dict(headers or {}), data, plural, verb) for _ in range(times)]

    def hang_next(self, *, plural: str = "", verb: str = "", times: int = 1) -> None:
        """Accept the next request(s) and never answer."""
        with self._lock:
            self._faults += [Fault(0, {}, b"", plural, verb, hang=True) for _ in range(times)]

    def forbid(self, plural: str, verb: str = "") -> None:
        """403 for a resource (for one verb, or for all) until `allow`."""
        self._forbidden.add((plural, verb))
        self.end_watches(plural)

    def allow(self, plural: str) -> None:
        """Take back `forbid`."""
        self._forbidden = {(forbidden, verb) for forbidden, verb in self._forbidden if forbidden != plural}

    def cut_watches(self, plural: str = "", *, after: bytes = b"") -> int:
        """Break the open watches' connections, having sent `after` (half a line, say); how many."""

        def cut(watch: Watch) -> None:
            if after:
                watch.frames.put(after)
            watch.frames.put(CUT)

        return self._each_watch(plural, cut)

    def end_watches(self, plural: str = "") -> int:
        """End the open watches as their timeout does: silently, with a proper last chunk."""
        return self._each_watch(plural, lambda watch: watch.frames.put(END))

    def half_open(self, plural: str = "") -> int:
        """Send nothing more on the open watches, while their connections stay."""

        def silence(watch: Watch) -> None:
            watch.silent = True

        return self._each_watch(plural, silence)

    def send_raw_line(self, line: bytes | str, plural: str = "") -> int:
        """Send a line, whatever it says, on the open watches; how many there were."""
        data = (line.encode() if isinstance(line, str) else line).rstrip(b"\n") + b"\n"
        return self._each_watch(plural, lambda watch: watch.frames.put(data))

    def send_error(self, code: int, reason: str, message: str, plural: str = "") -> int:
        """Send an ERROR line on the open watches, as for a version that has expired, and end them."""
        line = json.dumps({"type": "ERROR", "object": status_object(code, reason, message)})
        sent = self.send_raw_line(line, plural)
        self.end_watches(plural)
        return sent

    def bookmark(self, plural: str = "") -> int:
        """Send a bookmark of the present version on the open watches that asked for bookmarks."""

        def mark(watch: Watch) -> None:
            if watch.bookmarks:
                watch.frames.put(bookmark_line(watch.kind, self.store.version))

        return self._each_watch(plural, mark)

    def _each_watch(self, plural: str, act: Callable[[Watch], None]) -> int:
        with self._lock:
            chosen = [watch for watch in self._watches if plural in ("", watch.kind.plural)]
            for watch in chosen:
                act(watch)
        return len(chosen)

    # --- what was asked ---------------------------------------------------------------------------------

    def open_watches(self, plural: str = "") -> int:
        """How many watches are open now."""
        return self._each_watch(plural, lambda watch: None)

    def asked(self, verb: str = "", plural: str = "") -> list[Asked]:
        """The requests so far, oldest first."""
        with self._lock:
            return [a for a in self.requests if verb in ("", a.verb) and plural in ("", a.plural)]

    def _take_fault(self, asked: Asked) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.fits(asked):
                    self._faults.remove(fault)
                    return fault
        return None
