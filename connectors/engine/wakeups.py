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

EACH = 0.000_25
"""Seconds for which one message keeps a worker busy, and it need not be woken again: it asks for more itself.

Rather too long than too short, for a worker spends more time on a wake-up than on several messages.
"""

AT_MOST = 0.1
"""Seconds for which no connector is woken, however much there is to send: the workers may be many."""


class WakeUps:
    """Passes on the first request to wake a connector at once, and all that follow shortly after it as one.

    The more there is to send, the longer is that. None gets lost: what was asked for meanwhile is passed on
    when the time is over, by a thread that exists only as long as something is to be passed on.
    """

    def __init__(self, send: Callable[[int], None], seconds: float = SECONDS, each: float = EACH) -> None:
        """`seconds` pass at least between two wake-ups of a connector, and `each` for a message of its."""
        self._send = send
        self._seconds = seconds
        self._each = each
        self._start_afresh()
        # Of a forked process's threads only the one that forked lives on.
        os.register_at_fork(after_in_child=self._start_afresh)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._busy_until: dict[int, float] = {}
        self._quiet_until: dict[int, float] = {}
        self._asked: set[int] = set()
        self._running = False

    def ask(self, connector_id: int, messages: int = 1) -> None:
        """Has the connector woken now or in a moment, because of so many messages."""
        now = time.monotonic()
        with self._lock:
            busy_until = max(self._busy_until.get(connector_id, now), now) + messages * self._each
            self._busy_until[connector_id] = min(busy_until, now + AT_MOST)
            if now < self._quiet_until.get(connector_id, now):
                self._asked.add(connector_id)
                if not self._running:
                    self._running = True
                    threading.Thread(target=self._run, name="wake-ups", daemon=True).start()
                return
            self._keep_quiet(connector_id, now)
        self._send(connector_id)

    def forget(self) -> None:
        """As if nothing had been asked for so far."""
        with self._lock:
            self._busy_until.clear()
            self._quiet_until.clear()
            self._asked.clear()

    def _keep_quiet(self, connector_id: int, now: float) -> None:
        self._quiet_until[connector_id] = max(now + self._seconds, self._busy_until[connector_id])

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                now = time.monotonic()
                due = {key for key in self._asked if self._quiet_until[key] <= now}
                self._asked -= due
                for connector_id in due:
                    self._keep_quiet(connector_id, now)
                if not (due or self._asked):
                    self._quiet_until = {key: at for key, at in self._quiet_until.items() if at > now}
                    self._busy_until = {key: at for key, at in self._busy_until.items() if at > now}
                    self._running = False
                    return
                wait = min((self._quiet_until[key] for key in self._asked), default=now + self._seconds) - now
            for connector_id in due:
                try:
                    self._send(connector_id)
                except Exception:  # the thread must live on; the sweeper wakes the connector later
                    logger.exception("connector %s could not be woken", connector_id)
            pause.wait(wait)
