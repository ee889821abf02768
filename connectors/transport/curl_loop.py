"""Performs exchanges over libcurl's multi interface, in whichever thread turns the loop.

A loop keeps the connections it opened, for a short while. Loops are lent: a thread that drives conversations
borrows one and gives it back, so that connections are used again whichever thread comes next.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import pycurl

from connectors.transport import bounds
from connectors.transport.curl_exchange import Exchange, Handle, new_handle

_KEPT = 128
"""Connections that a loop keeps open for later, and handles."""


class Loop:
    """Exchanges under way in one thread. Only `wake` and `call_soon` may be called from another."""

    def __init__(self) -> None:
        self.used_at = time.monotonic()
        self._under_way: dict[Handle, Exchange] = {}
        self._spare: list[Handle] = []
        self._soon: deque[Callable[[], None]] = deque()
        self._due = float("inf")  # when libcurl wants to be asked again
        self._selector = selectors.DefaultSelector()
        self._asleep = False
        self._alarm, self._bell = socket.socketpair()
        for end in (self._alarm, self._bell):
            end.setblocking(False)
        self._selector.register(self._alarm, selectors.EVENT_READ)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, _KEPT)

    def start(self, exchange: Exchange) -> None:
        """Begins an exchange; its outcome is handed over in one of the next turns."""
        handle = self._spare.pop() if self._spare else new_handle()
        exchange.attach(handle)
        self._under_way[handle] = exchange
        self._multi.add_handle(handle)

    def turn(self, seconds: float | None = None) -> None:
        """Waits until something happens, `seconds` at most, and deals with it."""
        pause = self._due - time.monotonic()
        if seconds is not None:
            pause = min(pause, seconds)
        # What another thread did before it could see that we sleep is noticed here; what it does after that
        # rings the bell.
        self._asleep = True
        if self._soon:
            pause = 0.0
        ready = self._selector.select(None if pause == float("inf") else max(0.0, pause))
        self._asleep = False
        for key, events in ready:
            if key.fileobj is self._alarm:
                self._quiet()
                continue
            self._multi.socket_action(key.fd, _FOR_CURL[events])
        if self._due <= time.monotonic():
            self._due = float("inf")
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()
        while self._soon:
            self._soon.popleft()()

    def call_soon(self, action: Callable[[], None]) -> None:
        """Has the loop's own thread do this in its next turn."""
        self._soon.append(action)
        self.wake()

    def wake(self) -> None:
        """Ends the turn that is being waited in."""
        if self._asleep:
            with contextlib.suppress(BlockingIOError):  # it rings already
                self._bell.send(b"!")

    def abandon(self) -> None:
        """Cuts off whatever is under way."""
        for handle in list(self._under_way):
            self._end(handle)
        self._soon.clear()
        self._quiet()
        self.used_at = time.monotonic()

    def close(self) -> None:
        """Closes its connections."""
        self.abandon()
        for handle in self._spare:
            handle.close()
        self._multi.close()
        self._selector.close()
        self._alarm.close()
        self._bell.close()

    def _collect(self) -> None:
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            for handle in done:
                exchange = self._end(handle)
                exchange.take(exchange.answer(handle))
            for handle, code, text in failed:
                exchange = self._end(handle)
                exchange.take(exchange.failure(handle, code, text))

    def _end(self, handle: Handle) -> Exchange:
        self._multi.remove_handle(handle)
        if len(self._spare) < _KEPT:
            self._spare.append(handle)
        exchange = self._under_way.pop(handle)
        exchange.release()
        return exchange

    def _watch(self, what: int, descriptor: int, multi: object, data: object) -> None:
        """Called by libcurl to say which socket it waits for."""
        if what == pycurl.POLL_REMOVE:
            with contextlib.suppress(KeyError):
                self._selector.unregister(descriptor)
            return
        events = _FOR_SELECTOR[what]
        try:
            self._selector.modify(descriptor, events)
        except KeyError:
            self._selector.register(descriptor, events)

    def _set_timer(self, milliseconds: int) -> None:
        """Called by libcurl to say when it wants to be asked again; -1 for never."""
        self._due = float("inf") if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _quiet(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._alarm.recv(4096)


_FOR_SELECTOR = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}
_FOR_CURL = {
    selectors.EVENT_READ: pycurl.CSELECT_IN,
    selectors.EVENT_WRITE: pycurl.CSELECT_OUT,
    selectors.EVENT_READ | selectors.EVENT_WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}


class _Shelf:
    """The loops that nobody uses at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loops: list[Loop] = []

    def take(self) -> Loop:
        """The one used last, whose connections are the freshest. Those unused for long are closed."""
        with self._lock:
            oldest = time.monotonic() - bounds.IDLE_SECONDS
            fresh = [loop for loop in self._loops if loop.used_at > oldest]
            stale = [loop for loop in self._loops if loop.used_at <= oldest]
            self._loops = fresh
            found = fresh.pop() if fresh else None
        for loop in stale:
            loop.close()
        return found or Loop()

    def put(self, loop: Loop) -> None:
        with self._lock:
            self._loops.append(loop)


_shelf = _Shelf()
_parents: list[_Shelf] = []


def _start_afresh() -> None:
    # A forked process must not write to the connections of its parent, nor close them, which in TLS writes.
    global _shelf
    _parents.append(_shelf)
    _shelf = _Shelf()


os.register_at_fork(after_in_child=_start_afresh)


@contextlib.contextmanager
def borrowed() -> Iterator[Loop]:
    """A loop for this thread alone."""
    shelf = _shelf
    loop = shelf.take()
    try:
        yield loop
    except BaseException:
        loop.close()
        raise
    shelf.put(loop)
