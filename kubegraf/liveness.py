"""The heartbeats of worker and beat: they stop when the loop is stuck, and not when the broker is away.

A process that waits for its broker must not be restarted for that: it would be gone just when the broker
returns. One whose loop stands still although it is connected does nothing any more, and has to be.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from celery import bootsteps
from celery.beat import PersistentScheduler

from connectors import heartbeat

logger = logging.getLogger(__name__)

STUCK = 60.0
"""Seconds a connected worker's loop may take for one round before the heartbeat stops."""


class Liveness(bootsteps.StartStopStep):
    """Beats while the worker's loop goes round, and while there is no loop because there is no broker."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def __init__(self, consumer: Any, stuck: float = STUCK, **options: Any) -> None:
        super().__init__(consumer, **options)
        self.enabled = heartbeat.file() is not None
        self._stuck = stuck
        # When the loop last went round; None while it is not running.
        self._round: float | None = None
        self._timer: Any = None

    def create(self, consumer: Any) -> None:
        """Beat from here on. Called once, before the first attempt to connect."""
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def start(self, consumer: Any) -> None:
        """The loop is about to run: for the first time, or after the connection was lost."""
        self._went_round()
        self._timer = consumer.timer.call_repeatedly(heartbeat.INTERVAL, self._went_round)

    def stop(self, consumer: Any) -> None:
        """The loop has ended."""
        if self._timer:
            self._timer.cancel()
        self._timer = self._round = None

    def _went_round(self) -> None:
        self._round = time.monotonic()

    def _beat(self) -> None:
        pause = threading.Event()
        while True:
            last = self._round
            if last is None or time.monotonic() - last < self._stuck:
                heartbeat.beat()
            pause.wait(heartbeat.INTERVAL)


class Scheduler(PersistentScheduler):
    """Beats with every round of beat's loop, and with every failed attempt to reach the broker."""

    def tick(self, *args: Any, **options: Any) -> float:
        """Send what is due; the seconds until the next round."""
        heartbeat.beat()
        return min(super().tick(*args, **options), heartbeat.INTERVAL)

    def _ensure_connected(self) -> Any:
        # The first round waits in here until there is a broker.
        def failed(error: Exception, interval: float) -> None:
            logger.error("The broker cannot be reached: %s. Trying again in %s seconds.", error, interval)
            heartbeat.beat()

        return self.connection.ensure_connection(failed, self.app.conf.broker_connection_max_retries)
