"""Hands tasks over to the broker, without having everybody wait for one that is away or does not answer.

What is left out the sweeper does later, and whoever asked, a person at a page for instance, goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


class Handover:
    """The way of this process to the broker."""

    QUIET = 2.0
    """Seconds for which a broker that failed is not asked again."""
    SLOW = 0.5
    """Seconds after which nobody else begins to wait where somebody is waiting already."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._waiting: dict[int, float] = {}

    @property
    def waits(self) -> bool:
        """Whether the last task was not taken: what it is about goes out when the broker answers."""
        with self._lock:
            return self._is_away(time.monotonic())

    def to_broker(self, connector_id: int, send: Callable[[], object]) -> None:
        """Has that task sent, if the broker is there."""
        me, now = threading.get_ident(), time.monotonic()
        with self._lock:
            if self._is_away(now):
                return
            self._waiting[me] = now
        try:
            send()
        except OperationalError as error:
            self._quiet_until = time.monotonic() + self.QUIET
            logger.warning("the broker is away (%s); the sweeper will wake connector %s", error, connector_id)
        finally:
            with self._lock:
                del self._waiting[me]

    def _is_away(self, now: float) -> bool:
        return now < self._quiet_until or any(now - since > self.SLOW for since in self._waiting.values())
