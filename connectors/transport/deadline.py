"""Cuts connections when their time is up.

A socket's own time-out begins anew with every byte, so a receiver that sends one byte a second could hold us
for hours. Here one thread for the whole process watches the clock and shuts down every connection whose
exchange is over its time, whatever is being done with it: a TLS handshake, headers, a body, a mail dialogue.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from types import TracebackType
from typing import Self


class Deadline:
    """The time until which an exchange must be over; its connections do not outlast it.

    Used as a context manager around the exchange. `passed` says whether it cut the exchange off.
    """

    def __init__(self, at: float) -> None:
        """`at` is by time.monotonic()."""
        self.at = at
        self.passed = False
        self._lock = threading.Lock()
        self._held: list[socket.socket] = []

    @property
    def remaining(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self.at - time.monotonic())

    def hold(self, connection: socket.socket) -> None:
        """Cuts this connection, too, when the time is up."""
        # A duplicate survives what is done to the original, such as wrapping it for TLS, and shutting it
        # down shuts down the connection that both stand for.
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._held.append(duplicate)
            if self.passed:
                _shut_down(duplicate)

    def cut(self) -> None:
        """Shuts down the connections; whoever reads from them or writes to them gets an error."""
        with self._lock:
            self.passed = True
            for connection in self._held:
                _shut_down(connection)

    def __enter__(self) -> Self:
        _watchdog.watch(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _watchdog.forget(self)
        with self._lock:
            for connection in self._held:
                connection.close()
            self._held.clear()


def _shut_down(connection: socket.socket) -> None:
    # An error says that it is not connected any more: there is nothing to cut.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Watchdog:
    """The thread that watches the clock. It starts with the first deadline and sleeps while there is none."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[Deadline] = set()
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None

    def watch(self, deadline: Deadline) -> None:
        with self._changed:
            self._watched.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            if deadline.at < self._wakes_at:
                self._changed.notify()

    def forget(self, deadline: Deadline) -> None:
        with self._changed:
            self._watched.discard(deadline)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._wakes_at = min((deadline.at for deadline in self._watched), default=float("inf"))
                pause = self._wakes_at - time.monotonic()
                if pause > 0:
                    self._changed.wait(min(pause, threading.TIMEOUT_MAX))
                    continue
                over = [deadline for deadline in self._watched if deadline.at <= time.monotonic()]
                self._watched.difference_update(over)
            for deadline in over:
                deadline.cut()


_watchdog = _Watchdog()


def _start_afresh() -> None:
    global _watchdog
    _watchdog = _Watchdog()


# Of a forked process's threads only the one that forked lives on.
os.register_at_fork(after_in_child=_start_afresh)
