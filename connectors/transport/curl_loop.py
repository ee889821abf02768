"""Performs exchanges over libcurl's multi interface, in whichever thread turns the loop.

A loop keeps the connections it opened, for a short while. Loops are lent: a thread that drives conversations
borrows one and gives it back, so that connections are used again whichever thread comes next.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pycurl

from connectors.conversation import Response
from connectors.errors import SendError
from connectors.transport import bounds
from connectors.transport.curl_exchange import Exchange, Handle

_KEPT = 128
"""Connections that a loop keeps open for later, and handles."""


class Loop:
    """Exchanges under way in one thread. Only `wake` and `call_soon` may be called from another."""

    def __init__(self) -> None:
        self.used_at = time.monotonic()
        self._under_way: set[Handle] = set()
        self._spare: list[Handle] = []
        self._soon: deque[Callable[[], None]] = deque()
        self._due = float("inf")  # when libcurl wants to be asked again
        # Told directly rather than by way of `selectors`: what is waited for changes twice in an exchange.
        self._sockets, self._second = _poller()
        self._asleep = False
        self._alarm, self._bell = socket.socketpair()
        for end in (self._alarm, self._bell):
            end.setblocking(False)
        self._sockets.register(self._alarm.fileno(), select.POLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, _KEPT)

    def start(self, exchange: Exchange) -> None:
        """Begins an exchange, which ends in one of the next turns."""
        handle = self._spare.pop() if self._spare else Handle()
        handle.begin(exchange)
        self._under_way.add(handle)
        self._multi.add_handle(handle)

    def turn(self, seconds: float | None = None) -> list[tuple[Exchange, Response | SendError]]:
        """Waits until something happens, `seconds` at most; returns what has ended, with its outcome."""
        pause = self._due - time.monotonic()
        if seconds is not None:
            pause = min(pause, seconds)
        # What another thread did before it could see that we sleep is noticed here; what it does after that
        # rings the bell.
        self._asleep = True
        if self._soon:
            pause = 0.0
        ready = self._sockets.poll(None if pause == float("inf") else max(0.0, pause) * self._second)
        self._asleep = False
        for descriptor, events in ready:
            if descriptor == self._alarm.fileno():
                self._quiet()
                continue
            self._multi.socket_action(descriptor, _FOR_CURL.get(events & _EITHER, _FOR_CURL[_EITHER]))
        if self._due <= time.monotonic():
            self._due = float("inf")
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        while self._soon:
            self._soon.popleft()()
        return list(self._ended())

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
        if hasattr(self._sockets, "close"):
            self._sockets.close()
        self._alarm.close()
        self._bell.close()

    def _ended(self) -> Iterator[tuple[Exchange, Response | SendError]]:
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            for handle in done:
                outcome = handle.answer()
                yield self._end(handle), outcome
            for handle, code, text in failed:
                outcome = handle.failure(code, text)
                yield self._end(handle), outcome

    def _end(self, handle: Handle) -> Exchange:
        self._multi.remove_handle(handle)
        self._under_way.remove(handle)
        if len(self._spare) < _KEPT:
            self._spare.append(handle)
        return handle.release()

    def _watch(self, what: int, descriptor: int, multi: object, data: object) -> None:
        """Called by libcurl to say which socket it waits for."""
        try:
            if what == pycurl.POLL_REMOVE:
                self._sockets.unregister(descriptor)
            else:
                self._sockets.register(descriptor, _FOR_POLL[what])
        except FileExistsError:
            self._sockets.modify(descriptor, _FOR_POLL[what])
        except (KeyError, OSError):  # it is not watched any more
            if what != pycurl.POLL_REMOVE:
                raise

    def _set_timer(self, milliseconds: int) -> None:
        """Called by libcurl to say when it wants to be asked again; -1 for never."""
        self._due = float("inf") if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _quiet(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._alarm.recv(4096)


def _poller() -> tuple[Any, float]:
    """Waits for sockets, and how long a second is to it."""
    if hasattr(select, "epoll"):
        return select.epoll(), 1.0
    return select.poll(), 1000.0


_EITHER = select.POLLIN | select.POLLOUT
_FOR_POLL = {pycurl.POLL_IN: select.POLLIN, pycurl.POLL_OUT: select.POLLOUT, pycurl.POLL_INOUT: _EITHER}
_FOR_CURL = {
    select.POLLIN: pycurl.CSELECT_IN,
    select.POLLOUT: pycurl.CSELECT_OUT,
    _EITHER: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
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
