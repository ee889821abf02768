"""Keeps a burst of work from sending a task for each piece of it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

SECONDS = 0.01
"""A connector is woken once in this time at most, by one process."""


class WakeUps:
    """Passes on the first request to wake a connector at once, and all that follow shortly after it as one.

    None gets lost: what was asked for meanwhile is passed on when the time is over, by a thread that exists
    only as long as something is to be passed on.
    """

    def __init__(self, send: Callable[[int], None], seconds: float = SECONDS) -> None:
        self._send = send
        self._seconds = seconds
        self._start_afresh()
        # Of a forked process's threads only the one that forked lives on.
        os.register_at_fork(after_in_child=self._start_afresh)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._sent_at: dict[int, float] = {}
        self._asked: set[int] = set()
        self._running = False

    def ask(self, connector_id: int) -> None:
        """Has the connector woken now or in a moment."""
        now = time.monotonic()
        with self._lock:
            if now - self._sent_at.get(connector_id, -self._seconds) < self._seconds:
                self._asked.add(connector_id)
                if not self._running:
                    self._running = True
                    threading.Thread(target=self._run, name="wake-ups", daemon=True).start()
                return
            self._sent_at[connector_id] = now
        self._send(connector_id)

    def forget(self) -> None:
        """As if nothing had been asked for so far."""
        with self._lock:
            self._sent_at.clear()
            self._asked.clear()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._seconds)
            with self._lock:
                due, self._asked = self._asked, set()
                now = time.monotonic()
                self._sent_at |= dict.fromkeys(due, now)
                if not due:
                    self._sent_at = {key: at for key, at in self._sent_at.items() if now - at < self._seconds}
                    self._running = False
                    return
            for connector_id in due:
                try:
                    self._send(connector_id)
                except Exception:  # the thread must live on; the sweeper wakes the connector later
                    logger.exception("connector %s could not be woken", connector_id)
