"""An API server that serves pods it makes up, faster than they can be read: the other end of bench/watch.py.

`python -m bench.watch_server --pods 10000 --changes 50000` prints its address and serves until its standard
input ends. The pods are copies of a recorded one, each under a name, uid and owner of its own. A watch of
them brings `--changes` changes: with `--rate` so many a second, in each the time it was sent at; without,
as fast as they are taken. Of everything else there is nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

RECORDED = Path(__file__).parent.parent / "tests" / "data" / "watch"
SENT = "kubegraf.io/bench-sent"
"""The annotation that holds the time at which a change was sent."""
PODS_OF_ONE_OWNER = 10
PAUSE = 0.001
PAGE = 500
READY_MADE = 20_000
"""Up to so many pods, the list is made before it is asked for: what is measured is the other end."""

JSON = dict[str, Any]


class Template:
    """A recorded pod, of which copies can be made in a microsecond."""

    def __init__(self, pod: JSON, *, stamped: bool = False) -> None:
        metadata = pod["metadata"]
        metadata |= {"uid": "00000000-0000-4000-8000-@000number", "resourceVersion": "@version"}
        if stamped:
            metadata["annotations"] = {SENT: "@sent"}
        text = json.dumps(pod, separators=(",", ":")).replace("%", "%%")
        owner = metadata["ownerReferences"][0]["name"]
        text = text.replace(metadata["name"], f"{owner}-@number").replace(owner, "web-@owner-7d876db474")
        for name, form in (("@000number", "012d"), ("@number", "d"), ("@owner", "d"), ("@version", "d")):
            text = text.replace(name, f"%({name.strip('@0')}){form}")
        self._text = text.replace("@sent", "%(sent).6f")

    def copy(self, number: int, owner: int, version: int, sent: float = 0.0) -> str:
        """The JSON of one pod."""
        return self._text % {"number": number, "owner": owner, "version": version, "sent": sent}


def _recorded() -> tuple[JSON, JSON]:
    """A pod that runs, and the same in a crash loop."""
    with gzip.open(RECORDED / "pods.list.json.gz") as file:
        running = next(pod for pod in json.load(file)["items"] if pod["metadata"]["name"].startswith("web-"))
    with gzip.open(RECORDED / "pods.watch.jsonl.gz", "rt") as file:
        crashing = next(json.loads(line) for line in file if "CrashLoopBackOff" in line)
    return running, crashing["line"]["object"]


class Pods:
    """What is served."""

    def __init__(self, pods: int, changes: int, rate: float) -> None:
        running, crashing = _recorded()
        self._pods = pods
        self._changes = changes
        self._rate = rate
        self._item = Template({name: running[name] for name in ("metadata", "spec", "status")})
        self._running = Template({"kind": "Pod", "apiVersion": "v1", **running})
        self._crashing = Template(crashing, stamped=True)
        ready_made = range(0, pods if pods <= READY_MADE else 0, PAGE)
        self._pages = {first: self._page(PAGE, first) for first in ready_made}

    def page(self, limit: int, first: int) -> bytes:
        """A page of the list, which begins with that pod."""
        ready_made = self._pages.get(first) if limit == PAGE else None
        return ready_made or self._page(limit, first)

    def _page(self, limit: int, first: int) -> bytes:
        last = min(first + limit, self._pods)
        items = ",".join(self._item.copy(n, n // PODS_OF_ONE_OWNER, 1) for n in range(first, last))
        token = f',"continue":"{last}"' if last < self._pods else ""
        head = f'{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"1"{token}}}'
        return f'{head},"items":[{items}]}}'.encode()

    def changes(self) -> Iterator[str]:
        """The lines of a watch. At a rate, each is a pod of a Deployment of its own that begins to crash."""
        pause, began = threading.Event(), time.monotonic()
        for number in range(self._changes):
            if self._rate:
                while (early := began + number / self._rate - time.monotonic()) > 0:
                    pause.wait(min(early, PAUSE))
                pod = self._crashing.copy(number, 1_000_000 + number, 2 + number, time.time())
            else:
                pod_number = number % max(self._pods, 1)
                pod = self._running.copy(pod_number, pod_number // PODS_OF_ONE_OWNER, 2 + number)
            yield f'{{"type":"MODIFIED","object":{pod}}}\n'


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Requests of one connection, one after another."""
        while line := self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            url = urlsplit(line.split()[1].decode())
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            try:
                self._answer(url.path, query)
            except (BrokenPipeError, ConnectionResetError):
                return

    def _answer(self, path: str, query: dict[str, str]) -> None:
        group = path.split("/")[2] if path.startswith("/apis/") else ""
        if "/namespaces/" in path or ("." in group and not group.endswith(".k8s.io")):
            self._whole(b"{}", "404 Not Found")
        elif query.get("watch"):
            self._stream(path == "/api/v1/pods")
        elif path == "/api/v1/pods":
            limit, first = int(query.get("limit", PAGE)), int(query.get("continue", 0))
            self._whole(self.server.pods.page(limit, first))
        else:
            self._whole(b'{"metadata":{"resourceVersion":"1"},"items":[]}')

    def _whole(self, body: bytes, status: str = "200 OK") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def _stream(self, with_changes: bool) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.wfile.write(head)
        # Each line is a chunk of its own, as the API server's is, because it flushes after each.
        for line in self.server.pods.changes() if with_changes else ():
            self.wfile.write(f"{len(line):x}\r\n{line}\r\n".encode())
        self.server.ended.wait()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, pods: Pods) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pods = pods
        self.ended = threading.Event()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=0)
    parser.add_argument("--changes", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0)
    options = parser.parse_args()
    with _Server(Pods(options.pods, options.changes, options.rate)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.ended.set()
        server.shutdown()


if __name__ == "__main__":
    main()
