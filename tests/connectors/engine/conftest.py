"""What tests of the engine share: receivers on loopback, and time that can be passed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from pytest_django import Settings


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_HTTP = True
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time that stands still unless the test lets it pass: `clock.shift(30)`."""
    with time_machine.travel("2025-01-15T10:30:00Z", tick=False) as clock:
        yield clock
