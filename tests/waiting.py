"""Waiting on a condition instead of sleeping and hoping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds in which anything happens even on a machine with too much to do. No promise is measured by it."""

BUSY = 5.0
"""Seconds that a busy machine may add to what is measured: far less than a missing limit would."""


def until(condition: Callable[[], T], timeout: float = PATIENCE, every: float = 0.02, what: str = "") -> T:
    """The first truthy value of `condition`, asked over and over; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}; last value {value!r}")
        pause.wait(every)
