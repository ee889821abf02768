"""Thousands of events at once: all arrive, each once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.receiver import Receiver
from tests.reliability.traffic import (
    crew,
    delivery_ids,
    happen,
    outcomes,
    received,
    subscribed,
    wait_until_all,
)
from tests.running import Processes

pytestmark = pytest.mark.django_db(transaction=True)


def test_thousands_of_events_at_once_arrive_once_each(
    receivers: Callable[..., Receiver], processes: Processes
) -> None:
    made = [receivers() for _ in range(2)]
    for number, receiver in enumerate(made):
        subscribed(receiver, f"hook-{number}")
    crew(processes, 2)

    for _ in range(5):
        happen(300)

    wait_until_all("delivered", 3000, 60)
    assert set(received(*made)) == delivery_ids()
    assert set(received(*made).values()) == {1}
    assert outcomes() == ["delivered"] * 3000
