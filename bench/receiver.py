"""A receiver of webhooks that is fast and does nothing else, in a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import selectors
import socket
import threading
import time
from multiprocessing.connection import Connection
from typing import Any, Self

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_CONTEXT = multiprocessing.get_context("spawn")


class Receiver:
    """Counts what it receives and remembers when, by the event's id."""

    def __init__(self) -> None:
        self._count: Any = _CONTEXT.RawValue("q", 0)
        self._control, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, self._count), daemon=True)
        self._process.start()
        self.port: int = self._control.recv()

    @property
    def url(self) -> str:
        """Where to send."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def count(self) -> int:
        """Requests so far."""
        return int(self._count.value)

    def wait_for(self, count: int, timeout: float) -> float:
        """Until there have been so many requests; the moment, by time.monotonic(). Raises TimeoutError."""
        pause, until = threading.Event(), time.monotonic() + timeout
        while self.count < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.count} of {count} requests came within {timeout:g} s")
            pause.wait(0.002)
        return time.monotonic()

    def times(self) -> dict[str, float]:
        """When each event was received first, by time.monotonic(); forgets them."""
        self._control.send("times")
        received: dict[str, float] = self._control.recv()
        return received

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def _serve(control: Connection, count: Any) -> None:
    selector = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    selector.register(control, selectors.EVENT_READ)
    control.send(listener.getsockname()[1])
    unread: dict[socket.socket, bytes] = {}
    times: dict[str, float] = {}
    while True:
        for key, _ in selector.select():
            caller: Any = key.fileobj
            if caller is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setblocking(False)
                unread[connection] = b""
                selector.register(connection, selectors.EVENT_READ)
            elif caller is control:
                try:
                    control.recv()
                except EOFError:
                    return
                control.send(times)
                times = {}
            else:
                _read(caller, selector, unread, times, count)


def _read(
    caller: socket.socket,
    selector: selectors.BaseSelector,
    unread: dict[socket.socket, bytes],
    times: dict[str, float],
    count: Any,
) -> None:
    piece = b""
    with contextlib.suppress(ConnectionError):
        piece = caller.recv(262_144)
    if not piece:
        selector.unregister(caller)
        del unread[caller]
        caller.close()
        return
    data = unread[caller] + piece
    while (end := data.find(b"\r\n\r\n")) >= 0:
        head = data[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(data) < end + 4 + length:
            break
        body, data = data[end + 4 : end + 4 + length], data[end + 4 + length :]
        caller.sendall(_ANSWER)
        count.value += 1
        times.setdefault(body[7:43].decode("ascii", "replace"), time.monotonic())  # {"id":"…
    unread[caller] = data
